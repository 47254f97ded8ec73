/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A loop over items on a few threads: hashing and copying go faster on more than one core, and the
 * caller is on a worker of the pool already, so it may block. */

#include <stddef.h>

#include "base/error.h"

/* More threads than this only fight for the disk and the folder locks. */
#define SNAPSHOT_WORKERS_MAX 4

/* Each worker has a buffer of its own for contents: small enough for the second-level cache, large
 * enough that most files of a source folder are one read. */
#define SNAPSHOT_WORKERS_BUFFER (256 * 1024)

/* Does item number `item`; `buffer` is the thread's own. 0, or -1 with the error set, which stops
 * the others. */
typedef int (*snapshot_workers_fn)(size_t item, char *buffer, struct error *err, void *data);

/* Calls `work` once for each item below `items`, in any order, on the calling thread and up to
 * SNAPSHOT_WORKERS_MAX - 1 others (never more than cores), and waits for all. 0, or -1 with the
 * first error. */
int snapshot_workers_run(size_t items, snapshot_workers_fn work, void *data, struct error *err);
