/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The snapshot: the source folder less what the ignore file drops, content-addressed per file, laid
 * out as a run's code/ folder.
 *
 * Three steps, each on the worker pool, each without effect until it is needed:
 *   scan    walk and stat; apply the rules; check the limits; name what looks like a secret
 *   store   hash what the index does not know, put new contents into objects/ (once)
 *   lay out fill code/ from the objects: reflink where the file system can, else a copy; never a
 *           hard link, so that a script that writes to its own files cannot reach the store
 *
 * The index (objects/index.db or a file of its own) maps (device, inode, size, mtime, ctime) to a
 * hash. An entry whose mtime is not older than the index's own last write is "racy" and is hashed
 * again, as git does.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strlist.h"
#include "submission/notes.h"

/* Azure's limits, which people's folders already keep to. */
#define SNAPSHOT_SIZE_MAX (300ull * 1000 * 1000)
#define SNAPSHOT_FILES_MAX 2000

struct snapshot_limits {
    uint64_t size_max;  /* bytes in all */
    uint64_t files_max; /* files and links */
};
#define SNAPSHOT_LIMITS_INIT                                           \
    {                                                                  \
        .size_max = SNAPSHOT_SIZE_MAX, .files_max = SNAPSHOT_FILES_MAX \
    }

enum snapshot_kind { SNAPSHOT_FILE, SNAPSHOT_LINK, SNAPSHOT_DIR };

struct snapshot_entry {
    char *path; /* relative, bytes as on disk */
    enum snapshot_kind kind;
    uint32_t mode; /* permission bits */
    uint64_t size; /* files: bytes */
    char *target;  /* links: where to, as written */
    char hash[65]; /* files: SHA-256 in hex, filled by snapshot_store; "" before */
    /* what the index keys on */
    uint64_t device, inode;
    int64_t mtime_ns, ctime_ns;
};

/* What a rule dropped: a file, or a whole folder that was not entered. For --dry-run. */
struct snapshot_dropped {
    char *path;
    bool is_dir;
    uint64_t size; /* files only */
    char *rule;    /* "pattern (file:line)" or the built-in reason */
};

struct snapshot {
    char *root;                     /* absolute */
    struct snapshot_entry *entries; /* sorted by path; folders before what they hold */
    size_t count, capacity;
    struct snapshot_dropped *dropped; /* only when asked for */
    size_t dropped_count, dropped_capacity;
    uint64_t size;       /* of the files kept */
    uint64_t file_count; /* files and links kept */
    char *ignore_file;   /* ".amlignore", ".gitignore" or NULL: which file ruled at the root */
    char hash[65];       /* of the whole tree (paths, modes, contents), after snapshot_store */
};

/* Progress that another thread may read at any time, and a flag by which it stops the work. */
struct snapshot_progress {
    _Atomic uint64_t files_done, files_total;
    _Atomic uint64_t bytes_done, bytes_total;
    _Atomic bool cancelled;
};

/* Walks `root`. Fails with ERROR_LIMIT (naming the ten largest paths and, for each, the ignore line
 * that would drop it), ERROR_NOT_FOUND, ERROR_INVALID (not a folder, nothing left to send),
 * ERROR_IO (an unreadable file is an error naming it), ERROR_CANCELLED. Sockets, FIFOs and devices
 * are left out with a note. Always dropped: .git, .venv and other virtual environments (pyvenv.cfg
 * inside),
 * __pycache__, .ipynb_checkpoints, and $SKIFF_HOME itself. Blocks: call it on a worker. */
int snapshot_scan(const char *root, const struct snapshot_limits *limits, bool want_dropped,
                  struct snapshot_progress *progress, struct snapshot **ret_snapshot,
                  struct notes *notes, struct error *err);

/* Hashes and stores. `home` is $SKIFF_HOME; objects/ and the index are made on demand and may be
 * used by several kernels at once. A file that changes while it is read is read again, at most
 * three times, then an error that names it. Blocks (and uses threads of its own for cold data). */
int snapshot_store(struct snapshot *snapshot, const char *home, struct snapshot_progress *progress,
                   struct error *err);

/* Lays the stored snapshot out in `target`, which must not exist or be empty. Blocks. */
int snapshot_lay_out(const struct snapshot *snapshot, const char *home, const char *target,
                     struct snapshot_progress *progress, struct error *err);

/* The manifest for the run's records: {"hash","files","size","entries":[{path,mode,size,hash}...]}.
 * New reference. */
MUST_CHECK json_t *snapshot_manifest(const struct snapshot *snapshot);

void snapshot_free(struct snapshot *snapshot);
DEFINE_AUTO(snapshot)
