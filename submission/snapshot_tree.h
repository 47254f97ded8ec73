/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the steps of a snapshot share. Only for snapshot*.c. */

#include <sys/stat.h>

#include "submission/snapshot.h"

/* Fills in mode, size and what the index keys on. */
void snapshot_tree_take_stat(struct snapshot_entry *entry, const struct stat *st);

/* Fills snapshot->hash from the paths, kinds, execute bits, contents' hashes and link targets. */
void snapshot_tree_hash(struct snapshot *snapshot);

/* The ignore file the user has, or should make: for hints. Static or borrowed. */
static inline const char *snapshot_tree_rules(const struct snapshot *snapshot)
{
    return snapshot->ignore_file != NULL ? snapshot->ignore_file : ".amlignore";
}
