/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Images made ready for runs: pulled, built from a Dockerfile, and given the packages an environment
 * asks for on top. What is there already is used as it is, without asking any registry:
 *
 *   image:        the engine has it under that name (or digest)
 *   Dockerfile    the engine has what was built from the same text and the same files, by content
 *   packages      likewise, from the same base image and the same requirements
 *
 * What is built is called localhost/skiff:<hash> and labelled, so that only images made here are ever removed. Of
 * several runs that need one image, one call does the work and all hear of it; a pull that is stopped
 * leaves the layers it has finished, and the next one goes on from them.
 *
 * The last word on each definition is kept in $SKIFF_HOME/images/<hash of the definition>.json, for
 * lists; the truth is asked of the engine whenever a run needs it.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "submission/http.h"

#define IMAGE_BUILT_PREFIX \
    "localhost/skiff:"                /* of the names of what is built: both engines keep it */
#define IMAGE_LABEL_HOME "skiff.home" /* on images and containers: whose they are */
#define IMAGE_LABEL_ENVIRONMENT "skiff.environment" /* on images: what for */

struct images;

/* One for each kernel; loads and asks nothing yet. `http` must outlive it. */
MUST_CHECK struct images *images_new(uv_loop_t *loop, const char *home, struct http *http);

/* Stops everything under way without a callback; frees once the pool has let go. NULL is allowed. */
void images_free(struct images *images);

struct image_request {
    const json_t *environment; /* a definition with "image" or "build" */
    const char *engine;        /* see engine_find(); NULL: the first that is found */
    const char *network;       /* of builds; NULL: the engine's own */
};

struct image_callbacks {
    void (*progress)(const char *text, void *data); /* what is happening now, a line */
    void (*log)(const char *bytes, size_t size, void *data);
    /* The end, once, from the loop: {"id": "sha256:...", "reference", "digest": "sha256:..." or null,
     * "size": bytes, "created_at", "ready_at", "engine", "how": a sentence}. Borrowed. */
    void (*done)(const json_t *image, const struct error *err, void *data);
};

struct image_call;

/* Never NULL; what fails at once is told from the loop as well. */
struct image_call *images_prepare(struct images *images, const struct image_request *request,
                                  const struct image_callbacks *callbacks, void *data);

/* Ends the call without a callback; the work stops when nobody else waits for it. NULL is allowed. */
void image_release(struct image_call *call);

/* What a definition means here, a sentence; *ret_cached: it was ready when it was last used. Reads one
 * small file. Caller frees. */
MUST_CHECK char *images_describe(const char *home, const json_t *environment, bool *ret_cached);

/* What an engine has said of itself (engine_info()), kept as long as the kernel lives: asking it takes as
 * long as everything else of a start. NULL: not known. Borrowed. */
const json_t *images_engine_info(const struct images *images, const char *engine);
void images_keep_engine_info(struct images *images, const char *engine, const json_t *info);

/* Forgets the record of a definition. */
void images_forget(const char *home, const json_t *environment);

/* The record of a definition, or NULL when it was never ready. New reference. */
MUST_CHECK json_t *images_record(const char *home, const json_t *environment);
