/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Metrics that grow. Invariant: while a slice is on the worker (`busy`) all of struct reading belongs to
 * it, but for its flag; the loop and the view see only copies. The file's metrics are read before the
 * log's, so that what the file names is not looked for in the log.
 */
#include "submission/metrics_follow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "submission/core.h"

#define PIECE_SIZE 65536
#define SLICE_SIZE \
    (16 * 1024 * 1024) /* under a second of reading: charts of a long log appear soon */

/* One of the two files. */
struct source {
    char *path;
    void (*feed)(struct metrics *metrics, const char *data, size_t size);
    uint64_t offset; /* how far it was read */
    uint64_t end;    /* how far this read goes: what comes later is the next one's */
    dev_t device;    /* which file it was */
    ino_t inode;
};

enum { JSONL, LOG, SOURCES };

struct reading {
    struct source sources[SOURCES];
    struct metrics *metrics;
    struct metrics *copy;   /* what a slice found, for the view; NULL when it found nothing */
    bool begun;             /* the ends of this read are known */
    bool done;              /* this read is */
    _Atomic bool cancelled; /* the reader was closed */
};

struct metrics_follow {
    struct submission *submission; /* referenced */
    metrics_follow_fn done;
    void *data;
    struct reading reading;
    struct metrics *shown; /* what the view has */
    bool busy;
    bool asked; /* again, while it was busy */
};

/* --- on the worker ----------------------------------------------------------------------------- */

/* Another file is at the path, or it was cut: what was read of it means nothing any more. */
static bool is_another(const struct source *source, const struct stat *st)
{
    bool read_before = source->offset > 0;
    return read_before && (source->device != st->st_dev || source->inode != st->st_ino ||
                           (uint64_t)st->st_size < source->offset);
}

/* Finds how far this read goes in each file. True when what was read so far is forgotten. */
static bool begin(struct reading *reading)
{
    bool forget = false;
    for (size_t i = 0; i < SOURCES; i++) {
        struct source *source = &reading->sources[i];
        struct stat st;
        if (stat(source->path, &st) != 0 || !S_ISREG(st.st_mode))
            continue; /* not there yet */
        forget = forget || is_another(source, &st);
        source->device = st.st_dev;
        source->inode = st.st_ino;
        source->end = (uint64_t)st.st_size;
    }
    reading->begun = true;
    if (!forget)
        return false;
    for (size_t i = 0; i < SOURCES; i++)
        reading->sources[i].offset = 0;
    metrics_free(reading->metrics);
    reading->metrics = metrics_new();
    return true;
}

/* Reads up to `max` bytes; how many there were. */
static uint64_t read_source(struct reading *reading, struct source *source, uint64_t max)
{
    uint64_t from = source->offset;
    uint64_t to = source->end - from > max ? from + max : source->end;
    if (from >= to)
        return 0;
    AUTO_CLOSE int fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    AUTO_FREE char *piece = xmalloc(PIECE_SIZE);
    while (source->offset < to && !reading->cancelled) {
        uint64_t left = to - source->offset;
        size_t size = left < PIECE_SIZE ? (size_t)left : PIECE_SIZE;
        ssize_t got = pread(fd, piece, size, (off_t)source->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            source->end = source->offset; /* cut, or it does not read: the next read looks again */
            break;
        }
        source->feed(reading->metrics, piece, (size_t)got);
        source->offset += (uint64_t)got;
    }
    return source->offset - from;
}

static void read_slice(void *data)
{
    struct reading *reading = &((struct metrics_follow *)data)->reading;
    bool changed = reading->begun ? false : begin(reading);
    uint64_t found = 0;
    bool done = true;
    for (size_t i = 0; i < SOURCES; i++) {
        struct source *source = &reading->sources[i];
        found += read_source(reading, source, SLICE_SIZE - found);
        done = done && source->offset >= source->end;
    }
    reading->done = done;
    if ((changed || found > 0) && !reading->cancelled)
        reading->copy = metrics_copy(reading->metrics, METRICS_FOLLOW_POINTS);
}

/* --- on the loop ------------------------------------------------------------------------------- */

static void follow_free(struct metrics_follow *follow)
{
    for (size_t i = 0; i < SOURCES; i++)
        free(follow->reading.sources[i].path);
    metrics_free(follow->reading.metrics);
    metrics_free(follow->reading.copy);
    metrics_free(follow->shown);
    submission_unref(follow->submission);
    free(follow);
}

static void on_slice(void *data);

static void queue_slice(struct metrics_follow *follow)
{
    follow->busy = true;
    work_queue(follow->submission, read_slice, on_slice, follow);
}

static void on_slice(void *data)
{
    struct metrics_follow *follow = data;
    struct reading *reading = &follow->reading;
    follow->busy = false;
    if (reading->cancelled) {
        follow_free(follow);
        return;
    }
    if (follow->submission->closing)
        return;
    if (reading->copy != NULL) {
        metrics_free(follow->shown);
        follow->shown = steal(&reading->copy);
    }
    bool complete = reading->done && !follow->asked;
    if (reading->done) {
        reading->begun = false;
        follow->asked = false;
    }
    if (!complete)
        queue_slice(follow);
    follow->done(follow->shown, complete, follow->data); /* last: it may close the reader */
}

struct metrics_follow *metrics_follow_new(struct submission *submission, const char *run_dir,
                                          metrics_follow_fn done, void *data)
{
    struct metrics_follow *follow = xcalloc(1, sizeof *follow);
    struct reading *reading = &follow->reading;
    submission_ref(submission);
    follow->submission = submission;
    follow->done = done;
    follow->data = data;
    follow->shown = metrics_new();
    reading->metrics = metrics_new();
    reading->sources[JSONL].path = file_join(run_dir, "metrics.jsonl");
    reading->sources[JSONL].feed = metrics_feed_jsonl;
    reading->sources[LOG].path = file_join(run_dir, RUN_LOG);
    reading->sources[LOG].feed = metrics_feed_log;
    return follow;
}

void metrics_follow_read(struct metrics_follow *follow)
{
    if (follow->busy)
        follow->asked = true;
    else if (!follow->submission->closing)
        queue_slice(follow);
}

void metrics_follow_close(struct metrics_follow *follow)
{
    if (follow == NULL)
        return;
    follow->reading.cancelled = true;
    if (!follow->busy)
        follow_free(follow);
}
