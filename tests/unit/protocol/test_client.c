/* SPDX-License-Identifier: BSD-3-Clause */
/* A client and the channels it talks to, on one loop: what one passes on, the other gets, byte for
 * byte. */

#include "protocol/client.h"

#include <sodium.h>

#include "base/json.h"
#include "protocol/channels.h"
#include "protocol/content.h"

#include "tests/unit/protocol/fixture.h"

#define RELAYED 200

struct pair {
    const char *transport;
    char *folder;
    uv_loop_t loop;
    struct connection *connection;
    struct session *session; /* the kernel's */
    struct channels *channels;
    struct client *client;
    uv_timer_t later;

    /* What the kernel does with a message, and the client. */
    void (*asked)(struct pair *pair, enum channel channel, struct message *message);
    void (*told)(struct pair *pair, enum channel channel, struct message *message);

    char *msg_id;   /* of what the client sent */
    char *identity; /* that it came from */
    int kernel_count;
    int client_count;
    int passed_on;
    size_t refused_size;
    bool welcomed;
};

static void on_asked(enum channel channel, struct message *taken, void *data)
{
    struct pair *pair = data;
    AUTO(message) struct message *message = taken;
    pair->kernel_count++;
    pair->asked(pair, channel, message);
}

static void on_subscribed(const char *topic, void *data)
{
    struct pair *pair = data;
    channels_send(pair->channels, CHANNEL_IOPUB,
                  &(struct outgoing){.type = "iopub_welcome",
                                     .topic = topic,
                                     .content = content_iopub_welcome(topic)});
}

static const struct channels_callbacks callbacks = {.message = on_asked,
                                                    .subscribed = on_subscribed};

static void on_told(enum channel channel, struct message *taken, void *data)
{
    struct pair *pair = data;
    AUTO(message) struct message *message = taken;
    pair->client_count++;
    if (channel == CHANNEL_IOPUB && strcmp(message->type, "iopub_welcome") == 0)
        pair->welcomed = true;
    else
        pair->told(pair, channel, message);
}

static void open_kernel(struct pair *pair)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (channels_open(&pair->loop, pair->connection, pair->session, &callbacks, pair,
                      &pair->channels, &err) != 0)
        fail_msg("%s", err.text);
}

static void pair_open(struct pair *pair, const char *transport, bool with_kernel)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    pair->transport = transport;
    pair->folder = fixture_folder();
    uv_loop_init(&pair->loop);
    pair->connection = fixture_connection(transport, pair->folder);
    pair->session = session_new(pair->connection);
    if (with_kernel)
        open_kernel(pair);
    if (client_open(&pair->loop, pair->connection, on_told, pair, &pair->client, &err) != 0)
        fail_msg("%s", err.text);
}

static void pair_close(struct pair *pair)
{
    client_close(pair->client);
    channels_close(pair->channels);
}

/* Runs until both ends were closed. */
static void pair_run(struct pair *pair)
{
    uv_run(&pair->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&pair->loop), 0);
    session_free(pair->session);
    connection_free(pair->connection);
    free(pair->identity);
    free(pair->msg_id);
    fixture_remove(pair->folder);
}

static void ask_nothing(struct pair *pair, enum channel channel, struct message *message)
{
    (void)pair;
    (void)channel;
    fail_msg("an unexpected %s", message->type);
}

static void expect_blob(const struct blob *blob, const char *bytes, size_t size)
{
    assert_int_equal(blob->size, size);
    assert_memory_equal(blob->data, bytes, size);
}

static struct blob blob_of(const char *text)
{
    return (struct blob){.data = (char *)(uintptr_t)text, .size = strlen(text)};
}

/* --- what the client sends ------------------------------------------------------------------------ */

static void answer_ok(struct pair *pair, enum channel channel, struct message *message)
{
    assert_string_equal(message->session, client_session(pair->client));
    assert_string_equal(message->type, "kernel_info_request");
    assert_string_equal(message->msg_id, pair->msg_id);
    expect_blob(&message->parts[MESSAGE_PARENT], "{}", 2);
    expect_blob(&message->parts[MESSAGE_CONTENT], "{\"a\":1}", 7);
    channels_send(pair->channels, channel,
                  &(struct outgoing){
                      .type = "kernel_info_reply", .request = message, .content = content_ok()});
}

static void expect_answer(struct pair *pair, enum channel channel, struct message *message)
{
    json_t *parent = message_part(message, MESSAGE_PARENT, NULL);
    assert_int_equal(channel, CHANNEL_CONTROL);
    assert_string_equal(message->type, "kernel_info_reply");
    assert_string_equal(message->session, session_id(pair->session));
    assert_string_equal(json_get_string(parent, "msg_id", ""), pair->msg_id);
    assert_string_equal(json_get_string(parent, "session", ""), client_session(pair->client));
    pair_close(pair);
    pair_close(pair); /* allowed from a callback, and harmless twice */
}

static void a_request_is_answered(void **state)
{
    static const char *const transports[] = {"ipc", "tcp"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        struct pair pair = {.asked = answer_ok, .told = expect_answer};
        pair_open(&pair, transports[i], true);
        pair.msg_id = client_send(pair.client, CHANNEL_CONTROL, "kernel_info_request",
                                  json_pack("{s:i}", "a", 1));
        pair_run(&pair);
        assert_int_equal(pair.kernel_count, 1);
    }
}

/* --- what is passed on ---------------------------------------------------------------------------- */

/* Text no parser would give back as it was: spaces, numbers, keys twice, NaN. */
#define RELAYED_HEADER                                                                      \
    "{ \"msg_id\" : \"one\", \"msg_type\":\"execute_request\", \"session\":\"somebody's\"," \
    "\"date\":\"2026-01-01T00:00:00Z\",\"username\":\"\\u00fc\",\"version\":\"5.3\" }"
#define RELAYED_PARENT "{ }"
#define RELAYED_METADATA "{\"z\":1.50,\"a\":NaN,\"z\":2}"
#define RELAYED_CONTENT "{\"code\" : \"1\", \"n\":123456789012345678901234567890}"

static void relay_to_kernel(struct pair *pair)
{
    struct blob buffers[] = {blob_of("one"), blob_of(""), {.data = (char[]){0, 1, 2}, .size = 3}};
    struct message message = {.parts = {blob_of(RELAYED_HEADER), blob_of(RELAYED_PARENT),
                                        blob_of(RELAYED_METADATA), blob_of(RELAYED_CONTENT)},
                              .buffers = buffers,
                              .buffer_count = ARRAY_SIZE(buffers)};
    client_relay(pair->client, CHANNEL_SHELL, &message);
}

static void expect_relayed(const struct message *message)
{
    expect_blob(&message->parts[MESSAGE_METADATA], RELAYED_METADATA, strlen(RELAYED_METADATA));
    expect_blob(&message->parts[MESSAGE_CONTENT], RELAYED_CONTENT, strlen(RELAYED_CONTENT));
    assert_int_equal(message->buffer_count, 3);
    expect_blob(&message->buffers[0], "one", 3);
    expect_blob(&message->buffers[1], "", 0);
    expect_blob(&message->buffers[2], "\0\1\2", 3);
    assert_string_equal(message->msg_id, "one");
    assert_string_equal(json_get_string(message->header, "date", ""), "2026-01-01T00:00:00Z");
    assert_string_equal(json_get_string(message->header, "username", ""), "\u00fc");
}

/* The kernel gets it as it was, and passes it on to front ends (here: the same client) in turn. */
static void pass_on(struct pair *pair, enum channel channel, struct message *message)
{
    assert_int_equal(channel, CHANNEL_SHELL);
    expect_relayed(message);
    expect_blob(&message->parts[MESSAGE_HEADER], RELAYED_HEADER, strlen(RELAYED_HEADER));
    expect_blob(&message->parts[MESSAGE_PARENT], RELAYED_PARENT, strlen(RELAYED_PARENT));
    channels_send(pair->channels, CHANNEL_IOPUB, &(struct outgoing){.relayed = message});
    channels_send(pair->channels, CHANNEL_SHELL,
                  &(struct outgoing){.relayed = message, .request = message});
}

static void expect_passed_on(struct pair *pair, enum channel channel, struct message *message)
{
    expect_relayed(message);
    assert_string_equal(message->session, session_id(pair->session));
    if (channel == CHANNEL_SHELL) /* the request takes the parent's place */
        expect_blob(&message->parts[MESSAGE_PARENT], RELAYED_HEADER, strlen(RELAYED_HEADER));
    else
        expect_blob(&message->parts[MESSAGE_PARENT], RELAYED_PARENT, strlen(RELAYED_PARENT));
    if (++pair->passed_on == 2) /* one by each channel */
        pair_close(pair);
}

static void relay_once_subscribed(uv_timer_t *timer)
{
    struct pair *pair = timer->data;
    if (!pair->welcomed)
        return;
    uv_close((uv_handle_t *)timer, NULL);
    relay_to_kernel(pair);
}

static void bytes_are_kept(void **state)
{
    static const char *const transports[] = {"ipc", "tcp"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        struct pair pair = {.asked = pass_on, .told = expect_passed_on};
        pair_open(&pair, transports[i], true);
        uv_timer_init(&pair.loop, &pair.later);
        pair.later.data = &pair;
        uv_timer_start(&pair.later, relay_once_subscribed, 1, 1);
        pair_run(&pair);
    }
}

/* --- who speaks ----------------------------------------------------------------------------------- */

/* A kernel asks on stdin whoever sent the cell: by its identity. The client need not have said a word
 * there, only be connected; which the question waits for. */
static void ask_back(struct pair *pair, enum channel channel, struct message *message)
{
    if (channel == CHANNEL_SHELL) {
        channels_send(pair->channels, CHANNEL_STDIN,
                      &(struct outgoing){.type = "input_request",
                                         .request = message,
                                         .content = content_input_request("name? ", false)});
        pair->identity = xstrndup(message->identities[0].data, message->identities[0].size);
        return;
    }
    assert_int_equal(channel, CHANNEL_STDIN);
    assert_int_equal(message->identity_count, 1);
    expect_blob(&message->identities[0], pair->identity, strlen(pair->identity));
    pair_close(pair);
}

static void answer_back(struct pair *pair, enum channel channel, struct message *message)
{
    json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
    assert_int_equal(channel, CHANNEL_STDIN);
    assert_string_equal(message->type, "input_request");
    assert_string_equal(json_get_string(content, "prompt", ""), "name? ");
    free(client_send(pair->client, CHANNEL_STDIN, "input_reply", json_pack("{s:s}", "value", "x")));
}

static void one_identity_on_shell_and_stdin(void **state)
{
    static const char *const transports[] = {"ipc", "tcp"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        struct pair pair = {.asked = ask_back, .told = answer_back};
        pair_open(&pair, transports[i], true);
        free(client_send(pair.client, CHANNEL_SHELL, "execute_request", NULL));
        pair_run(&pair);
        assert_int_equal(pair.kernel_count, 2);
    }
}

/* --- order, lateness, ends ------------------------------------------------------------------------ */

static void expect_in_order(struct pair *pair, enum channel channel, struct message *message)
{
    json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
    (void)channel;
    assert_int_equal(json_get_int(content, "n", -1), pair->kernel_count - 1);
    if (pair->kernel_count == RELAYED)
        pair_close(pair);
}

static void bind_now(uv_timer_t *timer)
{
    struct pair *pair = timer->data;
    uv_close((uv_handle_t *)timer, NULL);
    open_kernel(pair);
}

/* All that was sent before there was a kernel arrives, once, in order. */
static void the_kernel_may_be_late(void **state)
{
    static const char *const transports[] = {"ipc", "tcp"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        struct pair pair = {.asked = expect_in_order, .told = ask_nothing};
        pair_open(&pair, transports[i], false);
        for (int n = 0; n < RELAYED; n++)
            free(client_send(pair.client, CHANNEL_SHELL, "execute_request",
                             json_pack("{s:i}", "n", n)));
        uv_timer_init(&pair.loop, &pair.later);
        pair.later.data = &pair;
        uv_timer_start(&pair.later, bind_now, 100,
                       0); /* ms; some attempts to connect have failed */
        pair_run(&pair);
        assert_int_equal(pair.kernel_count, RELAYED);
    }
}

static void answer_often(struct pair *pair, enum channel channel, struct message *message)
{
    for (int i = 0; i < RELAYED; i++)
        channels_send(
            pair->channels, channel,
            &(struct outgoing){.type = "reply", .request = message, .content = content_ok()});
}

static void close_at_once(struct pair *pair, enum channel channel, struct message *message)
{
    (void)channel;
    (void)message;
    pair_close(pair);
    free(client_send(pair->client, CHANNEL_SHELL, "too_late", NULL)); /* allowed, and nothing */
}

/* More answers are there; none is told after the close. */
static void closed_in_the_callback(void **state)
{
    (void)state;
    struct pair pair = {.asked = answer_often, .told = close_at_once};
    pair_open(&pair, "ipc", true);
    free(client_send(pair.client, CHANNEL_SHELL, "execute_request", NULL));
    pair_run(&pair);
    assert_int_equal(pair.client_count - pair.welcomed, 1);
}

static void nobody_to_close(void **state)
{
    (void)state;
    struct pair pair = {.asked = ask_nothing, .told = ask_nothing};
    client_close(NULL);
    pair_open(&pair, "ipc", false);
    free(client_send(pair.client, CHANNEL_SHELL, "execute_request", NULL)); /* never to arrive */
    pair_close(&pair);
    pair_run(&pair);
}

/* --- large ---------------------------------------------------------------------------------------- */

static void answer_large(struct pair *pair, enum channel channel, struct message *message)
{
    bool too_many = strcmp(message->type, "too_many") == 0;
    const size_t size = (size_t)WIRE_MESSAGE_MAX + 1;
    AUTO_FREE char *bytes = xcalloc(1, size);
    struct blob buffers[WIRE_FRAMES_MAX];
    for (size_t i = 0; i < WIRE_FRAMES_MAX; i++)
        buffers[i] = (struct blob){.data = bytes, .size = too_many ? 1 : size};
    channels_send(pair->channels, channel,
                  &(struct outgoing){.type = "reply",
                                     .request = message,
                                     .content = content_ok(),
                                     .buffers = buffers,
                                     .buffer_count = too_many ? WIRE_FRAMES_MAX : 1});
}

static void expect_large(struct pair *pair, enum channel channel, struct message *message)
{
    assert_int_equal(channel, CHANNEL_SHELL);
    assert_true(pair->refused_size > WIRE_FRAMES_MAX); /* the owner was told before */
    assert_int_equal(message->buffer_count, 1);
    assert_int_equal(message->buffers[0].size, (size_t)WIRE_MESSAGE_MAX + 1);
    pair_close(pair);
}

static void note_refused(enum channel channel, size_t size, void *data)
{
    struct pair *pair = data;
    assert_int_equal(channel, CHANNEL_SHELL);
    pair->refused_size = size;
}

/* A kernel of ours may send more than a front end, but not everything; what is refused here has too
 * many frames, which costs less memory to try than too many bytes. */
static void a_kernel_may_send_more(void **state)
{
    (void)state;
    struct pair pair = {.asked = answer_large, .told = expect_large};
    pair_open(&pair, "ipc", true);
    client_on_refused(pair.client, note_refused);
    free(client_send(pair.client, CHANNEL_SHELL, "too_many", NULL));
    free(client_send(pair.client, CHANNEL_SHELL, "large", NULL));
    pair_run(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(a_request_is_answered),           UNIT(bytes_are_kept),
        UNIT(one_identity_on_shell_and_stdin), UNIT(the_kernel_may_be_late),
        UNIT(closed_in_the_callback),          UNIT(nobody_to_close),
        UNIT(a_kernel_may_send_more),
    };
    alarm(120); /* a loop that never ends must not hang the tests */
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
