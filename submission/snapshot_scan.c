/* SPDX-License-Identifier: BSD-3-Clause */
/* The walk. Everything is reached from the root's descriptor by its relative path, and one folder
 * is open at a time, so depth costs no descriptors. Names are taken in byte order: the first thing
 * that is wrong is the same each time. A dropped folder is not opened. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/utf8.h"
#include "submission/ignore.h"
#include "submission/snapshot.h"
#include "submission/snapshot_limits.h"
#include "submission/snapshot_tree.h"
#include "submission/snapshot_warn.h"

#define LINK_TARGET_MAX 4096 /* PATH_MAX: the kernel makes none longer */

struct scan {
    struct snapshot *snapshot;
    struct snapshot_progress *progress;
    struct notes *notes;
    struct error *err;
    const char *ignore_name; /* of the ignore files that count */
    int root;
    bool want_dropped;
    bool given_up; /* SNAPSHOT_ENTRIES_MAX */
    dev_t home_device;
    ino_t home_inode;
};

/* --- what is found ---------------------------------------------------------------------------- */

static struct snapshot_entry *add_entry(struct scan *scan, const char *path,
                                        enum snapshot_kind kind, const struct stat *st)
{
    struct snapshot *snapshot = scan->snapshot;
    if (snapshot->count == SNAPSHOT_ENTRIES_MAX)
        scan->given_up = true;
    grow(&snapshot->entries, &snapshot->capacity, snapshot->count + 1, sizeof *snapshot->entries);
    struct snapshot_entry *entry = &snapshot->entries[snapshot->count++];
    *entry = (struct snapshot_entry){.path = xstrdup(path), .kind = kind};
    snapshot_tree_take_stat(entry, st);
    if (kind != SNAPSHOT_DIR) {
        snapshot->file_count++;
        snapshot->size += entry->size;
        scan->progress->files_total = snapshot->file_count;
        scan->progress->bytes_total = snapshot->size;
    }
    return entry;
}

/* Takes `rule` over. */
static void drop(struct scan *scan, const char *path, const struct stat *st, char *rule)
{
    struct snapshot *snapshot = scan->snapshot;
    AUTO_FREE char *owned = rule;
    if (!scan->want_dropped)
        return;
    grow(&snapshot->dropped, &snapshot->dropped_capacity, snapshot->dropped_count + 1,
         sizeof *snapshot->dropped);
    snapshot->dropped[snapshot->dropped_count++] =
        (struct snapshot_dropped){.path = xstrdup(path),
                                  .is_dir = S_ISDIR(st->st_mode),
                                  .size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
                                  .rule = steal(&owned)};
}

/* errno about `path`, with the two ways out. */
static int fail_unreadable(struct scan *scan, const char *path, bool is_dir)
{
    int reason = errno;
    AUTO_FREE char *shown = utf8_shown(path);
    AUTO_FREE char *line = ignore_line(path, is_dir);
    errno = reason;
    error_errno(scan->err, "cannot read %s%s in the folder to submit",
                shown[0] != '\0' ? shown : scan->snapshot->root, is_dir ? "/" : "");
    return error_hint(scan->err, "make it readable, or leave it out with this line in %s: %s",
                      snapshot_tree_rules(scan->snapshot), line);
}

/* --- ignore files ----------------------------------------------------------------------------- */

/* The rules of the folder `base`, whose ignore file exists; *ret_list stays NULL when it is no
 * plain file. */
static int load_rules(struct scan *scan, const char *base, const struct ignore_list *parent,
                      struct ignore_list **ret_list)
{
    AUTO_FREE char *path = file_join(base, scan->ignore_name);
    AUTO_FREE char *shown = utf8_shown(path);
    AUTO_BUF struct buf text = BUF_INIT;
    struct stat st;
    AUTO_CLOSE int fd =
        openat(scan->root, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && (errno == ELOOP || errno == ENXIO || errno == ENOENT))
        return 0;
    if (fd < 0 || fstat(fd, &st) != 0)
        return fail_unreadable(scan, path, false);
    if (!S_ISREG(st.st_mode))
        return 0;
    ssize_t got = file_read_full(fd, buf_reserve(&text, IGNORE_FILE_MAX), IGNORE_FILE_MAX);
    if (got < 0)
        return fail_unreadable(scan, path, false);
    text.size = (size_t)got;
    if (st.st_size > IGNORE_FILE_MAX)
        notes_add(scan->notes, NOTE_WARNING, 0, 0,
                  "%s is larger than %d bytes: what is behind that does not count", shown,
                  IGNORE_FILE_MAX);
    *ret_list = ignore_parse(parent, base, shown, text.data, text.size);
    return 0;
}

/* .amlignore wins over .gitignore; the two are not merged. */
static void choose_rules(struct scan *scan)
{
    static const char *const names[] = {".amlignore", ".gitignore"};
    scan->ignore_name = names[1];
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct stat st;
        if (fstatat(scan->root, names[i], &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISLNK(st.st_mode))
            notes_add(scan->notes, NOTE_WARNING, 0, 0,
                      "%s does not count: it is a symbolic link, and these are not followed (as in "
                      "git); make it a file",
                      names[i]);
        if (!S_ISREG(st.st_mode))
            continue;
        scan->ignore_name = names[i];
        scan->snapshot->ignore_file = xstrdup(names[i]);
        return;
    }
}

/* Why `name` is dropped whatever the rules say, or NULL. */
static const char *built_in_rule(const struct scan *scan, const char *name, const struct stat *st)
{
    static const char *const names[] = {".git", ".venv", "__pycache__", ".ipynb_checkpoints"};
    if (S_ISDIR(st->st_mode) && st->st_dev == scan->home_device && st->st_ino == scan->home_inode)
        return "built in: Skiff's own data";
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(name, names[i]) == 0 && (S_ISDIR(st->st_mode) || i == 0))
            return "built in: never sent";
    return NULL;
}

/* --- the walk --------------------------------------------------------------------------------- */

static int scan_folder(struct scan *scan, const char *path, const struct stat *st,
                       const struct ignore_list *parent);

static int add_link(struct scan *scan, const char *path, const struct stat *st)
{
    char target[LINK_TARGET_MAX + 1];
    ssize_t length = readlinkat(scan->root, path, target, sizeof target - 1);
    if (length < 0)
        return errno == ENOENT ? 0 : fail_unreadable(scan, path, false);
    target[length] = '\0';
    add_entry(scan, path, SNAPSHOT_LINK, st)->target = xstrdup(target);
    return 0;
}

static int add_file(struct scan *scan, const char *path, const struct stat *st)
{
    if (faccessat(scan->root, path, R_OK, AT_EACCESS) != 0)
        return errno == ENOENT ? 0 : fail_unreadable(scan, path, false);
    add_entry(scan, path, SNAPSHOT_FILE, st);
    return 0;
}

static int add_other(struct scan *scan, const char *path, const struct stat *st)
{
    AUTO_FREE char *shown = utf8_shown(path);
    const char *what = S_ISSOCK(st->st_mode)   ? "a socket"
                       : S_ISFIFO(st->st_mode) ? "a FIFO"
                                               : "a device";
    notes_add(scan->notes, NOTE_WARNING, 0, 0, "%s is left out: it is %s", shown, what);
    drop(scan, path, st, xasprintf("built in: it is %s", what));
    return 0;
}

static char *rule_text(const struct ignore_rule *rule)
{
    return xasprintf("%s (%s:%d)", rule->pattern, rule->source, rule->line);
}

static int add_leaf(struct scan *scan, const char *path, const struct stat *st,
                    const struct ignore_rule *rule)
{
    struct snapshot *snapshot = scan->snapshot;
    size_t before = snapshot->count;
    int result = S_ISREG(st->st_mode)   ? add_file(scan, path, st)
                 : S_ISLNK(st->st_mode) ? add_link(scan, path, st)
                                        : add_other(scan, path, st);
    if (scan->want_dropped && rule->negated && snapshot->count > before)
        snapshot->entries[before].kept_by = rule_text(rule);
    return result;
}

static int scan_child(struct scan *scan, const char *folder, const char *name,
                      const struct ignore_list *list)
{
    AUTO_FREE char *path = file_join(folder, name);
    struct ignore_rule rule;
    struct stat st;
    if (scan->progress->cancelled)
        return error_set(scan->err, ERROR_CANCELLED, "stopped while looking through the folder");
    if (fstatat(scan->root, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? 0 : fail_unreadable(scan, path, false);
    const char *built_in = built_in_rule(scan, name, &st);
    if (built_in != NULL) {
        drop(scan, path, &st, xstrdup(built_in));
        return 0;
    }
    if (ignore_match(list, path, S_ISDIR(st.st_mode), &rule)) {
        drop(scan, path, &st, rule_text(&rule));
        return 0;
    }
    if (S_ISDIR(st.st_mode))
        return scan_folder(scan, path, &st, list);
    return add_leaf(scan, path, &st, &rule);
}

static int read_names(struct scan *scan, const char *path, struct strlist *ret_names)
{
    int fd = openat(scan->root, path[0] != '\0' ? path : ".",
                    O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir == NULL) {
        if (fd >= 0)
            close(fd);
        return fail_unreadable(scan, path, true);
    }
    const struct dirent *entry;
    while (errno = 0, (entry = readdir(dir)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            strlist_add(ret_names, entry->d_name);
    int result = errno != 0 ? fail_unreadable(scan, path, true) : 0;
    closedir(dir);
    strlist_sort(ret_names);
    return result;
}

/* `path` is "" for the root, whose own entry is not part of the snapshot. */
static int scan_folder(struct scan *scan, const char *path, const struct stat *st,
                       const struct ignore_list *parent)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    AUTO(ignore) struct ignore_list *own = NULL;
    if (read_names(scan, path, &names) != 0)
        return -1;
    if (path[0] != '\0' && strlist_has(&names, "pyvenv.cfg")) {
        drop(scan, path, st, xstrdup("built in: a virtual environment"));
        return 0;
    }
    if (path[0] != '\0')
        add_entry(scan, path, SNAPSHOT_DIR, st);
    if (strlist_has(&names, scan->ignore_name) && load_rules(scan, path, parent, &own) != 0)
        return -1;
    for (size_t i = 0; i < names.count && !scan->given_up; i++)
        if (scan_child(scan, path, names.items[i], own != NULL ? own : parent) != 0)
            return -1;
    return 0;
}

/* --- the whole -------------------------------------------------------------------------------- */

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct snapshot_entry *)a)->path,
                  ((const struct snapshot_entry *)b)->path);
}

static int compare_dropped(const void *a, const void *b)
{
    return strcmp(((const struct snapshot_dropped *)a)->path,
                  ((const struct snapshot_dropped *)b)->path);
}

static void sort_all(struct snapshot *snapshot)
{
    if (snapshot->count > 0)
        qsort(snapshot->entries, snapshot->count, sizeof *snapshot->entries, compare_entries);
    if (snapshot->dropped_count > 0)
        qsort(snapshot->dropped, snapshot->dropped_count, sizeof *snapshot->dropped,
              compare_dropped);
}

static int open_root(struct scan *scan, const char *root)
{
    struct stat st;
    struct snapshot *snapshot = scan->snapshot;
    snapshot->root = file_real(root, scan->err);
    if (snapshot->root == NULL)
        return -1;
    scan->root = open(snapshot->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (scan->root < 0 && errno == ENOTDIR)
        return error_set(scan->err, ERROR_INVALID, "%s is not a folder", root);
    if (scan->root < 0 || fstat(scan->root, &st) != 0)
        return error_errno(scan->err, "cannot read the folder %s", root);
    AUTO_FREE char *home = file_skiff_home();
    struct stat home_st;
    if (stat(home, &home_st) != 0)
        return 0;
    scan->home_device = home_st.st_dev;
    scan->home_inode = home_st.st_ino;
    if (st.st_dev != home_st.st_dev || st.st_ino != home_st.st_ino)
        return 0;
    error_set(scan->err, ERROR_INVALID, "%s is where Skiff keeps its own data", root);
    return error_hint(scan->err, "submit the folder the script is in");
}

static int check_whole(const struct scan *scan, const struct snapshot_limits *limits)
{
    const struct snapshot *snapshot = scan->snapshot;
    if (snapshot_limits_check(snapshot, limits, !scan->given_up, scan->err) != 0)
        return -1;
    if (snapshot->file_count > 0)
        return 0;
    AUTO_FREE char *root = utf8_shown(snapshot->root);
    error_set(scan->err, ERROR_INVALID, "nothing is left to send of the folder %s", root);
    return error_hint(scan->err,
                      "put the script there, or let %s drop less; --dry-run shows which "
                      "rule drops what",
                      snapshot_tree_rules(snapshot));
}

int snapshot_scan(const char *root, const struct snapshot_limits *limits, bool want_dropped,
                  struct snapshot_progress *progress, struct snapshot **ret_snapshot,
                  struct notes *notes, struct error *err)
{
    struct snapshot_progress unseen = {.files_done = 0};
    AUTO(snapshot) struct snapshot *snapshot = xcalloc(1, sizeof *snapshot);
    struct scan scan = {.snapshot = snapshot,
                        .progress = progress != NULL ? progress : &unseen,
                        .notes = notes,
                        .err = err,
                        .want_dropped = want_dropped,
                        .root = -1};
    scan.progress->files_done = scan.progress->files_total = 0;
    scan.progress->bytes_done = scan.progress->bytes_total = 0;
    int result = open_root(&scan, root);
    if (result == 0) {
        choose_rules(&scan);
        result = scan_folder(&scan, "", NULL, NULL);
    }
    if (scan.root >= 0)
        close(scan.root);
    if (result != 0)
        return -1;
    sort_all(snapshot);
    if (check_whole(&scan, limits) != 0)
        return -1;
    snapshot_warn(snapshot, notes);
    *ret_snapshot = steal(&snapshot);
    return 0;
}
