/* SPDX-License-Identifier: BSD-3-Clause */
/* The walk over the folder. Everything is reached from the root's descriptor by its relative path, and
 * one folder is open at a time. Names are taken in byte order: what is wrong first is the same each
 * time. A folder that is dropped is looked into only where an exception, or the Dockerfile, could be
 * below; it is listed when something was. */
#include "submission/build_context_list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/strlist.h"
#include "base/utf8.h"
#include "submission/build_context_heavy.h"
#include "submission/dockerignore.h"

#define IGNORE_NAME ".dockerignore"

/* The time of files of ours: always the same, and one that zip archives (so Python's wheels) take. */
#define OWN_MTIME 315532800 /* 1980-01-01 */

struct walk {
    struct build_context_list *list;
    const struct build_context_request *request;
    const struct build_context_limits *limits;
    const struct build_context_progress *progress; /* may be NULL */
    struct error *err;
    struct dockerignore *rules; /* NULL: everything is kept */
    uint64_t bytes;
    bool given_up; /* too many entries to go on */
    struct build_context_heavy by_bytes, by_count;
};

void build_context_list_done(struct build_context_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        free(list->entries[i].path);
        free(list->entries[i].target);
    }
    free(list->entries);
    free(list->ignore_name);
    if (list->root >= 0)
        close(list->root);
    *list = (struct build_context_list)BUILD_CONTEXT_LIST_INIT;
}

/* --- what is wrong ---------------------------------------------------------------------------- */

int build_context_list_unreadable(const struct build_context_list *list, const char *path,
                                  struct error *err)
{
    int reason = errno;
    AUTO_FREE char *shown = utf8_shown(path[0] != '\0' ? path : "the folder");
    AUTO_FREE char *line = dockerignore_line(path);
    errno = reason;
    error_errno(err, "cannot read %s of the build context", shown);
    if (path[0] == '\0')
        return error_hint(err, "make it readable");
    return error_hint(err, "make it readable, or leave it out with this line in %s: %s",
                      list->ignore_name, line);
}

static int fail_special(const struct walk *walk, const char *path, mode_t mode)
{
    AUTO_FREE char *shown = utf8_shown(path);
    AUTO_FREE char *line = dockerignore_line(path);
    error_set(walk->err, ERROR_INVALID, "%s is %s, which cannot be part of a build context", shown,
              S_ISSOCK(mode)   ? "a socket"
              : S_ISFIFO(mode) ? "a FIFO"
                               : "a device");
    return error_hint(walk->err, "remove it, or leave it out with this line in %s: %s",
                      walk->list->ignore_name, line);
}

static int fail_limits(const struct walk *walk)
{
    bool too_large = walk->bytes > walk->limits->bytes_max;
    bool too_many = walk->list->count > walk->limits->entries_max;
    if (!too_large && !too_many)
        return 0;
    AUTO_BUF struct buf heaviest = BUF_INIT;
    AUTO_FREE char *size = file_size_text(walk->bytes);
    AUTO_FREE char *size_max = file_size_text(walk->limits->bytes_max);
    buf_puts(&heaviest, "");
    build_context_heavy_put(too_many ? &walk->by_count : &walk->by_bytes, !too_many, &heaviest);
    error_set(
        walk->err, ERROR_LIMIT,
        "the build context holds %s%zu files and folders of %s in all; at most %llu of %s are "
        "sent. The largest, each with the ignore line that drops it:%s",
        walk->given_up ? "more than " : "", walk->list->count, size,
        (unsigned long long)walk->limits->entries_max, size_max, heaviest.data);
    return error_hint(walk->err,
                      "put the lines of what the image does not need into %s, or build from a "
                      "folder of its own; data belongs to the run, not into the image",
                      walk->list->ignore_name != NULL ? walk->list->ignore_name : IGNORE_NAME);
}

/* Is `path` a plain path below the folder? */
static int check_path(const char *path, struct error *err)
{
    AUTO_FREE char *copy = xstrdup(path);
    char *rest = copy, *part;
    bool plain = strlen(path) < PATH_MAX;
    while (plain && (part = strsep(&rest, "/")) != NULL)
        plain = part[0] != '\0' && strcmp(part, ".") != 0 && strcmp(part, "..") != 0;
    if (plain)
        return 0;
    AUTO_FREE char *shown = utf8_shown(path);
    error_set(err, ERROR_INVALID, "\"%s\" is no path below the folder of the build context", shown);
    return error_hint(err, "write it relative to that folder, such as Dockerfile or "
                           "docker/train.Dockerfile, without \".\" and \"..\"");
}

/* --- the rules -------------------------------------------------------------------------------- */

/* Reads the rules of the file `name`. 1 when there is no such file. */
static int load_rules(struct walk *walk, const char *name)
{
    AUTO_FREE char *shown = utf8_shown(name);
    AUTO_BUF struct buf text = BUF_INIT;
    struct stat st;
    AUTO_CLOSE int fd =
        openat(walk->list->root, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 1;
    if (fd < 0 || fstat(fd, &st) != 0)
        return error_errno(walk->err, "cannot read %s", shown);
    if (!S_ISREG(st.st_mode))
        return error_set(walk->err, ERROR_INVALID, "%s is not a file", shown);
    /* One byte more, for the parser to tell that it is too large. */
    size_t room = DOCKERIGNORE_FILE_MAX + 1;
    ssize_t got = file_read_full(fd, buf_reserve(&text, room), room);
    if (got < 0)
        return error_errno(walk->err, "cannot read %s", shown);
    walk->rules = dockerignore_parse(shown, text.data, (size_t)got, walk->err);
    return walk->rules != NULL ? 0 : -1;
}

static int choose_rules(struct walk *walk)
{
    const char *dockerfile = walk->request->dockerfile;
    if (dockerfile != NULL) {
        AUTO_FREE char *beside = xasprintf("%s" IGNORE_NAME, dockerfile);
        int result = load_rules(walk, beside);
        if (result <= 0) {
            replace(&walk->list->ignore_name, steal(&beside));
            return result;
        }
    }
    walk->list->ignore_name = xstrdup(IGNORE_NAME);
    return load_rules(walk, IGNORE_NAME) < 0 ? -1 : 0;
}

static bool leads_to(const char *folder, const char *path)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

/* The engine reads these two, and takes them out again where the rules say so. */
static bool is_always_kept(const struct walk *walk, const char *path)
{
    const char *dockerfile = walk->request->dockerfile;
    return (dockerfile != NULL && strcmp(path, dockerfile) == 0) ||
           (strcmp(path, IGNORE_NAME) == 0 && strcmp(walk->list->ignore_name, IGNORE_NAME) == 0);
}

static bool may_keep_below(const struct walk *walk, const char *path, const bool *spoken)
{
    const char *dockerfile = walk->request->dockerfile;
    return (dockerfile != NULL && leads_to(path, dockerfile)) ||
           dockerignore_may_keep_below(walk->rules, path, spoken);
}

/* --- entries ---------------------------------------------------------------------------------- */

static struct build_context_entry *add_entry(struct walk *walk, const char *path)
{
    struct build_context_list *list = walk->list;
    grow(&list->entries, &list->capacity, list->count + 1, sizeof *list->entries);
    struct build_context_entry *entry = &list->entries[list->count++];
    *entry = (struct build_context_entry){.path = xstrdup(path)};
    walk->given_up = walk->given_up || list->count > walk->limits->entries_max;
    return entry;
}

/* Does a file of ours stand in for this one? 1: yes; -1: it cannot. */
static int compare_with_ours(const struct walk *walk, const char *path, bool is_dir)
{
    for (size_t i = 0; i < walk->request->file_count; i++) {
        const char *name = walk->request->files[i].name;
        bool same = strcmp(name, path) == 0;
        if (same && !is_dir)
            return 1;
        if (same || (!is_dir && leads_to(path, name))) {
            AUTO_FREE char *shown = utf8_shown(path);
            error_set(walk->err, ERROR_INVALID,
                      "%s is a %s, but %s is a file of Skiff's in this build context", shown,
                      is_dir ? "folder" : "file", name);
            return error_hint(walk->err, "rename or ignore what is there");
        }
    }
    return 0;
}

static int add_found(struct walk *walk, const char *path, const struct stat *st)
{
    int result = compare_with_ours(walk, path, S_ISDIR(st->st_mode));
    if (result != 0)
        return result < 0 ? -1 : 0;
    AUTO_FREE char *target = NULL;
    if (S_ISLNK(st->st_mode)) {
        target = xcalloc(1, PATH_MAX + 1); /* the kernel makes none longer */
        if (readlinkat(walk->list->root, path, target, PATH_MAX) < 0)
            return errno == ENOENT ? 0 : build_context_list_unreadable(walk->list, path, walk->err);
        replace(&target, xstrdup(target));
    }
    bool file = S_ISREG(st->st_mode);
    if (file && faccessat(walk->list->root, path, R_OK, AT_EACCESS) != 0)
        return errno == ENOENT ? 0 : build_context_list_unreadable(walk->list, path, walk->err);
    struct build_context_entry *entry = add_entry(walk, path);
    entry->mode = st->st_mode;
    entry->mtime = st->st_mtim.tv_sec;
    entry->size = file ? (uint64_t)st->st_size : 0;
    entry->target = steal(&target);
    walk->bytes += entry->size;
    if (file)
        build_context_heavy_add(&walk->by_bytes, path, entry->size);
    return 0;
}

static void add_own(struct walk *walk)
{
    for (size_t i = 0; i < walk->request->file_count; i++) {
        const struct build_file *file = &walk->request->files[i];
        struct build_context_entry *entry = add_entry(walk, file->name);
        entry->mode = S_IFREG | 0644;
        entry->mtime = OWN_MTIME;
        entry->size = file->size;
        entry->own = file;
        walk->bytes += file->size;
    }
}

/* --- the walk --------------------------------------------------------------------------------- */

static int walk_folder(struct walk *walk, const char *path, size_t depth, const bool *above);

static int walk_below(struct walk *walk, const char *path, const struct stat *st, size_t depth,
                      bool dropped, const bool *spoken)
{
    size_t count = walk->list->count;
    uint64_t bytes = walk->bytes;
    if (walk_folder(walk, path, depth, spoken) != 0)
        return -1;
    build_context_heavy_add_folder(&walk->by_bytes, path, walk->bytes - bytes);
    build_context_heavy_add_folder(&walk->by_count, path, walk->list->count - count);
    return dropped && walk->list->count == count ? 0 : add_found(walk, path, st);
}

/* `spoken` is room for what the rules say. */
static int walk_child(struct walk *walk, const char *path, size_t depth, const bool *above,
                      bool *spoken)
{
    struct stat st;
    if (walk->progress != NULL && walk->progress->cancelled)
        return error_set(walk->err, ERROR_CANCELLED, "stopped while looking through the folder");
    if (fstatat(walk->list->root, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : build_context_list_unreadable(walk->list, path, walk->err);
    bool dropped = walk->rules != NULL && dockerignore_match(walk->rules, path, above, spoken) &&
                   !is_always_kept(walk, path);
    if (S_ISDIR(st.st_mode) && (!dropped || may_keep_below(walk, path, spoken)))
        return walk_below(walk, path, &st, depth, dropped, spoken);
    if (dropped)
        return 0;
    if (!S_ISREG(st.st_mode) && !S_ISLNK(st.st_mode))
        return fail_special(walk, path, st.st_mode);
    return add_found(walk, path, &st);
}

static int read_names(struct walk *walk, const char *path, struct strlist *ret_names)
{
    int fd = openat(walk->list->root, path[0] != '\0' ? path : ".",
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        int result = build_context_list_unreadable(walk->list, path, walk->err);
        if (fd >= 0)
            close(fd);
        return result;
    }
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            strlist_add(ret_names, entry->d_name);
    int result = errno != 0 ? build_context_list_unreadable(walk->list, path, walk->err) : 0;
    closedir(dir);
    strlist_sort(ret_names);
    return result;
}

/* `path` is "" for the root, which is no entry itself; `above`: what the rules said of it. */
static int walk_folder(struct walk *walk, const char *path, size_t depth, const bool *above)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    AUTO_FREE bool *spoken = NULL;
    if (depth > walk->limits->depth_max) {
        AUTO_FREE char *shown = utf8_shown(path);
        error_set(walk->err, ERROR_LIMIT,
                  "the build context has more than %zu folders within one "
                  "another: %s",
                  walk->limits->depth_max, shown);
        return error_hint(walk->err, "leave them out in %s", walk->list->ignore_name);
    }
    if (read_names(walk, path, &names) != 0)
        return -1;
    if (walk->rules != NULL)
        spoken = xcalloc(dockerignore_count(walk->rules) + 1, sizeof *spoken);
    for (size_t i = 0; i < names.count && !walk->given_up; i++) {
        AUTO_FREE char *child = file_join(path, names.items[i]);
        if (walk_child(walk, child, depth + 1, above, spoken) != 0)
            return -1;
    }
    return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct build_context_entry *)a)->path,
                  ((const struct build_context_entry *)b)->path);
}

static int check_request(const struct build_context_request *request, struct error *err)
{
    for (size_t i = 0; i < request->file_count; i++)
        if (check_path(request->files[i].name, err) != 0)
            return -1;
    return request->dockerfile != NULL ? check_path(request->dockerfile, err) : 0;
}

static int open_root(struct walk *walk)
{
    const char *folder = walk->request->folder;
    walk->list->root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (walk->list->root >= 0)
        return 0;
    if (errno == ENOTDIR)
        return error_set(walk->err, ERROR_INVALID, "%s is not a folder", folder);
    return error_errno(walk->err, "cannot read the folder of the build context, %s", folder);
}

static int check_dockerfile(const struct walk *walk)
{
    struct build_context_entry key = {.path = xstrdup_or_null(walk->request->dockerfile)};
    if (key.path == NULL)
        return 0;
    const struct build_context_entry *found =
        bsearch(&key, walk->list->entries, walk->list->count, sizeof key, compare_entries);
    AUTO_FREE char *shown = utf8_shown(key.path);
    free(key.path);
    if (found != NULL && !S_ISDIR(found->mode))
        return 0;
    error_set(walk->err, ERROR_NOT_FOUND, "there is no Dockerfile %s in %s", shown,
              walk->request->folder != NULL ? walk->request->folder : "the build context");
    return error_hint(walk->err, "its path is relative to that folder");
}

static int fill(struct walk *walk)
{
    struct build_context_list *list = walk->list;
    if (check_request(walk->request, walk->err) != 0)
        return -1;
    if (walk->request->folder != NULL)
        if (open_root(walk) != 0 || choose_rules(walk) != 0 || walk_folder(walk, "", 0, NULL) != 0)
            return -1;
    add_own(walk);
    if (fail_limits(walk) != 0)
        return -1;
    if (list->count > 0)
        qsort(list->entries, list->count, sizeof *list->entries, compare_entries);
    return check_dockerfile(walk);
}

int build_context_list_fill(struct build_context_list *list,
                            const struct build_context_request *request,
                            const struct build_context_limits *limits,
                            const struct build_context_progress *progress, struct error *err)
{
    struct walk walk = {
        .list = list, .request = request, .limits = limits, .progress = progress, .err = err};
    int result = fill(&walk);
    dockerignore_free(walk.rules);
    build_context_heavy_done(&walk.by_bytes);
    build_context_heavy_done(&walk.by_count);
    return result;
}
