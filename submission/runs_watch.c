/* SPDX-License-Identifier: BSD-3-Clause */
/* Hears that runs may have changed, whoever changed them: every state is committed to the index, and a
 * commit touches its write-ahead log. What changed is not told: the listener lists what it shows. */
#include <stdlib.h>
#include <string.h>

#include "submission/core.h"

struct runs_watch {
    struct submission *submission; /* referenced */
    uv_fs_event_t folder;
    void (*changed)(void *data);
    void *data;
};

static void on_folder_changed(uv_fs_event_t *handle, const char *name, int events, int status)
{
    struct runs_watch *watch = handle->data;
    (void)events;
    if (status == 0 && (name == NULL || strcmp(name, "store.db-wal") == 0))
        watch->changed(watch->data);
}

static void on_closed(uv_handle_t *handle)
{
    struct runs_watch *watch = handle->data;
    submission_unref(watch->submission);
    free(watch);
}

struct runs_watch *submission_watch_runs(struct submission *submission, void (*changed)(void *data),
                                         void *data, struct error *err)
{
    if (submission_store(submission, err) == NULL) /* there is a folder to watch */
        return NULL;
    struct runs_watch *watch = xcalloc(1, sizeof *watch);
    *watch = (struct runs_watch){.submission = submission, .changed = changed, .data = data};
    submission_ref(submission);
    uv_fs_event_init(submission->loop, &watch->folder);
    watch->folder.data = watch;
    int failed = uv_fs_event_start(&watch->folder, on_folder_changed, submission->home, 0);
    if (failed == 0)
        return watch;
    submission_unwatch_runs(watch);
    error_set(err, ERROR_IO, "watching %s: %s", submission->home, uv_strerror(failed));
    return NULL;
}

void submission_unwatch_runs(struct runs_watch *watch)
{
    if (watch != NULL)
        uv_close((uv_handle_t *)&watch->folder, on_closed);
}
