/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which workspace is open, and why. config.json found by Azure's own search rule names an Azure ML
 * workspace; without one the local workspace under $SKIFF_HOME is open.
 *
 * The rule: from the start folder up to the root, for each of .azureml/config.json,
 * .azureml/project.json, aml_config/config.json, aml_config/project.json, config.json,
 * project.json, in that order, each one walked to the root before the next is tried. A file without
 * the three keys (or "Scope") is not a workspace's and is an error only when it stands in .azureml
 * or aml_config.
 */

#include <stdbool.h>

#include "base/error.h"

struct workspace {
    bool local;
    char *home;            /* $SKIFF_HOME, absolute: also where an Azure workspace keeps its runs */
    char *config_path;     /* the file that decided; NULL for the local workspace */
    char *why;             /* one sentence for people */
    char *subscription_id; /* the rest: NULL for the local workspace */
    char *resource_group;
    char *name;
};

/* Decides. Reads only. A config.json that does not read is an error naming it. */
int workspace_find(const char *start_dir, const char *home, struct workspace **ret_workspace,
                   struct error *err);
void workspace_free(struct workspace *workspace);
DEFINE_AUTO(workspace)
