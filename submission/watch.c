/* SPDX-License-Identifier: BSD-3-Clause */
/* A watch follows one run: its state through a drive, its output from the log on disk. Every byte is
 * delivered once and in order, and the end only after the last byte; a fast log is taken in slices, so
 * that the loop stays free for others. A run that has ended has no drive: its watch reads the log and
 * says so. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "submission/core.h"

#define SLICE_SIZE (256 * 1024) /* about 0.1 ms of reading from the page cache */

struct watch {
    struct submission *submission;
    struct watch_callbacks callbacks;
    void *data;
    char *id;
    struct drive *drive; /* NULL once the run has ended */
    struct drive_listener listener;
    struct run *run; /* the run as read at its end */
    struct process_status process;
    char *log_path;
    int log_fd; /* -1 until the log is there */
    uint64_t offset;
    char *slice;
    bool closed;
    uv_idle_t more; /* runs while there is something to deliver */
};

static void on_more(uv_idle_t *idle);

static void wake(struct watch *watch)
{
    if (!watch->closed)
        uv_idle_start(&watch->more, on_more);
}

static void show(struct watch *watch, void (*callback)(const struct run_view *, void *))
{
    bool live = watch->drive != NULL;
    struct run_view view = {
        .run = live ? drive_run(watch->drive) : watch->run,
        .process = live ? drive_process(watch->drive) : &watch->process,
        .progress = live ? drive_progress(watch->drive) : NULL,
        .log_size = watch->offset,
        .detached = live && drive_detached(watch->drive),
    };
    if (view.run != NULL && callback != NULL)
        callback(&view, watch->data);
}

/* Delivers the next slice. True when there may be more. */
static bool deliver(struct watch *watch)
{
    if (watch->callbacks.output == NULL)
        return false;
    if (watch->log_fd < 0)
        watch->log_fd = open(watch->log_path, O_RDONLY | O_CLOEXEC);
    if (watch->log_fd < 0)
        return false;
    ssize_t got = pread(watch->log_fd, watch->slice, SLICE_SIZE, (off_t)watch->offset);
    if (got <= 0)
        return got < 0 && errno == EINTR;
    watch->offset += (uint64_t)got;
    watch->callbacks.output(watch->slice, (size_t)got, watch->data);
    return true;
}

/* The drive is done: the truth is on disk now. Where the disk cannot say it (full, or the directory is
 * gone), the watcher is told so rather than left waiting. */
static void read_ended_run(struct watch *watch)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    process_status_done(&watch->process);
    if (submission_run(watch->submission, watch->id, &watch->run, &watch->process, &err) != 0) {
        watch->run = xcalloc(1, sizeof *watch->run);
        watch->run->id = xstrdup(watch->id);
        watch->run->dir = xstrdup("");
        watch->run->intent = json_object();
    }
    if (run_state_is_final(watch->run->state))
        return;
    watch->run->state = RUN_FAILED;
    replace(&watch->run->reason, xasprintf("the end of the run could not be recorded: %s",
                                           err.text ? err.text : "see the server's log"));
}

static void on_more(uv_idle_t *idle)
{
    struct watch *watch = idle->data;
    if (deliver(watch) || watch->closed)
        return; /* again in the next turn */
    uv_idle_stop(idle);
    show(watch, watch->callbacks.changed);
    if (watch->drive == NULL && !watch->closed)
        show(watch, watch->callbacks.ended);
}

static void on_drive_changed(void *data)
{
    wake(data);
}

static void on_drive_done(void *data)
{
    struct watch *watch = data;
    watch->drive = NULL;
    read_ended_run(watch);
    wake(watch);
}

static void on_build_log(const char *bytes, size_t size, void *data)
{
    struct watch *watch = data;
    if (watch->callbacks.build_log != NULL)
        watch->callbacks.build_log(bytes, size, watch->data);
}

static int attach(struct watch *watch, struct error *err)
{
    struct run *run;
    if (submission_run(watch->submission, watch->id, &run, &watch->process, err) != 0)
        return -1;
    watch->log_path = run_path(run, RUN_LOG);
    if (run_state_is_final(run->state)) {
        watch->run = run;
        return 0;
    }
    watch->drive = drive_open(watch->submission, run, NULL);
    if (watch->drive == NULL)
        return submission_run(watch->submission, watch->id, &watch->run, &watch->process, err);
    watch->listener = (struct drive_listener){.changed = on_drive_changed,
                                              .done = on_drive_done,
                                              .build_log = on_build_log,
                                              .data = watch};
    drive_listen(watch->drive, &watch->listener);
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    struct watch *watch = handle->data;
    struct submission *submission = watch->submission;
    run_free(watch->run);
    process_status_done(&watch->process);
    if (watch->log_fd >= 0)
        close(watch->log_fd);
    free(watch->log_path);
    free(watch->slice);
    free(watch->id);
    free(watch);
    submission_unref(submission);
}

struct watch *submission_watch(struct submission *submission, const char *run_id,
                               uint64_t log_offset, const struct watch_callbacks *callbacks,
                               void *data, struct error *err)
{
    struct watch *watch = xcalloc(1, sizeof *watch);
    watch->submission = submission;
    watch->callbacks = *callbacks;
    watch->data = data;
    watch->id = xstrdup(run_id);
    watch->offset = log_offset;
    watch->log_fd = -1;
    watch->slice = xmalloc(SLICE_SIZE);
    uv_idle_init(submission->loop, &watch->more);
    watch->more.data = watch;
    submission_ref(submission);
    if (attach(watch, err) != 0) {
        watch_close(watch);
        return NULL;
    }
    wake(watch);
    return watch;
}

void watch_close(struct watch *watch)
{
    if (watch == NULL || watch->closed)
        return;
    watch->closed = true;
    if (watch->drive != NULL)
        drive_unlisten(watch->drive, &watch->listener);
    watch->drive = NULL;
    uv_close((uv_handle_t *)&watch->more, on_closed);
}
