/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What of a run's output goes into a notebook: pieces of any size go in, text fit for stream
 * messages comes out. UTF-8 sequences are never cut, progress bars are collapsed to their last
 * state, and after STREAM_BYTES_MAX only the end is kept, to be shown when the run has ended. The
 * whole output is in the run's log; nothing is lost by what is left out here. Pure.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

/* A notebook with some hundred kB per run still opens at once; people read the log for more. */
#define STREAM_BYTES_MAX (256 * 1000)

/* How much of the end is shown when something was left out: a traceback and some lines before it.
 */
#define STREAM_TAIL_MAX (16 * 1000)

struct stream {
    struct buf pending; /* came in, was not taken yet */
    struct buf tail;    /* once full: the last bytes that came */
    uint64_t total;     /* bytes that came in */
    uint64_t sent;      /* bytes handed out */
    uint64_t shown;     /* bytes from the first that came, all of them handed out */
    bool full;          /* STREAM_BYTES_MAX was reached: what comes goes to the tail */
    bool told;          /* and the reader was told so */
};

#define STREAM_INIT   \
    {                 \
        .full = false \
    }
void stream_done(struct stream *stream);

void stream_feed(struct stream *stream, const char *bytes, size_t size);

/* True when stream_take() would give something. */
bool stream_has(const struct stream *stream);

/* Appends what may be shown now and forgets it. `path` is where the whole is: told once, when the
 * limit is reached. */
void stream_take(struct stream *stream, const char *path, struct buf *out);

/* Appends the rest after the last byte: unfinished sequences, and the end of what was left out. */
void stream_finish(struct stream *stream, struct buf *out);

/* Appends `text` with each line's earlier states (before a carriage return) left out. A carriage
 * return is kept in front of the last one, so that it replaces what is on the page already. */
void stream_collapse(struct buf *out, const char *text, size_t size);
