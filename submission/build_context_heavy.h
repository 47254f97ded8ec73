/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The heaviest paths of a walk, kept while it goes on: files, or whole folders where no single thing in
 * them makes up half. Only for build_context*.c. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define BUILD_CONTEXT_HEAVY_MAX 5 /* as many as one reads, and acts upon */

struct build_context_heavy {
    struct {
        char *path;
        uint64_t weight;
    } items[BUILD_CONTEXT_HEAVY_MAX]; /* the heaviest first */
    size_t count;
};

void build_context_heavy_done(struct build_context_heavy *heavy);

/* A file or link, and a folder after all that is in it. */
void build_context_heavy_add(struct build_context_heavy *heavy, const char *path, uint64_t weight);
void build_context_heavy_add_folder(struct build_context_heavy *heavy, const char *path,
                                    uint64_t weight);

/* Appends a line for each: "\n  data (9.8 GB): /data", the last part being what drops it. `bytes`: the
 * weights are, else numbers of files. */
void build_context_heavy_put(const struct build_context_heavy *heavy, bool bytes, struct buf *text);
