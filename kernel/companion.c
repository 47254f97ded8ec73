/* SPDX-License-Identifier: BSD-3-Clause */
/* The companion's life: found, started, ready, dead, started again, closed.
 *
 * It is asked kernel_info until it has answered on shell and was heard on IOPub: a subscription
 * takes a moment, and output before that would be lost. Then all that waited is sent, in order. */
#include "kernel/companion.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "kernel/cell.h"
#include "kernel/companion_private.h"
#include "kernel/outlet.h"
#include "kernel/question.h"

/* After the first front end is there: it has asked its first questions by then, and a person has not
 * run a cell yet. Python takes half a second to start. */
#define START_SOON_MS 300

/* Between two kernel_info_requests of a start. */
#define ASK_AGAIN_MS 20

/* How long the companion may take to go; jupyter_client gives us 2.5 s before it sends signals. */
#define GO_MS 1500

/* Cells of ours that the companion's In is told when it starts; a notebook has fewer. */
#define UNTOLD_MAX 1000

__asm__(".section .rodata\n"
        "companion_prelude: .incbin \"kernel/companion_prelude.py\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char companion_prelude[];

static bool start(struct companion *companion);

/* Nothing that was asked or opened will be answered by this one. */
static void end_everything(struct companion *companion)
{
    if (companion->server != NULL)
        comm_companion_gone(companion->server);
    forward_end_all(companion);
}

/* --- starting --------------------------------------------------------------------------------- */

static void drop_process(struct companion *companion)
{
    relay_flush(companion);
    uv_timer_stop(&companion->timer);
    client_close(steal(&companion->client));
    companion_process_close(steal(&companion->process));
    json_decref(steal(&companion->info));
    companion->heard = companion->interrupted = false;
}

/* The one at hand cannot be used. False when there is no other. */
static bool try_next(struct companion *companion, const char *problem)
{
    const struct candidate *candidate = &companion->candidates.items[companion->candidate++];
    strlist_addf(&companion->notes, "%s (%s): %s", candidate->argv.items[0], candidate->why,
                 problem);
    drop_process(companion);
    if (companion->candidate < companion->candidates.count)
        return start(companion);
    companion->state = COMPANION_NONE;
    return false;
}

static void run_silently(struct companion *companion, const char *code)
{
    forward_own(companion, "execute_request",
                json_pack("{s:s, s:b, s:b, s:{}, s:b, s:b}", "code", code, "silent", 1,
                          "store_history", 0, "user_expressions", "allow_stdin", 0, "stop_on_error",
                          0),
                NULL, NULL);
}

static void run_prelude(struct companion *companion)
{
    AUTO_FREE char *more = companion->options.prelude != NULL
                               ? companion->options.prelude(companion->options.data)
                               : NULL;
    AUTO_FREE char *code = xasprintf("%s\n%s", companion_prelude, more != NULL ? more : "");
    run_silently(companion, code);
}

static void become_ready(struct companion *companion)
{
    const char *implementation = json_get_string(companion->info, "implementation", "");
    companion->is_ipython = strcmp(implementation, "ipython") == 0;
    companion->state = COMPANION_READY;
    companion->count = 1;
    buf_clear(&companion->before);
    if (companion->is_ipython)
        run_prelude(companion);
    forward_send_waiting(companion);
}

static void ask(struct companion *companion);

static void on_ask_again(uv_timer_t *timer)
{
    struct companion *companion = timer->data;
    if (companion->heard)
        become_ready(companion);
    else
        ask(companion);
}

static void on_info(struct companion *companion, struct message *reply, void *data)
{
    (void)data;
    AUTO(message) struct message *message = reply;
    json_t *content = message != NULL ? message_part(message, MESSAGE_CONTENT, NULL) : NULL;
    if (content == NULL || companion->state != COMPANION_STARTING)
        return;
    json_decref(companion->info);
    companion->info = json_incref(content);
    if (companion->heard)
        become_ready(companion);
    else
        uv_timer_start(&companion->timer, on_ask_again, ASK_AGAIN_MS, 0);
}

static void ask(struct companion *companion)
{
    forward_own(companion, "kernel_info_request", json_object(), on_info, NULL);
}

static void finish_close(struct companion *companion);

static void on_exited(const char *how, bool was_ended, void *data)
{
    struct companion *companion = data;
    if (companion->state == COMPANION_CLOSING) {
        finish_close(companion);
    } else if (companion->state == COMPANION_STARTING && !was_ended) {
        AUTO_FREE char *problem =
            xasprintf("%s before it answered: is ipykernel installed there?", how);
        if (!try_next(companion, problem))
            end_everything(companion);
    } else {
        log_warning("the companion %s", how);
        drop_process(companion);
        companion->state = COMPANION_ASLEEP;
        replace(&companion->ended, xstrdup(how));
        end_everything(companion);
    }
}

static bool start(struct companion *companion)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const struct candidate *candidate = &companion->candidates.items[companion->candidate];
    companion->state = COMPANION_STARTING;
    if (companion_process_start(companion->loop, candidate, on_exited, companion,
                                &companion->process, &err) != 0 ||
        client_open(companion->loop, companion_process_connection(companion->process),
                    relay_message, companion, &companion->client, &err) != 0)
        return try_next(companion, err.text);
    client_on_refused(companion->client, relay_refused);
    ask(companion);
    return true;
}

bool companion_wake(struct companion *companion)
{
    if (companion->state == COMPANION_CLOSING)
        return false;
    if (companion->state == COMPANION_STARTING || companion->state == COMPANION_READY)
        return true;
    uv_timer_stop(&companion->timer);
    /* Looked for each time: the user may have installed one since. */
    strlist_done(&companion->notes);
    candidates_done(&companion->candidates);
    candidates_find(companion->options.choice, &companion->candidates, &companion->notes);
    companion->candidate = 0;
    if (companion->candidates.count == 0) {
        companion->state = COMPANION_NONE;
        return false;
    }
    return start(companion);
}

static void on_soon(uv_timer_t *timer)
{
    companion_wake(timer->data);
}

void companion_start_soon(struct companion *companion)
{
    if (companion != NULL && companion->state == COMPANION_ASLEEP &&
        !uv_is_active((uv_handle_t *)&companion->timer))
        uv_timer_start(&companion->timer, on_soon, START_SOON_MS, 0);
}

/* --- what it must know before a cell ---------------------------------------------------------- */

void companion_note_cell(struct companion *companion, int number, const char *code)
{
    if (companion == NULL)
        return;
    json_array_append_new(companion->untold, json_pack("[i, s]", number, code));
    if (json_array_size(companion->untold) > UNTOLD_MAX)
        json_array_remove(companion->untold, 0);
}

void companion_tell(struct companion *companion, const char *code)
{
    if (companion->state == COMPANION_READY && companion->is_ipython)
        buf_printf(&companion->before, "%s\n", code);
}

void companion_catch_up(struct companion *companion, int number)
{
    if (number > 0 && companion->is_ipython && number != companion->count) {
        /* JSON of numbers and strings is Python, too. */
        AUTO_FREE char *cells = json_text(companion->untold);
        buf_printf(&companion->before, "get_ipython()._skiff_catch_up(%d, %s)\n", number, cells);
    }
    if (number > 0) {
        json_array_clear(companion->untold);
        companion->count = number;
    }
    if (companion->before.size == 0)
        return;
    AUTO_FREE char *code = buf_steal(&companion->before);
    run_silently(companion, code);
}

/* --- expressions ------------------------------------------------------------------------------ */

struct evaluation {
    companion_values_fn answered;
    void *data;
};

static void on_values(struct companion *companion, struct message *reply, void *data)
{
    AUTO_FREE struct evaluation *evaluation = data;
    AUTO(message) struct message *message = reply;
    AUTO_ERROR struct error err = ERROR_INIT;
    json_t *content = message != NULL ? message_part(message, MESSAGE_CONTENT, NULL) : NULL;
    json_t *values = json_object_get(content, "user_expressions");
    (void)companion;
    if (!json_is_object(values)) {
        error_set(&err, ERROR_FAILED, "Python did not answer");
        error_hint(&err, "%%skiff says which Python that is, or why there is none");
        values = NULL;
    }
    evaluation->answered(values, &err, evaluation->data);
}

void companion_evaluate(struct companion *companion, json_t *expressions,
                        companion_values_fn answered, void *data)
{
    struct evaluation *evaluation = xcalloc(1, sizeof *evaluation);
    *evaluation = (struct evaluation){.answered = answered, .data = data};
    if (companion->state == COMPANION_READY)
        companion_catch_up(companion, 0);
    forward_own(companion, "execute_request",
                json_pack("{s:s, s:b, s:b, s:o, s:b, s:b}", "code", "", "silent", 1,
                          "store_history", 0, "user_expressions", expressions, "allow_stdin", 0,
                          "stop_on_error", 0),
                on_values, evaluation);
}

/* --- as an interpreter ------------------------------------------------------------------------ */

static bool claims(void *self, const char *code)
{
    (void)self;
    (void)code;
    return true;
}

static void finish_interrupted(struct cell *cell, const char *when)
{
    AUTO_FREE char *line = xasprintf("KeyboardInterrupt: %s", when);
    const char *const traceback[] = {line};
    cell_finish_error(cell, "KeyboardInterrupt", "", traceback, ARRAY_SIZE(traceback));
}

static void finish_died(struct companion *companion, struct cell *cell)
{
    AUTO_FREE char *how = steal(&companion->ended);
    AUTO_FREE char *what =
        xasprintf("Python %s: its variables are gone.", how != NULL ? how : "ended");
    const char *const traceback[] = {
        what, "The next cell starts a new one; the server's log has what it said last."};
    cell_finish_error(cell, "DeadKernelError", what, traceback, ARRAY_SIZE(traceback));
}

static void on_cell_done(struct companion *companion, struct message *reply, void *data)
{
    static const char *const going[] = {"the kernel is going"};
    struct cell *cell = data;
    if (reply != NULL) {
        const json_t *content = message_part(reply, MESSAGE_CONTENT, NULL);
        companion->count = (int)json_get_int(content, "execution_count", companion->count - 1) + 1;
        cell_finish_relayed(cell, reply);
    } else if (companion->state == COMPANION_NONE) {
        cell_hand_on(cell);
    } else if (companion->state == COMPANION_CLOSING) {
        cell_finish_error(cell, "KernelStopped", going[0], going, ARRAY_SIZE(going));
    } else if (companion->state == COMPANION_READY) {
        companion->count = 0; /* whatever it is: the next cell sets it */
        finish_interrupted(cell, "as the cell began or ended");
    } else {
        finish_died(companion, cell);
    }
}

static void execute(void *self, struct cell *cell)
{
    struct companion *companion = self;
    if (companion->ended != NULL && !cell_silent(cell)) {
        outlet_printf(cell_outlet(cell), OUTLET_STDERR,
                      "Python %s since the last cell: its variables are gone. This is a new one.\n",
                      companion->ended);
        free(steal(&companion->ended));
    }
    forward_cell(companion, cell, on_cell_done);
}

static void interrupt(void *self, struct cell *cell)
{
    struct companion *companion = self;
    if (companion->state == COMPANION_READY)
        companion_interrupt(companion);
    else if (forward_forget(companion, cell))
        finish_interrupted(cell, "Python had not started yet");
}

/* Python ignores the signal unless it runs something, and what it is told between cells must not be
 * cut short: the interrupt waits until what it is for has begun. */
void companion_interrupt(struct companion *companion)
{
    if (companion == NULL || companion->state != COMPANION_READY)
        return;
    enum forward_code code = forward_code(companion);
    companion->interrupted = code == FORWARD_CODE_WAITS;
    if (code != FORWARD_CODE_RUNS)
        return;
    if (companion->candidates.items[companion->candidate].by_message)
        forward_own(companion, "interrupt_request", json_object(), NULL, NULL);
    else
        companion_process_signal(companion->process, SIGINT);
    forward_interrupted(companion);
}

void companion_begun(struct companion *companion)
{
    if (companion->interrupted)
        companion_interrupt(companion);
}

static void on_question_done(struct companion *companion, struct message *reply, void *data)
{
    (void)companion;
    question_answer_relayed(data, reply);
}

static void ask_question(void *self, struct question *question)
{
    forward_question(self, question_message(question), on_question_done, question);
}

const struct interpreter companion_interpreter = {
    .name = "companion",
    .claims = claims,
    .execute = execute,
    .interrupt = interrupt,
    .complete = ask_question,
    .inspect = ask_question,
    .is_complete = ask_question,
};

/* --- other requests --------------------------------------------------------------------------- */

static void on_request_done(struct companion *companion, struct message *reply, void *data)
{
    struct request *request = data;
    (void)companion;
    request->relayed = reply;
    request_end(request, NULL);
}

void companion_handle(struct request *request)
{
    struct companion *companion = request->server->companion;
    if (companion != NULL)
        forward_message(companion, request->channel, request->message, on_request_done, request);
    else
        request_end(request, NULL);
}

void companion_input_reply(struct companion *companion, const struct message *message)
{
    if (companion->state == COMPANION_READY)
        client_relay(companion->client, CHANNEL_STDIN, message);
}

/* The kernel process alone: what it starts (a shell, workers) is not the kernel's memory. */
void companion_usage(const struct companion *companion, uint64_t *ret_cpu_us, int64_t *ret_memory)
{
    pid_t pid = companion->process != NULL ? companion_process_pid(companion->process) : 0;
    unsigned long user = 0;
    unsigned long system = 0;
    long pages = 0;
    *ret_cpu_us = 0;
    *ret_memory = 0;
    AUTO_FREE char *path = xasprintf("/proc/%d/stat", (int)pid);
    AUTO_BUF struct buf text = BUF_INIT;
    if (pid <= 0 || file_read(path, FILE_SMALL_MAX, &text, NULL) != 0)
        return;
    const char *after_name = strrchr(text.data, ')'); /* proc(5): fields 14, 15 and 24 */
    if (after_name == NULL ||
        sscanf(after_name + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d %*u "
               "%*u %ld",
               &user, &system, &pages) != 3)
        return;
    *ret_cpu_us = (uint64_t)(user + system) * 1000000 / (uint64_t)sysconf(_SC_CLK_TCK);
    *ret_memory = (int64_t)pages * sysconf(_SC_PAGESIZE);
}

void companion_attach(struct companion *companion, struct server *server)
{
    if (companion != NULL)
        companion->server = server;
}

/* --- life ------------------------------------------------------------------------------------- */

struct companion *companion_new(uv_loop_t *loop, const struct companion_options *options)
{
    struct companion *companion = xcalloc(1, sizeof *companion);
    companion->loop = loop;
    companion->options = *options;
    companion->state = COMPANION_ASLEEP;
    companion->untold = json_array();
    uv_timer_init(loop, &companion->timer);
    uv_timer_init(loop, &companion->patience);
    uv_timer_init(loop, &companion->held_timer);
    companion->timer.data = companion->patience.data = companion->held_timer.data = companion;
    companion->open_handles = 3;
    return companion;
}

json_t *companion_describe(const struct companion *companion)
{
    static const char *const states[] = {[COMPANION_NONE] = "none",
                                         [COMPANION_ASLEEP] = "not started",
                                         [COMPANION_STARTING] = "starting",
                                         [COMPANION_READY] = "running",
                                         [COMPANION_CLOSING] = "going"};
    json_t *description = json_pack("{s:s, s:[]}", "state", states[companion->state], "notes");
    for (size_t i = 0; i < companion->notes.count; i++)
        json_array_append_new(json_object_get(description, "notes"),
                              json_string(companion->notes.items[i]));
    if (companion->process == NULL)
        return description;
    const struct candidate *candidate = &companion->candidates.items[companion->candidate];
    const json_t *language = json_object_get(companion->info, "language_info");
    json_set_string(description, "command", candidate->argv.items[0]);
    json_set_string(description, "why", candidate->why);
    json_object_set_new(description, "pid",
                        json_integer(companion_process_pid(companion->process)));
    if (companion->info == NULL)
        return description;
    AUTO_FREE char *version =
        xasprintf("%s %s, %s %s", json_get_string(companion->info, "implementation", "a kernel"),
                  json_get_string(companion->info, "implementation_version", ""),
                  json_get_string(language, "name", ""), json_get_string(language, "version", ""));
    json_set_string(description, "version", version);
    return description;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct companion *companion = handle->data;
    if (--companion->open_handles > 0)
        return;
    candidates_done(&companion->candidates);
    strlist_done(&companion->notes);
    buf_done(&companion->before);
    free(companion->ended);
    buf_done(&companion->held_text);
    json_decref(companion->untold);
    free(companion);
}

static void finish_close(struct companion *companion)
{
    drop_process(companion);
    uv_close((uv_handle_t *)&companion->timer, on_handle_closed);
    uv_close((uv_handle_t *)&companion->patience, on_handle_closed);
    uv_close((uv_handle_t *)&companion->held_timer, on_handle_closed);
}

static void on_too_long(uv_timer_t *timer)
{
    finish_close(timer->data);
}

void companion_close(struct companion *companion)
{
    if (companion == NULL || companion->state == COMPANION_CLOSING)
        return;
    bool ready = companion->state == COMPANION_READY;
    companion->state = COMPANION_CLOSING;
    companion->server = NULL;
    forward_end_all(companion);
    if (!ready) {
        finish_close(companion);
        return;
    }
    free(client_send(companion->client, CHANNEL_CONTROL, "shutdown_request",
                     json_pack("{s:b}", "restart", 0)));
    uv_timer_start(&companion->timer, on_too_long, GO_MS, 0);
}
