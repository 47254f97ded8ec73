/* SPDX-License-Identifier: BSD-3-Clause */
/* Waiting for runs. Invariant: while the call waits, call->state is the waiting; it is cleared before
 * either side ends, so that an interrupt and the run's end cannot both finish the call. */
#include "magics/wait.h"

#include <stdlib.h>
#include <string.h>

#include "magics/report.h"
#include "magics/run_output.h"
#include "magics/run_widget.h"

#define TAIL_LINES 20 /* of the output in a batch job's traceback: a Python traceback fits */

struct waiting {
    struct magic_call *call;     /* referenced */
    struct run_output *output;   /* how the cell shows the run: this, or */
    struct run_display *display; /* this */
    char *run_id;
};

/* Also disarms the interrupt: after this the call may only end. */
static void waiting_free(struct waiting *waiting)
{
    waiting->call->state = NULL;
    waiting->call->interrupt = NULL;
    magic_call_unref(waiting->call);
    free(waiting->run_id);
    free(waiting);
}

/* In batch nobody sees the page: what the run said last goes with the error. */
static void add_tail(struct waiting *waiting, struct error *err)
{
    AUTO(run) struct run *run = NULL;
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    if (cell_allow_stdin(waiting->call->cell) ||
        submission_run(waiting->call->submission, waiting->run_id, &run, &status, NULL) < 0)
        return;
    AUTO_FREE char *tail = report_log_tail(run, TAIL_LINES);
    if (*tail != '\0')
        replace(&err->text, xasprintf("%s\nIts last lines:\n%s", err->text, tail));
}

/* `call` outlives `waiting`: it is ended last, for that may begin the next cell. */
static void fail(struct waiting *waiting, enum run_state state, const char *reason)
{
    struct error err = ERROR_INIT;
    struct magic_call *call = magic_call_ref(waiting->call);
    bool canceled = state == RUN_CANCELED;
    error_set(&err, canceled ? ERROR_CANCELLED : ERROR_FAILED, "run %s %s%s%s", waiting->run_id,
              canceled ? "was canceled" : "failed", reason != NULL ? ": " : "",
              reason != NULL ? reason : "");
    add_tail(waiting, &err);
    error_hint(&err, "the whole output: %%logs %s   every step: %%status %s", waiting->run_id,
               waiting->run_id);
    waiting_free(waiting);
    magic_call_raise(call, canceled ? "RunCanceledError" : "RunFailedError", &err);
    magic_call_unref(call);
}

static void on_ended(enum run_state state, const char *reason, void *data)
{
    struct waiting *waiting = data;
    if (state != RUN_COMPLETED) {
        fail(waiting, state, reason);
        return;
    }
    struct magic_call *call = magic_call_ref(waiting->call);
    waiting_free(waiting);
    magic_call_ok(call);
    magic_call_unref(call);
}

static void on_interrupt(struct magic_call *call)
{
    struct waiting *waiting = call->state;
    struct error err = ERROR_INIT;
    error_set(&err, ERROR_CANCELLED, "stopped waiting; run %s goes on", waiting->run_id);
    error_hint(&err, "cancel it with %%cancel %s, follow it again with %%attach %s",
               waiting->run_id, waiting->run_id);
    if (waiting->display != NULL)
        run_display_leave(waiting->display);
    else
        run_output_stop(waiting->output);
    waiting_free(waiting);
    magic_call_fail(call, &err);
}

bool wait_draws_widgets(const struct magic_call *call)
{
    return cell_allow_stdin(call->cell) && cell_draws_widgets(call->cell);
}

static struct waiting *begin_waiting(struct magic_call *call, const char *run_id)
{
    struct waiting *waiting = xcalloc(1, sizeof *waiting);
    waiting->call = magic_call_ref(call);
    waiting->run_id = xstrdup(run_id);
    call->state = waiting;
    call->interrupt = on_interrupt;
    return waiting;
}

/* Live where the front end draws widgets. */
static int show_widget(struct magic_call *call, const char *run_id, const char *line_id,
                       struct waiting *waiting, struct error *err)
{
    struct run_widget_options options = {
        .outlet = cell_outlet(call->cell), .run_id = run_id, .line_id = line_id};
    if (waiting != NULL) {
        options.ended = on_ended;
        options.data = waiting;
    }
    struct run_display *display = run_widget_show(call->run_widgets, &options, err);
    if (waiting != NULL)
        waiting->display = display;
    return display != NULL ? 0 : -1;
}

static int show_text(struct magic_call *call, const char *run_id, bool log, struct waiting *waiting,
                     struct error *err)
{
    struct run_output_options options = {.outlet = cell_outlet(call->cell),
                                         .run_id = run_id,
                                         .log = log,
                                         .batch = !cell_allow_stdin(call->cell)};
    if (waiting != NULL) {
        options.ended = on_ended;
        options.data = waiting;
    }
    struct run_output *output = run_output_start(call->run_outputs, &options, err);
    if (waiting != NULL)
        waiting->output = output;
    return output != NULL ? 0 : -1;
}

void wait_follow(struct magic_call *call, const char *run_id, const struct wait_options *options)
{
    struct error err = ERROR_INIT;
    struct waiting *waiting = options->wait ? begin_waiting(call, run_id) : NULL;
    int shown = wait_draws_widgets(call)
                    ? show_widget(call, run_id, options->line_id, waiting, &err)
                    : show_text(call, run_id, options->log, waiting, &err);
    if (shown == 0 && options->wait)
        return;
    if (waiting != NULL)
        waiting_free(waiting);
    magic_call_finish(call, &err);
}
