/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What a container engine streams, taken apart as it comes: JSON objects one after another (pulls,
 * builds, events), and frames of output (logs). Pure, and safe on any bytes, however they are cut.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

/* One object. Engines send a few kB at most (a build's output is cut at 32 kB). */
#define ENGINE_OBJECT_MAX (1024 * 1024)

/* --- objects ---------------------------------------------------------------------------------- */

struct engine_stream {
    struct buf part; /* the object that is not whole yet */
    size_t depth;    /* of braces in it */
    bool in_string;
    bool escaped;
};

#define ENGINE_STREAM_INIT \
    {                      \
        .depth = 0         \
    }
void engine_stream_done(struct engine_stream *stream);

/* Each whole object, borrowed. -1 with an error stops the feed. */
typedef int (*engine_object_fn)(const json_t *object, struct error *err, void *data);

/* Takes the next bytes. -1 when they are no JSON objects, when one is too large, or what `object`
 * said; the stream is of no use then. */
int engine_stream_feed(struct engine_stream *stream, const char *bytes, size_t size,
                       engine_object_fn object, void *data, struct error *err);

/* At the end: -1 when an object was cut. */
int engine_stream_end(const struct engine_stream *stream, struct error *err);

/* What an object of a pull or a build says. All borrowed from it; NULL where it says nothing. */
struct engine_message {
    const char *status; /* "Downloading" */
    const char *id;     /* of the layer */
    int64_t current;    /* bytes; 0: none named */
    int64_t total;
    const char *text; /* output of a build, text_size bytes */
    size_t text_size;
    const char *aux_id; /* of the image that was built */
    const char *error;  /* the work failed: why */
};
void engine_message_read(const json_t *object, struct engine_message *ret_message);

/* --- frames ----------------------------------------------------------------------------------- */

/* Bytes of output of the container: stream 1 is stdout, 2 stderr. */
typedef void (*engine_output_fn)(int stream, const char *bytes, size_t size, void *data);

struct engine_frames {
    unsigned char header[8];
    size_t header_size; /* of it that is there */
    size_t left;        /* bytes of the frame still to come */
};

/* Takes the next bytes and passes each frame's on as they come. -1 when they are no frames. */
int engine_frames_feed(struct engine_frames *frames, const char *bytes, size_t size,
                       engine_output_fn output, void *data, struct error *err);
