/* SPDX-License-Identifier: BSD-3-Clause */
/* Laying out: the folders first, then files and links on a few threads, and last the
 * folders' own modes, from the inside out, since a read-only folder could not be filled. Nothing is
 * ever followed or replaced on the way: what is in the way is an error. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/utf8.h"
#include "submission/snapshot.h"
#include "submission/snapshot_objects.h"
#include "submission/snapshot_tree.h"
#include "submission/snapshot_workers.h"

struct layout {
    const struct snapshot *snapshot;
    struct snapshot_objects *objects;
    struct snapshot_progress *progress;
    const char *target;
    int dir;
};

static int open_target(const char *target, struct error *err)
{
    if (file_make_dirs(target, err) != 0)
        return -1;
    int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO_CLOSE int listed = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = listed >= 0 ? fdopendir(listed) : NULL;
    if (fd < 0 || dir == NULL) {
        error_errno(err, "cannot open the folder %s", target);
    } else {
        listed = -1; /* the DIR's now */
        const struct dirent *entry = NULL;
        while ((entry = readdir(dir)) != NULL &&
               (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0))
            ;
        closedir(dir);
        if (entry == NULL)
            return fd;
        error_set(err, ERROR_EXISTS, "the folder %s is not empty", target);
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

static int fail_at(const struct layout *layout, const struct snapshot_entry *entry,
                   struct error *err)
{
    AUTO_FREE char *shown = utf8_shown(entry->path);
    return error_wrap(err, "laying out %s in %s", shown, layout->target);
}

static int make_folders(const struct layout *layout, struct error *err)
{
    for (size_t i = 0; i < layout->snapshot->count; i++) {
        const struct snapshot_entry *entry = &layout->snapshot->entries[i];
        if (entry->kind == SNAPSHOT_DIR && mkdirat(layout->dir, entry->path, 0700) != 0) {
            error_errno(err, "cannot create the folder");
            return fail_at(layout, entry, err);
        }
    }
    return 0;
}

static int lay_out_item(size_t item, char *buffer, struct error *err, void *data)
{
    struct layout *layout = data;
    const struct snapshot_entry *entry = &layout->snapshot->entries[item];
    int result = 0;
    if (entry->kind == SNAPSHOT_DIR)
        return 0;
    if (layout->progress->cancelled)
        return error_set(err, ERROR_CANCELLED, "stopped while files were being copied");
    if (entry->kind == SNAPSHOT_FILE)
        result = snapshot_objects_copy(layout->objects, entry, layout->dir, buffer,
                                       layout->progress, err);
    else if (symlinkat(entry->target, layout->dir, entry->path) != 0)
        result = error_errno(err, "cannot create the link");
    if (result != 0)
        return err->code == ERROR_CANCELLED ? -1 : fail_at(layout, entry, err);
    atomic_fetch_add(&layout->progress->files_done, 1);
    return 0;
}

static int set_folder_modes(const struct layout *layout, struct error *err)
{
    for (size_t i = layout->snapshot->count; i-- > 0;) {
        const struct snapshot_entry *entry = &layout->snapshot->entries[i];
        if (entry->kind == SNAPSHOT_DIR &&
            fchmodat(layout->dir, entry->path, entry->mode, 0) != 0) {
            error_errno(err, "cannot set the folder's mode");
            return fail_at(layout, entry, err);
        }
    }
    return 0;
}

int snapshot_lay_out(const struct snapshot *snapshot, const char *home, const char *target,
                     struct snapshot_progress *progress, struct error *err)
{
    struct snapshot_progress unseen = {.files_done = 0};
    AUTO(snapshot_objects) struct snapshot_objects *objects = snapshot_objects_open(home, err);
    AUTO_CLOSE int dir = objects != NULL ? open_target(target, err) : -1;
    if (dir < 0)
        return -1;
    struct layout layout = {.snapshot = snapshot,
                            .objects = objects,
                            .progress = progress != NULL ? progress : &unseen,
                            .target = target,
                            .dir = dir};
    layout.progress->files_done = layout.progress->bytes_done = 0;
    layout.progress->files_total = snapshot->file_count;
    layout.progress->bytes_total = snapshot->size;
    if (make_folders(&layout, err) != 0 ||
        snapshot_workers_run(snapshot->count, lay_out_item, &layout, err) != 0)
        return -1;
    return set_folder_modes(&layout, err);
}
