/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Pipe to file. Plain read and write: splice(2) refuses files opened for appending, and at these
 * sizes it would not be faster.
 */
#include "runner/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/text.h"

#define TURN_READS 16      /* then signals and timers get their turn: 1 MB */
#define INDEX_EVERY_MS 100 /* fine enough for people, small beside any log */
#define INDEX_LINE_SIZE 48 /* two numbers of at most 20 digits */

int log_open(struct log *log, int dir, const char *path)
{
    struct stat st;
    log->pipe = -1;
    log->start = log->end = 0;
    log->indexed_ms = 0;
    log->unsynced = false;
    log->file = openat(dir, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log->file < 0 || fstat(log->file, &st) != 0)
        return -1;
    log->size = st.st_size;
    log->index = lines_open(dir, "log.index");
    return 0;
}

/* "OFFSET MICROSECONDS": the byte at OFFSET arrived then. */
static void index_now(struct log *log)
{
    int64_t now = text_steady_ms();
    if (log->indexed_ms != 0 && now - log->indexed_ms < INDEX_EVERY_MS)
        return;
    log->indexed_ms = now;
    char line[INDEX_LINE_SIZE];
    int length =
        snprintf(line, sizeof line, "%lld %lld\n", (long long)log->size, (long long)text_now_us());
    lines_append(&log->index, line, (size_t)length);
}

static int write_kept(struct log *log)
{
    while (log->start < log->end) {
        ssize_t put = write(log->file, log->buffer + log->start, log->end - log->start);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        log->start += (size_t)put;
        log->size += put;
        log->unsynced = true;
    }
    return 0;
}

enum log_result log_pump(struct log *log)
{
    for (int turn = 0; turn < TURN_READS; turn++) {
        if (write_kept(log) != 0)
            return LOG_STUCK;
        if (log->pipe < 0)
            return LOG_ENDED;
        ssize_t got = read(log->pipe, log->buffer, sizeof log->buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return LOG_EMPTY;
        if (got <= 0) {
            close(log->pipe);
            log->pipe = -1;
            return LOG_ENDED;
        }
        log->start = 0;
        log->end = (size_t)got;
        index_now(log);
    }
    return write_kept(log) == 0 ? LOG_MORE : LOG_STUCK;
}

void log_sync(struct log *log)
{
    if (log->unsynced && fdatasync(log->file) == 0)
        log->unsynced = false;
}
