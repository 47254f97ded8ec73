/* SPDX-License-Identifier: BSD-3-Clause */
/* %runs: the runs of the workspace, newest first. */
#include <strings.h>

#include "base/json.h"
#include "base/suggest.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/render.h"
#include "magics/runs_widget.h"
#include "magics/wait.h"

#define RUNS_DEFAULT 20
#define RUNS_MAX 1000 /* rows a page still scrolls through */

static int unknown_state(const struct arguments *arguments, const char *const *names,
                         struct error *err)
{
    AUTO_STRLIST struct strlist all = STRLIST_INIT;
    const char *given = arguments_value(arguments, "--state");
    const char *near = suggest(given, names, RUN_STATE_COUNT);
    for (size_t i = 0; i < RUN_STATE_COUNT; i++)
        strlist_add(&all, names[i]);
    AUTO_FREE char *list = strlist_join(&all, ", ");
    error_set(err, ERROR_INVALID, "runs have no state '%s'", given);
    for (size_t i = 0; i < arguments->option_count; i++)
        if (arguments->options[i].value == given)
            error_at(err, arguments->options[i].word->line, arguments->options[i].word->column);
    if (near != NULL)
        return error_hint(err, "did you mean %s? The states: %s", near, list);
    return error_hint(err, "the states: %s", list);
}

/* Azure's name of the state that is asked for, in whatever case it was given; NULL when none is. */
static int read_state(const struct arguments *arguments, const char **ret_state, struct error *err)
{
    const char *names[RUN_STATE_COUNT];
    const char *given = arguments_value(arguments, "--state");
    *ret_state = NULL;
    if (given == NULL)
        return 0;
    for (size_t i = 0; i < RUN_STATE_COUNT; i++) {
        names[i] = run_state_name((enum run_state)i);
        if (strcasecmp(given, names[i]) == 0)
            *ret_state = names[i];
    }
    return *ret_state != NULL ? 0 : unknown_state(arguments, names, err);
}

static void show_list(struct magic_call *call, const struct store_run_filter *filter,
                      struct error *err)
{
    AUTO_JSON json_t *runs = submission_runs(call->submission, filter, err);
    if (runs != NULL)
        magic_call_show(call, render_runs(runs));
}

/* What does not fit a page of the table is on the next one. */
static void show_table(struct magic_call *call, const struct store_run_filter *filter,
                       struct error *err)
{
    struct runs_widget_options table = {
        .experiment = filter->experiment,
        .state = filter->state,
        .text = filter->text,
        .live = filter->live_only,
        .rows = filter->max < RUNS_WIDGET_ROWS_MAX ? filter->max : RUNS_WIDGET_ROWS_MAX};
    runs_widget_show(call->runs_widgets, cell_outlet(call->cell), &table, err);
}

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const struct arguments *given = &call->arguments;
    struct store_run_filter filter = {.experiment = arguments_value(given, "--experiment"),
                                      .live_only = arguments_has(given, "--live"),
                                      .text = arguments_value(given, "--text")};
    long max;
    if (arguments_number(given, "-n", RUNS_MAX, RUNS_DEFAULT, &max, &err) == 0 &&
        read_state(given, &filter.state, &err) == 0) {
        filter.max = (size_t)max;
        if (wait_draws_widgets(call))
            show_table(call, &filter, &err);
        else
            show_list(call, &filter, &err);
    }
    magic_call_finish(call, &err);
}

static const struct magic_option options[] = {
    {"--experiment", "EXPERIMENT", "only runs of this experiment"},
    {"--state", "STATE", "only runs in this state, for example Failed"},
    {"--text", "TEXT", "only runs with this in id, experiment, name, compute or environment"},
    {"--live", NULL, "only runs that have not ended"},
    {"-n", "N", "at most this many (20); of a live table, on a page"},
    {NULL, NULL, NULL},
};

const struct magic magic_runs = {
    .name = "runs",
    .usage = "%runs [--experiment EXPERIMENT] [--state STATE] [--text TEXT] [--live] [-n N]",
    .help = "list the runs, newest first",
    .example = "%runs --live",
    .options = options,
    .run = run,
};
