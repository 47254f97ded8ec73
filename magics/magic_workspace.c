/* SPDX-License-Identifier: BSD-3-Clause */
/* %workspace: which workspace is open, why, and the path that decided it. */
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/render_plan.h"

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const struct workspace *workspace = submission_workspace(call->submission, &err);
    if (workspace != NULL)
        magic_call_show(call, render_plan_workspace(workspace));
    magic_call_finish(call, &err);
}

const struct magic magic_workspace = {
    .name = "workspace",
    .usage = "%workspace",
    .help = "say which workspace is open, and why",
    .example = "%workspace",
    .run = run,
};
