/* SPDX-License-Identifier: BSD-3-Clause */
/* Comms and widgets over real sockets. The fixture's kernel has no companion: all comms are ours. Those
 * of both sides are tested by tests/clients/test_comms.py. */
#include "tests/integration/kernel_fixture.h"

#define MANY_COMMS 5000

static const char *send_comm(struct frontend *frontend, const char *type, const char *id,
                             const char *target, const char *data)
{
    json_t *content = json_pack("{s:s, s:o}", "comm_id", id, "data", json_loads(data, 0, NULL));
    if (target == NULL)
        return frontend_send(frontend, CHANNEL_SHELL, type, content);
    json_object_set_new(content, "target_name", json_string(target));
    return frontend_send_with(
        frontend, CHANNEL_SHELL, type, content,
        &(struct frontend_extras){.metadata = json_pack("{s:s}", "version", "1.0.0")});
}

MUST_CHECK static struct frontend_message *expect(struct frontend *frontend, const char *about,
                                                  const char *type, const char *id)
{
    struct frontend_message *message = frontend_recv_iopub(frontend, about, type);
    assert_string_equal(json_get_string(message->content, "comm_id", ""), id);
    return message;
}

static void expect_json(const json_t *value, const char *expected)
{
    AUTO_FREE char *text = json_canonical(value);
    assert_string_equal(text, expected);
}

static void expect_nothing_said(struct frontend *frontend, const char *msg_id)
{
    struct frontend_messages messages;
    frontend_recv_idle(frontend, msg_id, &messages);
    assert_int_equal(messages.count, 2);
    frontend_messages_done(&messages);
}

static void run(struct frontend *frontend, const char *code)
{
    AUTO(frontend_result) struct frontend_result *result = frontend_execute(frontend, code);
    frontend_expect_ok(result);
}

/* --- parents ---------------------------------------------------------------------------------- */

/* What a handler says is about the message it was called for; what a timer or a cell without an outlet
 * says is about nothing. */
static void test_parents(void **state)
{
    struct frontend *frontend = *state;
    const char *msg_id = send_comm(frontend, "comm_open", "a", "echo", "{}");
    frontend_message_free(expect(frontend, msg_id, "comm_msg", "a"));
    msg_id = send_comm(frontend, "comm_msg", "a", NULL, "{}");
    frontend_message_free(expect(frontend, msg_id, "comm_msg", "a"));
    msg_id = send_comm(frontend, "comm_open", "b", "refuse", "{}");
    frontend_message_free(expect(frontend, msg_id, "comm_close", "b"));
    run(frontend, "open-comm");
    frontend_message_free(expect(frontend, "", "comm_open", "ours"));
}

/* nbclient takes a widget's state from what is about the cell that runs. */
static void test_about_a_cell(void **state)
{
    struct frontend *frontend = *state;
    run(frontend, "widget 1");
    AUTO(frontend_result) struct frontend_result *set = frontend_execute(frontend, "set 2");
    const struct frontend_message *update = frontend_output(set, "comm_msg", 0);
    assert_non_null(update);
    expect_json(json_object_get(update->content, "data"),
                "{\"method\":\"update\",\"state\":{\"value\":\"2\"}}");
}

/* --- widgets ---------------------------------------------------------------------------------- */

#define STATE(value)                                                                               \
    "{\"_model_module\":\"fixture\",\"_model_module_version\":\"1.0.0\",\"_model_name\":\"Model\"" \
    ",\"value\":\"" value "\"}"
#define STATES(value)                                                                         \
    "{\"buffer_paths\":[[\"model\",\"state\",\"picture\"]],\"method\":\"update_states\","     \
    "\"states\":{\"model\":{\"model_module\":\"fixture\",\"model_module_version\":\"1.0.0\"," \
    "\"model_name\":\"Model\",\"state\":" STATE(value) "}}}"
#define NO_STATES "{\"buffer_paths\":[],\"method\":\"update_states\",\"states\":{}}"

/* As a page does that is loaded. `buffers` is how many it gets. */
static void expect_states(struct frontend *frontend, const char *expected, size_t buffers)
{
    expect_nothing_said(frontend,
                        send_comm(frontend, "comm_open", "control", COMM_WIDGET_CONTROL, "{}"));
    const char *msg_id =
        send_comm(frontend, "comm_msg", "control", NULL, "{\"method\":\"request_states\"}");
    AUTO(frontend_message)
    struct frontend_message *answer = expect(frontend, msg_id, "comm_msg", "control");
    expect_json(json_object_get(answer->content, "data"), expected);
    assert_int_equal(answer->message->buffer_count, buffers);
    if (buffers > 0)
        assert_string_equal(answer->message->buffers[0].data, "pixels");
    expect_nothing_said(frontend, send_comm(frontend, "comm_close", "control", NULL, "{}"));
}

static void test_states(void **state)
{
    struct frontend *frontend = *state;
    expect_states(frontend, NO_STATES, 0);
    run(frontend, "widget 1");
    AUTO(frontend_message)
    struct frontend_message *open = expect(frontend, "", "comm_open", "model");
    expect_json(open->metadata, "{\"version\":\"2.1.0\"}");
    expect_states(frontend, STATES("1"), 1);
    run(frontend, "set 2");
    expect_states(frontend, STATES("2"), 1);
    run(frontend, "drop");
    expect_states(frontend, NO_STATES, 0);
}

static void test_states_while_a_cell_runs(void **state)
{
    struct frontend *frontend = *state;
    run(frontend, "widget 1");
    const char *cell = fixture_begin(frontend, "hang");
    expect_states(frontend, STATES("1"), 1);
    frontend_message_free(frontend_recv_reply(
        frontend, frontend_send(frontend, CHANNEL_CONTROL, "interrupt_request", NULL)));
    frontend_message_free(frontend_recv_reply(frontend, cell));
}

/* The same id again, as after a page's restart: announced again, and the same comm. */
static void test_opened_again(void **state)
{
    struct frontend *frontend = *state;
    run(frontend, "widget 1");
    run(frontend, "widget 2");
    frontend_message_free(expect(frontend, "", "comm_open", "model"));
    frontend_message_free(expect(frontend, "", "comm_open", "model"));
    expect_states(frontend, STATES("2"), 1);
    expect_nothing_said(frontend, send_comm(frontend, "comm_close", "model", NULL, "{}"));
    expect_states(frontend, NO_STATES, 0);
}

/* A widget is asked itself when nobody answered on the control comm. Its owner is not called: the
 * fixture's would send the question back. */
static void test_one_state(void **state)
{
    struct frontend *frontend = *state;
    run(frontend, "widget 1");
    const char *msg_id =
        send_comm(frontend, "comm_msg", "model", NULL, "{\"method\":\"request_state\"}");
    AUTO(frontend_message)
    struct frontend_message *answer = expect(frontend, msg_id, "comm_msg", "model");
    expect_json(
        json_object_get(answer->content, "data"),
        "{\"buffer_paths\":[[\"picture\"]],\"method\":\"update\",\"state\":" STATE("1") "}");
    assert_int_equal(answer->message->buffer_count, 1);
    msg_id = send_comm(frontend, "comm_msg", "model", NULL, "{\"method\":\"custom\"}");
    AUTO(frontend_message)
    struct frontend_message *echo = expect(frontend, msg_id, "comm_msg", "model");
    expect_json(json_object_get(echo->content, "data"), "{\"method\":\"custom\"}");
}

/* A page of another protocol hears so at once, and asks each widget; other questions get no answer. */
static void test_control_of_another_version(void **state)
{
    static const char *const versions[] = {"", "0.9", "10.0.0", "2.0.0"};
    struct frontend *frontend = *state;
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        const char *msg_id = frontend_send_with(
            frontend, CHANNEL_SHELL, "comm_open",
            json_pack("{s:s, s:s}", "comm_id", "c", "target_name", COMM_WIDGET_CONTROL),
            &(struct frontend_extras){.metadata = json_pack("{s:s}", "version", versions[i])});
        frontend_message_free(expect(frontend, msg_id, "comm_close", "c"));
    }
    expect_nothing_said(frontend, send_comm(frontend, "comm_open", "c", COMM_WIDGET_CONTROL, "{}"));
    static const char *const data[] = {
        "{}", "[]", "null", "7", "{\"method\":7}", "{\"method\":\"other\"}"};
    for (size_t i = 0; i < ARRAY_SIZE(data); i++)
        expect_nothing_said(frontend, send_comm(frontend, "comm_msg", "c", NULL, data[i]));
}

/* --- nobody's --------------------------------------------------------------------------------- */

/* No Python: nobody can have registered a target that is not ours. */
static void test_targets_nobody_registered(void **state)
{
    static const char *const targets[] = {COMM_WIDGET, "matplotlib", ""};
    struct frontend *frontend = *state;
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        const char *msg_id = send_comm(frontend, "comm_open", "x", targets[i], "{\"state\":{}}");
        AUTO(frontend_message)
        struct frontend_message *close = expect(frontend, msg_id, "comm_close", "x");
        expect_json(json_object_get(close->content, "data"), "{}");
    }
    expect_states(frontend, NO_STATES, 0);
}

static void test_many(void **state)
{
    struct frontend *frontend = *state;
    for (int i = 0; i < MANY_COMMS; i++) {
        AUTO_FREE char *id = xasprintf("id-%d", i);
        frontend_message_free(
            expect(frontend, send_comm(frontend, "comm_open", id, "echo", "{}"), "comm_msg", id));
    }
    AUTO(frontend_result)
    struct frontend_result *info =
        frontend_request(frontend, CHANNEL_SHELL, "comm_info_request", NULL);
    assert_int_equal(json_object_size(json_object_get(info->reply->content, "comms")), MANY_COMMS);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_parents),
        FIXTURE_TEST(test_about_a_cell),
        FIXTURE_TEST(test_states),
        FIXTURE_TEST(test_states_while_a_cell_runs),
        FIXTURE_TEST(test_opened_again),
        FIXTURE_TEST(test_one_state),
        FIXTURE_TEST(test_control_of_another_version),
        FIXTURE_TEST(test_targets_nobody_registered),
        FIXTURE_TEST(test_many),
    };
    int status = fixture_main(argc, argv);
    return status >= 0 ? status : cmocka_run_group_tests(tests, NULL, NULL);
}
