/* SPDX-License-Identifier: BSD-3-Clause */
/* %cancel: asks a run to end. The run must be named: the newest may not be the one meant. */
#include "magics/list.h"
#include "magics/magic_call.h"

static int cancel(struct magic_call *call, struct error *err)
{
    AUTO_FREE char *id = NULL;
    if (magic_call_run_id(call, &id, err) < 0)
        return -1;
    int asked = submission_cancel(call->submission, id, err);
    if (asked > 0)
        outlet_printf(cell_outlet(call->cell), OUTLET_STDOUT, "run %s was asked to end\n", id);
    else if (asked == 0)
        outlet_printf(cell_outlet(call->cell), OUTLET_STDOUT, "run %s has ended already\n", id);
    return asked < 0 ? -1 : 0;
}

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    cancel(call, &err);
    magic_call_finish(call, &err);
}

const struct magic magic_cancel = {
    .name = "cancel",
    .usage = "%cancel RUN",
    .help = "ask a run to end",
    .example = "%cancel calm_fox",
    .min_args = 1,
    .max_args = 1,
    .argument = "a run",
    .run = run,
    .complete = magic_call_complete_runs,
};
