/* SPDX-License-Identifier: BSD-3-Clause */
/* %environments: what is registered, the newest version of each; and, with an option, the removal of
 * what was built for them. */
#include "base/json.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/magic_sweep.h"
#include "magics/render_plan.h"

static void list(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *environments = submission_environments(call->submission, &err);
    if (environments != NULL)
        magic_call_show(call, render_plan_environments(environments));
    magic_call_finish(call, &err);
}

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *name = arguments_value(&call->arguments, "--remove");
    bool prune = arguments_has(&call->arguments, "--prune");
    bool dry_run = arguments_has(&call->arguments, "--dry-run");
    if (name == NULL && !prune) {
        list(call);
        return;
    }
    struct magic_sweep *sweep = magic_sweep_new(call, MAGIC_SWEEP_IMAGES, dry_run);
    int begun =
        name != NULL
            ? submission_remove_image(call->submission, name, magic_sweep_done, sweep, &err)
            : submission_prune_images(call->submission, dry_run, magic_sweep_done, sweep, &err);
    if (begun != 0)
        magic_sweep_fail(sweep, &err);
}

static const struct magic_option options[] = {
    {"--remove", "NAME", "remove the image that was built for it; the next run builds it again"},
    {"--prune", NULL, "remove the images built here that no environment and no run needs"},
    {"--dry-run", NULL, "with --prune: remove nothing, say what it would free"},
    {NULL, NULL, NULL},
};

const struct magic magic_environments = {
    .name = "environments",
    .usage = "%environments [--remove NAME | --prune [--dry-run]]",
    .help = "list the environments of this workspace, or remove what was built for them",
    .example = "%environments",
    .options = options,
    .run = run,
};
