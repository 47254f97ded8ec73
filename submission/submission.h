/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The submission core's public face: define environments and computes, submit, watch, cancel, look
 * at runs. It knows no Jupyter and prints nothing.
 *
 * Everything runs on the caller's libuv loop and nothing blocks it: walking folders, hashing and
 * building happen on the worker pool or in processes of their own, and answers come by callback,
 * from the loop. Callbacks may call back in, except submission_close().
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/strlist.h"
#include "submission/backends/backend.h"
#include "submission/metrics.h"
#include "submission/notes.h"
#include "submission/process.h"
#include "submission/run.h"
#include "submission/secret.h"
#include "submission/spec.h"
#include "submission/store.h"
#include "submission/workspace.h"

struct submission;

struct submission_options {
    uv_loop_t *loop;
    const char *home; /* NULL: file_skiff_home() */
    const char
        *directory; /* where relative paths begin: the notebook's folder; NULL: the current one */
    const struct backend *const *backends; /* NULL-terminated; NULL: backend_list */
};

/* Makes the core; opens nothing yet (start-up stays fast). Soon after, from the loop, runs that a
 * dead kernel left half-way are taken up again, when there is a store. */
MUST_CHECK struct submission *submission_new(const struct submission_options *options);

/* Lets go of everything: runs that have started go on; those still being prepared are taken up by
 * the next kernel. Frees once the loop has closed the handles. NULL is allowed. */
void submission_close(struct submission *submission);

const char *submission_home(const struct submission *submission);
const char *submission_directory(const struct submission *submission);

/* The open workspace, decided at the first call. Borrowed. NULL with an error. */
const struct workspace *submission_workspace(struct submission *submission, struct error *err);

/* The open store (opened at the first call). Borrowed. */
struct store *submission_store(struct submission *submission, struct error *err);

/* What opening the store had to repair, if nobody was told yet: opens it when there is one. Adds to
 * *ret_notes; each note is given once. */
void submission_take_notes(struct submission *submission, struct notes *ret_notes);

/* --- environments and computes --------------------------------------------------------------- */

/* Registers a definition (see spec.h). */
int submission_put_environment(struct submission *submission, const json_t *definition,
                               int *ret_version, bool *ret_new, struct error *err);

/* What registering would do, for --dry-run: {"name","version","new":bool,"hash","definition",
 * "build":"a sentence","cached":bool}. New reference. */
MUST_CHECK json_t *submission_plan_environment(struct submission *submission,
                                               const json_t *definition, struct error *err);

/* All of them: [{"name","version","hash","created_at","definition","build","cached"}...]. */
MUST_CHECK json_t *submission_environments(struct submission *submission, struct error *err);

/* Creates, updates (or with dry_run only tells) a compute; *ret_change as in store_put_compute().
 */
int submission_put_compute(struct submission *submission, const json_t *definition, bool dry_run,
                           int *ret_change, struct error *err);

/* The status document of a compute with the keys of Azure's AmlCompute status (currentNodeCount,
 * targetNodeCount, nodeStateCounts{...}, allocationState, allocationStateTransitionTime, errors,
 * creationTime, modifiedTime, provisioningState, provisioningStateTransitionTime,
 * scaleSettings{...}, vmPriority, vmSize), and "standIn": a sentence, for what runs on this
 * machine. New reference. */
MUST_CHECK json_t *submission_compute_status(struct submission *submission, const char *name,
                                             struct error *err);

/* `local` first, then by name: [{"name","definition","status"}...]. New reference. */
MUST_CHECK json_t *submission_computes(struct submission *submission, struct error *err);

/* --- submitting ------------------------------------------------------------------------------ */

struct submit; /* one submission that has not been answered yet */

struct submit_result {
    const char *run_id; /* NULL for a dry run */
    json_t *plan;       /* dry run: {"job","environment":{..},"compute":{..},"command":[..],
                           "environment_variables":{..},"snapshot":{"files","size","ignore_file",
                           "entries":[{"path","size","rule"}],
                           "dropped":[{"path","folder","size","rule"}]},"run_dir"};
                           borrowed; NULL otherwise */
    const struct notes *notes;
};

/* Called exactly once, unless the submission was closed before. With an error nothing has happened; with a run
 * id the intent is on disk and the run will go on by itself. */
typedef void (*submit_done_fn)(const struct submit_result *result, const struct error *err,
                               void *data);

/* Submits a job definition (see spec.h). What can be checked at once is: a NULL return is a
 * refusal, with the error set and `done` never called. */
struct submit *submission_submit(struct submission *submission, const json_t *job, bool dry_run,
                                 submit_done_fn done, void *data, struct error *err);

/* Runs a run of any state again: the same job and environment, as they are recorded, and the same
 * snapshot, whatever has become of the folder; on the compute of that name as it is defined today. The
 * new run's intent says "rerun_of". Refused (as above) are unknown runs and computes; `done` gets an
 * error when the old run has no snapshot.json (it never came so far) or a content is not stored any
 * more. */
struct submit *submission_rerun(struct submission *submission, const char *run_id,
                                submit_done_fn done, void *data, struct error *err);

/* Stops before anything has happened: `done` comes soon with ERROR_CANCELLED, or, when it is too
 * late, with the run. */
void submit_cancel(struct submit *submit);

/* --- watching -------------------------------------------------------------------------------- */

/* A run as it is now: the one model that every renderer draws. Borrowed for the call. */
struct run_view {
    const struct run *run;
    const struct process_status *process; /* state PROCESS_NONE before it started */
    const char *progress;                 /* what is happening now, or NULL */
    uint64_t log_size;                    /* bytes delivered so far, plus the offset asked for */
    bool detached;                        /* another kernel, or none, is taking it to its start */
};

struct watch;

struct watch_callbacks {
    /* State or progress changed; also called once soon after the start. */
    void (*changed)(const struct run_view *view, void *data);
    /* Output of building the environment (only while this kernel builds). Optional. */
    void (*build_log)(const char *data, size_t size, void *data_);
    /* The script's output, every byte once and in order. Optional. */
    void (*output)(const char *bytes, size_t size, void *data);
    /* A final state, after all output was delivered. Called once; the watch is still to be closed.
     */
    void (*ended)(const struct run_view *view, void *data);
};

/* Watches a run from byte `log_offset` of its output on. Works for every run of the workspace,
 * whoever started it. */
struct watch *submission_watch(struct submission *submission, const char *run_id,
                               uint64_t log_offset, const struct watch_callbacks *callbacks,
                               void *data, struct error *err);
void watch_close(struct watch *watch); /* no callback afterwards; NULL is allowed */

/* --- runs ------------------------------------------------------------------------------------ */

/* The id a prefix means (see store_find_run). The caller frees *ret_id. */
int submission_find_run(struct submission *submission, const char *prefix, char **ret_id,
                        struct error *err);

/* A run, brought up to date with what its process says. The caller frees it. */
int submission_run(struct submission *submission, const char *id, struct run **ret_run,
                   struct process_status *ret_status, struct error *err);

/* As store_list_runs(), live ones brought up to date before the filter looks at them. New reference. */
MUST_CHECK json_t *submission_runs(struct submission *submission,
                                   const struct store_run_filter *filter, struct error *err);

/* Asks a run to end. 1: asked; 0: it had ended already; -1: error. */
int submission_cancel(struct submission *submission, const char *id, struct error *err);

/* Reads the metrics of a run on the worker pool. `done` is called once; it owns nothing of
 * `metrics`. */
typedef void (*metrics_done_fn)(const struct metrics *metrics, const struct error *err, void *data);
void submission_metrics(struct submission *submission, const char *id, metrics_done_fn done,
                        void *data);

/* For completion: names of environments, computes, newest run ids. Errors give an empty list. */
void submission_names(struct submission *submission, enum spec_kind kind,
                      struct strlist *ret_names);

/* --- what was made in a container engine -------------------------------------------------------- */

/* {"engine", "removed": [..], "kept": [..], "freed"}: see sweep.h. Borrowed for the call. */
typedef void (*housekeeping_done_fn)(const json_t *result, const struct error *err, void *data);

/* Removes the images built here that neither an environment as it is defined now nor a live run uses;
 * with dry_run only tells. `done` comes once, from the loop, unless the submission is closed before. */
int submission_prune_images(struct submission *submission, bool dry_run, housekeeping_done_fn done,
                            void *data, struct error *err);

/* Removes the image that was built for an environment; its definition stays, and the next run builds
 * it again. */
int submission_remove_image(struct submission *submission, const char *name,
                            housekeeping_done_fn done, void *data, struct error *err);

/* Removes containers of runs that have ended or are not known any more. */
int submission_clean_containers(struct submission *submission, bool dry_run,
                                housekeeping_done_fn done, void *data, struct error *err);

/* --- lists of runs that stay up to date -------------------------------------------------------- */

struct runs_watch;

/* Calls `changed` from the loop when any run of the home may have changed, whichever kernel changed it;
 * several times for one change, too. NULL with an error. */
struct runs_watch *submission_watch_runs(struct submission *submission, void (*changed)(void *data),
                                         void *data, struct error *err);
void submission_unwatch_runs(struct runs_watch *watch); /* NULL is allowed */

#define SUBMISSION_EXPERIMENTS_OF 1000 /* runs: as many as a list shows */

/* Adds the experiments of the newest runs, sorted. */
int submission_experiments(struct submission *submission, struct strlist *ret_names,
                           struct error *err);
