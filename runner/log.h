/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The script's output: from one pipe, which carries stdout and stderr in their order, to the log
 * file byte for byte, with an index of when which byte arrived. What cannot be written is kept, and
 * then nothing is read: the script waits in its own write(2), and nothing is lost.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runner/lines.h"

#define LOG_PIPE_SIZE (256 * 1024)  /* asked for; a burst fits while the disk is slow */
#define LOG_BUFFER_SIZE (64 * 1024) /* larger reads measured no faster */

struct log {
    int pipe; /* read end, non-blocking; -1 after its end */
    int file;
    struct lines index;
    int64_t size;       /* of the file */
    int64_t indexed_ms; /* steady time of the last line of the index */
    bool unsynced;
    size_t start; /* what is kept: buffer[start..end) */
    size_t end;
    char buffer[LOG_BUFFER_SIZE];
};

enum log_result {
    LOG_EMPTY, /* all that is there was written */
    LOG_MORE,  /* stopped in between, so that others get their turn */
    LOG_ENDED, /* nobody can write to the pipe any more, and all was written */
    LOG_STUCK, /* the file does not take it (errno): bytes are kept */
};

/* Opens the log (`path` relative to `dir`) for appending, and the index. -1 with errno. */
int log_open(struct log *log, int dir, const char *path);

/* Moves what is there from the pipe to the file. */
enum log_result log_pump(struct log *log);

/* Makes what was written durable. */
void log_sync(struct log *log);
