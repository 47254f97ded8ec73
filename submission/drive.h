/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The inside of a drive, for drive.c (its life and decisions) and drive_steps.c (the steps of a start).
 * Everybody else uses core.h. */

#include "submission/core.h"

/* What is under way, if anything: its answer leads to the next step. */
enum drive_busy {
    BUSY_NO,
    BUSY_SNAPSHOT, /* a piece of work on the pool */
    BUSY_BACKEND,  /* prepare() or start() */
};

struct drive {
    struct submission *submission;
    struct run *run;
    const struct backend *backend;
    struct backend_task task;
    struct snapshot *snapshot; /* the scan of a fresh submit; NULL after a crash or when laid out */
    struct snapshot_progress snapshot_progress;
    struct process_status process; /* as last seen */
    char *progress;
    enum drive_busy busy;
    bool environment_ready;
    bool has_node;
    bool waits_for_node;
    bool detached; /* another living kernel takes it to its start */
    bool watching;
    bool cancel_sent;
    bool cleaned; /* nothing is left of its work but its directory */
    bool closed;
    bool closing_handles;
    struct drive_listener *listeners;
    struct drive *next;

    uv_fs_event_t folder; /* the run's directory: another kernel's events */
    uv_timer_t recheck;   /* only while waiting for another kernel; or showing snapshot progress */
    uv_idle_t kick;
    unsigned open_handles;
};

/* Begins the next missing thing of a start: snapshot, environment, node, process. */
void drive_step_start(struct drive *drive);

/* The run is to be cancelled while something is under way: stops that. */
void drive_cancel_busy(struct drive *drive);

/* The answer of what was under way; a non-NULL error ends the run. */
void drive_answered(struct drive *drive, const struct error *err);

void drive_fail(struct drive *drive, const struct error *why);
void drive_set_progress(struct drive *drive, const char *text);

/* Wakes the drive when a node may be free. */
void drive_wait_for_node(struct drive *drive);

void drive_on_recheck(uv_timer_t *timer);
