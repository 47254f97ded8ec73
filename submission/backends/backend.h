/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What runs a run: a process on this machine, a container, later Slurm, Azure ML. The core
 * (drive.c) decides what happens next by looking at what is there; a backend only does it and
 * reports.
 *
 * A backend never includes another one, the store or the run's internals. Nothing in it blocks the
 * loop: slots return at once and report through the task's events, from the loop.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/error.h"
#include "submission/notes.h"
#include "submission/process.h"

struct backend_task;
struct http;   /* http.h */
struct images; /* images.h */

/* The calls a backend makes back. */
struct backend_events {
    /* What is happening now, one short line for people. */
    void (*progress)(struct backend_task *task, const char *text);
    /* Output of building the environment, as it comes. */
    void (*build_log)(struct backend_task *task, const char *data, size_t size);
    /* A sentence for the run's events: what was used, when that is not in the definition. */
    void (*remark)(struct backend_task *task, const char *text);
    /* Exactly one for each prepare() that returned 0; err is NULL on success. */
    void (*prepared)(struct backend_task *task, const struct error *err);
    /* Exactly one for each start() that returned 0. */
    void (*started)(struct backend_task *task, const struct error *err);
    /* After watch(): the output may have grown, or the status changed. */
    void (*changed)(struct backend_task *task);
    /* After watch(): it has ended, one way or the other; find() says how. */
    void (*ended)(struct backend_task *task);
    /* Exactly one for each clean(). */
    void (*cleaned)(struct backend_task *task);
};

/* One run as a backend sees it. The core owns it and everything in it but `state`. */
struct backend_task {
    uv_loop_t *loop;
    const char *home;
    struct http *http;
    struct images *images;
    const char *run_id;
    const char *run_dir;
    const json_t *job;         /* canonical definitions, see spec.h */
    const json_t *environment; /* the definition, or NULL when none is given */
    const json_t *compute;
    const char *experiment;
    const struct backend_events *events;
    void *state; /* the backend's own; NULL at first, freed by release() */
};

/* Definitions alone: what can be known before there is a run. */
struct backend_plan {
    const char *home;
    const json_t *job, *environment, *compute;
};

struct backend {
    const char *name;

    /* Optional (NULL: every one). Is this a plan for it? The first backend of the list that takes a plan
     * gets it. */
    bool (*takes)(const struct backend_plan *plan);

    /* Required. Can this job run here? No side effects, no waiting. Says what is not served in
     * notes and refuses, with what can be done instead, what cannot run at all. */
    int (*check)(const struct backend_plan *plan, struct notes *notes, struct error *err);

    /* Required. For --dry-run: adds to `plan_out` (an object) what would happen, for people:
     * "environment": sentence, "command": the argv as an array, "environment_variables": {..}. */
    int (*describe)(const struct backend_plan *plan, json_t *plan_out, struct error *err);

    /* Optional (NULL: nothing to prepare). Makes the environment ready; quick when it is already.
     */
    int (*prepare)(struct backend_task *task, struct error *err);

    /* Required. Starts the work, at most once for a run id for ever: starting what was started
     * before is success. The environment is ready and run_dir/code is laid out. */
    int (*start)(struct backend_task *task, struct error *err);

    /* Required. Looks for the run's work and says how it is; PROCESS_NONE when it was never
     * started. */
    int (*find)(struct backend_task *task, struct process_status *ret_status, struct error *err);

    /* Required. Reports changed() and ended() from now on; ended() also when it has ended already.
     */
    int (*watch)(struct backend_task *task, struct error *err);

    /* Required. Asks for the end, whatever is going on: preparing, starting or running. What was
     * begun reports as usual (prepared or started with ERROR_CANCELLED, or ended). */
    int (*cancel)(struct backend_task *task, struct error *err);

    /* Optional. It has ended: removes what is left of the work outside the run's directory. Answers soon,
     * whatever happens: what could not be removed is logged. */
    void (*clean)(struct backend_task *task);

    /* Required. Frees `state` and stops reporting; the work itself goes on. */
    void (*release)(struct backend_task *task);
};

extern const struct backend backend_container;
extern const struct backend backend_local;
extern const struct backend backend_fake;

/* What a workspace uses: a NULL-terminated array; the last one takes every plan. */
extern const struct backend *const backend_list[];
