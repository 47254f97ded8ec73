/* SPDX-License-Identifier: BSD-3-Clause */
/* The channels on a loop that really sleeps, with a front end on a thread of its own. The front end
 * notes what it saw; the test's own thread asserts after both have ended. */

#include "protocol/channels.h"

#include <pthread.h>
#include <sodium.h>
#include <zmq.h>

#include "base/json.h"
#include "protocol/content.h"
#include "protocol/multipart.h"

#include "tests/unit/protocol/fixture.h"

#define BURST 20000
#define PING_PONG 500
#define WAIT_MS 30000

struct kernel {
    uv_loop_t loop;
    struct connection *connection;
    struct session *session;
    struct channels *channels;
    int message_count;
    int subscription_count;
    int on_control_count;
    struct channels_dropped dropped; /* when it closed */
    size_t largest_content;
    size_t buffer_count;
};

struct client {
    const struct connection *connection;
    void (*play)(struct client *client);
    void *context;
    void *sockets[CHANNEL_COUNT];
    struct multipart inbox;
    int id;
    /* What it saw. */
    int reply_count;
    int iopub_count;
    int bad_count;
    int last_id;
    bool echoed;
};

/* --- the kernel: answers everything with a reply and a status, ends at "shutdown_request" --------
 */

static void answer(enum channel channel, struct message *taken, void *data)
{
    struct kernel *kernel = data;
    AUTO(message) struct message *message = taken;
    kernel->message_count++;
    kernel->on_control_count += channel == CHANNEL_CONTROL;
    kernel->buffer_count += message->buffer_count;
    if (message->parts[MESSAGE_CONTENT].size > kernel->largest_content)
        kernel->largest_content = message->parts[MESSAGE_CONTENT].size;
    channels_send(kernel->channels, CHANNEL_IOPUB,
                  &(struct outgoing){
                      .type = "status", .request = message, .content = content_status("busy")});
    channels_send(kernel->channels, channel,
                  &(struct outgoing){.type = "reply",
                                     .request = message,
                                     .content = content_ok(),
                                     .buffers = message->buffers,
                                     .buffer_count = message->buffer_count});
    if (strcmp(message->type, "shutdown_request") == 0) {
        kernel->dropped = *channels_dropped(kernel->channels);
        channels_close(kernel->channels);
    }
}

static void welcome(const char *topic, void *data)
{
    struct kernel *kernel = data;
    kernel->subscription_count++;
    channels_send(kernel->channels, CHANNEL_IOPUB,
                  &(struct outgoing){.type = "iopub_welcome",
                                     .topic = topic,
                                     .content = content_iopub_welcome(topic)});
}

static const struct channels_callbacks callbacks = {.message = answer, .subscribed = welcome};

static int kernel_open(struct kernel *kernel, struct error *err)
{
    uv_loop_init(&kernel->loop);
    kernel->session = session_new(kernel->connection);
    int result = channels_open(&kernel->loop, kernel->connection, kernel->session, &callbacks,
                               kernel, &kernel->channels, err);
    if (result != 0)
        session_free(steal(&kernel->session));
    return result;
}

/* Runs until the channels have been closed and the loop is empty. */
static void kernel_run(struct kernel *kernel)
{
    uv_run(&kernel->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&kernel->loop), 0);
    session_free(kernel->session);
}

/* --- the front end ------------------------------------------------------------------------------
 */

static void *client_socket(struct client *client, enum channel channel, int type)
{
    AUTO_FREE char *endpoint = connection_endpoint(client->connection, channel);
    void *socket = zmq_socket(client->context, type);
    int unlimited = 0;
    int few = 10; /* so that a burst of replies waits in the kernel's queues, not in ours */
    int wait = WAIT_MS;
    int soon = 10;
    zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &few, sizeof few);
    zmq_setsockopt(socket, ZMQ_LINGER, &unlimited, sizeof unlimited);
    zmq_setsockopt(socket, ZMQ_RCVTIMEO, &wait, sizeof wait);
    zmq_setsockopt(socket, ZMQ_RECONNECT_IVL, &soon, sizeof soon);
    zmq_connect(socket, endpoint);
    client->sockets[channel] = socket;
    return socket;
}

static void client_send(struct client *client, enum channel channel, const char *type,
                        struct frame content, size_t buffer_count)
{
    void *socket = client->sockets[channel];
    char signature[WIRE_SIGNATURE_SIZE];
    size_t size;
    AUTO_FREE char *header = xasprintf("{\"msg_id\": \"%d\", \"msg_type\": \"%s\", \"session\": "
                                       "\"front\"}",
                                       ++client->id, type);
    const struct frame parts[MESSAGE_PARTS] = {fixture_frame(header), fixture_frame("{}"),
                                               fixture_frame("{}"), content};
    wire_sign(client->connection->key, client->connection->key_size, parts, signature, &size);
    multipart_send(socket, WIRE_DELIMITER, strlen(WIRE_DELIMITER), true);
    multipart_send(socket, signature, size, true);
    for (size_t i = 0; i < MESSAGE_PARTS; i++)
        multipart_send(socket, parts[i].data, parts[i].size, i < 3 || buffer_count > 0);
    for (size_t i = 0; i < buffer_count; i++)
        multipart_send(socket, "\0\1", 2, i + 1 < buffer_count);
}

/* Waits for one message and checks it as Jupyter's own front ends do; NULL when it is wrong or none
 * came. */
static struct message *client_receive(struct client *client, enum channel channel)
{
    zmq_pollitem_t item = {.socket = client->sockets[channel], .events = ZMQ_POLLIN};
    char signature[WIRE_SIGNATURE_SIZE + 1];
    if (zmq_poll(&item, 1, WAIT_MS) != 1 ||
        multipart_receive(&client->inbox, item.socket, SIZE_MAX) != MULTIPART_TAKEN) {
        client->bad_count++;
        return NULL;
    }
    struct message *message =
        wire_decode(client->connection->key, client->connection->key_size, client->inbox.frames,
                    client->inbox.count, signature, NULL);
    multipart_release(&client->inbox);
    client->bad_count += message == NULL;
    return message;
}

static void client_expect_reply(struct client *client, enum channel channel)
{
    AUTO(message) struct message *message = client_receive(client, channel);
    if (message == NULL)
        return;
    const json_t *parent = message_part(message, MESSAGE_PARENT, NULL);
    client->last_id = atoi(json_get_string(parent, "msg_id", "0"));
    client->reply_count++;
}

static void client_shut_down(struct client *client)
{
    client_send(client, CHANNEL_CONTROL, "shutdown_request", fixture_frame("{}"), 0);
    client_expect_reply(client, CHANNEL_CONTROL);
}

static void *client_thread(void *data)
{
    struct client *client = data;
    client->context = zmq_ctx_new();
    client_socket(client, CHANNEL_SHELL, ZMQ_DEALER);
    client_socket(client, CHANNEL_CONTROL, ZMQ_DEALER);
    client->play(client);
    client_shut_down(client);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (client->sockets[i] != NULL)
            zmq_close(client->sockets[i]);
    zmq_ctx_term(client->context);
    return NULL;
}

/* Opens the kernel and plays the script against it until both have ended. */
static void run(struct kernel *kernel, struct client *client, const char *transport,
                void (*play)(struct client *client))
{
    char *folder = fixture_folder();
    AUTO_ERROR struct error err = ERROR_INIT;
    pthread_t thread;
    *kernel = (struct kernel){.connection = fixture_connection(transport, folder)};
    memset(client, 0, sizeof *client);
    client->connection = kernel->connection;
    client->play = play;
    if (kernel_open(kernel, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(pthread_create(&thread, NULL, client_thread, client), 0);
    kernel_run(kernel);
    pthread_join(thread, NULL);
    if (strcmp(transport, "ipc") == 0) {
        AUTO_FREE char *left = xasprintf("%s/kernel-%d", folder, kernel->connection->ports[0]);
        assert_false(file_exists(left));
    }
    connection_free(kernel->connection);
    fixture_remove(folder);
    assert_int_equal(client->bad_count, 0);
}

/* --- the tests ----------------------------------------------------------------------------------
 */

static void burst_then_ping_pong(struct client *client)
{
    for (int i = 0; i < BURST; i++)
        client_send(client, CHANNEL_SHELL, "kernel_info_request", fixture_frame("{}"), 0);
    for (int i = 0; i < BURST && client->bad_count == 0; i++) {
        client_expect_reply(client, CHANNEL_SHELL);
        client->bad_count += client->last_id != i + 1;
    }
    for (int i = 0; i < PING_PONG && client->bad_count == 0; i++) {
        client_send(client, CHANNEL_SHELL, "kernel_info_request", fixture_frame("{}"), 0);
        client_expect_reply(client, CHANNEL_SHELL);
    }
}

static void every_message_arrives_in_order(void **state)
{
    (void)state;
    static const char *const transports[] = {"ipc", "tcp"};
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        struct kernel kernel;
        AUTO_FREE struct client *client = xcalloc(1, sizeof *client);
        run(&kernel, client, transports[i], burst_then_ping_pong);
        assert_int_equal(kernel.message_count, BURST + PING_PONG + 1);
        assert_int_equal(kernel.on_control_count, 1);
        assert_int_equal(client->reply_count, BURST + PING_PONG + 1);
    }
}

/* The edge of an input may be eaten by a send: here the kernel sends on IOPub all the time while
 * subscriptions arrive on the same socket. */
static void subscribe_while_busy(struct client *client)
{
    void *iopub = client_socket(client, CHANNEL_IOPUB, ZMQ_SUB);
    zmq_setsockopt(iopub, ZMQ_SUBSCRIBE, "first", 5);
    AUTO(message) struct message *first = client_receive(client, CHANNEL_IOPUB);
    for (int i = 0; i < 200; i++) {
        AUTO_FREE char *topic = xasprintf("topic-%d", i);
        client_send(client, CHANNEL_SHELL, "kernel_info_request", fixture_frame("{}"), 0);
        zmq_setsockopt(iopub, ZMQ_SUBSCRIBE, topic, strlen(topic));
        AUTO(message) struct message *message = client_receive(client, CHANNEL_IOPUB);
        if (message == NULL)
            return;
        const json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
        client->bad_count += strcmp(message->type, "iopub_welcome") != 0;
        client->bad_count += strcmp(json_get_string(content, "subscription", ""), topic) != 0;
        client->iopub_count++;
        client_expect_reply(client, CHANNEL_SHELL);
    }
    zmq_setsockopt(iopub, ZMQ_SUBSCRIBE, "\xff", 1); /* not text: no welcome */
    zmq_setsockopt(iopub, ZMQ_UNSUBSCRIBE, "first", 5);
}

static void every_subscription_is_seen(void **state)
{
    (void)state;
    struct kernel kernel;
    AUTO_FREE struct client *client = xcalloc(1, sizeof *client);
    run(&kernel, client, "ipc", subscribe_while_busy);
    assert_int_equal(client->iopub_count, 200);
    assert_int_equal(kernel.subscription_count, 201);
}

/* JEP 65 wants a welcome for each subscriber, also for a topic that others have already. */
static void subscribe_twice(struct client *client)
{
    void *first = client_socket(client, CHANNEL_IOPUB, ZMQ_SUB);
    zmq_setsockopt(first, ZMQ_SUBSCRIBE, "", 0);
    AUTO(message) struct message *welcome_first = client_receive(client, CHANNEL_IOPUB);
    void *second = client_socket(client, CHANNEL_IOPUB, ZMQ_SUB);
    zmq_setsockopt(second, ZMQ_SUBSCRIBE, "", 0);
    AUTO(message) struct message *welcome_second = client_receive(client, CHANNEL_IOPUB);
    client->iopub_count = (welcome_first != NULL) + (welcome_second != NULL);
    zmq_close(first);
}

static void each_subscriber_of_a_topic_is_seen(void **state)
{
    (void)state;
    struct kernel kernel;
    AUTO_FREE struct client *client = xcalloc(1, sizeof *client);
    run(&kernel, client, "tcp", subscribe_twice);
    assert_int_equal(client->iopub_count, 2);
    assert_int_equal(kernel.subscription_count, 2);
}

static void beat(struct client *client)
{
    void *hb = client_socket(client, CHANNEL_HB, ZMQ_REQ);
    char reply[8] = "";
    for (int i = 0; i < 3; i++) {
        zmq_send(hb, "ping", 4, 0);
        client->echoed = zmq_recv(hb, reply, sizeof reply, 0) == 4 && memcmp(reply, "ping", 4) == 0;
    }
}

static void the_heartbeat_echoes(void **state)
{
    (void)state;
    struct kernel kernel;
    AUTO_FREE struct client *client = xcalloc(1, sizeof *client);
    run(&kernel, client, "tcp", beat);
    assert_true(client->echoed);
}

/* Everything here is dropped; the last one shows that the kernel is still well. */
static void misbehave(struct client *client)
{
    void *shell = client->sockets[CHANNEL_SHELL];
    for (int i = 0; i < 2; i++) { /* the same message twice: the second is a replay */
        client->id = 70;
        client_send(client, CHANNEL_SHELL, "kernel_info_request", fixture_frame("{}"), 0);
    }
    client_expect_reply(client, CHANNEL_SHELL);
    const char *const forged[] = {WIRE_DELIMITER, "forged", "{}", "{}", "{}", "{}"};
    for (size_t i = 0; i < ARRAY_SIZE(forged); i++)
        multipart_send(shell, forged[i], strlen(forged[i]), i + 1 < ARRAY_SIZE(forged));
    multipart_send(shell, "", 0, false);
    multipart_send(shell, WIRE_DELIMITER, strlen(WIRE_DELIMITER), false);
    for (int i = 0; i < WIRE_FRAMES_MAX + 10; i++)
        multipart_send(shell, "x", 1, i + 1 < WIRE_FRAMES_MAX + 10);
    client_send(client, CHANNEL_SHELL, "kernel_info_request", fixture_frame("{}"), 2000);
    AUTO_FREE char *half = xcalloc(1, WIRE_MESSAGE_MAX / 2 + 1);
    for (int i = 0; i < 3; i++) /* each frame is within the limit, the message is not */
        multipart_send(shell, half, WIRE_MESSAGE_MAX / 2 + 1, i < 2);
    client_send(client, CHANNEL_SHELL, "good_request", fixture_frame("{}"), 3);
    client_expect_reply(client, CHANNEL_SHELL);
}

static void bad_messages_are_dropped(void **state)
{
    (void)state;
    struct kernel kernel;
    AUTO_FREE struct client *client = xcalloc(1, sizeof *client);
    run(&kernel, client, "ipc", misbehave);
    assert_int_equal(kernel.message_count, 3);
    assert_int_equal(kernel.buffer_count, 3);
    assert_int_equal(kernel.dropped.forged, 1);
    assert_int_equal(kernel.dropped.replayed, 1);
    assert_int_equal(kernel.dropped.malformed, 2);
    assert_int_equal(kernel.dropped.oversized, 3);
    assert_int_equal(kernel.dropped.unread, 0);
    assert_int_equal(client->reply_count, 3);
}

static void send_much(struct client *client)
{
    const size_t size = 16u * 1024 * 1024;
    AUTO_FREE char *text = xmalloc(size);
    memset(text, ' ', size);
    text[0] = '{';
    text[size - 1] = '}';
    client_send(client, CHANNEL_SHELL, "kernel_info_request",
                (struct frame){.data = text, .size = size}, 0);
    client_expect_reply(client, CHANNEL_SHELL);
}

static void large_messages_pass(void **state)
{
    (void)state;
    struct kernel kernel;
    AUTO_FREE struct client *client = xcalloc(1, sizeof *client);
    run(&kernel, client, "tcp", send_much);
    assert_int_equal(kernel.largest_content, 16u * 1024 * 1024);
}

static void expect_bind_fails(struct connection *connection, enum error_code code, const char *says)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct kernel kernel = {.connection = connection};
    assert_int_equal(kernel_open(&kernel, &err), -1);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, says));
    assert_int_equal(uv_loop_close(&kernel.loop), 0); /* nothing was left on it */
}

static void close_now(struct kernel *kernel)
{
    channels_close(kernel->channels);
    kernel_run(kernel);
}

static void a_taken_address_is_an_error(void **state)
{
    (void)state;
    static const char *const transports[] = {"ipc", "tcp"};
    for (size_t i = 0; i < ARRAY_SIZE(transports); i++) {
        char *folder = fixture_folder();
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO(connection)
        struct connection *connection = fixture_connection(transports[i], folder);
        struct kernel first = {.connection = connection};
        assert_int_equal(kernel_open(&first, &err), 0);

        /* Only the last channel of the second kernel collides: the others must be let go. */
        AUTO(connection)
        struct connection *second = fixture_connection(transports[i], folder);
        for (int j = 0; j < CHANNEL_HB; j++)
            second->ports[j] += strcmp(transports[i], "ipc") == 0 ? 10 : 0;
        second->ports[CHANNEL_HB] = connection->ports[CHANNEL_HB];
        expect_bind_fails(second, ERROR_BUSY, "the hb channel");
        close_now(&first);

        struct kernel third = {.connection = second};
        assert_int_equal(kernel_open(&third, &err), 0);
        close_now(&third);
        fixture_remove(folder);
    }
}

static void leave_stale_socket(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
}

static void a_dead_kernels_socket_file_is_replaced(void **state)
{
    (void)state;
    char *folder = fixture_folder();
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(connection) struct connection *connection = fixture_connection("ipc", folder);
    AUTO_FREE char *path = file_join(folder, "kernel-1");
    leave_stale_socket(path);
    struct kernel kernel = {.connection = connection};
    assert_int_equal(kernel_open(&kernel, &err), 0);
    close_now(&kernel);

    /* What is no socket is somebody's file. */
    assert_int_equal(file_write(path, "precious", 8, 0600, &err), 0);
    expect_bind_fails(connection, ERROR_EXISTS, "kernel-1 is in the way");
    AUTO_BUF struct buf text = BUF_INIT;
    assert_int_equal(file_read(path, 100, &text, &err), 0);
    assert_string_equal(text.data, "precious");
    fixture_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(every_message_arrives_in_order),     UNIT(every_subscription_is_seen),
        UNIT(each_subscriber_of_a_topic_is_seen), UNIT(the_heartbeat_echoes),
        UNIT(bad_messages_are_dropped),           UNIT(large_messages_pass),
        UNIT(a_taken_address_is_an_error),        UNIT(a_dead_kernels_socket_file_is_replaced),
    };
    alarm(300); /* a loop that never ends must not hang the tests */
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
