/* SPDX-License-Identifier: BSD-3-Clause */
/* %environments: what is registered, the newest version of each. */
#include "base/json.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/render_plan.h"

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *environments = submission_environments(call->submission, &err);
    if (environments != NULL)
        magic_call_show(call, render_plan_environments(environments));
    magic_call_finish(call, &err);
}

const struct magic magic_environments = {
    .name = "environments",
    .usage = "%environments",
    .help = "list the environments of this workspace",
    .example = "%environments",
    .run = run,
};
