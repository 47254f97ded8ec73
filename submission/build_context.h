/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A build's context: what of a folder a Dockerfile may copy, packed as a tar for the engine, and one
 * hash that tells whether two contexts are the same.
 *
 * Which files: those .dockerignore keeps, as Docker's client has it. The rules are those of
 * `<dockerfile>.dockerignore` beside the Dockerfile, else of `.dockerignore` in the folder. A folder
 * that is dropped and holds what is kept is in the tar too.
 *
 * In the tar: entries in byte order of their paths, names as bytes, owner 0:0, permission bits and
 * times (whole seconds) as on disk. Symbolic links are links, wherever they lead, and none is followed
 * (but the ignore file itself may be one). Sockets, FIFOs and devices are an error, as is what cannot
 * be read: a build must not depend on what was left out silently.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* The engine stores a context before it starts, and people wait for it. Data does not belong into an
 * image; a model of some GB may. */
#define BUILD_CONTEXT_BYTES_MAX (10ull * 1000 * 1000 * 1000)

/* Files, links and folders. More is a home folder by mistake; a million take some 200 MB to list. */
#define BUILD_CONTEXT_ENTRIES_MAX 1000000

/* Folders within folders. No source tree is near; the walk needs stack for each. */
#define BUILD_CONTEXT_DEPTH_MAX 200

struct build_context; /* a packed context: a tar in an unnamed temporary file */

/* A text of our own. Neither pointer is kept. */
struct build_file {
    const char *name; /* a path below the folder, distinct from the others */
    const char *bytes;
    size_t size;
};

struct build_context_request {
    const char *folder; /* absolute; NULL: only the files below */
    /* Path below the folder, kept whatever the rules say (as is a .dockerignore that rules); one of
     * `files` may be it. NULL: none is needed, as without a folder. */
    const char *dockerfile;
    const struct build_file *files; /* in the tar too, with mode 0644; of two with one name, ours */
    size_t file_count;
    const char *temporary_dir; /* where the unnamed file is made */
};

/* May be read, and set, by another thread at any time. */
struct build_context_progress {
    _Atomic uint64_t files, bytes; /* packed so far: files and links; contents */
    _Atomic bool cancelled;        /* set: the work ends soon with ERROR_CANCELLED */
};

/* Packs. Starts the counters of the progress (which may be NULL) anew. Fails with
 *   ERROR_INVALID      a path that leads elsewhere, a pattern that is none, a socket or the like, a
 *                      name of ours where the folder has a folder
 *   ERROR_NOT_FOUND    no such folder, no such Dockerfile in it
 *   ERROR_LIMIT        more than the limits above; names the five largest files or folders
 *   ERROR_DENIED, _IO  what cannot be read, by name; the temporary file cannot be written
 *   ERROR_BUSY         a file "changed while it was read"
 *   ERROR_UNSUPPORTED  no libarchive
 *   ERROR_CANCELLED
 * The hint says which line leaves a path out. Blocks on the disk: on the worker pool. */
int build_context_pack(const struct build_context_request *request,
                       struct build_context_progress *progress, struct build_context **ret_context,
                       struct error *err);

/* The next bytes of the tar, at most `size`; 0 at its end. -1: ERROR_IO. Reads from a file that was
 * just written. */
ssize_t build_context_read(struct build_context *context, char *room, size_t size,
                           struct error *err);

/* 64 hex digits: BLAKE2b-256 over paths, types, execute bits (the owner's), link targets and contents.
 * Not over times, owners and the other bits: equal contexts give equal hashes wherever and whenever.
 * Borrowed. */
const char *build_context_hash(const struct build_context *context);

size_t build_context_files(const struct build_context *context);  /* files and links */
uint64_t build_context_size(const struct build_context *context); /* bytes of the tar */

void build_context_free(struct build_context *context); /* NULL is allowed */
DEFINE_AUTO(build_context)
