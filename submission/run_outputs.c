/* SPDX-License-Identifier: BSD-3-Clause */
/* The files a run has kept. The script made this folder and may have made anything in it: links out
 * are not followed, depth and number are bounded, and what is no regular file is left out. */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "submission/run.h"

#define DEPTH_MAX 32     /* deeper trees are a script's accident */
#define FILES_MAX 100000 /* looked at in all, so that a flood of files costs at most a second */

struct output {
    char *path;
    int64_t size;
    int64_t mtime_us;
};

struct outputs {
    struct output *items;
    size_t count, capacity;
};

static void walk(struct outputs *outputs, int dir_fd, const char *name, const char *prefix,
                 int depth);

static void add_entry(struct outputs *outputs, int dir_fd, const char *name, const char *prefix,
                      int depth)
{
    struct stat st;
    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    AUTO_FREE char *path = xasprintf("%s%s", prefix, name);
    if (S_ISDIR(st.st_mode)) {
        AUTO_FREE char *below = xasprintf("%s/", path);
        walk(outputs, dir_fd, name, below, depth + 1);
    } else if (S_ISREG(st.st_mode)) {
        grow(&outputs->items, &outputs->capacity, outputs->count + 1, sizeof *outputs->items);
        outputs->items[outputs->count++] = (struct output){
            .path = steal(&path),
            .size = (int64_t)st.st_size,
            .mtime_us = (int64_t)st.st_mtim.tv_sec * 1000000 + st.st_mtim.tv_nsec / 1000};
    }
}

static void walk(struct outputs *outputs, int dir_fd, const char *name, const char *prefix,
                 int depth)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 && depth <= DEPTH_MAX ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    const struct dirent *entry;
    while (outputs->count < FILES_MAX && (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            add_entry(outputs, dirfd(dir), entry->d_name, prefix, depth);
    closedir(dir);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct output *)a)->path, ((const struct output *)b)->path);
}

json_t *run_outputs(const struct run *run, size_t max)
{
    struct outputs outputs = {.items = NULL};
    AUTO_FREE char *root = run_path(run, "outputs");
    json_t *list = json_array();
    walk(&outputs, AT_FDCWD, root, "", 0);
    if (outputs.count > 1)
        qsort(outputs.items, outputs.count, sizeof *outputs.items, compare);
    for (size_t i = 0; i < outputs.count; i++) {
        struct output *output = &outputs.items[i];
        if (i < max) {
            json_t *row =
                json_pack("{s:o, s:I}", "path", json_text_value(output->path, strlen(output->path)),
                          "size", (json_int_t)output->size);
            json_set_time(row, "mtime", output->mtime_us);
            json_array_append_new(list, row);
        }
        free(output->path);
    }
    free(outputs.items);
    return list;
}

int run_make_outputs(const char *run_dir, const json_t *job, struct error *err)
{
    json_t *outputs = json_object_get(job, "outputs");
    for (void *at = json_object_iter(outputs); at != NULL;
         at = json_object_iter_next(outputs, at)) {
        AUTO_FREE char *path = xasprintf("%s/outputs/%s", run_dir, json_object_iter_key(at));
        if (strcmp(json_object_iter_key(at), "default") != 0 && file_make_dirs(path, err) != 0)
            return -1;
    }
    return 0;
}
