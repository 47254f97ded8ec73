/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * %%submit: checks everything, makes the run, and follows it. Until the run is accepted an
 * interrupt stops it before anything has happened; afterwards it only detaches (wait.c). A folder that
 * takes long to look through is said to be looked through.
 */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "magics/context.h"
#include "magics/diagnostic.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/python_module.h"
#include "magics/render.h"
#include "magics/render_plan.h"
#include "magics/wait.h"

#define PATIENCE_MS 300 /* what is done by then needs no line that says so */

struct submitting {
    struct magic_call *call; /* referenced: the answer comes later */
    struct submit *submit;
    bool wait;
    char *title;   /* of what will be a run */
    char *line_id; /* of the line that says what is going on; NULL: there is none */
    uv_timer_t patience;
};

static void on_closed(uv_handle_t *handle)
{
    struct submitting *submitting = handle->data;
    magic_call_unref(submitting->call);
    free(submitting->title);
    free(submitting->line_id);
    free(submitting);
}

static void submitting_close(struct submitting *submitting)
{
    uv_close((uv_handle_t *)&submitting->patience, on_closed);
}

static void on_patience(uv_timer_t *timer)
{
    struct submitting *submitting = timer->data;
    struct magic_call *call = submitting->call;
    if (magic_call_over(call) || !wait_draws_widgets(call))
        return;
    submitting->line_id = xasprintf("skiff-submit-%p", (void *)submitting);
    outlet_display(cell_outlet(call->cell),
                   render_line(submitting->title, RUN_NOT_STARTED, "looking through the folder"),
                   submitting->line_id);
}

static char *title_of(const json_t *job)
{
    const json_t *environment = json_object_get(job, "environment");
    return xasprintf("%s · %s · %s", json_get_string(job, "experiment_name", "default"),
                     json_get_string(job, "compute", "local"),
                     json_is_string(environment)   ? json_string_value(environment)
                     : json_is_object(environment) ? "inline environment"
                                                   : "no environment");
}

static void accepted(struct submitting *submitting, const struct submit_result *result)
{
    struct magic_call *call = submitting->call;
    diagnostic_show_notes(call->cell, result->notes);
    if (result->plan != NULL) {
        magic_call_show(call, render_plan_submit(result->plan));
        magic_call_ok(call);
        return;
    }
    if (call->python != NULL)
        python_module_submitted(call->python, call->companion, result->run_id);
    /* In batch what comes after the cell is lost; it says which run it made and lets it go. */
    if (!submitting->wait && !cell_allow_stdin(call->cell)) {
        outlet_printf(cell_outlet(call->cell), OUTLET_STDOUT, "submitted run %s\n", result->run_id);
        magic_call_ok(call);
        return;
    }
    wait_follow(call, result->run_id,
                &(struct wait_options){
                    .log = true, .wait = submitting->wait, .line_id = submitting->line_id});
}

/* The error is the core's: it is copied, place and hint and all. */
static void refused(struct submitting *submitting, const struct error *err)
{
    struct magic_call *call = submitting->call;
    struct error own = ERROR_INIT;
    if (submitting->line_id != NULL)
        outlet_update_display(cell_outlet(call->cell),
                              render_line(submitting->title, RUN_NOT_STARTED, "not submitted"),
                              submitting->line_id);
    error_set(&own, err->code, "%s", err->text);
    if (err->hint != NULL)
        error_hint(&own, "%s", err->hint);
    own.file = xstrdup_or_null(err->file);
    error_at(&own, err->line, err->column);
    magic_call_fail(call, &own);
}

static void on_done(const struct submit_result *result, const struct error *err, void *data)
{
    struct submitting *submitting = data;
    struct magic_call *call = submitting->call;
    if (!magic_call_over(call)) {
        call->interrupt = NULL;
        call->state = NULL;
        if (err != NULL)
            refused(submitting, err);
        else
            accepted(submitting, result);
    }
    submitting_close(submitting);
}

static void on_interrupt(struct magic_call *call)
{
    struct submitting *submitting = call->state;
    submit_cancel(submitting->submit); /* on_done() follows */
}

/* The core knows names, not places: what it does not find is looked for in the cell. */
static void locate(const struct magic_call *call, const json_t *job, struct error *err)
{
    static const char *const keys[] = {"compute", "environment"};
    int line;
    int column;
    if (err->code != ERROR_NOT_FOUND || err->line > 0 || call->file_text != NULL)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const char *value = json_get_string(job, keys[i], NULL);
        if (value != NULL && strstr(err->text, keys[i]) != NULL &&
            strstr(err->text, value) != NULL &&
            context_value_place(SPEC_JOB, call->body, keys[i], &line, &column)) {
            error_at(err, call->body_line + line - 1, column);
            return;
        }
    }
}

static void run(struct magic_call *call)
{
    struct error err = ERROR_INIT;
    bool wait;
    AUTO_JSON json_t *job = NULL;
    if (magic_call_waits(call, &wait, &err) == 0)
        job = magic_call_definition(call, &err);
    if (job == NULL) {
        magic_call_fail(call, &err);
        return;
    }
    struct submitting *submitting = xcalloc(1, sizeof *submitting);
    submitting->call = magic_call_ref(call);
    submitting->wait = wait;
    submitting->title = title_of(job);
    uv_timer_init(call->loop, &submitting->patience);
    submitting->patience.data = submitting;
    uv_timer_start(&submitting->patience, on_patience, PATIENCE_MS, 0);
    uv_unref((uv_handle_t *)&submitting->patience); /* a kernel that goes does not wait for it */
    call->state = submitting;
    call->interrupt = on_interrupt;
    submitting->submit =
        submission_submit(call->submission, job, arguments_has(&call->arguments, "--dry-run"),
                          on_done, submitting, &err);
    if (submitting->submit != NULL)
        return;
    call->interrupt = NULL;
    call->state = NULL;
    submitting_close(submitting);
    locate(call, job, &err);
    magic_call_fail(call, &err);
}

static const struct magic_option options[] = {
    {"--dry-run", NULL, "change nothing, show everything that would happen"},
    {"--wait", NULL, "wait for the run's end; the cell fails when the run does (default in batch)"},
    {"--no-wait", NULL, "return when the run is accepted (default in an interactive notebook)"},
    {"--file", "PATH", "take the text from a YAML file, for example one made for Azure ML"},
    {NULL, NULL, NULL},
};

const struct magic magic_submit = {
    .name = "submit",
    .cell = true,
    .kind = SPEC_JOB,
    .usage = "%%submit EXPERIMENT [--wait | --no-wait] [--dry-run] [--file PATH]",
    .help = "run a script: its folder, environment and compute",
    .example = "%%submit my-experiment\ncode: .\nscript: train.py\nenvironment: fastai2\n"
               "compute: gpu-cluster",
    .options = options,
    .max_args = 1,
    .argument = "an experiment's name",
    .run = run,
};
