/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The environment variables of a script: a short list taken from ours, what Skiff sets, what the
 * environment and the job define, in this order; later ones win. Nothing else of ours leaks in. The
 * list is in docs/runs.md.
 */

#include <jansson.h>

#include "base/error.h"
#include "base/strlist.h"

/* Adds what a process on this machine needs of ours: PATH, HOME, locale, time zone, proxies,
 * certificates, GPU selection. For builders, pip's and conda's settings too. */
void variables_inherit(struct strlist *list, bool for_builder);

/* Sets NAME=value, replacing an earlier one. */
void variables_set(struct strlist *list, const char *name, const char *value);

/* Sets a definition's "environment_variables"; values that are secret references are resolved (see
 * secret.h) when `home` is given, else left as they are (for showing). May be NULL. */
int variables_define(struct strlist *list, json_t *variables, const char *home, struct error *err);

/* Resolves what the definitions (either may be NULL) refer to, and forgets it: a secret that is not there
 * is found when something is submitted, not when the run has waited for its turn. */
int variables_check(const json_t *environment, const json_t *job, const char *home,
                    struct error *err);

/* Sets what tells the script which run it is, last: nobody overrides it. `run_dir` as the script sees
 * it. */
void variables_identity(struct strlist *list, const char *run_id, const char *experiment,
                        const char *run_dir);

/* The list as a map, for showing. New reference. */
MUST_CHECK json_t *variables_shown(const struct strlist *list);

/* Wipes the values, then frees the list: it may hold resolved secrets. */
void variables_wipe(struct strlist *list);
#define AUTO_VARIABLES __attribute__((cleanup(variables_wipe)))
