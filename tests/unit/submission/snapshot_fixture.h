/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A folder to submit and a home to store it in, both new for each test. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "submission/snapshot.h"

#include "tests/unit.h"

struct folders {
    char root[64];
    char *source, *home, *code;
};

static inline int folders_setup(void **state)
{
    struct folders *folders = calloc(1, sizeof *folders);
    strcpy(folders->root, "/tmp/skiff-test-XXXXXX");
    assert_non_null(mkdtemp(folders->root));
    folders->source = xasprintf("%s/source", folders->root);
    folders->home = xasprintf("%s/home", folders->root);
    folders->code = xasprintf("%s/code", folders->root);
    assert_int_equal(mkdir(folders->source, 0755), 0);
    setenv("SKIFF_HOME", folders->home, 1);
    *state = folders;
    return 0;
}

static inline int folders_teardown(void **state)
{
    struct folders *folders = *state;
    assert_int_equal(file_remove_tree(folders->root, NULL), 0);
    free(folders->source);
    free(folders->home);
    free(folders->code);
    free(folders);
    return 0;
}

#define FOLDERS(test) cmocka_unit_test_setup_teardown(test, folders_setup, folders_teardown)

static inline void put_bytes(const char *dir, const char *name, const void *data, size_t size)
{
    AUTO_FREE char *path = file_join(dir, name);
    for (char *slash = path + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(path, 0755);
        *slash = '/';
    }
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, size), size);
}

static inline void put(const struct folders *folders, const char *name, const char *text)
{
    put_bytes(folders->source, name, text, strlen(text));
}

static inline void make_dir(const struct folders *folders, const char *name)
{
    AUTO_FREE char *path = file_join(folders->source, name);
    assert_int_equal(mkdir(path, 0755), 0);
}

/* A scan that must succeed. */
static inline struct snapshot *scan(const struct folders *folders, struct notes *notes)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct snapshot_limits limits = SNAPSHOT_LIMITS_INIT;
    struct snapshot *snapshot = NULL;
    if (snapshot_scan(folders->source, &limits, true, NULL, &snapshot, notes, &err) != 0)
        fail_msg("scan: %s", err.text);
    return snapshot;
}

/* Scan and store, both of which must succeed. */
static inline struct snapshot *store(const struct folders *folders)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct snapshot *snapshot = scan(folders, NULL);
    if (snapshot_store(snapshot, folders->home, NULL, &err) != 0)
        fail_msg("store: %s", err.text);
    return snapshot;
}

static inline void lay_out(const struct folders *folders, const struct snapshot *snapshot)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (snapshot_lay_out(snapshot, folders->home, folders->code, NULL, &err) != 0)
        fail_msg("lay out: %s", err.text);
}

static inline const struct snapshot_entry *entry_of(const struct snapshot *snapshot,
                                                    const char *path)
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (strcmp(snapshot->entries[i].path, path) == 0)
            return &snapshot->entries[i];
    return NULL;
}

static inline void assert_contains(const char *text, const char *part)
{
    assert_non_null(text);
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" is not in: %s", part, text);
}

/* The paths of a snapshot in their order, each followed by a space; folders end with a slash. */
static inline void assert_paths(const struct snapshot *snapshot, const char *expected)
{
    AUTO_BUF struct buf paths = BUF_INIT;
    buf_puts(&paths, "");
    for (size_t i = 0; i < snapshot->count; i++)
        buf_printf(&paths, "%s%s ", snapshot->entries[i].path,
                   snapshot->entries[i].kind == SNAPSHOT_DIR ? "/" : "");
    assert_string_equal(paths.data, expected);
}

/* The text of a file below `dir`; freed by the caller. */
static inline char *text_of(const char *dir, const char *name)
{
    AUTO_FREE char *path = file_join(dir, name);
    AUTO_BUF struct buf buf = BUF_INIT;
    assert_int_equal(file_read(path, 1 << 26, &buf, NULL), 0);
    return buf_steal(&buf);
}

static inline char *object_path(const struct folders *folders, const struct snapshot_entry *entry)
{
    return xasprintf("%s/objects/%.2s/%s", folders->home, entry->hash, entry->hash + 2);
}
