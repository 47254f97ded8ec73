/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What is defined and what would happen: environments, computes, the workspace, dry runs. As
 * render.h: pure, escaped, twins; new references.
 */

#include <jansson.h>
#include <stdbool.h>

#include "submission/workspace.h"

/* Files of a dry run shown by name, kept and dropped each; the counts tell the rest. */
#define RENDER_PLAN_FILES_MAX 200

/* %%environment: `plan` as submission_plan_environment(). */
MUST_CHECK json_t *render_plan_environment(const json_t *plan, bool dry_run);

/* %environments: as submission_environments(). */
MUST_CHECK json_t *render_plan_environments(const json_t *environments);

/* %environments --remove and --prune, %computes --clean: the result of a housekeeping_done_fn. */
MUST_CHECK json_t *render_plan_swept(const json_t *result, bool images, bool dry_run);

/* %%compute: the definition, what happened to it (-1 unchanged, 0 created, 1 changed), and its
 * status document (NULL for a dry run). */
MUST_CHECK json_t *render_plan_compute(const json_t *definition, int change, const json_t *status);

/* %computes: as submission_computes(). With `whole` the status documents too, key for key. */
MUST_CHECK json_t *render_plan_computes(const json_t *computes, bool whole);

MUST_CHECK json_t *render_plan_workspace(const struct workspace *workspace);

/* %%submit --dry-run: the plan of a submit_result. Secrets are in it as references only. */
MUST_CHECK json_t *render_plan_submit(const json_t *plan);
