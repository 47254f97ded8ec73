/* SPDX-License-Identifier: BSD-3-Clause */
/* %wait: waits for a run's end; the cell fails when the run does. */
#include "base/json.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/wait.h"

/* Without an argument: the newest run that is under way, else the newest of all. */
static int choose(struct magic_call *call, char **ret_id, struct error *err)
{
    struct store_run_filter live = {.live_only = true, .max = 1};
    if (call->arguments.count > 0)
        return magic_call_run_id(call, ret_id, err);
    AUTO_JSON json_t *runs = submission_runs(call->submission, &live, err);
    if (runs == NULL)
        return -1;
    if (json_array_size(runs) == 0)
        return magic_call_run_id(call, ret_id, err);
    *ret_id = xstrdup(json_get_string(json_array_get(runs, 0), "id", ""));
    return 0;
}

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *id = NULL;
    if (choose(call, &id, &err) < 0)
        magic_call_fail(call, &err);
    else
        wait_follow(call, id, &(struct wait_options){.wait = true});
}

const struct magic magic_wait = {
    .name = "wait",
    .usage = "%wait [RUN]",
    .help = "wait for a run's end (the newest under way when none is given)",
    .example = "%wait",
    .max_args = 1,
    .argument = "a run",
    .run = run,
    .complete = magic_call_complete_runs,
};
