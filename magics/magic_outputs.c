/* SPDX-License-Identifier: BSD-3-Clause */
/* %outputs: what a run kept below outputs/, with its pictures. */
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
    struct run_view view = {.run = found, .process = &status};
    AUTO_REPORT struct report report = {.view = &view};
    report_read_outputs(&report, view.run);
    magic_call_show(call, render_outputs(&report));
    return 0;
}

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    show(call, &err);
    magic_call_finish(call, &err);
}

const struct magic magic_outputs = {
    .name = "outputs",
    .usage = "%outputs [RUN]",
    .help = "list the files a run kept (the newest run's when none is given)",
    .example = "%outputs",
    .max_args = 1,
    .argument = "a run",
    .run = run,
    .complete = magic_call_complete_runs,
};
