/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Files: bounded reads, durable writes, paths. All of it blocks on the disk; large work belongs on
 * the worker pool. Descriptors are close-on-exec at birth.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"

/* The largest file of ours (a definition, a status, a configuration) that is read whole. What
 * people write by hand is a few kB; a megabyte leaves room and still cannot hurt. */
#define FILE_SMALL_MAX (1024 * 1024)

/* `dir`/`name`, without doubling a slash; an absolute name is returned as it is. Caller frees. */
MUST_CHECK char *file_join(const char *dir, const char *name);

/* What follows the last slash. Borrowed from `path`. */
const char *file_base_name(const char *path);

bool file_exists(const char *path);
bool file_is_dir(const char *path);

/* Reads until `size` bytes are there or the file ends. How many there are, or -1 with errno. */
ssize_t file_read_full(int fd, void *data, size_t size);

/* Writes all of it. 0, or -1 with errno. */
int file_write_full(int fd, const void *data, size_t size);

/* Appends the whole file to `buf`; ERROR_LIMIT when it holds more than `max` bytes. Refuses what is
 * not a regular file. */
int file_read(const char *path, size_t max, struct buf *buf, struct error *err);

/* Writes a file durably: a temporary beside it, fsync, rename, fsync of the folder. Either the old
 * or the new content is there afterwards, never a part. */
int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *err);

/* Appends with one write(2) to a file opened O_APPEND (created with mode 0644), then fdatasync. */
int file_append(const char *path, const void *data, size_t size, struct error *err);

/* mkdir -p with mode 0777 less the umask; an existing folder is success. */
int file_make_dirs(const char *path, struct error *err);

/* rm -rf, without following links and without leaving the file system of `path`; folders without
 * write permission are made writable first. A missing path is success. */
int file_remove_tree(const char *path, struct error *err);

/* The folder for Skiff's data: $SKIFF_HOME, else $XDG_DATA_HOME/skiff, else ~/.local/share/skiff.
 * Always absolute; not created. Caller frees. */
MUST_CHECK char *file_skiff_home(void);

/* `~` and `~/x` expanded with $HOME; other paths copied. Caller frees. */
MUST_CHECK char *file_expand_home(const char *path);

/* The absolute path with symbolic links resolved, or NULL with an error. Caller frees. */
MUST_CHECK char *file_real(const char *path, struct error *err);

/* The folder of the running executable. Caller frees; NULL when it cannot be known. */
MUST_CHECK char *file_program_dir(void);

/* An executable looked up on $PATH (or checked as it is when it has a slash). Caller frees; NULL
 * when there is none. */
MUST_CHECK char *file_find_program(const char *name);

/* A size for people: "812 B", "3.4 kB", "81 MB", "1.2 GB" (powers of 1000). Caller frees. */
MUST_CHECK char *file_size_text(unsigned long long bytes);
