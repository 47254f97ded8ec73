/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The inside of the container backend: container.c (its life, checks, preparing) and container_run.c (from
 * the start to the end). */

#include "submission/backends/backend.h"
#include "submission/container.h"
#include "submission/engine.h"
#include "submission/images.h"

struct container {
    struct backend_task *task; /* NULL once released */
    struct image_call *image;  /* while it is made ready */
    char *image_id;
    char *name;            /* of the container */
    struct engine *engine; /* NULL until it is needed */
    struct container_engine can;
    struct engine_op *op;     /* of the start, the look, the removal; one at a time */
    struct engine_op *wait;   /* for its end */
    struct engine_op *signal; /* on its way */
    struct process_watch *files;
    uv_timer_t later; /* the next look at an engine that does not answer; a cancelled preparation */
    int retry_ms;
    json_t *body; /* what it is made from, until it was started */
    struct buf last_words;
    struct error fault; /* why it could not be started, while it is removed */
    bool starting;      /* start() has not been answered yet */
    bool watching;      /* watch() was called */
    bool stop;          /* it is to be cancelled, and was not told yet */
    bool ending;        /* its end is known */
    bool gone;          /* the engine says so, and the runner has recorded no end */
    bool oom;           /* for memory */
    char *why;          /* it is gone, or nothing is known of it; NULL: neither */
};

/* --- container.c -------------------------------------------------------------------------------------- */

/* Opens the engine, by the rule of engine_find.h; it is connected by whoever uses it. */
int container_open_engine(struct container *container, struct error *err);

/* --- container_run.c ---------------------------------------------------------------------------------- */

int container_start(struct container *container, struct error *err);
void container_watch(struct container *container);
void container_clean(struct container *container);

/* Answers start(). */
void container_started(struct container *container, const struct error *err);

/* It runs, and is to end. */
void container_tell_to_stop(struct container *container);
