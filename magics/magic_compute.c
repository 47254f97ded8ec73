/* SPDX-License-Identifier: BSD-3-Clause */
/* %%compute: gets or creates a compute, and shows its status document. */
#include "base/json.h"
#include "magics/diagnostic.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/render_plan.h"

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *definition = magic_call_definition(call, &err);
    AUTO_JSON json_t *status = NULL;
    bool dry_run = arguments_has(&call->arguments, "--dry-run");
    int change = -1;
    if (definition == NULL ||
        submission_put_compute(call->submission, definition, dry_run, &change, &err) < 0) {
        magic_call_fail(call, &err);
        return;
    }
    if (!dry_run)
        status = submission_compute_status(call->submission,
                                           json_get_string(definition, "name", ""), &err);
    if (dry_run || status != NULL)
        magic_call_show(call, render_plan_compute(definition, change, status));
    magic_call_finish(call, &err);
}

static const struct magic_option options[] = {
    {"--dry-run", NULL, "change nothing, show what would be created or changed"},
    {"--file", "PATH", "take the text from a YAML file, for example one made for Azure ML"},
    {NULL, NULL, NULL},
};

const struct magic magic_compute = {
    .name = "compute",
    .cell = true,
    .kind = SPEC_COMPUTE,
    .usage = "%%compute NAME [--dry-run] [--file PATH]",
    .help = "get or create the compute runs go to",
    .example = "%%compute gpu-cluster\nsize: STANDARD_NC6\nmax_instances: 4",
    .options = options,
    .max_args = 1,
    .argument = "a name",
    .run = run,
    .complete = magic_call_complete_computes,
};
