/* SPDX-License-Identifier: BSD-3-Clause */
/* %%environment: checks and registers an environment. A new version only when it differs. */
#include "base/json.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/render_plan.h"

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *definition = magic_call_definition(call, &err);
    bool dry_run = arguments_has(&call->arguments, "--dry-run");
    int version;
    bool fresh;
    AUTO_JSON json_t *plan =
        definition != NULL ? submission_plan_environment(call->submission, definition, &err) : NULL;
    if (plan == NULL || (!dry_run && submission_put_environment(call->submission, definition,
                                                                &version, &fresh, &err) < 0)) {
        magic_call_fail(call, &err);
        return;
    }
    if (!dry_run) {
        json_object_set_new(plan, "version", json_integer(version));
        json_object_set_new(plan, "new", json_boolean(fresh));
    }
    magic_call_show(call, render_plan_environment(plan, dry_run));
    magic_call_ok(call);
}

static const struct magic_option options[] = {
    {"--dry-run", NULL, "change nothing, show what would be registered and built"},
    {"--file", "PATH", "take the text from a YAML file, for example one made for Azure ML"},
    {NULL, NULL, NULL},
};

const struct magic magic_environment = {
    .name = "environment",
    .cell = true,
    .kind = SPEC_ENVIRONMENT,
    .usage = "%%environment NAME [--dry-run] [--file PATH]",
    .help = "define the environment scripts run in: an image, a Dockerfile or Python packages",
    .example = "%%environment fastai2\nimage: fastdotai/fastai2:latest",
    .options = options,
    .max_args = 1,
    .argument = "a name",
    .run = run,
    .complete = magic_call_complete_environments,
};
