/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A kernel to test kernel/ with: the real server with two small interpreters. A test program runs
 * itself as that kernel: main() calls fixture_main() first.
 *
 * The first word of a cell says what it does:
 *
 *     echo X, err X         X on stdout or stderr
 *     fail                  a ValueError
 *     hang                  writes "hanging", ends when interrupted
 *     stubborn              the same, but ignores interrupts
 *     later X               X on stdout from a timer, then ok
 *     after X               ok, then X on stdout from a timer
 *     ask P, askpw P        asks with the prompt P, echoes the answer
 *     display X, update X   a display with a fixed id, and its update
 *     page X                X for the pager
 *     open-comm, close-comm a comm "ours" of the target "fixture"
 *     widget X, set X, drop a widget "model" with the value X and the bytes "pixels"; its update, which
 *                           is about the cell; its end
 *     die                   the process exits with FIXTURE_DIED
 *     %...                  belongs to a second interpreter, which answers no questions
 *
 * and anything else is ok and does nothing. Front ends may open comms of the target "echo" (sends
 * back what it gets) and "refuse" (never sets a handler). A completion replaces the word before the
 * cursor; "never" as the code of one is not answered.
 */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strlist.h"
#include "kernel/cell.h"
#include "kernel/comm.h"
#include "kernel/interpreter.h"
#include "kernel/outlet.h"
#include "kernel/question.h"
#include "kernel/server.h"
#include "tests/frontend.h"
#include "tests/unit.h"

#define FIXTURE_DIED 7
#define FIXTURE_HANDLES_LEFT 8

/* --- the kernel's side ------------------------------------------------------------------------ */

struct fixture {
    struct server *server;
    struct cell *cell; /* the one that has not ended by itself */
    struct outlet *outlet;
    struct comm *comm;
    struct comm *widget;
    char *text; /* what the timer writes */
    char *history_path;
    bool stubborn;
    uv_timer_t timer;
};

static void fixture_fail_cell(struct cell *cell, const char *ename, const char *evalue)
{
    cell_finish_error(cell, ename, evalue, &evalue, 1);
}

static void fixture_answered(struct cell *cell, const char *text, void *data)
{
    (void)data;
    if (text == NULL) {
        fixture_fail_cell(cell, "KeyboardInterrupt", "while asking");
        return;
    }
    outlet_printf(cell_outlet(cell), OUTLET_STDOUT, "got %s\n", text);
    cell_finish_ok(cell);
}

static void fixture_ask(struct cell *cell, const char *prompt, bool password)
{
    if (cell_ask(cell, prompt, password, fixture_answered, NULL) != 0)
        fixture_fail_cell(cell, "StdinNotImplementedError", "nobody can answer");
}

static void fixture_on_timer(uv_timer_t *timer)
{
    struct fixture *fixture = timer->data;
    outlet_write(fixture->outlet, OUTLET_STDOUT, fixture->text, strlen(fixture->text));
    outlet_unref(steal(&fixture->outlet));
    if (fixture->cell != NULL)
        cell_finish_ok(steal(&fixture->cell));
}

static void fixture_start_timer(struct fixture *fixture, struct cell *cell, const char *text)
{
    outlet_unref(fixture->outlet);
    fixture->outlet = outlet_ref(cell_outlet(cell));
    replace(&fixture->text, xstrdup(text));
    uv_timer_start(&fixture->timer, fixture_on_timer, 1, 0);
}

static void fixture_hang(struct fixture *fixture, struct cell *cell, bool stubborn)
{
    fixture->cell = cell;
    fixture->stubborn = stubborn;
    outlet_printf(cell_outlet(cell), OUTLET_STDOUT, "hanging\n");
}

static void fixture_comm_closed(struct comm *comm, json_t *data, void *self)
{
    struct fixture *fixture = self;
    (void)data;
    if (fixture->comm == comm)
        fixture->comm = NULL;
    if (fixture->widget == comm)
        fixture->widget = NULL;
}

static void fixture_comm_message(struct comm *comm, json_t *data, void *self)
{
    (void)self;
    comm_send(comm, &(struct comm_message){.data = json_incref(data)});
}

static const struct comm_handler fixture_comm_handler = {fixture_comm_message, fixture_comm_closed};

static void fixture_open_comm(struct fixture *fixture)
{
    fixture->comm = comm_open(fixture->server, "ours", "fixture",
                              &(struct comm_message){.data = json_pack("{s:i}", "n", 1)});
    comm_set_handler(fixture->comm, &fixture_comm_handler, fixture);
}

static void fixture_widget(struct fixture *fixture, const char *value)
{
    json_t *data = json_pack("{s:{s:s, s:s, s:s, s:s}, s:[[s]]}", "state", "_model_name", "Model",
                             "_model_module", "fixture", "_model_module_version", "1.0.0", "value",
                             value, "buffer_paths", "picture");
    char pixels[] = "pixels";
    const struct blob buffer = {.data = pixels, .size = strlen(pixels)};
    fixture->widget =
        comm_open(fixture->server, "model", COMM_WIDGET,
                  &(struct comm_message){.data = data, .buffers = &buffer, .buffer_count = 1});
    comm_set_handler(fixture->widget, &fixture_comm_handler, fixture);
}

static void fixture_set(struct fixture *fixture, struct cell *cell, const char *value)
{
    comm_send(fixture->widget,
              &(struct comm_message){
                  .data = json_pack("{s:s, s:{s:s}}", "method", "update", "state", "value", value),
                  .outlet = cell_outlet(cell)});
}

/* What ends at once and never fails. */
static void fixture_do(struct fixture *fixture, struct cell *cell, const char *word,
                       const char *rest)
{
    struct outlet *outlet = cell_outlet(cell);
    if (strcmp(word, "echo") == 0)
        outlet_printf(outlet, OUTLET_STDOUT, "%s\n", rest);
    else if (strcmp(word, "err") == 0)
        outlet_printf(outlet, OUTLET_STDERR, "%s\n", rest);
    else if (strcmp(word, "display") == 0)
        outlet_display(outlet, json_pack("{s:s}", "text/plain", rest), "fixed");
    else if (strcmp(word, "update") == 0)
        outlet_update_display(outlet, json_pack("{s:s}", "text/plain", rest), "fixed");
    else if (strcmp(word, "page") == 0)
        cell_page(cell, json_pack("{s:s}", "text/plain", rest));
    else if (strcmp(word, "after") == 0)
        fixture_start_timer(fixture, cell, rest);
    else if (strcmp(word, "open-comm") == 0)
        fixture_open_comm(fixture);
    else if (strcmp(word, "close-comm") == 0)
        comm_close(steal(&fixture->comm), NULL);
    else if (strcmp(word, "widget") == 0)
        fixture_widget(fixture, rest);
    else if (strcmp(word, "set") == 0)
        fixture_set(fixture, cell, rest);
    else if (strcmp(word, "drop") == 0)
        comm_close(steal(&fixture->widget), NULL);
    cell_finish_ok(cell);
}

static void fixture_execute(void *self, struct cell *cell)
{
    struct fixture *fixture = self;
    const char *code = cell_code(cell);
    size_t length = strcspn(code, " ");
    AUTO_FREE char *word = xstrndup(code, length);
    const char *rest = code[length] == ' ' ? code + length + 1 : "";
    if (strcmp(word, "fail") == 0)
        fixture_fail_cell(cell, "ValueError", "failed as told");
    else if (strcmp(word, "hang") == 0 || strcmp(word, "stubborn") == 0)
        fixture_hang(fixture, cell, word[0] == 's');
    else if (strcmp(word, "ask") == 0 || strcmp(word, "askpw") == 0)
        fixture_ask(cell, rest, strcmp(word, "askpw") == 0);
    else if (strcmp(word, "later") == 0) {
        fixture->cell = cell;
        fixture_start_timer(fixture, cell, rest);
    } else if (strcmp(word, "die") == 0)
        _exit(FIXTURE_DIED);
    else
        fixture_do(fixture, cell, word, rest);
}

static void fixture_interrupt(void *self, struct cell *cell)
{
    struct fixture *fixture = self;
    if (fixture->stubborn)
        return;
    fixture->cell = NULL;
    uv_timer_stop(&fixture->timer);
    fixture_fail_cell(cell, "KeyboardInterrupt", "as told");
}

static void fixture_complete(void *self, struct question *question)
{
    const char *code = question_code(question);
    size_t end = question_cursor(question);
    size_t start = end;
    (void)self;
    if (strcmp(code, "never") == 0)
        return;
    while (start > 0 && code[start - 1] != ' ')
        start--;
    question_answer_complete(question, json_pack("[s, s]", "one", "two"),
                             json_pack("[s, s]", "magic", "key"), start, end);
}

static void fixture_inspect(void *self, struct question *question)
{
    (void)self;
    AUTO_FREE char *text =
        xasprintf("byte %zu, detail %d", question_cursor(question), question_detail(question));
    question_answer_inspect(question, strncmp(question_code(question), "nothing", 7) == 0
                                          ? NULL
                                          : json_pack("{s:s}", "text/plain", text));
}

static void fixture_is_complete(void *self, struct question *question)
{
    bool more = strstr(question_code(question), "more") != NULL;
    (void)self;
    question_answer_is_complete(question, more ? "incomplete" : "complete", more ? "  " : NULL);
}

static bool fixture_claims(void *self, const char *code)
{
    (void)self;
    (void)code;
    return true;
}

static bool fixture_claims_percent(void *self, const char *code)
{
    (void)self;
    return code[0] == '%';
}

static void fixture_execute_percent(void *self, struct cell *cell)
{
    (void)self;
    outlet_printf(cell_outlet(cell), OUTLET_STDOUT, "a magic\n");
    cell_finish_ok(cell);
}

static const struct interpreter fixture_percent = {.name = "percent",
                                                   .claims = fixture_claims_percent,
                                                   .execute = fixture_execute_percent,
                                                   .interrupt = fixture_interrupt};
static const struct interpreter fixture_words = {.name = "words",
                                                 .claims = fixture_claims,
                                                 .execute = fixture_execute,
                                                 .interrupt = fixture_interrupt,
                                                 .complete = fixture_complete,
                                                 .inspect = fixture_inspect,
                                                 .is_complete = fixture_is_complete};

static void fixture_open_echo(struct comm *comm, json_t *data, void *self)
{
    comm_set_handler(comm, &fixture_comm_handler, self);
    comm_send(comm, &(struct comm_message){.data = json_incref(data)});
}

static void fixture_open_refuse(struct comm *comm, json_t *data, void *self)
{
    (void)comm;
    (void)data;
    (void)self;
}

static void fixture_stopping(bool restart, void *data)
{
    struct fixture *fixture = data;
    printf("stopping, restart %d\n", restart);
    fflush(stdout);
    uv_close((uv_handle_t *)&fixture->timer, NULL);
    server_close(fixture->server);
    outlet_unref(fixture->outlet);
    free(fixture->text);
}

static int fixture_open(struct fixture *fixture, uv_loop_t *loop,
                        const struct connection *connection, struct error *err)
{
    const char *parent = getenv("JPY_PARENT_PID");
    AUTO_FREE char *home = file_skiff_home();
    fixture->history_path = file_join(home, "history.db");
    const struct interpreter_slot slots[] = {{&fixture_percent, fixture},
                                             {&fixture_words, fixture}};
    struct server_options options = {.connection = connection,
                                     .interpreters = slots,
                                     .interpreter_count = ARRAY_SIZE(slots),
                                     .implementation = "fixture",
                                     .version = "1.2.3",
                                     .banner = "A kernel for tests",
                                     .history_path = fixture->history_path,
                                     .parent_pid = parent != NULL ? (pid_t)atol(parent) : 0,
                                     .stopping = fixture_stopping,
                                     .data = fixture};
    if (server_open(loop, &options, &fixture->server, err) != 0)
        return -1;
    uv_timer_init(loop, &fixture->timer);
    fixture->timer.data = fixture;
    comm_register_target(fixture->server, "echo", fixture_open_echo, fixture);
    comm_register_target(fixture->server, "refuse", fixture_open_refuse, fixture);
    return 0;
}

static int fixture_serve(const char *connection_file)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(connection) struct connection *connection = NULL;
    struct fixture fixture = {.server = NULL};
    uv_loop_t loop;
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    if (connection_read(connection_file, &connection, &err) != 0 ||
        fixture_open(&fixture, &loop, connection, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return EXIT_FAILURE;
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    free(fixture.history_path);
    return uv_loop_close(&loop) == 0 ? EXIT_SUCCESS : FIXTURE_HANDLES_LEFT;
}

/* Starts the kernel as its own parent, and waits to be killed. */
static int fixture_be_parent(char **argv)
{
    AUTO_FREE char *self = xasprintf("%d", (int)getpid());
    setenv("JPY_PARENT_PID", self, 1);
    pid_t child = fork();
    if (child == 0) {
        setsid(); /* so that what kills us cannot reach it */
        execl(argv[0], argv[0], "kernel", argv[2], argv[3], (char *)NULL);
        _exit(EXIT_FAILURE);
    }
    for (;;)
        pause();
}

/* --- the test's side ----------------------------------------------------------------------------
 */

/* Starts this program as `role` ("kernel" or "parent") and does not wait. KERNELWRAP holds what to
 * run it with, like "valgrind -q": the test's side needs system calls valgrind does not know. */
static inline void fixture_start_kernel(struct frontend *frontend, const char *role,
                                        const char *const *env)
{
    const char *wrap = getenv("KERNELWRAP");
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    AUTO_FREE char *words = xstrdup(wrap != NULL ? wrap : "");
    char *rest = words;
    char *word;
    while ((word = strsep(&rest, " ")) != NULL)
        if (word[0] != '\0')
            strlist_add(&argv, word);
    strlist_take(&argv, file_real("/proc/self/exe", NULL));
    strlist_add(&argv, role);
    frontend_start_kernel(frontend, (const char *const *)argv.items, env);
}

/* Ready to be asked. */
MUST_CHECK static inline struct frontend *fixture_start_as(const char *role, const char *transport)
{
    struct frontend *frontend = frontend_new(transport);
    fixture_start_kernel(frontend, role, NULL);
    frontend_wait_ready(frontend);
    return frontend;
}

/* An orderly end: nothing leaked as far as a sanitizer can tell, nothing left in the loop. */
static inline void fixture_expect_orderly_exit(struct frontend *frontend)
{
    int status = frontend_wait_exit(frontend);
    AUTO_FREE char *log = frontend_log(frontend);
    if (status != 0)
        fail_msg("the kernel ended with status %#x; its log:\n%s", (unsigned)status, log);
}

static inline void fixture_stop(struct frontend *frontend)
{
    frontend_send(frontend, CHANNEL_CONTROL, "shutdown_request", json_pack("{s:b}", "restart", 0));
    fixture_expect_orderly_exit(frontend);
}

static inline int fixture_setup(void **state)
{
    *state = fixture_start_as("kernel", "ipc");
    return 0;
}

/* A kernel the test has left running must still end in order. */
static inline int fixture_teardown(void **state)
{
    struct frontend *frontend = *state;
    siginfo_t info = {.si_pid = 0};
    if (waitid(P_PID, (id_t)frontend_pid(frontend), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        info.si_pid == 0)
        fixture_stop(frontend);
    frontend_free(frontend);
    return 0;
}

/* What a cell replies is what its outputs must come between: busy, execute_input, ..., idle. */
static inline void fixture_expect_types(const struct frontend_result *result, const char *types)
{
    AUTO_BUF struct buf found = BUF_INIT;
    for (size_t i = 0; i < result->outputs.count; i++) {
        const struct frontend_message *message = result->outputs.items[i];
        if (i > 0)
            buf_puts(&found, " ");
        buf_puts(&found, strcmp(message->type, "status") == 0
                             ? json_get_string(message->content, "execution_state", "")
                             : message->type);
        assert_string_equal(message->parent_id, result->msg_id);
    }
    char *text = buf_steal(&found);
    if (strcmp(text, types) != 0)
        fail_msg("on IOPub came \"%s\" instead of \"%s\"", text, types);
    free(text);
}

/* Begins a cell that hangs, and waits until it does. */
static inline const char *fixture_begin(struct frontend *frontend, const char *code)
{
    const char *msg_id =
        frontend_send(frontend, CHANNEL_SHELL, "execute_request", frontend_execute_content(code));
    frontend_message_free(frontend_recv_iopub(frontend, msg_id, "execute_input"));
    if (strcmp(code, "hang") == 0 || strcmp(code, "stubborn") == 0)
        frontend_message_free(frontend_recv_iopub(frontend, msg_id, "stream"));
    return msg_id;
}

/* The role this program was started in, or -1 when it is the test itself. */
static inline int fixture_main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "kernel") == 0)
        return fixture_serve(argv[3]);
    if (argc == 4 && strcmp(argv[1], "parent") == 0)
        return fixture_be_parent(argv);
    return -1;
}

#define FIXTURE_TEST(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
