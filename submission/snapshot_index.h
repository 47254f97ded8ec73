/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What is known of a source folder's files from last time: (device, inode, size, mtime, ctime) to
 * hash. One file per source folder, replaced as a whole, so two kernels need no lock: the last one
 * wins and both are right. A file that does not read back (cut, foreign, of another version) counts
 * as empty.
 *
 * Racy files: a file may change without changing its times, within one tick of the file system's
 * clock. git distrusts an entry whose mtime is not older than the index itself. Here such entries
 * are not even written: a file is listed only when it had been left alone for
 * SNAPSHOT_INDEX_QUIET_NS before reading began, so that any change since must have moved its times.
 */

#include <stdbool.h>
#include <stddef.h>

#include "submission/snapshot.h"
#include "submission/snapshot_objects.h"

/* The coarsest clock in use ticks every two seconds (FAT). */
#define SNAPSHOT_INDEX_QUIET_NS (2 * 1000000000ll)

struct snapshot_index;

/* Loads what is known of the folder with this device and inode. Never NULL. */
MUST_CHECK struct snapshot_index *snapshot_index_load(const struct snapshot_objects *objects,
                                                      uint64_t device, uint64_t inode);
void snapshot_index_free(struct snapshot_index *index);
DEFINE_AUTO(snapshot_index)

/* The hash of a file that still looks the same. False when nothing is known. */
bool snapshot_index_find(const struct snapshot_index *index, const struct snapshot_entry *entry,
                         char ret_hash[65]);

/* Replaces the index by the files of a stored snapshot that had been quiet when reading began, at
 * `began_ns`; does nothing when that is what `index` says already. Losing it costs only time, so a
 * failure is left to the log. */
void snapshot_index_save(const struct snapshot_index *index, struct snapshot_objects *objects,
                         const struct snapshot *snapshot, int64_t began_ns);
