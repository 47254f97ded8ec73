/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The contents of files, each once, by hash: $SKIFF_HOME/objects. See snapshot.h for the layout and
 * what it promises. Any number of threads and processes may use one store at the same time, and
 * each may be killed at any point.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/error.h"
#include "submission/snapshot.h"

struct snapshot_objects;

/* Opens the store, making it on demand, and removes what killed processes left in tmp/. NULL with
 * an error. */
MUST_CHECK struct snapshot_objects *snapshot_objects_open(const char *home, struct error *err);
void snapshot_objects_free(struct snapshot_objects *objects);
DEFINE_AUTO(snapshot_objects)

/* Is the content there, with the size it should have? */
bool snapshot_objects_has(const struct snapshot_objects *objects, const char *hash, uint64_t size);

/* Stores what the regular file behind `fd` (at its beginning, `st` being its fstat) holds and
 * writes its hash into ret_hash, in one read. 0; 1 when the file changed meanwhile: nothing is
 * stored; -1 with an error. `buffer` has SNAPSHOT_WORKERS_BUFFER bytes. Counts bytes into
 * `progress` and heeds its flag. */
int snapshot_objects_add(struct snapshot_objects *objects, int fd, const struct stat *st,
                         char *buffer, struct snapshot_progress *progress, char ret_hash[65],
                         struct error *err);

/* Copies a content to the new file `path` below the folder `dir`, with `mode`. As above otherwise;
 * ERROR_CORRUPT when the content is not there whole. */
int snapshot_objects_copy(struct snapshot_objects *objects, const struct snapshot_entry *entry,
                          int dir, char *buffer, struct snapshot_progress *progress,
                          struct error *err);

/* Creates an empty file in tmp/ (mode 0444) open for writing and puts its name, relative to the
 * store, into `name`. -1 with errno. */
#define SNAPSHOT_OBJECTS_NAME_SIZE 96
int snapshot_objects_create_tmp(struct snapshot_objects *objects,
                                char name[SNAPSHOT_OBJECTS_NAME_SIZE]);

/* Moves a file of tmp/ to `name` (relative to the store) in one step, making its folder on demand.
 * 0, or -1 with errno. */
int snapshot_objects_publish(struct snapshot_objects *objects, const char *tmp, const char *name);

/* The descriptor of the store's folder. */
int snapshot_objects_fd(const struct snapshot_objects *objects);
