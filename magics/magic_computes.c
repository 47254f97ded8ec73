/* SPDX-License-Identifier: BSD-3-Clause */
/* %computes: the computes of the workspace; of one, or with --status of all, the status document
 * key for key. */
#include <string.h>

#include "base/json.h"
#include "base/suggest.h"
#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/magic_sweep.h"
#include "magics/render_plan.h"

/* Only the compute of that name, in a new array; NULL when there is none. */
static json_t *only(const json_t *computes, const char *name)
{
    size_t i;
    json_t *row;
    json_array_foreach (computes, i, row)
        if (strcmp(json_get_string(row, "name", ""), name) == 0)
            return json_pack("[O]", row);
    return NULL;
}

static int unknown(const struct magic_call *call, struct error *err)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    const struct parse_word *word = call->arguments.args[0];
    submission_names(call->submission, SPEC_COMPUTE, &names);
    const char *near = suggest(word->text, (const char *const *)names.items, names.count);
    error_set(err, ERROR_NOT_FOUND, "there is no compute '%s'", word->text);
    error_at(err, word->line, word->column);
    if (near != NULL)
        return error_hint(err, "did you mean %s?", near);
    return error_hint(err, "%%computes lists all, %%%%compute %s makes it", word->text);
}

/* Containers of runs that have ended. */
static void clean(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    bool dry_run = arguments_has(&call->arguments, "--dry-run");
    struct magic_sweep *sweep = magic_sweep_new(call, MAGIC_SWEEP_CONTAINERS, dry_run);
    if (submission_clean_containers(call->submission, dry_run, magic_sweep_done, sweep, &err) != 0)
        magic_sweep_fail(sweep, &err);
}

static void list(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *name = arguments_first(&call->arguments);
    AUTO_JSON json_t *all = submission_computes(call->submission, &err);
    AUTO_JSON json_t *one = all != NULL && name != NULL ? only(all, name) : NULL;
    if (all != NULL && name != NULL && one == NULL)
        unknown(call, &err);
    else if (all != NULL)
        magic_call_show(
            call, render_plan_computes(one != NULL ? one : all,
                                       one != NULL || arguments_has(&call->arguments, "--status")));
    magic_call_finish(call, &err);
}

static void run(struct magic_call *call)
{
    if (arguments_has(&call->arguments, "--clean"))
        clean(call);
    else
        list(call);
}

static const struct magic_option options[] = {
    {"--status", NULL, "print every status document, key for key"},
    {"--clean", NULL, "remove containers that runs have left behind"},
    {"--dry-run", NULL, "with --clean: remove nothing, say what would go"},
    {NULL, NULL, NULL},
};

const struct magic magic_computes = {
    .name = "computes",
    .usage = "%computes [NAME] [--status] | --clean [--dry-run]",
    .help = "list the computes of this workspace, or show the status of one",
    .example = "%computes gpu-cluster",
    .options = options,
    .max_args = 1,
    .argument = "a compute's name",
    .run = run,
    .complete = magic_call_complete_computes,
};
