/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Side files of whole lines (log.index, usage.jsonl): best effort, never torn. When the disk is
 * full a line is dropped, and what was written of it is taken back.
 */

#include <stddef.h>
#include <sys/types.h>

struct lines {
    int fd; /* -1: could not be opened; appending does nothing */
    off_t size;
};

/* Opens or creates `name` in the folder `dir` for appending. */
struct lines lines_open(int dir, const char *name);
void lines_append(struct lines *lines, const char *line, size_t size);
