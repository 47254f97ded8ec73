/* SPDX-License-Identifier: BSD-3-Clause */
/* Storing: what the index knows and the store has is done without opening the file; the rest is
 * read on a few threads, the largest first so that none is left alone with it at the end. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/utf8.h"
#include "submission/ignore.h"
#include "submission/snapshot.h"
#include "submission/snapshot_index.h"
#include "submission/snapshot_objects.h"
#include "submission/snapshot_tree.h"
#include "submission/snapshot_workers.h"

#define TRIES 3 /* a file that changes three times in a row is being written all the time */

struct store {
    struct snapshot *snapshot;
    struct snapshot_objects *objects;
    struct snapshot_progress *progress;
    int root;
    struct snapshot_entry **cold; /* to be read */
    size_t cold_count;
};

/* One reading; the file is what it is now, not what the scan saw. 0, 1 when the file changed under it, -1. */
static int read_once(struct store *store, struct snapshot_entry *entry, char *buffer,
                     struct error *err)
{
    struct stat st;
    AUTO_CLOSE int fd =
        openat(store->root, entry->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ELOOP)
        return error_set(err, ERROR_BUSY, "it became a symbolic link meanwhile");
    if (fd < 0 || fstat(fd, &st) != 0)
        return error_errno(err, "cannot open it");
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_BUSY, "it is no longer a file");
    int result =
        snapshot_objects_add(store->objects, fd, &st, buffer, store->progress, entry->hash, err);
    if (result == 0)
        snapshot_tree_take_stat(entry, &st);
    return result;
}

static int store_file(size_t item, char *buffer, struct error *err, void *data)
{
    struct store *store = data;
    struct snapshot_entry *entry = store->cold[item];
    int result = 1;
    for (int i = 0; i < TRIES && result == 1; i++)
        result = read_once(store, entry, buffer, err);
    if (result == 0) {
        atomic_fetch_add(&store->progress->files_done, 1);
        return 0;
    }
    AUTO_FREE char *shown = utf8_shown(entry->path);
    AUTO_FREE char *line = ignore_line(entry->path, false);
    if (result < 0)
        return err->code == ERROR_CANCELLED ? -1 : error_wrap(err, "storing %s", shown);
    error_set(err, ERROR_BUSY, "%s keeps changing while it is read", shown);
    return error_hint(err,
                      "wait until nothing writes to it, or leave it out with this line in %s: %s",
                      snapshot_tree_rules(store->snapshot), line);
}

static int compare_sizes(const void *a, const void *b)
{
    uint64_t left = (*(struct snapshot_entry *const *)a)->size;
    uint64_t right = (*(struct snapshot_entry *const *)b)->size;
    return left < right ? 1 : left > right ? -1 : 0;
}

/* Fills in the hashes that are known and lists the files that have to be read. */
static int sort_out(struct store *store, const struct snapshot_index *index, struct error *err)
{
    struct snapshot *snapshot = store->snapshot;
    store->cold = xcalloc(snapshot->count, sizeof *store->cold);
    for (size_t i = 0; i < snapshot->count; i++) {
        struct snapshot_entry *entry = &snapshot->entries[i];
        if (store->progress->cancelled)
            return error_set(err, ERROR_CANCELLED, "stopped before anything was stored");
        if (entry->kind == SNAPSHOT_FILE) {
            if (!snapshot_index_find(index, entry, entry->hash) ||
                !snapshot_objects_has(store->objects, entry->hash, entry->size)) {
                store->cold[store->cold_count++] = entry;
                continue;
            }
            store->progress->bytes_done += entry->size;
        }
        if (entry->kind != SNAPSHOT_DIR)
            store->progress->files_done++;
    }
    qsort(store->cold, store->cold_count, sizeof(struct snapshot_entry *), compare_sizes);
    return 0;
}

static void sum_up(struct snapshot *snapshot)
{
    snapshot->size = 0;
    for (size_t i = 0; i < snapshot->count; i++)
        snapshot->size += snapshot->entries[i].size;
    snapshot_tree_hash(snapshot);
}

static int store_all(struct store *store, struct error *err)
{
    struct stat st;
    struct timespec began;
    struct snapshot *snapshot = store->snapshot;
    clock_gettime(CLOCK_REALTIME, &began);
    AUTO_CLOSE int root = open(snapshot->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0 || fstat(root, &st) != 0)
        return error_errno(err, "cannot read the folder %s", snapshot->root);
    store->root = root;
    AUTO(snapshot_index)
    struct snapshot_index *index = snapshot_index_load(store->objects, st.st_dev, st.st_ino);
    if (sort_out(store, index, err) != 0 ||
        snapshot_workers_run(store->cold_count, store_file, store, err) != 0)
        return -1;
    sum_up(snapshot);
    snapshot_index_save(index, store->objects, snapshot,
                        (int64_t)began.tv_sec * 1000000000 + began.tv_nsec);
    return 0;
}

int snapshot_store(struct snapshot *snapshot, const char *home, struct snapshot_progress *progress,
                   struct error *err)
{
    struct snapshot_progress unseen = {.files_done = 0};
    AUTO(snapshot_objects) struct snapshot_objects *objects = snapshot_objects_open(home, err);
    if (objects == NULL)
        return -1;
    struct store store = {.snapshot = snapshot,
                          .objects = objects,
                          .progress = progress != NULL ? progress : &unseen};
    store.progress->files_done = store.progress->bytes_done = 0;
    store.progress->files_total = snapshot->file_count;
    store.progress->bytes_total = snapshot->size;
    int result = store_all(&store, err);
    free(store.cold);
    return result;
}
