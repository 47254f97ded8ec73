/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A front end whose stdin connects after its cell has asked. The question waits for it, as long as
 * the cell does.
 */
#include <poll.h>

#include "protocol/multipart.h"
#include "protocol/session.h"
#include "tests/integration/kernel_fixture.h"

/* --- a raw socket of a front end of our own ------------------------------------------------------- */

struct peer {
    void *context;
    void *socket;
};

static struct peer peer_open(const struct frontend *frontend, enum channel channel,
                             const char *identity)
{
    struct peer peer = {.context = zmq_ctx_new()};
    AUTO_FREE char *endpoint = connection_endpoint(frontend_connection(frontend), channel);
    int zero = 0;
    int one = 1;
    peer.socket = zmq_socket(peer.context, ZMQ_DEALER);
    zmq_setsockopt(peer.socket, ZMQ_IMMEDIATE, &one, sizeof one); /* writable: connected */
    zmq_setsockopt(peer.socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(peer.socket, ZMQ_ROUTING_ID, identity, strlen(identity));
    assert_int_equal(zmq_connect(peer.socket, endpoint), 0);
    return peer;
}

static void peer_close(struct peer *peer)
{
    zmq_close(peer->socket);
    zmq_ctx_term(peer->context);
}

/* Sends a message signed as by a session of its own. Returns its id; the caller frees it. */
static char *peer_send(const struct peer *peer, struct session *session, const char *type,
                       const char *content)
{
    const struct connection *connection = session_connection(session);
    AUTO_JSON json_t *header = session_header(session, type);
    AUTO_FREE char *text = json_text(header);
    char signature[WIRE_SIGNATURE_SIZE];
    size_t size;
    const struct frame parts[MESSAGE_PARTS] = {
        {text, strlen(text)}, {"{}", 2}, {"{}", 2}, {content, strlen(content)}};
    wire_sign(connection->key, connection->key_size, parts, signature, &size);
    zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLOUT};
    assert_int_equal(zmq_poll(&item, 1, FRONTEND_WAIT_MS), 1);
    multipart_send(peer->socket, WIRE_DELIMITER, strlen(WIRE_DELIMITER), true);
    multipart_send(peer->socket, signature, size, true);
    for (size_t i = 0; i < MESSAGE_PARTS; i++)
        multipart_send(peer->socket, parts[i].data, parts[i].size, i + 1 < MESSAGE_PARTS);
    return xstrdup(json_get_string(header, "msg_id", ""));
}

static struct message *peer_receive(const struct peer *peer, const struct session *session)
{
    const struct connection *connection = session_connection(session);
    zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};
    AUTO_FREE struct multipart *inbox = xcalloc(1, sizeof *inbox);
    char signature[WIRE_SIGNATURE_SIZE + 1];
    assert_int_equal(zmq_poll(&item, 1, FRONTEND_WAIT_MS), 1);
    assert_int_equal(multipart_receive(inbox, peer->socket, SIZE_MAX), MULTIPART_TAKEN);
    struct message *message = wire_decode(connection->key, connection->key_size, inbox->frames,
                                          inbox->count, signature, NULL);
    multipart_release(inbox);
    assert_non_null(message);
    return message;
}

/* --- the tests ------------------------------------------------------------------------------------ */

#define ASKING "{\"code\":\"ask name? \",\"allow_stdin\":true}"

/* The cell asks before there is anybody on stdin; the question waits for its front end. The 300 ms
 * are what is tested, not what is waited for. */
static void test_connects_late(void **state)
{
    struct frontend *frontend = *state;
    AUTO(session) struct session *session = session_new(frontend_connection(frontend));
    struct peer shell = peer_open(frontend, CHANNEL_SHELL, "late");
    AUTO_FREE char *msg_id = peer_send(&shell, session, "execute_request", ASKING);
    frontend_message_free(frontend_recv_iopub(frontend, msg_id, "execute_input"));
    poll(NULL, 0, 300);
    struct peer other = peer_open(frontend, CHANNEL_STDIN, "other"); /* not the asked */
    struct peer input = peer_open(frontend, CHANNEL_STDIN, "late");
    AUTO(message) struct message *question = peer_receive(&input, session);
    assert_string_equal(question->type, "input_request");
    assert_string_equal(json_get_string(message_part(question, MESSAGE_PARENT, NULL), "msg_id", ""),
                        msg_id);
    assert_string_equal(
        json_get_string(message_part(question, MESSAGE_CONTENT, NULL), "prompt", ""), "name? ");
    free(peer_send(&input, session, "input_reply", "{\"value\":\"Skiff\"}"));
    AUTO(message) struct message *reply = peer_receive(&shell, session);
    assert_string_equal(json_get_string(message_part(reply, MESSAGE_CONTENT, NULL), "status", ""),
                        "ok");
    zmq_pollitem_t item = {.socket = other.socket, .events = ZMQ_POLLIN};
    assert_int_equal(zmq_poll(&item, 1, 0), 0);
    peer_close(&other);
    peer_close(&input);
    peer_close(&shell);
}

/* A question whose cell was interrupted is not asked when its front end comes at last. */
static void test_connects_too_late(void **state)
{
    struct frontend *frontend = *state;
    AUTO(session) struct session *session = session_new(frontend_connection(frontend));
    struct peer shell = peer_open(frontend, CHANNEL_SHELL, "late");
    AUTO_FREE char *msg_id = peer_send(&shell, session, "execute_request", ASKING);
    struct frontend_messages messages;
    frontend_message_free(frontend_recv_iopub(frontend, msg_id, "execute_input"));
    frontend_send(frontend, CHANNEL_CONTROL, "interrupt_request", NULL);
    frontend_recv_idle(frontend, msg_id, &messages);
    frontend_messages_done(&messages);

    struct peer input = peer_open(frontend, CHANNEL_STDIN, "late");
    zmq_pollitem_t connected = {.socket = input.socket, .events = ZMQ_POLLOUT};
    assert_int_equal(zmq_poll(&connected, 1, FRONTEND_WAIT_MS), 1);
    for (int i = 0; i < 10; i++) /* the kernel has seen it, and had time to say something */
        frontend_expect_silence(frontend, CHANNEL_SHELL);
    AUTO_FREE char *second = peer_send(&shell, session, "execute_request",
                                       "{\"code\":\"ask again? \",\"allow_stdin\":true}");
    AUTO(message) struct message *question = peer_receive(&input, session);
    assert_string_equal(
        json_get_string(message_part(question, MESSAGE_CONTENT, NULL), "prompt", ""), "again? ");
    free(peer_send(&input, session, "input_reply", "{\"value\":\"Skiff\"}"));
    frontend_recv_idle(frontend, second, &messages);
    frontend_messages_done(&messages);
    peer_close(&input);
    peer_close(&shell);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_connects_late),
        FIXTURE_TEST(test_connects_too_late),
    };
    int role = fixture_main(argc, argv);
    return role >= 0 ? role : cmocka_run_group_tests(tests, NULL, NULL);
}
