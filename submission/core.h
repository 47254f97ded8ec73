/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the files of the core share: the open submission, and the drives and watches that hang off it.
 * Private to submission.c, submit.c, drive.c, watch.c and compute.c; everybody else sees submission.h.
 *
 * A drive takes one live run to its end. It keeps no plan of its own: at each step it looks at what is
 * there (events, snapshot, environment, node, process) and does the next missing thing, so taking up a
 * run after a crash is the same code as running it the first time. A watch listens to a drive.
 */

#include <stdbool.h>
#include <uv.h>

#include "base/json.h"
#include "submission/http.h"
#include "submission/images.h"
#include "submission/snapshot.h"
#include "submission/submission.h"

struct drive;

struct submission {
    uv_loop_t *loop;
    char *home;
    char *directory;
    const struct backend *const *backends;
    struct workspace *workspace;       /* NULL until asked for */
    struct store *store;               /* NULL until asked for */
    struct notes repairs;              /* what opening it had to repair; nobody was told yet */
    struct procid self;                /* who drives what this kernel drives */
    struct http *http;                 /* for backends that make requests */
    struct images *images;             /* for those that run containers */
    struct housekeeping *housekeeping; /* a list */
    struct drive *drives;              /* a list */
    uv_timer_t recovery;               /* once, soon after the start */
    uv_fs_event_t store_changes;       /* only while a run waits for a node */
    bool watching_store;
    bool closing;
    unsigned refs; /* drives, watches, handles and pieces of work that still point here */
};

void submission_ref(struct submission *submission);
void submission_unref(struct submission *submission);

/* --- work on the pool -------------------------------------------------------------------------- */

/* Runs `work` on the worker pool, then `done` on the loop. Holds a reference on the submission in
 * between. `data` is theirs. */
typedef void (*work_fn)(void *data);
void work_queue(struct submission *submission, work_fn work, work_fn done, void *data);

/* --- drives ------------------------------------------------------------------------------------ */

struct drive_listener {
    /* The run's state, progress or output may have changed. */
    void (*changed)(void *data);
    /* The drive is done with its run, or lets go of it: the last call; the drive is gone after it. */
    void (*done)(void *data);
    void (*build_log)(const char *bytes, size_t size, void *data);
    void *data;
    struct drive_listener *next;
};

/* The drive of a live run, made when there is none; its first step comes from the loop. `run` and
 * `snapshot` (the scan of a fresh submit, or NULL) are taken over. */
struct drive *drive_open(struct submission *submission, struct run *run, struct snapshot *snapshot);

/* The drive of a run id, or NULL. */
struct drive *drive_find(struct submission *submission, const char *id);

/* Steps every drive that waits for a node: one may be free now. */
void drive_step_waiting(struct submission *submission);

/* Looks again at what is there, soon, from the loop. */
void drive_kick(struct drive *drive);

/* Lets go of a run without touching it. */
void drive_close(struct drive *drive);

/* Listeners are the caller's; remove one before freeing it. */
void drive_listen(struct drive *drive, struct drive_listener *listener);
void drive_unlisten(struct drive *drive, struct drive_listener *listener);

/* What a view of the run needs. Borrowed until the next turn of the loop. */
const struct run *drive_run(const struct drive *drive);
const struct process_status *drive_process(const struct drive *drive);
const char *drive_progress(const struct drive *drive);
bool drive_detached(const struct drive *drive);

/* --- the end of a run ---------------------------------------------------------------------------- */

/* Writes what a process status means into the run's events and the index, and gives its node back.
 * Idempotent, and safe when another kernel does the same. */
int settle(struct submission *submission, struct run *run, const struct process_status *status,
           struct error *err);

/* Ends a run that never started, or whose work is known to be gone. */
int settle_as(struct submission *submission, struct run *run, enum run_state state,
              const char *reason, struct error *err);

/* Changes the state and the index together; 0 also when the run is in that state already. */
int advance(struct submission *submission, struct run *run, enum run_state to, const char *reason,
            struct error *err);

/* The first of the list that takes the plan. */
const struct backend *backend_for(struct submission *submission, const struct backend_plan *plan);

/* Stops what housekeeping.c has under way. */
void housekeeping_close(struct submission *submission);

/* The backend a run's intent or a compute definition names; NULL with an error. */
const struct backend *backend_of(struct submission *submission, const char *name,
                                 struct error *err);

/* Does a compute hand out nodes (a stand-in for AmlCompute), or run everything at once (local)? */
bool compute_has_nodes(const json_t *definition);
