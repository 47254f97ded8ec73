/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Misuse in bulk, over raw sockets: what test_kernel_hostile.c sends once, here in every number, on
 * every channel and ten thousand times. Whatever comes, every request that is well signed gets one
 * reply and one busy and idle about itself, the rest gets nothing, and the kernel neither grows nor
 * keeps descriptors.
 */
#include <dirent.h>

#include "protocol/multipart.h"
#include "protocol/session.h"
#include "tests/integration/kernel_fixture.h"

#define MANY 10000
#define IDENTITIES 1000
#define QUEUED 4000 /* fewer than the 5000 that may wait */

/* How many messages are on their way at once. */
#define BATCH 500

/* What the kernel may have grown by after MANY: malloc's arenas and the table of signatures (2.5 MB),
 * which fills. A leak of 200 bytes a message shows. */
#define GROWTH_MAX (4 * 1024 * 1024)

static const char *const asan_env[] = {
    "ASAN_OPTIONS=quarantine_size_mb=1:malloc_context_size=1:detect_leaks=1", NULL};

/* A sanitizer keeps what was freed for a while; here memory is measured. */
static int setup(void **state)
{
    struct frontend *frontend = frontend_new("ipc");
    fixture_start_kernel(frontend, "kernel", asan_env);
    frontend_wait_ready(frontend);
    *state = frontend;
    return 0;
}

/* --- a raw front end ------------------------------------------------------------------------------ */

struct peer {
    const struct connection *connection;
    struct session *session;
    void *context;
    void *socket;
};

static struct peer peer_open(const struct frontend *frontend, enum channel channel, int type)
{
    struct peer peer = {.connection = frontend_connection(frontend), .context = zmq_ctx_new()};
    AUTO_FREE char *endpoint = connection_endpoint(peer.connection, channel);
    int zero = 0;
    zmq_ctx_set(peer.context, ZMQ_MAX_SOCKETS, 2 * IDENTITIES);
    peer.session = session_new(peer.connection);
    peer.socket = zmq_socket(peer.context, type);
    zmq_setsockopt(peer.socket, ZMQ_LINGER, &zero, sizeof zero);
    zmq_setsockopt(peer.socket, ZMQ_SNDHWM, &zero, sizeof zero);
    zmq_setsockopt(peer.socket, ZMQ_RCVHWM, &zero, sizeof zero);
    assert_int_equal(zmq_connect(peer.socket, endpoint), 0);
    return peer;
}

static void peer_close(struct peer *peer)
{
    session_free(peer->session);
    zmq_close(peer->socket);
    zmq_ctx_term(peer->context);
}

/* The six frames of a message, made to be spoilt. */
#define FRAMES (2 + MESSAGE_PARTS)
struct letter {
    char *header;
    char *content;
    char signature[WIRE_SIGNATURE_SIZE];
    struct frame frames[FRAMES];
};

static void letter_done(struct letter *letter)
{
    free(letter->header);
    free(letter->content);
}
#define AUTO_LETTER __attribute__((cleanup(letter_done)))

static void letter_sign(const struct peer *peer, struct letter *letter)
{
    size_t size;
    wire_sign(peer->connection->key, peer->connection->key_size, &letter->frames[2],
              letter->signature, &size);
    letter->frames[1] = (struct frame){letter->signature, size};
}

static struct frame frame_of(const char *text)
{
    return (struct frame){.data = text, .size = strlen(text)};
}

static void letter_init(struct letter *letter, const struct peer *peer, const char *type,
                        const char *content)
{
    AUTO_JSON json_t *header = session_header(peer->session, type);
    letter->header = json_text(header);
    letter->content = xstrdup(content);
    letter->frames[0] = frame_of(WIRE_DELIMITER);
    letter->frames[2] = frame_of(letter->header);
    letter->frames[3] = letter->frames[4] = frame_of("{}");
    letter->frames[5] = frame_of(letter->content);
    letter_sign(peer, letter);
}

static void peer_send(const struct peer *peer, const struct frame *frames, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(multipart_send(peer->socket, frames[i].data, frames[i].size, i + 1 < count));
}

static void peer_ask(const struct peer *peer, const char *type, const char *content)
{
    AUTO_LETTER struct letter letter = {.header = NULL};
    letter_init(&letter, peer, type, content);
    peer_send(peer, letter.frames, FRAMES);
}

static struct message *peer_receive_any(const struct peer *peer)
{
    zmq_pollitem_t item = {.socket = peer->socket, .events = ZMQ_POLLIN};
    AUTO_FREE struct multipart *inbox = xcalloc(1, sizeof *inbox);
    char signature[WIRE_SIGNATURE_SIZE + 1];
    assert_int_equal(zmq_poll(&item, 1, FRONTEND_WAIT_MS), 1);
    assert_int_equal(multipart_receive(inbox, peer->socket, SIZE_MAX), MULTIPART_TAKEN);
    struct message *message = wire_decode(peer->connection->key, peer->connection->key_size,
                                          inbox->frames, inbox->count, signature, NULL);
    multipart_release(inbox);
    assert_non_null(message);
    return message;
}

/* The next message; its parent's id is the caller's to free. */
static char *peer_receive(const struct peer *peer, const char *type)
{
    AUTO(message) struct message *message = peer_receive_any(peer);
    assert_string_equal(message->type, type);
    return xstrdup(json_get_string(message_part(message, MESSAGE_PARENT, NULL), "msg_id", ""));
}

/* States of other requests may come before it. */
static void peer_await_welcome(const struct peer *iopub)
{
    for (bool found = false; !found;) {
        AUTO(message) struct message *message = peer_receive_any(iopub);
        found = strcmp(message->type, "iopub_welcome") == 0;
    }
}

/* Nothing came, and the kernel answers. */
static void expect_silence(const struct peer *peer)
{
    AUTO_LETTER struct letter letter = {.header = NULL};
    letter_init(&letter, peer, "kernel_info_request", "{}");
    peer_send(peer, letter.frames, FRAMES);
    AUTO_FREE char *parent = peer_receive(peer, "kernel_info_reply");
    assert_non_null(strstr(letter.header, parent));
}

/* --- shapes --------------------------------------------------------------------------------------- */

static const enum channel asking[] = {CHANNEL_SHELL, CHANNEL_CONTROL};

/* From no frame but one to twenty: fewer than six are no message, more are buffers. */
static void test_every_number_of_frames(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
        struct peer peer = peer_open(*state, asking[i], ZMQ_DEALER);
        for (size_t count = 1; count <= 20; count++) {
            AUTO_LETTER struct letter letter = {.header = NULL};
            struct frame frames[20];
            letter_init(&letter, &peer, "kernel_info_request", "{}");
            for (size_t j = 0; j < 20; j++)
                frames[j] = j < FRAMES ? letter.frames[j] : frame_of(j % 2 == 0 ? "" : "buffer");
            peer_send(&peer, frames, count);
            if (count < FRAMES)
                expect_silence(&peer);
            else
                free(peer_receive(&peer, "kernel_info_reply"));
        }
        for (size_t count = 1; count <= 20; count++) { /* and of anything */
            struct frame frames[20];
            for (size_t j = 0; j < count; j++)
                frames[j] = frame_of(j % 3 == 0 ? WIRE_DELIMITER : j % 3 == 1 ? "" : "{}");
            peer_send(&peer, frames, count);
        }
        expect_silence(&peer);
        peer_close(&peer);
    }
}

static void test_signatures(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(asking); i++) {
        struct peer peer = peer_open(*state, asking[i], ZMQ_DEALER);
        AUTO_LETTER struct letter letter = {.header = NULL};
        letter_init(&letter, &peer, "shutdown_request", "{}");
        struct frame right = letter.frames[1];
        char wrong[2 * WIRE_SIGNATURE_SIZE];
        for (size_t size = 0; size < WIRE_SIGNATURE_SIZE; size++) { /* cut, down to none */
            letter.frames[1].size = size;
            peer_send(&peer, letter.frames, FRAMES);
        }
        memcpy(wrong, right.data, right.size);
        memcpy(wrong + right.size, right.data, right.size);
        letter.frames[1] = (struct frame){wrong, sizeof wrong}; /* too long */
        peer_send(&peer, letter.frames, FRAMES);
        letter.frames[1].size = right.size;
        for (size_t at = 0; at < right.size; at++) { /* each digit */
            wrong[at] ^= 1;
            peer_send(&peer, letter.frames, FRAMES);
            wrong[at] ^= 1;
        }
        for (size_t part = 2; part < FRAMES; part++) { /* right, but of another message */
            struct frame was = letter.frames[part];
            letter.frames[part] = frame_of("{ }");
            peer_send(&peer, letter.frames, FRAMES);
            letter.frames[part] = was;
        }
        expect_silence(&peer);
        peer_close(&peer);
    }
}

/* By another connection, and long after. */
static void test_replayed_elsewhere(void **state)
{
    struct peer first = peer_open(*state, CHANNEL_SHELL, ZMQ_DEALER);
    struct peer second = peer_open(*state, CHANNEL_SHELL, ZMQ_DEALER);
    struct peer control = peer_open(*state, CHANNEL_CONTROL, ZMQ_DEALER);
    AUTO_LETTER struct letter letter = {.header = NULL};
    letter_init(&letter, &first, "kernel_info_request", "{}");
    peer_send(&first, letter.frames, FRAMES);
    free(peer_receive(&first, "kernel_info_reply"));
    for (int i = 0; i < BATCH; i++) {
        peer_ask(&first, "kernel_info_request", "{}");
        free(peer_receive(&first, "kernel_info_reply"));
    }
    peer_send(&first, letter.frames, FRAMES);
    peer_send(&second, letter.frames, FRAMES);
    peer_send(&control, letter.frames, FRAMES);
    expect_silence(&first);
    expect_silence(&second);
    expect_silence(&control);
    peer_close(&first);
    peer_close(&second);
    peer_close(&control);
}

/* As many bytes as a message may have are taken; one more, and it is gone. */
static void test_as_large_as_may_be(void **state)
{
    struct peer peer = peer_open(*state, CHANNEL_SHELL, ZMQ_DEALER);
    AUTO_FREE char *bytes = xcalloc(1, WIRE_MESSAGE_MAX);
    size_t identity = 5; /* ZeroMQ gives us one of five bytes, and it counts */
    for (size_t over = 0; over < 2; over++) {
        AUTO_LETTER struct letter letter = {.header = NULL};
        struct frame frames[FRAMES + 1];
        size_t size = identity;
        letter_init(&letter, &peer, "kernel_info_request", "{}");
        memcpy(frames, letter.frames, sizeof letter.frames);
        for (size_t i = 0; i < FRAMES; i++)
            size += frames[i].size;
        frames[FRAMES] = (struct frame){bytes, WIRE_MESSAGE_MAX - size + over};
        peer_send(&peer, frames, FRAMES + 1);
        if (over == 0)
            free(peer_receive(&peer, "kernel_info_reply"));
        else
            expect_silence(&peer);
    }
    peer_close(&peer);
}

/* --- channels ------------------------------------------------------------------------------------- */

static void expect_heard(struct frontend *frontend, const char *msg_id)
{
    struct frontend_messages messages;
    frontend_recv_idle(frontend, msg_id, &messages);
    assert_int_equal(messages.count, 2);
    frontend_messages_done(&messages);
}

/* A request of every type on every channel: where it is not known it is busy, idle and no reply; on
 * stdin, nothing. */
static void test_unknown_on_every_channel(void **state)
{
    static const char *const types[] = {"no_such_request", "input_reply", "execute_reply",
                                        "status",          "stream",      "iopub_welcome",
                                        "comm_info_reply", "_",           "kernel_info_request "};
    struct frontend *frontend = *state;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        for (size_t j = 0; j < ARRAY_SIZE(asking); j++) {
            expect_heard(frontend, frontend_send(frontend, asking[j], types[i], NULL));
            frontend_expect_silence(frontend, asking[j]);
        }
    static const char *const known[] = {"execute_request", "kernel_info_request",
                                        "shutdown_request", "input_reply", "interrupt_request"};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        frontend_send(frontend, CHANNEL_STDIN, known[i], NULL);
    AUTO(frontend_result)
    struct frontend_result *asked = frontend_collect(
        frontend, frontend_send(frontend, CHANNEL_SHELL, "kernel_info_request", NULL));
    frontend_expect_ok(asked);
    assert_false(frontend_pending(frontend, CHANNEL_STDIN));
}

/* IOPub is for reading, the heartbeat for echoes: what is sent there comes back or is nothing. */
static void test_iopub_and_heartbeat(void **state)
{
    struct frontend *frontend = *state;
    struct peer iopub = peer_open(frontend, CHANNEL_IOPUB, ZMQ_XSUB);
    struct peer beat = peer_open(frontend, CHANNEL_HB, ZMQ_DEALER);
    static const char *const noise[] = {"", "\2", "stream", "\1\xff\xfe", "\1no-such-topic", "\1"};
    for (size_t i = 0; i < ARRAY_SIZE(noise); i++)
        peer_send(&iopub, &(struct frame){noise[i], strlen(noise[i])}, 1);
    for (size_t count = 1; count <= 20; count++) {
        AUTO_LETTER struct letter letter = {.header = NULL};
        struct frame frames[20];
        AUTO_FREE struct multipart *inbox = xcalloc(1, sizeof *inbox);
        zmq_pollitem_t item = {.socket = beat.socket, .events = ZMQ_POLLIN};
        letter_init(&letter, &iopub, "shutdown_request", "{}");
        for (size_t i = 0; i < count; i++)
            frames[i] = letter.frames[i % FRAMES];
        peer_send(&iopub, frames, count);
        peer_send(&beat, frames, count);
        assert_int_equal(zmq_poll(&item, 1, FRONTEND_WAIT_MS), 1);
        assert_int_equal(multipart_receive(inbox, beat.socket, SIZE_MAX), MULTIPART_TAKEN);
        assert_int_equal(inbox->count, count);
        multipart_release(inbox);
    }
    peer_await_welcome(&iopub); /* that of "no-such-topic" or "": still answered */
    frontend_expect_heartbeat(frontend);
    frontend_expect_silence(frontend, CHANNEL_SHELL);
    peer_close(&iopub);
    peer_close(&beat);
}

/* --- many ----------------------------------------------------------------------------------------- */

/* A thousand front ends on one shell, each answered by itself. */
static void test_a_thousand_identities(void **state)
{
    struct frontend *frontend = *state;
    struct peer host = peer_open(frontend, CHANNEL_SHELL, ZMQ_DEALER);
    AUTO_FREE char *endpoint = connection_endpoint(host.connection, CHANNEL_SHELL);
    struct peer peers[IDENTITIES];
    struct letter letters[IDENTITIES];
    int zero = 0;
    for (int i = 0; i < IDENTITIES; i++) {
        peers[i] = host;
        peers[i].socket = zmq_socket(host.context, ZMQ_DEALER);
        assert_non_null(peers[i].socket);
        zmq_setsockopt(peers[i].socket, ZMQ_LINGER, &zero, sizeof zero);
        assert_int_equal(zmq_connect(peers[i].socket, endpoint), 0);
        letter_init(&letters[i], &host, "execute_request", "{\"code\":\"echo a\"}");
        peer_send(&peers[i], letters[i].frames, FRAMES);
    }
    for (int i = 0; i < IDENTITIES; i++) {
        AUTO_FREE char *parent = peer_receive(&peers[i], "execute_reply");
        assert_non_null(strstr(letters[i].header, parent));
        letter_done(&letters[i]);
        zmq_close(peers[i].socket);
    }
    AUTO(frontend_result) struct frontend_result *next = frontend_execute(frontend, "echo a");
    frontend_expect_ok(next);
    assert_int_equal(json_get_int(next->reply->content, "execution_count", -1), IDENTITIES + 1);
    peer_close(&host);
}

/* Thousands wait behind a cell that hangs; the interrupt ends it, and each of them with one word. */
static void test_interrupt_with_thousands_behind(void **state)
{
    struct frontend *frontend = *state;
    const char *first = fixture_begin(frontend, "hang");
    AUTO_FREE const char **behind = xcalloc(QUEUED, sizeof *behind);
    for (int i = 0; i < QUEUED; i++)
        behind[i] = frontend_send(frontend, CHANNEL_SHELL, "execute_request",
                                  frontend_execute_content("echo a"));
    AUTO(frontend_result)
    struct frontend_result *asked =
        frontend_request(frontend, CHANNEL_SHELL, "kernel_info_request", NULL); /* all are there */
    frontend_send(frontend, CHANNEL_CONTROL, "interrupt_request", NULL);
    AUTO(frontend_message) struct frontend_message *reply = frontend_recv_reply(frontend, first);
    assert_string_equal(json_get_string(reply->content, "status", ""), "error");
    for (int i = 0; i < QUEUED; i++) {
        AUTO(frontend_result)
        struct frontend_result *result = frontend_collect(frontend, behind[i]);
        frontend_expect_aborted(result);
        fixture_expect_types(result, "busy idle");
    }
    AUTO(frontend_result) struct frontend_result *next = frontend_execute(frontend, "echo a");
    frontend_expect_ok(next);
}

/* Several at once, each asking everything: replies go to who asked, states to all, each once. */
static void test_several_front_ends(void **state)
{
    static const char *const types[] = {
        "kernel_info_request", "execute_request", "complete_request",  "inspect_request",
        "is_complete_request", "history_request", "comm_info_request", "no_such_request"};
    enum { FRONT_ENDS = 4, ROUNDS = 10 };
    struct frontend *first = *state;
    struct frontend *all[FRONT_ENDS] = {first};
    const char *sent[FRONT_ENDS][ROUNDS * ARRAY_SIZE(types)];
    for (int i = 1; i < FRONT_ENDS; i++)
        all[i] = frontend_join(first);
    for (size_t n = 0; n < ROUNDS * ARRAY_SIZE(types); n++)
        for (int i = 0; i < FRONT_ENDS; i++)
            sent[i][n] = frontend_send(all[i], CHANNEL_SHELL, types[n % ARRAY_SIZE(types)],
                                       frontend_execute_content("echo a"));
    for (int i = 0; i < FRONT_ENDS; i++)
        for (size_t n = 0; n < ROUNDS * ARRAY_SIZE(types); n++) {
            if (n % ARRAY_SIZE(types) != ARRAY_SIZE(types) - 1)
                frontend_message_free(frontend_recv_reply(all[i], sent[i][n]));
            for (int j = 0; j < FRONT_ENDS; j++) {
                struct frontend_messages messages;
                frontend_recv_idle(all[j], sent[i][n], &messages);
                assert_string_equal(
                    json_get_string(messages.items[0]->content, "execution_state", ""), "busy");
                for (size_t k = 1; k + 1 < messages.count; k++)
                    assert_string_not_equal(messages.items[k]->type, "status");
                frontend_messages_done(&messages);
            }
        }
    for (int i = FRONT_ENDS - 1; i >= 0; i--) {
        frontend_expect_silence(all[i], CHANNEL_SHELL); /* no reply too many */
        if (i > 0)
            frontend_free(all[i]);
    }
}

/* --- ten thousand of each ------------------------------------------------------------------------- */

static size_t count_files(const struct frontend *frontend)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/fd", (int)frontend_pid(frontend));
    DIR *folder = opendir(path);
    size_t count = 0;
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

static size_t resident(const struct frontend *frontend)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/statm", (int)frontend_pid(frontend));
    AUTO_BUF struct buf text = BUF_INIT;
    unsigned long pages = 0;
    assert_int_equal(file_read(path, FILE_SMALL_MAX, &text, NULL), 0);
    assert_int_equal(sscanf(text.data, "%*u %lu", &pages), 1);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* What is sent MANY times: a request with its content, or with something wrong with it. */
enum fault { GOOD, FORGED, CUT, REPLAYED, BAD_HEADER };
struct bulk {
    const char *type, *content, *reply; /* reply: NULL for none */
    enum fault fault;
};

static const struct bulk bulks[] = {
    {"kernel_info_request", "{}", "kernel_info_reply", GOOD},
    {"kernel_info_request", "{", "kernel_info_reply", GOOD},
    {"complete_request", "{\"code\":\"a\"}", "complete_reply", GOOD},
    {"complete_request", "{\"code\":7}", "complete_reply", GOOD},
    {"inspect_request", "{\"code\":\"a\"}", "inspect_reply", GOOD},
    {"is_complete_request", "{\"code\":\"a\"}", "is_complete_reply", GOOD},
    {"comm_info_request", "{}", "comm_info_reply", GOOD},
    {"comm_open", "{\"comm_id\":\"a\",\"target_name\":\"echo\"}", NULL, GOOD},
    {"comm_open", "{\"comm_id\":\"b\",\"target_name\":\"refuse\"}", NULL, GOOD},
    {"comm_msg", "{\"comm_id\":\"a\",\"data\":{}}", NULL, GOOD},
    {"comm_close", "{\"comm_id\":\"a\"}", NULL, GOOD},
    {"interrupt_request", "{}", "interrupt_reply", GOOD},
    {"no_such_request", "{}", NULL, GOOD},
    {"execute_request", "{\"code\":\"echo a\",\"silent\":true}", "execute_reply", GOOD},
    {"execute_request", "{\"code\":[]}", "execute_reply", GOOD},
    {"execute_request", "{}", NULL, FORGED},
    {"execute_request", "{}", NULL, CUT},
    {"execute_request", "{}", NULL, REPLAYED},
    {"execute_request", "{}", NULL, BAD_HEADER},
};

static void send_bulk(const struct peer *peer, const struct bulk *bulk, struct letter *old)
{
    AUTO_LETTER struct letter letter = {.header = NULL};
    if (bulk->fault == REPLAYED) {
        peer_send(peer, old->frames, FRAMES);
        return;
    }
    letter_init(&letter, peer, bulk->type, bulk->content);
    if (bulk->fault == BAD_HEADER) {
        letter.frames[2] = frame_of("{\"msg_id\":7}");
        letter_sign(peer, &letter);
    }
    letter.signature[0] ^= bulk->fault == FORGED;
    peer_send(peer, letter.frames, bulk->fault == CUT ? 5 : FRAMES);
}

static void run_bulk(const struct peer *peer, const struct peer *iopub, const struct bulk *bulk,
                     int count)
{
    AUTO_LETTER struct letter old = {.header = NULL}; /* one that came before, not long ago */
    letter_init(&old, peer, "kernel_info_request", "{}");
    peer_send(peer, old.frames, FRAMES);
    free(peer_receive(peer, "kernel_info_reply"));
    for (int done = 0; done < count; done += BATCH) {
        for (int i = 0; i < BATCH; i++)
            send_bulk(peer, bulk, &old);
        for (int i = 0; i < BATCH && bulk->reply != NULL; i++)
            free(peer_receive(peer, bulk->reply));
        expect_silence(peer);
        zmq_msg_t frame; /* what came on IOPub is not looked at, only taken */
        zmq_msg_init(&frame);
        while (zmq_msg_recv(&frame, iopub->socket, ZMQ_DONTWAIT) >= 0)
            ;
        zmq_msg_close(&frame);
    }
}

static void test_nothing_grows(void **state)
{
    struct frontend *frontend = *state;
    struct peer peer = peer_open(frontend, CHANNEL_SHELL, ZMQ_DEALER);
    struct peer iopub = peer_open(frontend, CHANNEL_IOPUB, ZMQ_SUB);
    zmq_setsockopt(iopub.socket, ZMQ_SUBSCRIBE, "", 0);
    for (size_t i = 0; i < ARRAY_SIZE(bulks); i++) /* what is made once is made */
        run_bulk(&peer, &iopub, &bulks[i], BATCH);
    size_t files = count_files(frontend);
    for (size_t i = 0; i < ARRAY_SIZE(bulks); i++) {
        size_t before = resident(frontend);
        run_bulk(&peer, &iopub, &bulks[i], MANY);
        size_t after = resident(frontend);
        if (after > before + GROWTH_MAX)
            fail_msg("%d of %s %s (fault %d) cost %zu kB", MANY, bulks[i].type, bulks[i].content,
                     (int)bulks[i].fault, (after - before) / 1024);
        assert_int_equal(count_files(frontend), files);
    }
    peer_close(&peer);
    peer_close(&iopub);
}

/* Front ends that come, ask and go. */
static void test_front_ends_come_and_go(void **state)
{
    struct frontend *frontend = *state;
    size_t files = 0;
    size_t before = 0;
    for (int i = 0; i < IDENTITIES; i++) {
        struct peer shell = peer_open(frontend, CHANNEL_SHELL, ZMQ_DEALER);
        struct peer iopub = peer_open(frontend, CHANNEL_IOPUB, ZMQ_XSUB);
        peer_send(&iopub, &(struct frame){"\1", 1}, 1);
        peer_await_welcome(&iopub);
        expect_silence(&shell);
        if (i == IDENTITIES / 10) {
            files = count_files(frontend);
            before = resident(frontend);
        }
        peer_close(&shell);
        peer_close(&iopub);
    }
    assert_in_range(count_files(frontend), 1, files);
    assert_in_range(resident(frontend), 1, before + GROWTH_MAX);
}

#define MISUSE_TEST(test) cmocka_unit_test_setup_teardown(test, setup, fixture_teardown)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        MISUSE_TEST(test_every_number_of_frames),
        MISUSE_TEST(test_signatures),
        MISUSE_TEST(test_replayed_elsewhere),
        MISUSE_TEST(test_as_large_as_may_be),
        MISUSE_TEST(test_unknown_on_every_channel),
        MISUSE_TEST(test_iopub_and_heartbeat),
        MISUSE_TEST(test_a_thousand_identities),
        MISUSE_TEST(test_interrupt_with_thousands_behind),
        MISUSE_TEST(test_several_front_ends),
        MISUSE_TEST(test_nothing_grows),
        MISUSE_TEST(test_front_ends_come_and_go),
    };
    int role = fixture_main(argc, argv);
    return role >= 0 ? role : cmocka_run_group_tests(tests, NULL, NULL);
}
