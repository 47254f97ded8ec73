/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The kernelspecs there are, found as Jupyter finds them. Reads files and starts nothing.
 * https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/strlist.h"

/* Jupyter's data folder of this user. The caller frees it. */
MUST_CHECK char *lookup_user_dir(void);

/* The kernel.json of that name: the first one that can be read. New reference, or NULL. *ret_dir (the
 * caller frees it) is the folder it is in. */
MUST_CHECK json_t *lookup_kernelspec(const char *name, char **ret_dir);

/* All their names, sorted, each once, less those that start Skiff. */
void lookup_names(struct strlist *names);

/* Whether a program is the one that runs now, by whatever path or link, or another Skiff by its name.
 * As a companion it would start a companion, and so on. */
bool lookup_is_skiff(const char *program);
