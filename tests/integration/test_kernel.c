/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel as front ends see it: cells and their order, stdin, interrupting, several front ends,
 * and how it ends. The interpreter is the fixture's. Comms and questions are tested in
 * test_kernel_queries.c, malformed requests in test_kernel_hostile.c, history in
 * test_kernel_history.c.
 */
#include <poll.h>

#include "base/procid.h"
#include "tests/integration/kernel_fixture.h"

#define MANY_CELLS 200

static json_t *content_with(const char *code, const char *key, json_t *value)
{
    json_t *content = frontend_execute_content(code);
    json_object_set_new(content, key, value);
    return content;
}

static struct frontend_result *execute_with(struct frontend *frontend, const char *code,
                                            const char *key, json_t *value)
{
    return frontend_request(frontend, CHANNEL_SHELL, "execute_request",
                            content_with(code, key, value));
}

static const char *send_cell(struct frontend *frontend, const char *code)
{
    return frontend_send(frontend, CHANNEL_SHELL, "execute_request",
                         frontend_execute_content(code));
}

static int64_t count_of(const struct frontend_result *result)
{
    return json_get_int(result->reply->content, "execution_count", -1);
}

/* --- cells ------------------------------------------------------------------------------------ */

static void test_order(void **state)
{
    static const struct {
        const char *code;
        const char *types;
        const char *status;
    } cases[] = {
        {"nothing", "busy execute_input idle", "ok"},
        {"echo a", "busy execute_input stream idle", "ok"},
        {"err a", "busy execute_input stream idle", "ok"},
        {"display a", "busy execute_input display_data idle", "ok"},
        {"update a", "busy execute_input update_display_data idle", "ok"},
        {"later a", "busy execute_input stream idle", "ok"},
        {"%magic", "busy execute_input stream idle", "ok"},
        {"fail", "busy execute_input error idle", "error"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(frontend_result)
        struct frontend_result *result = frontend_execute(*state, cases[i].code);
        assert_string_equal(result->reply->type, "execute_reply");
        assert_string_equal(result->reply->parent_id, result->msg_id);
        assert_string_equal(json_get_string(result->reply->content, "status", ""), cases[i].status);
        assert_int_equal(count_of(result), i + 1);
        fixture_expect_types(result, cases[i].types);
        const json_t *input = frontend_output(result, "execute_input", 0)->content;
        assert_string_equal(json_get_string(input, "code", ""), cases[i].code);
        assert_int_equal(json_get_int(input, "execution_count", 0), i + 1);
    }
    /* A blank cell takes no number. */
    AUTO(frontend_result) struct frontend_result *blank = frontend_execute(*state, " \n");
    fixture_expect_types(blank, "busy execute_input idle");
    AUTO(frontend_result) struct frontend_result *next = frontend_execute(*state, "nothing");
    assert_int_equal(count_of(next), ARRAY_SIZE(cases) + 1);
    frontend_expect_silence(*state, CHANNEL_SHELL);
}

static void test_outputs(void **state)
{
    AUTO(frontend_result) struct frontend_result *out = frontend_execute(*state, "echo \U0001F600");
    AUTO(frontend_result) struct frontend_result *err = frontend_execute(*state, "err b");
    AUTO(frontend_result) struct frontend_result *display = frontend_execute(*state, "display c");
    AUTO(frontend_result) struct frontend_result *update = frontend_execute(*state, "update d");
    AUTO(frontend_result) struct frontend_result *magic = frontend_execute(*state, "%x");
    frontend_expect_stream(out, "stdout", "\U0001F600\n");
    frontend_expect_stream(err, "stderr", "b\n");
    frontend_expect_display(display, "text/plain", "c");
    frontend_expect_stream(magic, "stdout", "a magic\n");
    for (int i = 0; i < 2; i++) {
        const struct frontend_message *message =
            i == 0 ? frontend_output(display, "display_data", 0)
                   : frontend_output(update, "update_display_data", 0);
        const json_t *transient = json_object_get(message->content, "transient");
        assert_string_equal(json_get_string(transient, "display_id", ""), "fixed");
    }
}

static void test_page(void **state)
{
    AUTO(frontend_result) struct frontend_result *result = frontend_execute(*state, "page a");
    frontend_expect_ok(result);
    const json_t *page = json_array_get(json_object_get(result->reply->content, "payload"), 0);
    assert_string_equal(json_get_string(page, "source", ""), "page");
    assert_string_equal(json_get_string(json_object_get(page, "data"), "text/plain", ""), "a");
}

static void test_error_is_told_twice_alike(void **state)
{
    AUTO(frontend_result) struct frontend_result *result = frontend_execute(*state, "fail");
    frontend_expect_error(result, "ValueError");
    const json_t *shown = frontend_output(result, "error", 0)->content;
    static const char *const fields[] = {"ename", "evalue", "traceback"};
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        assert_non_null(json_object_get(shown, fields[i]));
        assert_true(json_equal(json_object_get(shown, fields[i]),
                               json_object_get(result->reply->content, fields[i])));
    }
}

/* What a cell leaves running still belongs to it, whatever came since. */
static void test_output_after_the_end(void **state)
{
    struct frontend *frontend = *state;
    AUTO(frontend_result) struct frontend_result *result = frontend_execute(frontend, "after a");
    AUTO(frontend_message)
    struct frontend_message *late = frontend_recv_iopub(frontend, result->msg_id, "stream");
    assert_string_equal(json_get_string(late->content, "text", ""), "a");
}

static void test_silent_and_store_history(void **state)
{
    static const struct {
        const char *code;
        bool silent;
        bool store;
        int count;
        const char *types;
    } cases[] = {
        {"echo a", false, true, 1, "busy execute_input stream idle"},
        {"echo a", false, false, 1, "busy execute_input stream idle"},
        {"echo a", true, true, 1, "busy idle"},
        {"display a", true, false, 1, "busy idle"},
        {"fail", true, false, 1, "busy idle"},
        {"fail", false, false, 1, "busy execute_input error idle"},
        {"echo a", false, true, 2, "busy execute_input stream idle"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        json_t *content = content_with(cases[i].code, "silent", json_boolean(cases[i].silent));
        json_object_set_new(content, "store_history", json_boolean(cases[i].store));
        AUTO(frontend_result)
        struct frontend_result *result =
            frontend_request(*state, CHANNEL_SHELL, "execute_request", content);
        assert_int_equal(count_of(result), cases[i].count);
        fixture_expect_types(result, cases[i].types);
    }
}

static void test_user_expressions(void **state)
{
    AUTO(frontend_result)
    struct frontend_result *result =
        execute_with(*state, "echo a", "user_expressions", json_pack("{s:s}", "x", "1 + 1"));
    frontend_expect_ok(result);
    const json_t *answers = json_object_get(result->reply->content, "user_expressions");
    assert_string_equal(json_get_string(json_object_get(answers, "x"), "status", ""), "error");
}

/* --- one failing, others behind it ------------------------------------------------------------ */

static void expect_run_on(struct frontend *frontend, int count)
{
    AUTO(frontend_result) struct frontend_result *result = frontend_execute(frontend, "echo on");
    frontend_expect_ok(result);
    frontend_expect_stream(result, "stdout", "on\n");
    assert_int_equal(count_of(result), count);
}

/* Nothing has run, so nothing has a number: JupyterLab would show it beside the cell. */
static void expect_all_aborted(struct frontend *frontend, const char *const ids[MANY_CELLS])
{
    for (size_t i = 0; i < MANY_CELLS; i++) {
        AUTO(frontend_result) struct frontend_result *result = frontend_collect(frontend, ids[i]);
        frontend_expect_aborted(result);
        fixture_expect_types(result, "busy idle");
        assert_null(json_object_get(result->reply->content, "execution_count"));
    }
}

/* Run All: everything is sent at once, and the first cell fails before the rest is read. */
static void test_failure_aborts_what_is_behind(void **state)
{
    struct frontend *frontend = *state;
    const char *ids[MANY_CELLS];
    const char *first = send_cell(frontend, "fail");
    for (size_t i = 0; i < MANY_CELLS; i++)
        ids[i] = send_cell(frontend, "echo must not run");
    AUTO(frontend_result) struct frontend_result *failed = frontend_collect(frontend, first);
    frontend_expect_error(failed, "ValueError");
    expect_all_aborted(frontend, ids);
    expect_run_on(frontend, 2);
}

static void test_interrupt_aborts_what_is_behind(void **state)
{
    struct frontend *frontend = *state;
    const char *ids[MANY_CELLS];
    const char *first = fixture_begin(frontend, "hang");
    for (size_t i = 0; i < MANY_CELLS; i++)
        ids[i] = send_cell(frontend, "echo must not run");
    frontend_expect_silence(frontend, CHANNEL_SHELL); /* all have been read, none has run */
    frontend_send(frontend, CHANNEL_CONTROL, "interrupt_request", NULL);
    AUTO(frontend_message) struct frontend_message *reply = frontend_recv_reply(frontend, first);
    assert_string_equal(json_get_string(reply->content, "ename", ""), "KeyboardInterrupt");
    expect_all_aborted(frontend, ids);
    expect_run_on(frontend, 2);
}

static void test_stop_on_error_false(void **state)
{
    struct frontend *frontend = *state;
    const char *ids[MANY_CELLS];
    const char *first = frontend_send(frontend, CHANNEL_SHELL, "execute_request",
                                      content_with("fail", "stop_on_error", json_false()));
    for (size_t i = 0; i < MANY_CELLS; i++)
        ids[i] = send_cell(frontend, "echo a");
    AUTO(frontend_result) struct frontend_result *failed = frontend_collect(frontend, first);
    frontend_expect_error(failed, "ValueError");
    for (size_t i = 0; i < MANY_CELLS; i++) {
        AUTO(frontend_result) struct frontend_result *result = frontend_collect(frontend, ids[i]);
        frontend_expect_ok(result);
    }
}

/* --- interrupting ----------------------------------------------------------------------------- */

static void interrupt_by_message(struct frontend *frontend)
{
    AUTO(frontend_result)
    struct frontend_result *result =
        frontend_request(frontend, CHANNEL_CONTROL, "interrupt_request", NULL);
    frontend_expect_ok(result);
}

static void interrupt_by_signal(struct frontend *frontend)
{
    frontend_kill(frontend, SIGINT);
}

static void test_interrupt(void **state)
{
    static void (*const interrupts[])(struct frontend *) = {interrupt_by_message,
                                                            interrupt_by_signal};
    struct frontend *frontend = *state;
    for (size_t i = 0; i < ARRAY_SIZE(interrupts); i++) {
        const char *hanging = fixture_begin(frontend, "hang");
        interrupts[i](frontend);
        AUTO(frontend_result) struct frontend_result *result = frontend_collect(frontend, hanging);
        assert_string_equal(json_get_string(result->reply->content, "ename", ""),
                            "KeyboardInterrupt");
        AUTO(frontend_result) struct frontend_result *next = frontend_execute(frontend, "echo on");
        frontend_expect_ok(next);
    }
}

static void test_interrupt_when_idle(void **state)
{
    interrupt_by_message(*state);
    interrupt_by_signal(*state);
    AUTO(frontend_result) struct frontend_result *next = frontend_execute(*state, "echo on");
    frontend_expect_ok(next);
}

static void test_control_while_a_cell_hangs(void **state)
{
    struct frontend *frontend = *state;
    const char *hanging = fixture_begin(frontend, "hang");
    AUTO(frontend_result)
    struct frontend_result *info =
        frontend_request(frontend, CHANNEL_CONTROL, "kernel_info_request", NULL);
    frontend_expect_ok(info);
    AUTO(frontend_result)
    struct frontend_result *completion = frontend_request(
        frontend, CHANNEL_SHELL, "complete_request",
        json_pack("{s:s, s:i}", "code", "\U0001F600 \U0001F600ab c", "cursor_pos", 5));
    frontend_expect_ok(completion);
    assert_int_equal(json_get_int(completion->reply->content, "cursor_start", -1), 2);
    assert_int_equal(json_get_int(completion->reply->content, "cursor_end", -1), 5);
    frontend_expect_heartbeat(frontend);
    interrupt_by_message(frontend);
    AUTO(frontend_message) struct frontend_message *reply = frontend_recv_reply(frontend, hanging);
    assert_string_equal(reply->type, "execute_reply");
}

/* --- stdin ------------------------------------------------------------------------------------ */

static void test_asking(void **state)
{
    static const struct {
        const char *code;
        bool password;
    } cases[] = {{"ask name? ", false}, {"askpw name? ", true}};
    struct frontend *frontend = *state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *msg_id = send_cell(frontend, cases[i].code);
        AUTO(frontend_message)
        struct frontend_message *question = frontend_recv(frontend, CHANNEL_STDIN);
        assert_string_equal(question->type, "input_request");
        assert_string_equal(question->parent_id, msg_id);
        assert_string_equal(json_get_string(question->content, "prompt", ""), "name? ");
        assert_int_equal(json_get_bool(question->content, "password", false), cases[i].password);
        frontend_send(frontend, CHANNEL_STDIN, "input_reply",
                      json_pack("{s:s}", "value", "\u00e9\U0001F600"));
        AUTO(frontend_result) struct frontend_result *result = frontend_collect(frontend, msg_id);
        frontend_expect_ok(result);
        frontend_expect_stream(result, "stdout", "got \u00e9\U0001F600\n");
    }
}

static void test_asking_when_nobody_can_answer(void **state)
{
    AUTO(frontend_result)
    struct frontend_result *result = execute_with(*state, "ask x", "allow_stdin", json_false());
    frontend_expect_error(result, "StdinNotImplementedError");
    assert_false(frontend_pending(*state, CHANNEL_STDIN));
}

/* Neither another front end may, nor a message that is no answer. */
static void test_only_the_asked_may_answer(void **state)
{
    struct frontend *frontend = *state;
    AUTO(frontend) struct frontend *other = frontend_join(frontend);
    const char *msg_id = fixture_begin(frontend, "ask x");
    frontend_message_free(frontend_recv(frontend, CHANNEL_STDIN));
    frontend_send(other, CHANNEL_STDIN, "input_reply", json_pack("{s:s}", "value", "other"));
    frontend_expect_silence(other, CHANNEL_SHELL);
    frontend_send(frontend, CHANNEL_STDIN, "kernel_info_request", NULL);
    frontend_expect_silence(frontend, CHANNEL_CONTROL);
    frontend_send(frontend, CHANNEL_STDIN, "input_reply", json_pack("{s:s}", "value", "mine"));
    AUTO(frontend_result) struct frontend_result *result = frontend_collect(frontend, msg_id);
    frontend_expect_stream(result, "stdout", "got mine\n");
    assert_false(frontend_pending(other, CHANNEL_STDIN));
}

static void test_interrupt_while_asking(void **state)
{
    struct frontend *frontend = *state;
    const char *msg_id = fixture_begin(frontend, "ask x");
    frontend_message_free(frontend_recv(frontend, CHANNEL_STDIN));
    interrupt_by_message(frontend);
    AUTO(frontend_message) struct frontend_message *reply = frontend_recv_reply(frontend, msg_id);
    assert_string_equal(json_get_string(reply->content, "evalue", ""), "while asking");
    frontend_send(frontend, CHANNEL_STDIN, "input_reply", json_pack("{s:s}", "value", "late"));
    AUTO(frontend_result) struct frontend_result *next = frontend_execute(frontend, "echo on");
    frontend_expect_ok(next);
}

/* --- front ends ------------------------------------------------------------------------------- */

static void test_welcome_comes_first(void **state)
{
    AUTO(frontend) struct frontend *frontend = frontend_new("ipc");
    (void)state;
    fixture_start_kernel(frontend, "kernel", NULL);
    AUTO(frontend_message)
    struct frontend_message *welcome = frontend_recv_iopub(frontend, NULL, NULL);
    AUTO(frontend_message)
    struct frontend_message *status = frontend_recv_iopub(frontend, NULL, NULL);
    assert_string_equal(welcome->type, "iopub_welcome");
    assert_string_equal(welcome->parent_id, "");
    assert_string_equal(json_get_string(welcome->content, "subscription", "none"), "");
    assert_string_equal(status->type, "status");
    assert_string_equal(status->parent_id, "");
    fixture_stop(frontend);
}

static void test_joining_while_busy(void **state)
{
    struct frontend *frontend = *state;
    const char *hanging = fixture_begin(frontend, "hang");
    AUTO(frontend) struct frontend *other = frontend_join(frontend);
    AUTO(frontend_message) struct frontend_message *welcome = NULL;
    welcome = frontend_recv_iopub(frontend, "", "iopub_welcome");
    AUTO(frontend_message)
    struct frontend_message *status = frontend_recv_iopub(frontend, "", "status");
    assert_string_equal(json_get_string(status->content, "execution_state", ""), "busy");
    interrupt_by_message(other);
    frontend_message_free(frontend_recv_reply(frontend, hanging));
}

static void test_two_front_ends(void **state)
{
    struct frontend *both[2] = {*state, frontend_join(*state)};
    const char *ids[2][MANY_CELLS];
    for (size_t i = 0; i < MANY_CELLS; i++)
        for (size_t f = 0; f < 2; f++)
            ids[f][i] = send_cell(both[f], f == 0 ? "echo zero" : "echo one");
    for (size_t f = 0; f < 2; f++) {
        for (size_t i = 0; i < MANY_CELLS; i++) {
            AUTO(frontend_result)
            struct frontend_result *result = frontend_collect(both[f], ids[f][i]);
            frontend_expect_ok(result);
            frontend_expect_stream(result, "stdout", f == 0 ? "zero\n" : "one\n");
        }
        assert_false(frontend_pending(both[f], CHANNEL_SHELL)); /* no reply of the other's */
    }
    /* what the other ran is seen, too */
    frontend_message_free(frontend_recv_iopub(both[0], ids[1][0], "stream"));
    frontend_free(both[1]);
}

static void test_tcp(void **state)
{
    AUTO(frontend) struct frontend *frontend = fixture_start_as("kernel", "tcp");
    (void)state;
    frontend_expect_heartbeat(frontend);
    AUTO(frontend_result) struct frontend_result *result = frontend_execute(frontend, "echo a");
    frontend_expect_ok(result);
    fixture_expect_types(result, "busy execute_input stream idle");
    const char *msg_id = fixture_begin(frontend, "ask name? ");
    frontend_answer_input(frontend, "name? ", "b");
    AUTO(frontend_message) struct frontend_message *reply = frontend_recv_reply(frontend, msg_id);
    assert_string_equal(json_get_string(reply->content, "status", ""), "ok");
    fixture_stop(frontend);
}

static void test_heartbeat(void **state)
{
    for (int i = 0; i < 3; i++)
        frontend_expect_heartbeat(*state);
}

/* --- the end ---------------------------------------------------------------------------------- */

static void expect_log(const struct frontend *frontend, const char *line)
{
    AUTO_FREE char *log = frontend_log(frontend);
    assert_non_null(strstr(log, line));
}

static void test_shutdown(void **state)
{
    struct frontend *frontend = *state;
    for (int restart = 0; restart < 2; restart++) {
        AUTO(frontend) struct frontend *own = restart ? fixture_start_as("kernel", "ipc") : NULL;
        frontend = restart ? own : frontend;
        AUTO(frontend_result)
        struct frontend_result *result =
            frontend_request(frontend, restart ? CHANNEL_SHELL : CHANNEL_CONTROL,
                             "shutdown_request", json_pack("{s:b}", "restart", restart));
        frontend_expect_ok(result);
        fixture_expect_types(result, "busy shutdown_reply idle");
        assert_int_equal(json_get_bool(result->reply->content, "restart", !restart), restart);
        assert_int_equal(json_get_bool(frontend_output(result, "shutdown_reply", 0)->content,
                                       "restart", !restart),
                         restart);
        fixture_expect_orderly_exit(frontend);
        expect_log(frontend, restart ? "stopping, restart 1" : "stopping, restart 0");
    }
}

/* Whatever waits gets its reply and its idle before the kernel goes. */
static void test_shutdown_while_working(void **state)
{
    static const struct {
        const char *code;
        const char *ename;
    } cases[] = {{"hang", "KeyboardInterrupt"},
                 {"stubborn", "KernelStopped"},
                 {"ask x", "KeyboardInterrupt"}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(frontend) struct frontend *frontend = fixture_start_as("kernel", "ipc");
        const char *running = fixture_begin(frontend, cases[i].code);
        const char *queued = send_cell(frontend, "echo a");
        const char *open = frontend_send(frontend, CHANNEL_SHELL, "complete_request",
                                         json_pack("{s:s}", "code", "never"));
        frontend_expect_silence(frontend, CHANNEL_SHELL);
        const char *shutdown = frontend_send(frontend, CHANNEL_CONTROL, "shutdown_request", NULL);
        AUTO(frontend_result) struct frontend_result *first = frontend_collect(frontend, running);
        AUTO(frontend_result) struct frontend_result *second = frontend_collect(frontend, queued);
        AUTO(frontend_result) struct frontend_result *third = frontend_collect(frontend, open);
        AUTO(frontend_result) struct frontend_result *last = frontend_collect(frontend, shutdown);
        assert_string_equal(json_get_string(first->reply->content, "ename", ""), cases[i].ename);
        frontend_expect_aborted(second);
        frontend_expect_aborted(third);
        frontend_expect_ok(last);
        fixture_expect_orderly_exit(frontend);
    }
}

static void test_sigterm(void **state)
{
    struct frontend *frontend = *state;
    const char *running = fixture_begin(frontend, "hang");
    frontend_kill(frontend, SIGTERM);
    AUTO(frontend_message) struct frontend_message *reply = frontend_recv_reply(frontend, running);
    assert_string_equal(json_get_string(reply->content, "ename", ""), "KeyboardInterrupt");
    fixture_expect_orderly_exit(frontend);
}

static void test_death_and_restart(void **state)
{
    struct frontend *frontend = *state;
    send_cell(frontend, "die");
    int status = frontend_wait_exit(frontend);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), FIXTURE_DIED);
    fixture_start_kernel(frontend, "kernel", NULL);
    frontend_wait_ready(frontend);
    expect_run_on(frontend, 1);
}

static void test_parent_gone(void **state)
{
    AUTO(frontend) struct frontend *frontend = fixture_start_as("parent", "ipc");
    (void)state;
    AUTO(frontend_result)
    struct frontend_result *usage =
        frontend_request(frontend, CHANNEL_CONTROL, "usage_request", NULL);
    struct procid kernel;
    pid_t pid = (pid_t)json_get_int(usage->reply->content, "pid", 0);
    assert_true(procid_of(pid, &kernel));
    AUTO_CLOSE int kernel_fd = procid_open(&kernel);
    assert_true(kernel_fd >= 0);
    frontend_kill(frontend, SIGKILL);
    struct pollfd gone = {.fd = kernel_fd, .events = POLLIN};
    assert_int_equal(poll(&gone, 1, FRONTEND_WAIT_MS), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_order),
        FIXTURE_TEST(test_outputs),
        FIXTURE_TEST(test_page),
        FIXTURE_TEST(test_error_is_told_twice_alike),
        FIXTURE_TEST(test_output_after_the_end),
        FIXTURE_TEST(test_silent_and_store_history),
        FIXTURE_TEST(test_user_expressions),
        FIXTURE_TEST(test_failure_aborts_what_is_behind),
        FIXTURE_TEST(test_interrupt_aborts_what_is_behind),
        FIXTURE_TEST(test_stop_on_error_false),
        FIXTURE_TEST(test_interrupt),
        FIXTURE_TEST(test_interrupt_when_idle),
        FIXTURE_TEST(test_control_while_a_cell_hangs),
        FIXTURE_TEST(test_asking),
        FIXTURE_TEST(test_asking_when_nobody_can_answer),
        FIXTURE_TEST(test_only_the_asked_may_answer),
        FIXTURE_TEST(test_interrupt_while_asking),
        UNIT(test_welcome_comes_first),
        FIXTURE_TEST(test_joining_while_busy),
        FIXTURE_TEST(test_two_front_ends),
        UNIT(test_tcp),
        FIXTURE_TEST(test_heartbeat),
        FIXTURE_TEST(test_shutdown),
        UNIT(test_shutdown_while_working),
        FIXTURE_TEST(test_sigterm),
        FIXTURE_TEST(test_death_and_restart),
        UNIT(test_parent_gone),
    };
    int role = fixture_main(argc, argv);
    return role >= 0 ? role : cmocka_run_group_tests(tests, NULL, NULL);
}
