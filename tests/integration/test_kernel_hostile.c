/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests no front end should send. Whatever is in a request that is well signed, it gets one
 * reply (if its type has one), one busy and one idle; what is not well signed gets nothing. The
 * kernel answers afterwards as before.
 */
#include "tests/integration/kernel_fixture.h"

/* Twice the depth messages may have. */
#define TOO_DEEP (2 * MESSAGE_DEPTH_MAX)

enum outcome { OK, ERROR, EITHER, NO_REPLY };

struct hostile_case {
    const char *type;
    const char *content;
    enum outcome outcome;
};

#define DIGITS "123456789012345678901234567890"

static const struct hostile_case cases[] = {
    {"execute_request", "{}", ERROR},
    {"execute_request", "{\"code\":null}", ERROR},
    {"execute_request", "{\"code\":1}", ERROR},
    {"execute_request", "{\"code\":[\"echo\"]}", ERROR},
    {"execute_request", "{\"code\":{}}", ERROR},
    {"execute_request", "{\"code\":\"a\\u0000b\"}", ERROR},
    {"execute_request", "{\"code\":\"a\"}", OK},
    {"execute_request", "{\"code\":\"a\",\"silent\":null,\"allow_stdin\":null}", OK},
    {"execute_request", "{\"code\":\"a\",\"silent\":1}", ERROR},
    {"execute_request", "{\"code\":\"a\",\"silent\":\"yes\"}", ERROR},
    {"execute_request", "{\"code\":\"a\",\"store_history\":[]}", ERROR},
    {"execute_request", "{\"code\":\"a\",\"allow_stdin\":[true]}", ERROR},
    {"execute_request", "{\"code\":\"a\",\"stop_on_error\":{}}", ERROR},
    {"execute_request", "{\"code\":\"a\",\"user_expressions\":[]}", ERROR},
    {"execute_request", "{\"code\":\"a\",\"user_expressions\":\"x\"}", ERROR},
    {"execute_request", "{\"code\":\"a\",\"user_expressions\":null}", OK},
    {"execute_request", "{\"code\":\"a\",\"user_expressions\":{\"x\":[],\"y\":null}}", OK},
    {"execute_request", "{\"code\":\"a\",\"code\":\"echo b\"}", EITHER},
    {"execute_request", "{\"code\":\"a\",\"unknown\":{\"deep\":[1,2,{}]}}", OK},
    {"complete_request", "{}", ERROR},
    {"complete_request", "{\"code\":null,\"cursor_pos\":0}", ERROR},
    {"complete_request", "{\"code\":1,\"cursor_pos\":0}", ERROR},
    {"complete_request", "{\"code\":[],\"cursor_pos\":0}", ERROR},
    {"complete_request", "{\"code\":\"a\\u0000b\",\"cursor_pos\":1}", ERROR},
    {"complete_request", "{\"code\":\"abc\"}", OK},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":null}", OK},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":-1}", OK},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":-9223372036854775808}", OK},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":9223372036854775807}", OK},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":4294967296}", OK},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":1.5}", ERROR},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":1e400}", ERROR},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":\"1\"}", ERROR},
    {"complete_request", "{\"code\":\"abc\",\"cursor_pos\":true}", ERROR},
    {"inspect_request", "{}", ERROR},
    {"inspect_request", "{\"code\":null}", ERROR},
    {"inspect_request", "{\"code\":\"abc\"}", OK},
    {"inspect_request", "{\"code\":\"abc\",\"cursor_pos\":-7}", OK},
    {"inspect_request", "{\"code\":\"abc\",\"cursor_pos\":9000000000}", OK},
    {"inspect_request", "{\"code\":\"abc\",\"cursor_pos\":[]}", ERROR},
    {"inspect_request", "{\"code\":\"abc\",\"cursor_pos\":1,\"detail_level\":7}", OK},
    {"inspect_request", "{\"code\":\"abc\",\"cursor_pos\":1,\"detail_level\":-7}", OK},
    {"inspect_request", "{\"code\":\"abc\",\"cursor_pos\":1,\"detail_level\":\"1\"}", ERROR},
    {"is_complete_request", "{}", ERROR},
    {"is_complete_request", "{\"code\":null}", ERROR},
    {"is_complete_request", "{\"code\":7}", ERROR},
    {"is_complete_request", "{\"code\":\"\"}", EITHER},
    {"history_request", "{}", OK},
    {"history_request", "{\"hist_access_type\":null}", OK},
    {"history_request", "{\"hist_access_type\":\"other\"}", ERROR},
    {"history_request", "{\"hist_access_type\":1}", ERROR},
    {"history_request", "{\"hist_access_type\":\"tail\",\"n\":-1}", OK},
    {"history_request", "{\"hist_access_type\":\"tail\",\"n\":9223372036854775807}", OK},
    {"history_request", "{\"hist_access_type\":\"tail\",\"n\":\"10\"}", ERROR},
    {"history_request", "{\"hist_access_type\":\"tail\",\"n\":2.5}", ERROR},
    {"history_request", "{\"hist_access_type\":\"tail\",\"output\":\"no\"}", ERROR},
    {"history_request", "{\"hist_access_type\":\"range\"}", OK},
    {"history_request", "{\"hist_access_type\":\"range\",\"session\":-9223372036854775808}", OK},
    {"history_request", "{\"hist_access_type\":\"range\",\"session\":9223372036854775807}", OK},
    {"history_request", "{\"hist_access_type\":\"range\",\"start\":9,\"stop\":-9}", OK},
    {"history_request", "{\"hist_access_type\":\"range\",\"start\":[]}", ERROR},
    {"history_request", "{\"hist_access_type\":\"search\"}", OK},
    {"history_request", "{\"hist_access_type\":\"search\",\"pattern\":\"[\"}", OK},
    {"history_request", "{\"hist_access_type\":\"search\",\"pattern\":\"';--*\"}", OK},
    {"history_request", "{\"hist_access_type\":\"search\",\"pattern\":1}", ERROR},
    {"history_request", "{\"hist_access_type\":\"search\",\"unique\":2}", ERROR},
    {"comm_info_request", "{}", OK},
    {"comm_info_request", "{\"target_name\":null}", OK},
    {"comm_info_request", "{\"target_name\":7}", ERROR},
    {"comm_info_request", "{\"target_name\":[]}", ERROR},
    {"comm_info_request", "{\"target_name\":\"a\\u0000b\"}", ERROR},
    {"comm_open", "{}", NO_REPLY},
    {"comm_open", "{\"comm_id\":null,\"target_name\":\"echo\"}", NO_REPLY},
    {"comm_open", "{\"comm_id\":7,\"target_name\":\"echo\"}", NO_REPLY},
    {"comm_open", "{\"comm_id\":\"x\"}", NO_REPLY},
    {"comm_open", "{\"comm_id\":\"x\",\"target_name\":[]}", NO_REPLY},
    {"comm_open", "{\"comm_id\":\"y\",\"target_name\":\"echo\"}", NO_REPLY},
    {"comm_open", "{\"comm_id\":\"y\",\"target_name\":\"echo\",\"data\":{}}", NO_REPLY},
    {"comm_open", "{\"comm_id\":\"z\",\"target_name\":\"echo\",\"data\":[1]}", NO_REPLY},
    {"comm_open", "{\"comm_id\":\"\",\"target_name\":\"echo\",\"data\":null}", NO_REPLY},
    {"comm_msg", "{}", NO_REPLY},
    {"comm_msg", "{\"comm_id\":{}}", NO_REPLY},
    {"comm_msg", "{\"comm_id\":\"y\"}", NO_REPLY},
    {"comm_msg", "{\"comm_id\":\"y\",\"data\":null}", NO_REPLY},
    {"comm_msg", "{\"comm_id\":\"y\",\"data\":\"text\"}", NO_REPLY},
    {"comm_close", "{}", NO_REPLY},
    {"comm_close", "{\"comm_id\":[]}", NO_REPLY},
    {"comm_close", "{\"comm_id\":\"y\",\"data\":7}", NO_REPLY},
    {"comm_close", "{\"comm_id\":\"y\",\"data\":7}", NO_REPLY},
    {"kernel_info_request", "{\"anything\":[]}", OK},
    {"connect_request", "{\"anything\":[]}", OK},
    {"interrupt_request", "{\"anything\":[]}", OK},
    {"usage_request", "{\"anything\":[]}", EITHER},
    {"input_reply", "{\"value\":\"x\"}", NO_REPLY},
    {"execute_reply", "{}", NO_REPLY},
    {"create_subshell_request", "{}", NO_REPLY},
    {"no_such_request", "{}", NO_REPLY},
    {"_request", "{}", NO_REPLY},
    {"\\u0001 %s%n", "{}", NO_REPLY},
};

/* One busy, one idle, and one reply if there is any; all about the request. */
static void expect_answer(struct frontend *frontend, const char *msg_id, enum outcome outcome,
                          const char *what)
{
    struct frontend_messages messages;
    frontend_recv_idle(frontend, msg_id, &messages);
    assert_string_equal(messages.items[0]->type, "status");
    for (size_t i = 1; i + 1 < messages.count; i++)
        assert_string_not_equal(messages.items[i]->type, "status");
    frontend_messages_done(&messages);
    if (outcome != NO_REPLY) {
        AUTO(frontend_message)
        struct frontend_message *reply = frontend_recv_reply(frontend, msg_id);
        const char *status = json_get_string(reply->content, "status", "none");
        const char *wanted = outcome == OK ? "ok" : outcome == ERROR ? "error" : status;
        if (strcmp(status, wanted) != 0)
            fail_msg("%s is answered with %s", what, status);
        if (outcome == ERROR)
            for (int i = 0; i < 2; i++)
                assert_string_not_equal(
                    json_get_string(reply->content, i == 0 ? "ename" : "evalue", ""), "");
    }
    frontend_expect_silence(frontend, CHANNEL_SHELL); /* no second reply */
    if (frontend_pending(frontend, CHANNEL_IOPUB)) {  /* no second idle: nothing about it at all */
        AUTO(frontend_message)
        struct frontend_message *more = frontend_recv_iopub(frontend, NULL, NULL);
        if (strcmp(more->parent_id, msg_id) == 0)
            fail_msg("%s: a %s came after idle", what, more->type);
    }
}

static void expect_case(struct frontend *frontend, const struct hostile_case *hostile,
                        const char *content, size_t size)
{
    AUTO_FREE char *what = xasprintf("%s %.80s", hostile->type, content);
    const char *msg_id = frontend_send_text(frontend, CHANNEL_SHELL, hostile->type, content, size);
    expect_answer(frontend, msg_id, hostile->outcome, what);
}

static void test_fields(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_case(*state, &cases[i], cases[i].content, strlen(cases[i].content));
}

/* --- contents that are no object, for every type ------------------------------------------------- */

static char *nested(size_t depth)
{
    AUTO_BUF struct buf text = BUF_INIT;
    buf_puts(&text, "{\"code\":");
    for (size_t i = 0; i < depth; i++)
        buf_puts(&text, "[");
    for (size_t i = 0; i < depth; i++)
        buf_puts(&text, "]");
    buf_puts(&text, "}");
    return buf_steal(&text);
}

static const struct {
    const char *bytes;
    size_t size; /* 0: to the NUL */
} contents[] = {
    {"", 0},
    {"null", 0},
    {"[]", 0},
    {"7", 0},
    {"\"text\"", 0},
    {"{", 0},
    {"{\"code\":}", 0},
    {"{'code':'a'}", 0},
    {"{\"code\":\"a\"} trailing", 0},
    {"{\"code\":\"\\ud800\"}", 0},
    {"{\"code\":\"\xed\xa0\x80\"}", 0},
    {"{\"code\":\"\xff\xfe\"}", 0},
    {"{\"code\":NaN}", 0},
    {"{\"code\":-Infinity}", 0},
    {"{\"code\":\"abc\",\"cursor_pos\":" DIGITS "}", 0},
    {"{\"code\":\"abc\",\"n\":1e999}", 0},
    {"{\"code\":\"a\"}\0", 13},
    {"\0\0\0\0", 4},
};

/* What needs nothing from its content is answered all the same. */
static const struct hostile_case types[] = {
    {"execute_request", NULL, ERROR}, {"complete_request", NULL, ERROR},
    {"inspect_request", NULL, ERROR}, {"is_complete_request", NULL, ERROR},
    {"history_request", NULL, ERROR}, {"comm_info_request", NULL, ERROR},
    {"comm_open", NULL, NO_REPLY},    {"comm_msg", NULL, NO_REPLY},
    {"comm_close", NULL, NO_REPLY},   {"kernel_info_request", NULL, OK},
    {"connect_request", NULL, OK},    {"interrupt_request", NULL, OK},
    {"usage_request", NULL, EITHER},  {"no_such_request", NULL, NO_REPLY},
};

static void test_contents(void **state)
{
    AUTO_FREE char *deep = nested(TOO_DEEP);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        for (size_t j = 0; j < ARRAY_SIZE(contents); j++)
            expect_case(*state, &types[i], contents[j].bytes,
                        contents[j].size > 0 ? contents[j].size : strlen(contents[j].bytes));
        expect_case(*state, &types[i], deep, strlen(deep));
    }
}

/* A failed request is a failed cell: it is told, and it does not count. */
static void test_refused_cell_does_not_count(void **state)
{
    struct frontend *frontend = *state;
    const char *msg_id = frontend_send(frontend, CHANNEL_SHELL, "execute_request", NULL);
    AUTO(frontend_result) struct frontend_result *refused = frontend_collect(frontend, msg_id);
    assert_int_equal(json_get_int(refused->reply->content, "execution_count", -1), 0);
    AUTO(frontend_result) struct frontend_result *next = frontend_execute(frontend, "echo a");
    assert_int_equal(json_get_int(next->reply->content, "execution_count", -1), 1);
}

static void test_shutdown_badly_spelt(void **state)
{
    static const char *const texts[] = {"null", "[]", "", "{\"restart\":7}", "{\"restart\":[]}"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        AUTO(frontend) struct frontend *frontend = fixture_start_as("kernel", "ipc");
        const char *msg_id = frontend_send_text(frontend, CHANNEL_CONTROL, "shutdown_request",
                                                texts[i], strlen(texts[i]));
        AUTO(frontend_result) struct frontend_result *result = frontend_collect(frontend, msg_id);
        frontend_expect_ok(result);
        fixture_expect_orderly_exit(frontend);
    }
}

/* --- what is not well signed, or no message ------------------------------------------------------ */

static const enum channel signed_channels[] = {CHANNEL_SHELL, CHANNEL_CONTROL};

static void test_forged(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(signed_channels); i++) {
        frontend_send_forged(*state, signed_channels[i], "execute_request",
                             frontend_execute_content("die"));
        frontend_send_forged(*state, signed_channels[i], "shutdown_request", NULL);
        frontend_expect_silence(*state, signed_channels[i]);
    }
    assert_false(frontend_pending(*state, CHANNEL_IOPUB));
}

static void test_cut(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(signed_channels); i++) {
        for (size_t count = 1; count < 6; count++)
            frontend_send_cut(*state, signed_channels[i], "shutdown_request", NULL, count);
        frontend_expect_silence(*state, signed_channels[i]);
    }
}

static void test_undelimited(void **state)
{
    static const struct frame frames[] = {{.data = "", .size = 0},
                                          {.data = "<ids|msg>", .size = 9},
                                          {.data = "\0\xff", .size = 2},
                                          {.data = "{}", .size = 2}};
    struct frame many[WIRE_FRAMES_MAX + 1];
    for (size_t i = 0; i < ARRAY_SIZE(many); i++)
        many[i] = (struct frame){.data = "x", .size = 1};
    for (size_t i = 0; i < ARRAY_SIZE(signed_channels); i++) {
        for (size_t count = 1; count <= ARRAY_SIZE(frames); count++)
            frontend_send_raw(*state, signed_channels[i], frames, count);
        frontend_send_raw(*state, signed_channels[i], many, ARRAY_SIZE(many));
        frontend_expect_silence(*state, signed_channels[i]);
    }
}

static void test_replayed(void **state)
{
    struct frontend *frontend = *state;
    const char *msg_id = frontend_send_replayed(frontend, CHANNEL_SHELL, "execute_request",
                                                frontend_execute_content("echo a"));
    AUTO(frontend_result) struct frontend_result *result = frontend_collect(frontend, msg_id);
    frontend_expect_ok(result);
    frontend_expect_silence(frontend, CHANNEL_SHELL);
    AUTO(frontend_result) struct frontend_result *next = frontend_execute(frontend, "echo b");
    assert_int_equal(json_get_int(next->reply->content, "execution_count", -1), 2);
}

/* Signed well, but the header is none. */
static void test_headers(void **state)
{
    static const char *const headers[] = {"",
                                          "null",
                                          "[]",
                                          "{}",
                                          "{\"msg_id\":\"a\"}",
                                          "{\"msg_type\":\"kernel_info_request\"}",
                                          "{\"msg_id\":7,\"msg_type\":\"kernel_info_request\"}",
                                          "{\"msg_id\":\"a\",\"msg_type\":[]}",
                                          "{\"msg_id\":\"\",\"msg_type\":\"kernel_info_request\"}",
                                          "{\"msg_id\":\"a\",\"msg_type\":\"\"}"};
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        const struct frame parts[MESSAGE_PARTS] = {{.data = headers[i], .size = strlen(headers[i])},
                                                   {.data = "{}", .size = 2},
                                                   {.data = "{}", .size = 2},
                                                   {.data = "{}", .size = 2}};
        frontend_send_parts(*state, CHANNEL_SHELL, parts);
        frontend_expect_silence(*state, CHANNEL_SHELL);
    }
}

/* Parent and metadata are of no use to us, so nothing in them can do harm. */
static void test_other_parts(void **state)
{
    struct frontend *frontend = *state;
    static const char *const texts[] = {"", "null", "[]", "{", "\xff"};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        AUTO_FREE char *header =
            xasprintf("{\"msg_id\":\"m%zu\",\"msg_type\":\"kernel_info_request\"}", i);
        AUTO_FREE char *msg_id = xasprintf("m%zu", i);
        const struct frame parts[MESSAGE_PARTS] = {{.data = header, .size = strlen(header)},
                                                   {.data = texts[i], .size = strlen(texts[i])},
                                                   {.data = texts[i], .size = strlen(texts[i])},
                                                   {.data = "{}", .size = 2}};
        frontend_send_parts(frontend, CHANNEL_SHELL, parts);
        AUTO(frontend_message)
        struct frontend_message *reply = frontend_recv(frontend, CHANNEL_SHELL);
        assert_string_equal(reply->type, "kernel_info_reply");
        assert_string_equal(reply->parent_id, msg_id);
    }
}

static char *code_of_size(size_t size)
{
    char *code = xmalloc(size + 1);
    memset(code, 'a', size);
    memcpy(code, "echo ", 5);
    code[size] = '\0';
    return code;
}

/* More than a message may hold is dropped; a large one within it runs, and comes back whole. */
static void test_large(void **state)
{
    static const size_t large = 4 * 1024 * 1024;
    struct frontend *frontend = *state;
    AUTO_FREE char *too_large = code_of_size(WIRE_MESSAGE_MAX + 1);
    AUTO_FREE char *fitting = code_of_size(large);
    frontend_send(frontend, CHANNEL_SHELL, "execute_request", frontend_execute_content(too_large));
    frontend_expect_silence(frontend, CHANNEL_SHELL);
    AUTO(frontend_result) struct frontend_result *result = frontend_execute(frontend, fitting);
    frontend_expect_ok(result);
    AUTO_FREE char *text = frontend_stream_text(result, "stdout");
    assert_int_equal(strlen(text), large - strlen("echo ") + 1);
}

static void test_buffers(void **state)
{
    static const struct frame buffers[] = {{.data = "\0\xff", .size = 2}, {.data = "", .size = 0}};
    struct frontend *frontend = *state;
    const char *msg_id = frontend_send_with(
        frontend, CHANNEL_SHELL, "execute_request", frontend_execute_content("echo a"),
        &(struct frontend_extras){.buffers = buffers, .buffer_count = ARRAY_SIZE(buffers)});
    AUTO(frontend_result) struct frontend_result *result = frontend_collect(frontend, msg_id);
    frontend_expect_ok(result);
}

/* Requests of the wrong channel are unknown there. */
static void test_wrong_channel(void **state)
{
    struct frontend *frontend = *state;
    const char *msg_id = frontend_send(frontend, CHANNEL_CONTROL, "execute_request",
                                       frontend_execute_content("die"));
    struct frontend_messages messages;
    frontend_recv_idle(frontend, msg_id, &messages);
    assert_int_equal(messages.count, 2);
    frontend_messages_done(&messages);
    frontend_expect_silence(frontend, CHANNEL_CONTROL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_fields),
        FIXTURE_TEST(test_contents),
        FIXTURE_TEST(test_refused_cell_does_not_count),
        UNIT(test_shutdown_badly_spelt),
        FIXTURE_TEST(test_forged),
        FIXTURE_TEST(test_cut),
        FIXTURE_TEST(test_undelimited),
        FIXTURE_TEST(test_replayed),
        FIXTURE_TEST(test_headers),
        FIXTURE_TEST(test_other_parts),
        FIXTURE_TEST(test_large),
        FIXTURE_TEST(test_buffers),
        FIXTURE_TEST(test_wrong_channel),
    };
    int role = fixture_main(argc, argv);
    return role >= 0 ? role : cmocka_run_group_tests(tests, NULL, NULL);
}
