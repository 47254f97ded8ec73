/* SPDX-License-Identifier: BSD-3-Clause */
/* %status: one run with all its facts and events. */
#include "base/json.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/render.h"

static int show(struct magic_call *call, struct error *err)
{
    AUTO_FREE char *id = NULL;
    AUTO(run) struct run *found = NULL;
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    if (magic_call_run_id(call, &id, err) < 0 ||
        submission_run(call->submission, id, &found, &status, err) < 0)
        return -1;
    AUTO_JSON json_t *events = run_events(found, err);
    if (events == NULL)
        return -1;
    struct run_view view = {.run = found, .process = &status};
    magic_call_show(call, render_details(&view, events));
    return 0;
}

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    show(call, &err);
    magic_call_finish(call, &err);
}

const struct magic magic_status = {
    .name = "status",
    .usage = "%status [RUN]",
    .help = "show a run (the newest when none is given) and everything that happened to it",
    .example = "%status",
    .max_args = 1,
    .argument = "a run",
    .run = run,
    .complete = magic_call_complete_runs,
};
