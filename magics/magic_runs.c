/* SPDX-License-Identifier: BSD-3-Clause */
/* %runs: the runs of the workspace, newest first. */
#include "base/json.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/render.h"

#define RUNS_DEFAULT 20
#define RUNS_MAX 1000 /* rows a page still scrolls through */

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    long max;
    if (arguments_number(&call->arguments, "-n", RUNS_MAX, RUNS_DEFAULT, &max, &err) == 0) {
        struct store_run_filter filter = {.experiment =
                                              arguments_value(&call->arguments, "--experiment"),
                                          .live_only = arguments_has(&call->arguments, "--live"),
                                          .max = (size_t)max};
        AUTO_JSON json_t *runs = submission_runs(call->submission, &filter, &err);
        if (runs != NULL)
            magic_call_show(call, render_runs(runs));
    }
    magic_call_finish(call, &err);
}

static const struct magic_option options[] = {
    {"--experiment", "NAME", "only runs of this experiment"},
    {"--live", NULL, "only runs that have not ended"},
    {"-n", "N", "at most this many (20)"},
    {NULL, NULL, NULL},
};

const struct magic magic_runs = {
    .name = "runs",
    .usage = "%runs [--experiment NAME] [--live] [-n N]",
    .help = "list the runs, newest first",
    .example = "%runs --live",
    .options = options,
    .run = run,
};
