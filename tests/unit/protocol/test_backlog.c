/* SPDX-License-Identifier: BSD-3-Clause */
/* Front ends that read slowly, late or never, and what they do to the others: a gigabyte of output
 * in a process whose memory has a bound. The front ends are SUBs on the test's own thread, and the
 * time that decides who is dead is set, not waited for. */

#include "protocol/backlog.h"

#include <sodium.h>
#include <stdio.h>
#include <zmq.h>

#include "base/json.h"
#include "protocol/channels_private.h"
#include "protocol/content.h"

#include "tests/unit/protocol/fixture.h"

#define WAIT_MS 30000
#define MB (1024 * 1024)
#define PIECE (64 * 1024)
#define GIGABYTE (1024 * MB / PIECE) /* in pieces */
#define FLOOD (16 * MB / PIECE)

/* What the process may need beyond what is unread: sockets, and what malloc() keeps. */
#define BESIDES_MB 64

struct stage {
    char *folder;
    uv_loop_t loop;
    struct connection *connection;
    struct session *session;
    struct channels *channels;
    int subscribed;
    void *context;
    char *content; /* of a piece */
    struct multipart inbox;
    long base_mb;
};

static void on_message(enum channel channel, struct message *message, void *data)
{
    (void)channel;
    (void)data;
    message_free(message);
}

static void on_subscribed(const char *topic, void *data)
{
    struct stage *stage = data;
    (void)topic;
    stage->subscribed++;
    uv_stop(&stage->loop);
}

static long resident_mb(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %ld", &pages), 1);
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE) / MB;
}

static int stage_open(void **state)
{
    static const struct channels_callbacks callbacks = {.message = on_message,
                                                        .subscribed = on_subscribed};
    struct stage *stage = xcalloc(1, sizeof *stage);
    AUTO_ERROR struct error err = ERROR_INIT;
    stage->folder = fixture_folder();
    stage->connection = fixture_connection("ipc", stage->folder);
    stage->connection->key_size = 0; /* signing a gigabyte takes longer than all else */
    stage->session = session_new(stage->connection);
    stage->context = zmq_ctx_new();
    stage->content = xmalloc(PIECE + 1);
    memset(stage->content, ' ', PIECE);
    uv_loop_init(&stage->loop);
    if (channels_open(&stage->loop, stage->connection, stage->session, &callbacks, stage,
                      &stage->channels, &err) != 0)
        fail_msg("%s", err.text);
    stage->base_mb = resident_mb();
    *state = stage;
    return 0;
}

static int stage_close(void **state)
{
    struct stage *stage = *state;
    zmq_ctx_term(stage->context);
    channels_close(stage->channels);
    uv_run(&stage->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&stage->loop), 0);
    session_free(stage->session);
    connection_free(stage->connection);
    fixture_remove(stage->folder);
    free(stage->content);
    free(stage);
    return 0;
}

/* A front end, once its subscription has come. */
static void *subscribe(struct stage *stage, int receive_max)
{
    AUTO_FREE char *endpoint = connection_endpoint(stage->connection, CHANNEL_IOPUB);
    void *socket = zmq_socket(stage->context, ZMQ_SUB);
    int zero = 0;
    int count = stage->subscribed + 1;
    zmq_setsockopt(socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &receive_max, sizeof receive_max);
    zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    while (stage->subscribed < count)
        uv_run(&stage->loop, UV_RUN_DEFAULT);
    return socket;
}

/* The next message, or NULL when none is there within the time. */
static struct message *receive(struct stage *stage, void *socket, long wait_ms)
{
    const struct connection *connection = stage->connection;
    zmq_pollitem_t item = {.socket = socket, .events = ZMQ_POLLIN};
    char signature[WIRE_SIGNATURE_SIZE + 1];
    if (zmq_poll(&item, 1, wait_ms) != 1)
        return NULL;
    assert_int_equal(multipart_receive(&stage->inbox, socket, SIZE_MAX), MULTIPART_TAKEN);
    struct message *message = wire_decode(connection->key, connection->key_size,
                                          stage->inbox.frames, stage->inbox.count, signature, NULL);
    multipart_release(&stage->inbox);
    assert_non_null(message);
    return message;
}

/* --- what is published ---------------------------------------------------------------------------- */

static char header_text[] = "{\"msg_id\":\"cell\",\"msg_type\":\"execute_request\"}";
static char piece_text[] = "{\"msg_id\":\"piece\",\"msg_type\":\"stream\"}";
static char topic[] = "stream";

static struct message request = {
    .parts = {[MESSAGE_HEADER] = {.data = header_text, .size = sizeof header_text - 1}}};

static void publish_status(struct stage *stage, const char *state)
{
    channels_send(stage->channels, CHANNEL_IOPUB,
                  &(struct outgoing){
                      .type = "status", .request = &request, .content = content_status(state)});
}

/* Streams as the companion's are passed on, numbered from 0. */
static void publish_pieces(struct stage *stage, int count, size_t size)
{
    AUTO_JSON json_t *header = json_loads(piece_text, 0, NULL);
    struct blob identity = {.data = topic, .size = sizeof topic - 1};
    struct message piece = {
        .identities = &identity, .identity_count = 1, .header = header, .type = "stream"};
    piece.parts[MESSAGE_CONTENT] = (struct blob){.data = stage->content, .size = size};
    for (int i = 0; i < count; i++) {
        memset(stage->content, ' ', size);
        int length = snprintf(stage->content, size, "{\"name\":\"stdout\",\"n\":%d", i);
        stage->content[length] = ' ';
        stage->content[size - 1] = '}';
        channels_send(stage->channels, CHANNEL_IOPUB,
                      &(struct outgoing){.relayed = &piece, .request = &request});
    }
}

static void publish_flood(struct stage *stage, int count, size_t size)
{
    publish_status(stage, "busy");
    publish_pieces(stage, count, size);
    publish_status(stage, "idle");
}

/* --- what comes ----------------------------------------------------------------------------------- */

/* Reads one flood from busy to idle: whole, or with a word about what is missing, before idle.
 * Returns the number of pieces that came. */
static int read_flood(struct stage *stage, void *socket, int count)
{
    int came = 0;
    unsigned long missing = 0;
    long last = -1;
    const char *state = "";
    for (bool first = true; strcmp(state, "idle") != 0; first = false) {
        AUTO(message) struct message *message = receive(stage, socket, WAIT_MS);
        assert_non_null(message);
        long number = -1;
        if (sscanf(message->parts[MESSAGE_CONTENT].data, "{\"name\":\"stdout\",\"n\":%ld",
                   &number) == 1) {
            assert_true(number > last);
            last = number;
            came++;
            continue;
        }
        const json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
        const json_t *parent = message_part(message, MESSAGE_PARENT, NULL);
        assert_string_equal(json_get_string(parent, "msg_id", ""), "cell");
        bool is_status = strcmp(message->type, "status") == 0;
        assert_int_equal(first, is_status && strcmp(json_get_string(content, "execution_state", ""),
                                                    "busy") == 0);
        state = is_status && !first ? "idle" : "";
        if (is_status)
            continue;
        unsigned long more;
        const char *text = json_get_string(content, "text", "");
        assert_string_equal(json_get_string(content, "name", ""), "stderr");
        assert_int_equal(sscanf(text, "[%lu messages of output", &more), 1);
        missing += more;
    }
    assert_int_equal(came + (int)missing, count);
    return came;
}

static void expect_bounded(const struct stage *stage, long max_mb)
{
    long more = resident_mb() - stage->base_mb;
    if (more > max_mb + BESIDES_MB)
        fail_msg("%ld MB more than at the start; %ld are allowed", more, max_mb + BESIDES_MB);
}

/* --- the tests ------------------------------------------------------------------------------------ */

/* A second of prints, not read yet: more than ZeroMQ's own thousand, and nothing is lost. */
static void many_small_messages_wait(void **state)
{
    struct stage *stage = *state;
    void *slow = subscribe(stage, 1);
    publish_flood(stage, 100000, 100);
    assert_int_equal(read_flood(stage, slow, 100000), 100000);
    assert_int_equal(channels_dropped(stage->channels)->unread, 0);
    zmq_close(slow);
}

static void what_is_not_read_is_left_out(void **state)
{
    struct stage *stage = *state;
    void *slow = subscribe(stage, 1);
    publish_flood(stage, GIGABYTE, PIECE);
    expect_bounded(stage, BACKLOG_OUTPUT_MAX / MB);
    assert_true(channels_dropped(stage->channels)->unread > 0);
    int came = read_flood(stage, slow, GIGABYTE);
    assert_in_range(came, BACKLOG_OUTPUT_MAX / PIECE / 2, GIGABYTE - 1);

    publish_flood(stage, FLOOD, PIECE); /* and all is well again */
    assert_int_equal(read_flood(stage, slow, FLOOD), FLOOD);
    zmq_close(slow);
}

/* States alone, beyond every limit. */
static void states_are_sent_always(void **state)
{
    struct stage *stage = *state;
    void *slow = subscribe(stage, 1);
    publish_flood(stage, GIGABYTE / 2, PIECE);
    for (int i = 0; i < 20000; i++)
        publish_flood(stage, 0, 0);
    read_flood(stage, slow, GIGABYTE / 2);
    for (int i = 0; i < 20000; i++)
        read_flood(stage, slow, 0);
    zmq_close(slow);
}

/* Makes it long ago that anybody has taken anything. */
static void pass_time(struct stage *stage)
{
    struct backlog *backlog = &stage->channels->links[CHANNEL_IOPUB].backlog;
    assert_int_not_equal(backlog->high_since, 0);
    backlog->high_since -= BACKLOG_PATIENCE_NS;
    atomic_store(&backlog->taken_at, backlog->high_since);
}

static void flood_whole(struct stage *stage, void *alive)
{
    publish_flood(stage, FLOOD, PIECE);
    assert_int_equal(read_flood(stage, alive, FLOOD), FLOOD);
}

/* Whoever reads loses nothing, whatever the other does: it is cut off before its backlog is full. */
static void the_dead_cost_the_living_nothing(void **state)
{
    struct stage *stage = *state;
    void *dead = subscribe(stage, 1);
    void *alive = subscribe(stage, 0);
    int whole = 0;
    while (stage->channels->links[CHANNEL_IOPUB].backlog.high_since == 0) {
        flood_whole(stage, alive);
        whole++;
    }
    pass_time(stage);
    for (; whole < GIGABYTE / FLOOD; whole++)
        flood_whole(stage, alive);
    assert_int_equal(channels_dropped(stage->channels)->unread, 0);
    expect_bounded(stage, BACKLOG_OUTPUT_MAX / MB);

    /* It reads again: first what waited, then what comes. */
    const char *last = "";
    for (int i = 0; strcmp(last, "starting") != 0; i++) {
        AUTO(message) struct message *message = receive(stage, dead, 0);
        if (message == NULL)
            publish_status(stage, "starting");
        else if (strcmp(message->type, "status") == 0)
            last = strcmp(json_get_string(message_part(message, MESSAGE_CONTENT, NULL),
                                          "execution_state", ""),
                          "starting") == 0
                       ? "starting"
                       : "";
    }
    zmq_close(dead);
    zmq_close(alive);
}

/* The worst: it is not known yet that the other is dead. Output is left out, which is said, for as long
 * as BACKLOG_PATIENCE_NS; then no more. */
static void output_faster_than_patience(void **state)
{
    struct stage *stage = *state;
    void *dead = subscribe(stage, 1);
    void *alive = subscribe(stage, 0);
    int came = FLOOD;
    while (came == FLOOD) {
        publish_flood(stage, FLOOD, PIECE);
        came = read_flood(stage, alive, FLOOD);
    }
    expect_bounded(stage, BACKLOG_OUTPUT_MAX / MB);
    pass_time(stage);
    for (int i = 0; i < GIGABYTE / FLOOD; i++)
        flood_whole(stage, alive);
    expect_bounded(stage, BACKLOG_MAX / MB);
    zmq_close(dead);
    flood_whole(stage, alive);
    zmq_close(alive);
}

static void nobody_there(void **state)
{
    struct stage *stage = *state;
    publish_flood(stage, GIGABYTE, PIECE);
    expect_bounded(stage, 0);
    assert_int_equal(channels_dropped(stage->channels)->unread, 0);
}

#define STAGED(test) cmocka_unit_test_setup_teardown(test, stage_open, stage_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STAGED(many_small_messages_wait),    STAGED(what_is_not_read_is_left_out),
        STAGED(states_are_sent_always),      STAGED(the_dead_cost_the_living_nothing),
        STAGED(output_faster_than_patience), STAGED(nobody_there),
    };
    alarm(600); /* what never comes must not hang the tests */
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
