/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * %rerun: runs a run again as it was, and follows the new one. As with %%submit, an interrupt stops it
 * until the new run is accepted, and afterwards only detaches the cell (wait.c).
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "magics/diagnostic.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/python_module.h"
#include "magics/wait.h"

struct rerunning {
    struct magic_call *call; /* referenced: the answer comes later */
    struct submit *submit;
    bool wait;
};

static void rerunning_free(struct rerunning *rerunning)
{
    rerunning->call->interrupt = NULL;
    rerunning->call->state = NULL;
    magic_call_unref(rerunning->call);
    free(rerunning);
}

static void accepted(struct magic_call *call, const struct submit_result *result, bool wait)
{
    diagnostic_show_notes(call->cell, result->notes);
    if (call->python != NULL)
        python_module_submitted(call->python, call->companion, result->run_id);
    /* In batch what comes after the cell is lost; it says which run it made and lets it go. */
    if (!wait && !cell_allow_stdin(call->cell)) {
        outlet_printf(cell_outlet(call->cell), OUTLET_STDOUT, "submitted run %s\n", result->run_id);
        magic_call_ok(call);
        return;
    }
    wait_follow(call, result->run_id, &(struct wait_options){.log = true, .wait = wait});
}

static void refused(struct magic_call *call, const struct error *err)
{
    struct error own = ERROR_INIT;
    error_set(&own, err->code, "%s", err->text);
    if (err->hint != NULL)
        error_hint(&own, "%s", err->hint);
    magic_call_fail(call, &own);
}

static void on_done(const struct submit_result *result, const struct error *err, void *data)
{
    struct rerunning *rerunning = data;
    struct magic_call *call = magic_call_ref(rerunning->call);
    bool wait = rerunning->wait;
    rerunning_free(rerunning);
    if (!magic_call_over(call)) {
        if (err != NULL)
            refused(call, err);
        else
            accepted(call, result, wait);
    }
    magic_call_unref(call);
}

static void on_interrupt(struct magic_call *call)
{
    const struct rerunning *rerunning = call->state;
    submit_cancel(rerunning->submit); /* on_done() follows */
}

static void run(struct magic_call *call)
{
    struct error err = ERROR_INIT;
    AUTO_FREE char *id = NULL;
    bool wait;
    if (magic_call_waits(call, &wait, &err) < 0 || magic_call_run_id(call, &id, &err) < 0) {
        magic_call_fail(call, &err);
        return;
    }
    struct rerunning *rerunning = xcalloc(1, sizeof *rerunning);
    rerunning->call = magic_call_ref(call);
    rerunning->wait = wait;
    call->state = rerunning;
    call->interrupt = on_interrupt;
    rerunning->submit = submission_rerun(call->submission, id, on_done, rerunning, &err);
    if (rerunning->submit != NULL)
        return;
    rerunning_free(rerunning);
    magic_call_fail(call, &err);
}

/* IPython's takes numbers of cells, or nothing; a run's id begins with a letter. */
static bool claims(const char *words)
{
    words += strspn(words, " \t");
    return isalpha((unsigned char)words[0]) || strncmp(words, "--", 2) == 0;
}

static const struct magic_option options[] = {
    {"--wait", NULL, "wait for the run's end; the cell fails when the run does (default in batch)"},
    {"--no-wait", NULL, "return when the run is accepted (default in an interactive notebook)"},
    {NULL, NULL, NULL},
};

const struct magic magic_rerun = {
    .name = "rerun",
    .usage = "%rerun RUN [--wait | --no-wait]",
    .help = "run a run again: its job, environment and files as they were then",
    .example = "%rerun calm_fox",
    .options = options,
    .min_args = 1,
    .max_args = 1,
    .argument = "a run",
    .claims = claims,
    .run = run,
    .complete = magic_call_complete_runs,
};
