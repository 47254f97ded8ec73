/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The first step of packing: what there is to pack. Only for build_context*.c and their tests. */

#include <sys/stat.h>

#include "submission/build_context.h"

struct build_context_entry {
    char *path;                   /* bytes as on disk */
    mode_t mode;                  /* type and permission bits */
    uint64_t size;                /* of a file */
    int64_t mtime;                /* seconds */
    char *target;                 /* of a link */
    const struct build_file *own; /* the content, when it is ours; borrowed from the request */
};

struct build_context_list {
    int root;          /* the folder, -1: none. Owned */
    char *ignore_name; /* the ignore file that rules, or should be made; NULL without a folder */
    struct build_context_entry *entries; /* in byte order of their paths */
    size_t count, capacity;
};

#define BUILD_CONTEXT_LIST_INIT \
    {                           \
        .root = -1              \
    }
void build_context_list_done(struct build_context_list *list);
#define AUTO_BUILD_CONTEXT_LIST __attribute__((cleanup(build_context_list_done)))

struct build_context_limits {
    uint64_t bytes_max;
    uint64_t entries_max;
    size_t depth_max;
};

/* Fills an empty list: walks the folder, adds our own files, checks the limits. Reads no contents but
 * the rules'. `progress` may be NULL. Errors as build_context_pack() says. */
int build_context_list_fill(struct build_context_list *list,
                            const struct build_context_request *request,
                            const struct build_context_limits *limits,
                            const struct build_context_progress *progress, struct error *err);

/* Sets errno as the error, about a path of the folder, with the line that leaves it out as the hint.
 * Returns -1. */
int build_context_list_unreadable(const struct build_context_list *list, const char *path,
                                  struct error *err);
