/* SPDX-License-Identifier: BSD-3-Clause */
/* %attach: follows a run in this cell, from the first byte of its output not shown yet. */
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/wait.h"

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *id = NULL;
    bool wait;
    if (magic_call_waits(call, &wait, &err) < 0 || magic_call_run_id(call, &id, &err) < 0)
        magic_call_fail(call, &err);
    else
        wait_follow(call, id, &(struct wait_options){.log = true, .wait = wait});
}

static const struct magic_option options[] = {
    {"--wait", NULL, "wait for the run's end; the cell fails when the run does (default in batch)"},
    {"--no-wait", NULL, "return at once (default in an interactive notebook)"},
    {NULL, NULL, NULL},
};

const struct magic magic_attach = {
    .name = "attach",
    .usage = "%attach [RUN] [--wait | --no-wait]",
    .help = "go on showing a run's output here, from where it was left",
    .example = "%attach",
    .options = options,
    .max_args = 1,
    .argument = "a run",
    .run = run,
    .complete = magic_call_complete_runs,
};
