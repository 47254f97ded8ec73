/* SPDX-License-Identifier: BSD-3-Clause */
/* %skiff: what this kernel is, where it keeps things, and the list of magics. */
#include "magics/inspect.h"
#include "magics/list.h"
#include "magics/magic_call.h"

static void run(struct magic_call *call)
{
    magic_call_show(call, inspect_overview(submission_home(call->submission)));
    magic_call_ok(call);
}

const struct magic magic_skiff = {
    .name = "skiff",
    .usage = "%skiff",
    .help = "list all magics",
    .example = "%skiff",
    .run = run,
};
