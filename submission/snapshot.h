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
 * Which rules: the root's .amlignore or, without one, .gitignore; below it, files of the same name.
 * An ignore file that is a symbolic link is not followed, as in git.
 *
 * On disk, under $SKIFF_HOME/objects (private to the user, for the contents may be):
 *   ab/cdef...    a content, read-only, named by its BLAKE2b-256 in hex. (SHA-256 of the same
 *                 libsodium runs at a third of the speed, less than the disk.)
 *   index/D-I     what the folder with device D and inode I held: (device, inode, size, mtime,
 *                 ctime) to hash. Only files that had been left alone for a while are listed (see
 *                 snapshot_index.h), so a listed file that still looks the same is the same.
 *   tmp/          what is being written. Names appear in ab/ by rename, whole.
 * Nothing is synced to the disk one by one: a content whose size is not what it should be (after a
 * power failure) counts as absent and is stored again.
 *
 * `progress` may be NULL in all three; each step starts its counters anew and ends soon with
 * ERROR_CANCELLED when the flag is set.
 */

#include <jansson.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strlist.h"
#include "submission/notes.h"

/* Azure's limits, which people's folders already keep to. */
#define SNAPSHOT_SIZE_MAX (300ull * 1000 * 1000)
#define SNAPSHOT_FILES_MAX 2000

/* Where a walk gives up counting what is past the limits anyway: a home folder by mistake. A
 * million entries take some 200 MB and a few seconds. */
#define SNAPSHOT_ENTRIES_MAX 1000000

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
    char *
        kept_by; /* when the dropped are asked for: the rule that keeps it; NULL when none names it */
    char hash[65]; /* files: of the content, in hex, filled by snapshot_store; "" before */
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
    struct snapshot_entry *entries; /* by strcmp of path, so folders before what they hold */
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
 * ERROR_DENIED or ERROR_IO (a file or folder that cannot be read, by name), ERROR_CANCELLED.
 * Sockets, FIFOs and devices are left out with a note. Always dropped: .git, .venv and other
 * virtual environments (pyvenv.cfg inside), __pycache__, .ipynb_checkpoints, and $SKIFF_HOME
 * itself. Blocks: call it on a worker. */
int snapshot_scan(const char *root, const struct snapshot_limits *limits, bool want_dropped,
                  struct snapshot_progress *progress, struct snapshot **ret_snapshot,
                  struct notes *notes, struct error *err);

/* Hashes and stores. `home` is $SKIFF_HOME; objects/ and the index are made on demand and may be
 * used by several kernels at once. A file that changes while it is read is read again, at most
 * three times in all, then ERROR_BUSY names it. A file that changed since the scan is taken as it
 * is now. Blocks (and uses threads of its own for cold data). */
int snapshot_store(struct snapshot *snapshot, const char *home, struct snapshot_progress *progress,
                   struct error *err);

/* Lays the stored snapshot out in `target`, which must not exist or be empty. What was laid out
 * before a failure stays for the caller to remove. Blocks, as snapshot_store() does. */
int snapshot_lay_out(const struct snapshot *snapshot, const char *home, const char *target,
                     struct snapshot_progress *progress, struct error *err);

/* The manifest for the run's records: {"hash","files","size","entries":[...]}, the entries being
 * {"path","mode":"0644","size","hash"}, {"path","target"} for links and {"path","mode"} for
 * folders. Where a path or target is not UTF-8, its bytes stand beside it in hex ("path_hex",
 * "target_hex"). New reference. */
MUST_CHECK json_t *snapshot_manifest(const struct snapshot *snapshot);

/* Reads back a manifest that was written to `path`: a snapshot whose contents are stored already, to be
 * laid out again (its root is ""). Fails with ERROR_NOT_FOUND (no manifest), or ERROR_CORRUPT naming
 * the manifest that does not read or the file whose content is not in the store any more. Blocks. */
int snapshot_manifest_read(const char *path, const char *home, struct snapshot **ret_snapshot,
                           struct error *err);

void snapshot_free(struct snapshot *snapshot);
DEFINE_AUTO(snapshot)
