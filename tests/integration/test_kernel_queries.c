/* SPDX-License-Identifier: BSD-3-Clause */
/* What front ends ask beside cells: comms, completion, inspection, completeness, kernel_info; and
 * very much of it at once. */
#include "tests/integration/kernel_fixture.h"

#define MANY_REQUESTS 5000

static void expect_nothing_said(struct frontend *frontend, const char *msg_id)
{
    struct frontend_messages messages;
    frontend_recv_idle(frontend, msg_id, &messages);
    assert_int_equal(messages.count, 2);
    frontend_messages_done(&messages);
}

/* --- comms ------------------------------------------------------------------------------------ */

static const char *send_comm(struct frontend *frontend, const char *type, const char *id,
                             const char *target, json_t *data)
{
    json_t *content = json_pack("{s:s, s:o}", "comm_id", id, "data", data);
    if (target != NULL)
        json_object_set_new(content, "target_name", json_string(target));
    return frontend_send(frontend, CHANNEL_SHELL, type, content);
}

static void expect_comms(struct frontend *frontend, const char *target, const char *expected)
{
    AUTO(frontend_result)
    struct frontend_result *result =
        frontend_request(frontend, CHANNEL_SHELL, "comm_info_request",
                         target != NULL ? json_pack("{s:s}", "target_name", target) : NULL);
    frontend_expect_ok(result);
    AUTO_FREE char *text = json_canonical(json_object_get(result->reply->content, "comms"));
    assert_string_equal(text, expected);
}

static void expect_comm_message(struct frontend *frontend, const char *type, const char *id,
                                const char *data)
{
    AUTO(frontend_message)
    struct frontend_message *message = frontend_recv_iopub(frontend, NULL, type);
    AUTO_FREE char *text = json_canonical(json_object_get(message->content, "data"));
    assert_string_equal(json_get_string(message->content, "comm_id", ""), id);
    assert_string_equal(text, data);
}

static void test_comm_of_the_front_end(void **state)
{
    struct frontend *frontend = *state;
    send_comm(frontend, "comm_open", "a", "echo", json_pack("{s:i}", "n", 1));
    expect_comm_message(frontend, "comm_msg", "a", "{\"n\":1}");
    send_comm(frontend, "comm_msg", "a", NULL, json_pack("{s:s}", "t", "\U0001F600"));
    expect_comm_message(frontend, "comm_msg", "a", "{\"t\":\"\U0001F600\"}");
    expect_comms(frontend, NULL, "{\"a\":{\"target_name\":\"echo\"}}");
    expect_comms(frontend, "echo", "{\"a\":{\"target_name\":\"echo\"}}");
    expect_comms(frontend, "other", "{}");
    expect_nothing_said(frontend, send_comm(frontend, "comm_close", "a", NULL, json_object()));
    expect_nothing_said(frontend, send_comm(frontend, "comm_msg", "a", NULL, json_object()));
    expect_comms(frontend, NULL, "{}");
}

static void test_comm_of_the_kernel(void **state)
{
    struct frontend *frontend = *state;
    AUTO(frontend_result) struct frontend_result *open = frontend_execute(frontend, "open-comm");
    frontend_expect_ok(open);
    expect_comm_message(frontend, "comm_open", "ours", "{\"n\":1}");
    expect_comms(frontend, "fixture", "{\"ours\":{\"target_name\":\"fixture\"}}");
    send_comm(frontend, "comm_msg", "ours", NULL, json_pack("{s:b}", "yes", 1));
    expect_comm_message(frontend, "comm_msg", "ours", "{\"yes\":true}");
    AUTO(frontend_result) struct frontend_result *close = frontend_execute(frontend, "close-comm");
    frontend_expect_ok(close);
    expect_comm_message(frontend, "comm_close", "ours", "{}");
    expect_comms(frontend, NULL, "{}");
}

static void test_comms_nobody_knows(void **state)
{
    static const char *const targets[] = {"unheard-of", "refuse", ""};
    struct frontend *frontend = *state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        send_comm(frontend, "comm_open", "b", targets[i], json_object());
        expect_comm_message(frontend, "comm_close", "b", "{}");
    }
    expect_nothing_said(frontend, send_comm(frontend, "comm_msg", "b", NULL, json_object()));
    expect_nothing_said(frontend, send_comm(frontend, "comm_close", "b", NULL, json_object()));
    expect_comms(frontend, NULL, "{}");
}

/* --- questions -------------------------------------------------------------------------------- */

static void test_completion_counts_code_points(void **state)
{
    static const struct {
        const char *code;
        int cursor;
        int start;
        int end;
    } cases[] = {
        {"abc", 3, 0, 3},
        {"abc", 2, 0, 2},
        {"abc", 0, 0, 0},
        {"", 0, 0, 0},
        {"\u00e9 \u00e9b", 4, 2, 4},
        {"\U0001F600 \U0001F600b c", 4, 2, 4},
        {"\U0001F600\U0001F600", 1, 0, 1},
        {"a \U0001F468\u200D\U0001F469", 5, 2, 5},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(frontend_result)
        struct frontend_result *result = frontend_request(
            *state, CHANNEL_SHELL, "complete_request",
            json_pack("{s:s, s:i}", "code", cases[i].code, "cursor_pos", cases[i].cursor));
        frontend_expect_ok(result);
        const json_t *content = result->reply->content;
        assert_int_equal(json_array_size(json_object_get(content, "matches")), 2);
        assert_int_equal(json_get_int(content, "cursor_start", -1), cases[i].start);
        assert_int_equal(json_get_int(content, "cursor_end", -1), cases[i].end);
    }
}

static void test_inspection(void **state)
{
    static const struct {
        const char *code;
        int detail;
        bool found;
        const char *text;
    } cases[] = {
        {"\U0001F600b", 0, true, "byte 4, detail 0"},
        {"abc", 1, true, "byte 1, detail 1"},
        {"nothing", 0, false, ""},
        {"%magic", 0, false, ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(frontend_result)
        struct frontend_result *result =
            frontend_request(*state, CHANNEL_SHELL, "inspect_request",
                             json_pack("{s:s, s:i, s:i}", "code", cases[i].code, "cursor_pos", 1,
                                       "detail_level", cases[i].detail));
        frontend_expect_ok(result);
        const json_t *content = result->reply->content;
        assert_int_equal(json_get_bool(content, "found", !cases[i].found), cases[i].found);
        assert_string_equal(json_get_string(json_object_get(content, "data"), "text/plain", ""),
                            cases[i].text);
    }
}

static void test_completeness(void **state)
{
    static const struct {
        const char *code;
        const char *status;
        const char *indent;
    } cases[] = {
        {"all", "complete", "none"}, {"more:", "incomplete", "  "}, {"%magic", "unknown", "none"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(frontend_result)
        struct frontend_result *result =
            frontend_request(*state, CHANNEL_SHELL, "is_complete_request",
                             json_pack("{s:s}", "code", cases[i].code));
        const json_t *content = result->reply->content;
        assert_string_equal(json_get_string(content, "status", ""), cases[i].status);
        assert_string_equal(json_get_string(content, "indent", "none"), cases[i].indent);
        fixture_expect_types(result, "busy idle");
    }
}

static void test_kernel_info(void **state)
{
    static const enum channel channels[] = {CHANNEL_SHELL, CHANNEL_CONTROL};
    for (size_t i = 0; i < ARRAY_SIZE(channels); i++) {
        AUTO(frontend_result)
        struct frontend_result *result =
            frontend_request(*state, channels[i], "kernel_info_request", NULL);
        frontend_expect_ok(result);
        const json_t *content = result->reply->content;
        const json_t *language = json_object_get(content, "language_info");
        assert_string_equal(json_get_string(content, "implementation", ""), "fixture");
        assert_string_equal(json_get_string(content, "implementation_version", ""), "1.2.3");
        assert_string_equal(json_get_string(content, "banner", ""), "A kernel for tests");
        assert_string_equal(json_get_string(content, "protocol_version", ""), "5.5");
        assert_string_equal(json_get_string(language, "name", ""), "python");
        assert_string_equal(json_get_string(language, "file_extension", ""), ".py");
        assert_true(json_is_array(json_object_get(content, "supported_features")));
    }
}

static void test_many_requests(void **state)
{
    struct frontend *frontend = *state;
    static const char *ids[MANY_REQUESTS];
    for (size_t i = 0; i < MANY_REQUESTS; i++)
        ids[i] = frontend_send(frontend, CHANNEL_SHELL, "kernel_info_request", NULL);
    for (size_t i = 0; i < MANY_REQUESTS; i++) {
        AUTO(frontend_message)
        struct frontend_message *reply = frontend_recv(frontend, CHANNEL_SHELL);
        assert_string_equal(reply->parent_id, ids[i]); /* in order, once each */
    }
    for (size_t i = 0; i < MANY_REQUESTS; i++)
        expect_nothing_said(frontend, ids[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_comm_of_the_front_end),
        FIXTURE_TEST(test_comm_of_the_kernel),
        FIXTURE_TEST(test_comms_nobody_knows),
        FIXTURE_TEST(test_completion_counts_code_points),
        FIXTURE_TEST(test_inspection),
        FIXTURE_TEST(test_completeness),
        FIXTURE_TEST(test_kernel_info),
        FIXTURE_TEST(test_many_requests),
    };
    int role = fixture_main(argc, argv);
    return role >= 0 ? role : cmocka_run_group_tests(tests, NULL, NULL);
}
