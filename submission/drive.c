/* SPDX-License-Identifier: BSD-3-Clause */
/* A drive takes one live run to its end, one step at a time. Invariant: a step looks at what is there and
 * does at most one thing that takes time; while that thing is under way (`busy`) nothing else is begun,
 * and its answer leads to the next step. Nothing is remembered that could be seen instead, which is why
 * a run that a dead kernel left half-way needs no code of its own.
 *
 * The steps of a start are in drive_steps.c; this file is the life of the object, its wake-ups, and the
 * decision. */
#include "submission/drive.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"

/* How long a drive that waits for another kernel goes without looking: events normally wake it; this
 * covers a kernel that was killed and can send none. */
#define RECHECK_MS 10000

/* --- the object ---------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct drive *drive = handle->data;
    if (--drive->open_handles > 0)
        return;
    struct submission *submission = drive->submission;
    run_free(drive->run);
    snapshot_free(drive->snapshot);
    process_status_done(&drive->process);
    free(drive->progress);
    free(drive);
    submission_unref(submission);
}

static void close_handles(struct drive *drive)
{
    uv_close((uv_handle_t *)&drive->folder, on_handle_closed);
    uv_close((uv_handle_t *)&drive->recheck, on_handle_closed);
    uv_close((uv_handle_t *)&drive->kick, on_handle_closed);
}

static void unlink_drive(struct drive *drive)
{
    for (struct drive **at = &drive->submission->drives; *at != NULL; at = &(*at)->next)
        if (*at == drive) {
            *at = drive->next;
            return;
        }
}

/* Called when nothing is under way any more and the drive was let go. */
static void free_when_idle(struct drive *drive)
{
    if (drive->closed && drive->busy == BUSY_NO && !drive->closing_handles) {
        drive->closing_handles = true;
        close_handles(drive);
    }
}

void drive_close(struct drive *drive)
{
    if (drive->closed)
        return;
    drive->closed = true;
    drive->snapshot_progress.cancelled = true;
    unlink_drive(drive);
    while (drive->listeners != NULL) {
        struct drive_listener *listener = drive->listeners;
        drive->listeners = listener->next;
        listener->done(listener->data);
    }
    if (drive->backend != NULL)
        drive->backend->release(&drive->task);
    if (drive->busy == BUSY_BACKEND)
        drive->busy = BUSY_NO; /* released: it will not answer */
    free_when_idle(drive);
}

static void tell_listeners(struct drive *drive)
{
    struct drive_listener *next;
    for (struct drive_listener *l = drive->listeners; l != NULL; l = next) {
        next = l->next;
        l->changed(l->data);
    }
}

void drive_set_progress(struct drive *drive, const char *text)
{
    replace(&drive->progress, xstrdup_or_null(text));
    tell_listeners(drive);
}

static void finish(struct drive *drive)
{
    struct submission *submission = drive->submission;
    drive_close(drive);
    drive_step_waiting(submission);
}

void drive_fail(struct drive *drive, const struct error *why)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    bool cancelled = why->code == ERROR_CANCELLED || drive->run->state == RUN_CANCEL_REQUESTED;
    AUTO_FREE char *reason =
        why->hint != NULL ? xasprintf("%s (%s)", why->text, why->hint) : xstrdup(why->text);
    if (settle_as(drive->submission, drive->run, cancelled ? RUN_CANCELED : RUN_FAILED, reason,
                  &err) != 0)
        log_error("run %s: %s; and recording that failed: %s", drive->run->id, reason, err.text);
    finish(drive);
}

/* --- the decision ---------------------------------------------------------------------------------- */

static void watch_process(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (drive->watching)
        return;
    if (drive->backend->watch(&drive->task, &err) != 0) {
        log_warning("watching run %s: %s", drive->run->id, err.text);
        return;
    }
    drive->watching = true;
}

static void cancel_process(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (drive->cancel_sent)
        return;
    drive->cancel_sent = true;
    if (drive->backend->cancel(&drive->task, &err) != 0)
        log_warning("cancelling run %s: %s", drive->run->id, err.text);
}

/* "on node 1 of cpu-cluster" where the compute has nodes. The caller frees it; NULL for none. */
static char *place_text(const struct drive *drive)
{
    const char *compute = json_get_string(drive->task.compute, "name", "");
    AUTO_JSON json_t *nodes = compute_has_nodes(drive->task.compute)
                                  ? store_nodes(drive->submission->store, compute, NULL)
                                  : NULL;
    size_t i;
    json_t *node;
    json_array_foreach (nodes, i, node)
        if (strcmp(json_get_string(node, "run", ""), drive->run->id) == 0)
            return xasprintf("on node %d of %s", (int)json_get_int(node, "node", 0), compute);
    return NULL;
}

static void step_running(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *place = place_text(drive);
    if (drive->run->state != RUN_CANCEL_REQUESTED && drive->run->state != RUN_RUNNING &&
        advance(drive->submission, drive->run, RUN_RUNNING, NULL, &err) != 0)
        log_warning("run %s: %s", drive->run->id, err.text);
    drive_set_progress(drive, drive->process.waiting_for_disk
                                  ? "waiting for space on the disk: the output is held back"
                                  : place);
    watch_process(drive);
    if (drive->run->state == RUN_CANCEL_REQUESTED)
        cancel_process(drive);
}

/* Who would know how it is does not answer. What can be seen without it, the log, is shown on. */
static void step_unknown(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (run_state_may_follow(drive->run->state, RUN_NOT_RESPONDING) &&
        drive->run->state != RUN_CANCEL_REQUESTED &&
        advance(drive->submission, drive->run, RUN_NOT_RESPONDING, drive->process.error, &err) != 0)
        log_warning("run %s: %s", drive->run->id, err.text);
    drive_set_progress(drive, drive->process.error);
    watch_process(drive);
    if (drive->run->state == RUN_CANCEL_REQUESTED)
        cancel_process(drive);
}

static void step_ended(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (drive->process.state == PROCESS_LOST)
        cancel_process(drive); /* whatever the dead runner left behind */
    if (drive->backend->clean != NULL && !drive->cleaned) {
        drive->busy = BUSY_BACKEND;
        drive->backend->clean(&drive->task);
        return;
    }
    if (settle(drive->submission, drive->run, &drive->process, &err) != 0)
        log_error("recording the end of run %s: %s", drive->run->id, err.text);
    finish(drive);
}

/* Nothing has been started. The run goes on only if this kernel is the one to drive it. */
static void step_not_started(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    int owned =
        store_own_run(drive->submission->store, drive->run->id, &drive->submission->self, &err);
    if (owned < 0) {
        drive_fail(drive, &err);
        return;
    }
    drive->detached = owned == 0;
    if (drive->detached)
        uv_timer_start(&drive->recheck, drive_on_recheck, RECHECK_MS, RECHECK_MS);
    else if (drive->run->state == RUN_CANCEL_REQUESTED) {
        error_set(&err, ERROR_CANCELLED, "cancelled before it started");
        drive_fail(drive, &err);
    } else
        drive_step_start(drive);
}

static void step(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (drive->closed)
        return;
    if (run_refresh(drive->run, &err) != 0) {
        log_error("run %s: %s", drive->run->id, err.text);
        finish(drive);
        return;
    }
    if (run_state_is_final(drive->run->state)) {
        finish(drive);
        return;
    }
    if (drive->busy != BUSY_NO) {
        if (drive->run->state == RUN_CANCEL_REQUESTED)
            drive_cancel_busy(drive);
        tell_listeners(drive);
        return;
    }
    process_status_done(&drive->process);
    if (drive->backend->find(&drive->task, &drive->process, &err) != 0) {
        drive_fail(drive, &err);
        return;
    }
    switch (drive->process.state) {
    case PROCESS_NONE:
        step_not_started(drive);
        return;
    case PROCESS_RUNNING:
        step_running(drive);
        return;
    case PROCESS_UNKNOWN:
        step_unknown(drive);
        return;
    case PROCESS_ENDED:
    case PROCESS_LOST:
        step_ended(drive);
        return;
    }
}

/* --- wake-ups -------------------------------------------------------------------------------------- */

static void on_kick(uv_idle_t *idle)
{
    struct drive *drive = idle->data;
    uv_idle_stop(idle);
    step(drive);
}

void drive_kick(struct drive *drive)
{
    if (!drive->closed)
        uv_idle_start(&drive->kick, on_kick);
}

void drive_on_recheck(uv_timer_t *timer)
{
    drive_kick(timer->data);
}

/* Another kernel wrote an event (a cancel, or the state it drives the run to). */
static void on_folder_changed(uv_fs_event_t *handle, const char *name, int events, int status)
{
    (void)events;
    if (status == 0 && (name == NULL || strcmp(name, "events.jsonl") == 0))
        drive_kick(handle->data);
}

void drive_answered(struct drive *drive, const struct error *err)
{
    drive->busy = BUSY_NO;
    drive->cancel_sent =
        false; /* what was cancelled has answered; what comes next has not been asked */
    if (drive->closed) {
        free_when_idle(drive);
        return;
    }
    if (err != NULL)
        drive_fail(drive, err);
    else
        drive_kick(drive);
}

void drive_step_waiting(struct submission *submission)
{
    bool waiting = false;
    for (struct drive *drive = submission->drives; drive != NULL; drive = drive->next) {
        if (!drive->waits_for_node)
            continue;
        waiting = true;
        drive_kick(drive);
    }
    if (!waiting && submission->watching_store) {
        submission->watching_store = false;
        uv_fs_event_stop(&submission->store_changes);
    }
}

/* Any commit to the index touches its write-ahead log: a node may have become free. */
static void on_store_changed(uv_fs_event_t *handle, const char *name, int events, int status)
{
    (void)events;
    if (status == 0 && (name == NULL || strcmp(name, "store.db-wal") == 0))
        drive_step_waiting(handle->data);
}

void drive_wait_for_node(struct drive *drive)
{
    struct submission *submission = drive->submission;
    drive->waits_for_node = true;
    uv_timer_start(&drive->recheck, drive_on_recheck, RECHECK_MS, RECHECK_MS);
    if (!submission->watching_store &&
        uv_fs_event_start(&submission->store_changes, on_store_changed, submission->home, 0) == 0)
        submission->watching_store = true;
}

/* --- what a backend reports -------------------------------------------------------------------------- */

static struct drive *drive_of(struct backend_task *task)
{
    return (struct drive *)((char *)task - offsetof(struct drive, task));
}

static void on_progress(struct backend_task *task, const char *text)
{
    drive_set_progress(drive_of(task), text);
}

static void on_build_log(struct backend_task *task, const char *data, size_t size)
{
    for (struct drive_listener *l = drive_of(task)->listeners; l != NULL; l = l->next)
        if (l->build_log != NULL)
            l->build_log(data, size, l->data);
}

static void on_remark(struct backend_task *task, const char *text)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (run_remark(drive_of(task)->run, text, &err) != 0)
        log_warning("%s", err.text);
}

static void on_prepared(struct backend_task *task, const struct error *err)
{
    struct drive *drive = drive_of(task);
    drive->environment_ready = err == NULL;
    drive_set_progress(drive, NULL);
    drive_answered(drive, err);
}

static void on_started(struct backend_task *task, const struct error *err)
{
    drive_answered(drive_of(task), err);
}

static void on_changed(struct backend_task *task)
{
    struct drive *drive = drive_of(task);
    AUTO_PROCESS_STATUS struct process_status now = PROCESS_STATUS_INIT;
    if (drive->backend->find(task, &now, NULL) == 0 &&
        (now.waiting_for_disk != drive->process.waiting_for_disk ||
         (now.state == PROCESS_UNKNOWN) != (drive->process.state == PROCESS_UNKNOWN)))
        drive_kick(drive);
    tell_listeners(drive);
}

static void on_ended(struct backend_task *task)
{
    drive_kick(drive_of(task));
}

static void on_cleaned(struct backend_task *task)
{
    struct drive *drive = drive_of(task);
    drive->cleaned = true;
    drive_answered(drive, NULL);
}

static const struct backend_events drive_events = {
    .progress = on_progress,
    .build_log = on_build_log,
    .remark = on_remark,
    .prepared = on_prepared,
    .started = on_started,
    .changed = on_changed,
    .ended = on_ended,
    .cleaned = on_cleaned,
};

/* --- opening and looking ------------------------------------------------------------------------------ */

static void fill_task(struct drive *drive)
{
    const json_t *intent = drive->run->intent;
    drive->task = (struct backend_task){
        .loop = drive->submission->loop,
        .home = drive->submission->home,
        .http = drive->submission->http,
        .images = drive->submission->images,
        .run_id = drive->run->id,
        .run_dir = drive->run->dir,
        .job = json_object_get(intent, "job"),
        .environment = json_object_get(json_object_get(intent, "environment"), "definition"),
        .compute = json_object_get(json_object_get(intent, "compute"), "definition"),
        .experiment = json_get_string(intent, "experiment", ""),
        .events = &drive_events,
    };
}

static void open_handles(struct drive *drive)
{
    uv_loop_t *loop = drive->submission->loop;
    uv_fs_event_init(loop, &drive->folder);
    uv_timer_init(loop, &drive->recheck);
    uv_idle_init(loop, &drive->kick);
    drive->folder.data = drive->recheck.data = drive->kick.data = drive;
    drive->open_handles = 3;
    if (uv_fs_event_start(&drive->folder, on_folder_changed, drive->run->dir, 0) != 0)
        uv_timer_start(&drive->recheck, drive_on_recheck, RECHECK_MS, RECHECK_MS);
}

struct drive *drive_open(struct submission *submission, struct run *run, struct snapshot *snapshot)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct drive *drive = drive_find(submission, run->id);
    if (drive != NULL) {
        run_free(run);
        snapshot_free(snapshot);
        return drive;
    }
    const char *name = json_get_string(run->intent, "backend", "");
    const struct backend *backend = backend_of(submission, name, &err);
    if (backend == NULL) {
        settle_as(submission, run, RUN_FAILED, err.text, NULL);
        run_free(run);
        snapshot_free(snapshot);
        return NULL;
    }
    drive = xcalloc(1, sizeof *drive);
    drive->submission = submission;
    drive->run = run;
    drive->snapshot = snapshot;
    drive->backend = backend;
    fill_task(drive);
    open_handles(drive);
    drive->next = submission->drives;
    submission->drives = drive;
    submission_ref(submission);
    drive_kick(drive);
    return drive;
}

struct drive *drive_find(struct submission *submission, const char *id)
{
    for (struct drive *drive = submission->drives; drive != NULL; drive = drive->next)
        if (strcmp(drive->run->id, id) == 0)
            return drive;
    return NULL;
}

void drive_listen(struct drive *drive, struct drive_listener *listener)
{
    listener->next = drive->listeners;
    drive->listeners = listener;
}

void drive_unlisten(struct drive *drive, struct drive_listener *listener)
{
    for (struct drive_listener **at = &drive->listeners; *at != NULL; at = &(*at)->next)
        if (*at == listener) {
            *at = listener->next;
            return;
        }
}

const struct run *drive_run(const struct drive *drive)
{
    return drive->run;
}

const struct process_status *drive_process(const struct drive *drive)
{
    return &drive->process;
}

const char *drive_progress(const struct drive *drive)
{
    return drive->progress;
}

bool drive_detached(const struct drive *drive)
{
    return drive->detached;
}
