/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of a start, each begun only when what it needs is there and what it makes is not:
 *
 *   snapshot     taken, or another run's taken again, and code/ laid out from the objects; done when
 *                snapshot.json is there
 *   environment  made ready by the backend
 *   node         claimed from a compute that hands out nodes, in order of submission
 *   process      started by the backend, at most once for ever
 *
 * Each begins after its state was recorded, so a crash shows where it happened. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "submission/drive.h"

#define PROGRESS_MS 250 /* how often the numbers of a snapshot are shown */

/* --- the snapshot ------------------------------------------------------------------------------------ */

struct snapshot_work {
    struct drive *drive;
    char *home;
    char *source;
    char *of;       /* snapshot.json of the run whose contents a rerun takes; else NULL */
    char *code;     /* run_dir/code */
    char *outputs;  /* run_dir/outputs */
    char *logs;     /* run_dir/logs */
    char *manifest; /* run_dir/snapshot.json */
    struct snapshot *snapshot;
    struct error err;
};

static void snapshot_work_free(struct snapshot_work *work)
{
    free(work->home);
    free(work->source);
    free(work->of);
    free(work->code);
    free(work->outputs);
    free(work->logs);
    free(work->manifest);
    snapshot_free(work->snapshot);
    error_clear(&work->err);
    free(work);
}

/* The script writes to ./outputs and ./logs, as on Azure; both are kept beside code/. What the source
 * folder brings along under these names comes first. */
static int link_kept_folder(const char *code, const char *name, const char *kept, struct error *err)
{
    AUTO_FREE char *inside = file_join(code, name);
    AUTO_FREE char *target = xasprintf("../%s", name);
    struct stat st;
    if (lstat(inside, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            return 0; /* a file of that name is the user's business */
        if (rmdir(kept) != 0 || rename(inside, kept) != 0)
            return error_errno(err, "cannot move %s to %s", inside, kept);
    }
    if (symlink(target, inside) != 0)
        return error_errno(err, "cannot link %s", inside);
    return 0;
}

static int link_kept_folders(struct snapshot_work *work, struct error *err)
{
    if (link_kept_folder(work->code, "outputs", work->outputs, err) != 0)
        return -1;
    return link_kept_folder(work->code, "logs", work->logs, err);
}

/* Removes what a killed kernel left of an earlier try. */
static int clear_folders(struct snapshot_work *work, struct error *err)
{
    if (file_remove_tree(work->code, err) != 0 || file_remove_tree(work->outputs, err) != 0 ||
        file_remove_tree(work->logs, err) != 0 || file_make_dirs(work->outputs, err) != 0)
        return -1;
    return file_make_dirs(work->logs, err);
}

static int lay_out_nothing(struct snapshot_work *work, struct error *err)
{
    AUTO_JSON json_t *manifest = json_pack("{s:i, s:i, s:[]}", "files", 0, "size", 0, "entries");
    if (clear_folders(work, err) != 0 || file_make_dirs(work->code, err) != 0 ||
        link_kept_folders(work, err) != 0)
        return -1;
    return json_write(work->manifest, manifest, 0644, err);
}

/* A rerun takes what another run had, not the folder as it is by now. Once laid out it depends on that
 * run no more: it has a manifest of its own. */
static int take_again(struct snapshot_work *work, struct error *err)
{
    const char *manifest = file_exists(work->manifest) ? work->manifest : work->of;
    if (work->snapshot != NULL ||
        snapshot_manifest_read(manifest, work->home, &work->snapshot, err) == 0)
        return 0;
    return error_hint(err, "submit the folder as it is now, with a %%%%submit cell");
}

static int take(struct snapshot_work *work, struct error *err)
{
    struct snapshot_progress *progress = &work->drive->snapshot_progress;
    struct snapshot_limits limits = SNAPSHOT_LIMITS_INIT;
    if (work->of != NULL)
        return take_again(work, err);
    if (work->snapshot == NULL &&
        snapshot_scan(work->source, &limits, false, progress, &work->snapshot, NULL, err) != 0)
        return -1;
    return snapshot_store(work->snapshot, work->home, progress, err);
}

static int lay_out(struct snapshot_work *work, struct error *err)
{
    struct snapshot_progress *progress = &work->drive->snapshot_progress;
    if (work->source[0] == '\0') /* a command that brings no code along */
        return lay_out_nothing(work, err);
    if (take(work, err) != 0)
        return -1;
    failpoint("drive.snapshot.stored");
    if (clear_folders(work, err) != 0 ||
        snapshot_lay_out(work->snapshot, work->home, work->code, progress, err) != 0 ||
        link_kept_folders(work, err) != 0)
        return -1;
    failpoint("drive.snapshot.laid_out");
    AUTO_JSON json_t *manifest = snapshot_manifest(work->snapshot);
    return json_write(work->manifest, manifest, 0644, err);
}

static void snapshot_on_worker(void *data)
{
    struct snapshot_work *work = data;
    if (lay_out(work, &work->err) != 0)
        error_wrap(&work->err, "taking the snapshot");
}

static void snapshot_on_loop(void *data)
{
    struct snapshot_work *work = data;
    struct drive *drive = work->drive;
    if (!drive->closed) {
        uv_timer_stop(&drive->recheck);
        drive_set_progress(drive, NULL);
    }
    drive_answered(drive, error_is_set(&work->err) ? &work->err : NULL);
    snapshot_work_free(work);
}

static void on_show_snapshot(uv_timer_t *timer)
{
    struct drive *drive = timer->data;
    const struct snapshot_progress *p = &drive->snapshot_progress;
    AUTO_FREE char *size = file_size_text(p->bytes_done);
    AUTO_FREE char *text =
        xasprintf("snapshot: %llu of %llu files, %s", (unsigned long long)p->files_done,
                  (unsigned long long)p->files_total, size);
    drive_set_progress(drive, text);
}

/* The manifest of another run. */
static char *manifest_of(const char *home, const char *id)
{
    return id != NULL ? xasprintf("%s/runs/%s/" RUN_MANIFEST, home, id) : NULL;
}

static void begin_snapshot(struct drive *drive)
{
    struct snapshot_work *work = xcalloc(1, sizeof *work);
    const json_t *snapshot = json_object_get(drive->run->intent, "snapshot");
    work->drive = drive;
    work->home = xstrdup(drive->submission->home);
    work->source = xstrdup(json_get_string(snapshot, "source", ""));
    work->of = manifest_of(drive->submission->home, json_get_string(snapshot, "of", NULL));
    work->code = run_path(drive->run, "code");
    work->outputs = run_path(drive->run, "outputs");
    work->logs = run_path(drive->run, "logs");
    work->manifest = run_path(drive->run, RUN_MANIFEST);
    work->snapshot = steal(&drive->snapshot);
    if (work->snapshot == NULL && work->source[0] != '\0')
        run_remark(drive->run, "taking the snapshot again: the kernel that began it was killed",
                   NULL);
    drive->busy = BUSY_SNAPSHOT;
    uv_timer_start(&drive->recheck, on_show_snapshot, PROGRESS_MS, PROGRESS_MS);
    work_queue(drive->submission, snapshot_on_worker, snapshot_on_loop, work);
}

/* --- environment, node, process ------------------------------------------------------------------------ */

static void begin_backend(struct drive *drive, int (*slot)(struct backend_task *, struct error *))
{
    AUTO_ERROR struct error err = ERROR_INIT;
    drive->busy = BUSY_BACKEND;
    if (slot(&drive->task, &err) != 0) {
        drive->busy = BUSY_NO;
        drive_fail(drive, &err);
    }
}

/* Says how many wait before this run. */
static void show_queue(struct drive *drive, const char *compute, int max)
{
    struct store_run_filter filter = {.compute = compute, .live_only = true};
    AUTO_JSON json_t *runs = store_list_runs(drive->submission->store, &filter, NULL);
    size_t i;
    json_t *run;
    int before = 0;
    bool older = false; /* the list is newest first */
    json_array_foreach (runs, i, run) {
        bool queued = strcmp(json_get_string(run, "state", ""), "Queued") == 0;
        before += older && queued;
        older = older || strcmp(json_get_string(run, "id", ""), drive->run->id) == 0;
    }
    AUTO_FREE char *text = xasprintf("waiting for one of %d node%s of %s: position %d in the queue",
                                     max, max == 1 ? "" : "s", compute, before + 1);
    if (drive->progress == NULL || strcmp(drive->progress, text) != 0)
        drive_set_progress(drive, text);
}

/* True when the run may start now. */
static bool claim_node(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct store *store = drive->submission->store;
    const json_t *compute = drive->task.compute;
    const char *name = json_get_string(compute, "name", "");
    int max = (int)json_get_int(compute, "max_instances", 1);
    int node;
    if (advance(drive->submission, drive->run, RUN_QUEUED, NULL, &err) != 0) {
        drive_fail(drive, &err);
        return false;
    }
    int claimed = store_claim_node(store, drive->run->id, name, max, &node, &err);
    if (claimed < 0) {
        drive_fail(drive, &err);
        return false;
    }
    drive->has_node = claimed > 0;
    drive->waits_for_node = claimed == 0;
    if (claimed > 0) {
        uv_timer_stop(&drive->recheck);
        drive_set_progress(drive, NULL);
        return true;
    }
    show_queue(drive, name, max);
    drive_wait_for_node(drive);
    return false;
}

/* The manifest says that code/ is whole, as far as this boot of the machine goes: what was laid out is
 * not forced to the disk, and a power cut may have taken some of it. */
static bool is_laid_out(const struct drive *drive)
{
    AUTO_FREE char *manifest = run_path(drive->run, RUN_MANIFEST);
    struct timespec now;
    struct timespec uptime;
    struct stat st;
    clock_gettime(CLOCK_REALTIME, &now);
    clock_gettime(CLOCK_BOOTTIME, &uptime);
    return stat(manifest, &st) == 0 && st.st_mtim.tv_sec >= now.tv_sec - uptime.tv_sec;
}

void drive_step_start(struct drive *drive)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    bool laid_out = is_laid_out(drive);
    if ((!laid_out || !drive->environment_ready) && drive->run->state == RUN_NOT_STARTED &&
        advance(drive->submission, drive->run, RUN_PREPARING, NULL, &err) != 0) {
        drive_fail(drive, &err);
        return;
    }
    failpoint("drive.start.preparing");
    if (!laid_out) {
        begin_snapshot(drive);
        return;
    }
    if (!drive->environment_ready && drive->backend->prepare != NULL) {
        begin_backend(drive, drive->backend->prepare);
        return;
    }
    failpoint("drive.start.prepared");
    if (compute_has_nodes(drive->task.compute) && !drive->has_node && !claim_node(drive))
        return;
    failpoint("drive.start.node");
    if (advance(drive->submission, drive->run, RUN_STARTING, NULL, &err) != 0) {
        drive_fail(drive, &err);
        return;
    }
    failpoint("drive.start.starting");
    begin_backend(drive, drive->backend->start);
}

void drive_cancel_busy(struct drive *drive)
{
    drive->snapshot_progress.cancelled = true;
    bool over = drive->process.state == PROCESS_ENDED || drive->process.state == PROCESS_LOST;
    if (drive->busy == BUSY_BACKEND && !over && !drive->cancel_sent) {
        drive->cancel_sent = true;
        if (drive->backend->cancel(&drive->task, NULL) != 0)
            log_debug("run %s: nothing to cancel yet", drive->run->id);
    }
}
