/* SPDX-License-Identifier: BSD-3-Clause */
/* The open submission: its life, the lazy opening of workspace and store, and the calls that only look
 * or register. Submitting is in submit.c, driving in drive.c, watching in watch.c, computes in
 * compute.c. Start-up opens nothing: a kernel that never submits never reads the store. */
#include "submission/submission.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "submission/core.h"
#include "submission/python.h"

/* Late enough that a kernel's first replies come first, soon enough that nobody notices. */
#define RECOVERY_DELAY_MS 300

static const struct backend *find_backend(const struct submission *submission, const char *name)
{
    for (const struct backend *const *at = submission->backends; *at != NULL; at++)
        if (strcmp((*at)->name, name) == 0)
            return *at;
    return NULL;
}

const struct backend *backend_of(struct submission *submission, const char *name, struct error *err)
{
    const struct backend *backend = find_backend(submission, name);
    if (backend == NULL)
        error_set(err, ERROR_UNSUPPORTED, "this version of Skiff has no backend \"%s\"", name);
    return backend;
}

const struct backend *backend_for(struct submission *submission, const struct backend_plan *plan)
{
    const struct backend *const *at = submission->backends;
    while (at[1] != NULL && (*at)->takes != NULL && !(*at)->takes(plan))
        at++;
    return *at;
}

/* --- life ------------------------------------------------------------------------------------------ */

void submission_ref(struct submission *submission)
{
    submission->refs++;
}

void submission_unref(struct submission *submission)
{
    if (--submission->refs > 0)
        return;
    store_close(submission->store);
    notes_done(&submission->repairs);
    workspace_free(submission->workspace);
    free(submission->home);
    free(submission->directory);
    free(submission);
}

static void on_closed(uv_handle_t *handle)
{
    submission_unref(handle->data);
}

static void recover_runs(struct submission *submission)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct store_run_filter filter = {.live_only = true};
    struct store *store = submission_store(submission, &err);
    AUTO_JSON json_t *live = store != NULL ? store_list_runs(store, &filter, &err) : NULL;
    size_t i;
    json_t *row;
    if (live == NULL) {
        log_warning("looking for unfinished runs: %s", err.text);
        return;
    }
    json_array_foreach (live, i, row) {
        struct run *run;
        if (run_load(submission->home, json_get_string(row, "id", ""), &run, &err) != 0)
            log_warning("%s", err.text);
        else
            drive_open(submission, run, NULL);
    }
}

static bool has_store(const struct submission *submission)
{
    AUTO_FREE char *index = file_join(submission->home, "store.db");
    AUTO_FREE char *runs = file_join(submission->home, "runs");
    return file_exists(index) || file_exists(runs);
}

static void on_recovery(uv_timer_t *timer)
{
    struct submission *submission = timer->data;
    if (has_store(submission))
        recover_runs(submission);
}

void submission_take_notes(struct submission *submission, struct notes *ret_notes)
{
    if (submission->store == NULL && has_store(submission))
        submission_store(submission, NULL); /* a failure is told by what needs the store */
    for (size_t i = 0; i < submission->repairs.count; i++) {
        const struct note *note = &submission->repairs.items[i];
        notes_add(ret_notes, note->level, note->line, note->column, "%s", note->text);
    }
    notes_done(&submission->repairs);
}

static char *current_directory(void)
{
    char *directory = getcwd(NULL, 0);
    return directory != NULL ? directory : xstrdup("/");
}

struct submission *submission_new(const struct submission_options *options)
{
    struct submission *submission = xcalloc(1, sizeof *submission);
    submission->loop = options->loop;
    submission->home = options->home != NULL ? xstrdup(options->home) : file_skiff_home();
    submission->directory =
        options->directory != NULL ? xstrdup(options->directory) : current_directory();
    submission->backends = options->backends != NULL ? options->backends : backend_list;
    procid_of(getpid(), &submission->self);
    submission->http = http_new(options->loop);
    submission->images = images_new(options->loop, submission->home, submission->http);
    uv_timer_init(options->loop, &submission->recovery);
    uv_fs_event_init(options->loop, &submission->store_changes);
    submission->recovery.data = submission->store_changes.data = submission;
    submission->refs = 2; /* the two handles */
    uv_timer_start(&submission->recovery, on_recovery, RECOVERY_DELAY_MS, 0);
    return submission;
}

void submission_close(struct submission *submission)
{
    if (submission == NULL || submission->closing)
        return;
    submission->closing = true;
    while (submission->drives != NULL)
        drive_close(submission->drives);
    housekeeping_close(submission);
    images_free(submission->images);
    http_free(submission->http);
    uv_close((uv_handle_t *)&submission->recovery, on_closed);
    uv_close((uv_handle_t *)&submission->store_changes, on_closed);
}

const char *submission_home(const struct submission *submission)
{
    return submission->home;
}

const char *submission_directory(const struct submission *submission)
{
    return submission->directory;
}

const struct workspace *submission_workspace(struct submission *submission, struct error *err)
{
    if (submission->workspace == NULL &&
        workspace_find(submission->directory, submission->home, &submission->workspace, err) != 0)
        return NULL;
    return submission->workspace;
}

/* Takes `rows`, which may be NULL. */
static void add_names(json_t *rows, const char *key, struct strlist *ret_names)
{
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row)
        strlist_add(ret_names, json_get_string(row, key, ""));
    json_decref(rows);
}

/* A kernel killed between a run's directory and its index entry leaves a run that only the directories
 * know. */
static void index_missing_runs(struct submission *submission)
{
    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    AUTO_STRLIST struct strlist known = STRLIST_INIT;
    struct store_run_filter all = {.max = 0};
    add_names(store_list_runs(submission->store, &all, NULL), "id", &known);
    strlist_sort(&known);
    if (run_list_ids(submission->home, &ids, NULL) != 0)
        return;
    for (size_t i = 0, k = 0; i < ids.count; i++) { /* both are sorted */
        AUTO(run) struct run *run = NULL;
        while (k < known.count && strcmp(known.items[k], ids.items[i]) < 0)
            k++;
        if (k < known.count && strcmp(known.items[k], ids.items[i]) == 0)
            continue;
        if (run_load(submission->home, ids.items[i], &run, NULL) == 0)
            store_put_run(submission->store, run, NULL);
    }
}

struct store *submission_store(struct submission *submission, struct error *err)
{
    if (submission->store != NULL)
        return submission->store;
    if (store_open(submission->home, &submission->store, &submission->repairs, err) != 0)
        return NULL;
    index_missing_runs(submission);
    return submission->store;
}

/* --- environments ---------------------------------------------------------------------------------- */

int submission_put_environment(struct submission *submission, const json_t *definition,
                               int *ret_version, bool *ret_new, struct error *err)
{
    struct store *store = submission_store(submission, err);
    char hash[65];
    spec_hash(definition, hash);
    if (store == NULL)
        return -1;
    return store_put_environment(store, json_get_string(definition, "name", ""), hash, definition,
                                 ret_version, ret_new, err);
}

/* Adds what the environment means on this machine: "build" (a sentence) and "cached". */
static void add_build(const struct submission *submission, json_t *row)
{
    bool cached;
    const json_t *definition = json_object_get(row, "definition");
    bool image = json_object_get(definition, "image") != NULL ||
                 json_object_get(definition, "build") != NULL;
    AUTO_FREE char *text = image ? images_describe(submission->home, definition, &cached)
                                 : python_describe(submission->home, definition, &cached);
    json_set_string(row, "build", text);
    json_object_set_new(row, "cached", json_boolean(cached));
    if (image)
        json_object_set_new(row, "image", images_record(submission->home, definition));
}

json_t *submission_plan_environment(struct submission *submission, const json_t *definition,
                                    struct error *err)
{
    AUTO_ERROR struct error missing = ERROR_INIT;
    struct store *store = submission_store(submission, err);
    const char *name = json_get_string(definition, "name", "");
    char hash[65];
    spec_hash(definition, hash);
    if (store == NULL)
        return NULL;
    AUTO_JSON json_t *old = store_get_environment(store, name, 0, &missing);
    if (old == NULL && missing.code != ERROR_NOT_FOUND) {
        error_move(err, &missing);
        return NULL;
    }
    bool same = old != NULL && strcmp(json_get_string(old, "hash", ""), hash) == 0;
    int64_t newest = json_get_int(old, "version", 0);
    json_t *plan = json_pack("{s:s, s:I, s:b, s:s, s:O}", "name", name, "version",
                             (json_int_t)(same ? newest : newest + 1), "new", !same, "hash", hash,
                             "definition", definition);
    add_build(submission, plan);
    return plan;
}

json_t *submission_environments(struct submission *submission, struct error *err)
{
    struct store *store = submission_store(submission, err);
    json_t *rows = store != NULL ? store_list_environments(store, err) : NULL;
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row)
        add_build(submission, row);
    return rows;
}

/* --- runs -------------------------------------------------------------------------------------------- */

int submission_find_run(struct submission *submission, const char *prefix, char **ret_id,
                        struct error *err)
{
    struct store *store = submission_store(submission, err);
    return store != NULL ? store_find_run(store, prefix, ret_id, err) : -1;
}

/* Asks the backend how the run's work is. */
static int find_process(struct submission *submission, const struct run *run,
                        struct process_status *ret_status, struct error *err)
{
    const struct backend *backend =
        backend_of(submission, json_get_string(run->intent, "backend", ""), err);
    struct backend_task task = {
        .loop = submission->loop, .home = submission->home, .run_id = run->id, .run_dir = run->dir};
    return backend != NULL ? backend->find(&task, ret_status, err) : -1;
}

int submission_run(struct submission *submission, const char *id, struct run **ret_run,
                   struct process_status *ret_status, struct error *err)
{
    AUTO(run) struct run *run = NULL;
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    if (submission_store(submission, err) == NULL ||
        run_load(submission->home, id, &run, err) != 0 ||
        find_process(submission, run, &status, err) != 0)
        return -1;
    bool over = status.state == PROCESS_ENDED || status.state == PROCESS_LOST;
    if (over && !run_state_is_final(run->state) &&
        drive_find(submission, id) == NULL && /* a drive writes it itself, in a moment */
        settle(submission, run, &status, err) != 0)
        return -1;
    *ret_run = steal(&run);
    *ret_status = status;
    status = (struct process_status)PROCESS_STATUS_INIT;
    return 0;
}

json_t *submission_runs(struct submission *submission, const struct store_run_filter *filter,
                        struct error *err)
{
    struct store *store = submission_store(submission, err);
    struct store_run_filter live = {.live_only = true};
    AUTO_JSON json_t *rows = store != NULL ? store_list_runs(store, &live, err) : NULL;
    size_t i;
    json_t *row;
    if (rows == NULL)
        return NULL;
    json_array_foreach (rows, i, row) {
        AUTO_ERROR struct error fault = ERROR_INIT;
        AUTO(run) struct run *run = NULL;
        AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
        const char *id = json_get_string(row, "id", "");
        if (submission_run(submission, id, &run, &status, &fault) != 0)
            log_warning("run %s: %s", id, fault.text);
        else if (strcmp(run_state_name(run->state), json_get_string(row, "state", "")) != 0)
            store_put_run(store, run, NULL); /* a crash came between the event and the index */
    }
    return store_list_runs(store, filter, err);
}

int submission_cancel(struct submission *submission, const char *id, struct error *err)
{
    AUTO(run) struct run *run = NULL;
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    if (submission_run(submission, id, &run, &status, err) != 0)
        return -1;
    if (run_state_is_final(run->state))
        return 0;
    if (run->state != RUN_CANCEL_REQUESTED &&
        advance(submission, run, RUN_CANCEL_REQUESTED, NULL, err) != 0)
        return -1;
    struct drive *drive = drive_open(submission, steal(&run), NULL);
    if (drive != NULL)
        drive_kick(drive);
    return 1;
}

struct metrics_work {
    struct submission *submission;
    char *dir;
    struct metrics *metrics;
    struct error err;
    metrics_done_fn done;
    void *data;
};

static void metrics_on_worker(void *data)
{
    struct metrics_work *work = data;
    metrics_read(work->dir, &work->metrics, &work->err);
}

static void metrics_on_loop(void *data)
{
    struct metrics_work *work = data;
    bool failed = error_is_set(&work->err);
    if (!work->submission->closing)
        work->done(failed ? NULL : work->metrics, failed ? &work->err : NULL, work->data);
    metrics_free(work->metrics);
    error_clear(&work->err);
    free(work->dir);
    free(work);
}

void submission_metrics(struct submission *submission, const char *id, metrics_done_fn done,
                        void *data)
{
    struct metrics_work *work = xcalloc(1, sizeof *work);
    work->submission = submission;
    work->dir = xasprintf("%s/runs/%s", submission->home, id);
    work->done = done;
    work->data = data;
    work_queue(submission, metrics_on_worker, metrics_on_loop, work);
}

#define NAMES_OF_RUNS_MAX 50 /* what completion offers: nobody reads further */

void submission_names(struct submission *submission, enum spec_kind kind, struct strlist *ret_names)
{
    struct store *store = submission_store(submission, NULL);
    struct store_run_filter newest = {.max = NAMES_OF_RUNS_MAX};
    if (store == NULL)
        return;
    switch (kind) {
    case SPEC_ENVIRONMENT:
        add_names(store_list_environments(store, NULL), "name", ret_names);
        return;
    case SPEC_COMPUTE:
        strlist_add(ret_names, "local");
        add_names(store_list_computes(store, NULL), "name", ret_names);
        return;
    case SPEC_JOB:
        add_names(store_list_runs(store, &newest, NULL), "id", ret_names);
        return;
    }
}
