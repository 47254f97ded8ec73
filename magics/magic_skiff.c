/* SPDX-License-Identifier: BSD-3-Clause */
/* %skiff: what this kernel is, where it keeps things, which Python runs the other cells, and the list of
 * magics. */
#include "base/json.h"
#include "kernel/companion.h"
#include "magics/inspect.h"
#include "magics/list.h"
#include "magics/magic_call.h"

static void run(struct magic_call *call)
{
    AUTO_JSON json_t *companion =
        call->companion != NULL ? companion_describe(call->companion) : NULL;
    magic_call_show(call, inspect_overview(submission_home(call->submission), companion));
    magic_call_ok(call);
}

const struct magic magic_skiff = {
    .name = "skiff",
    .usage = "%skiff",
    .help = "say what this kernel is, and list all magics",
    .example = "%skiff",
    .run = run,
};
