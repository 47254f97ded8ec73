/* SPDX-License-Identifier: BSD-3-Clause */
/* A submission from the definition to the intent on disk. Everything that can be wrong is found before
 * anything is written: the definition against the workspace at once, the folder on the worker pool. Then
 * run.json is made durable, and from there on the run goes on by itself (drive.c). A rerun takes the
 * definition, the environment and the snapshot of another run instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "submission/core.h"
#include "submission/image_name.h"

struct submit {
    struct submission *submission;
    submit_done_fn done;
    void *data;
    bool dry_run;
    json_t *intent;
    char *source; /* "" when a command brings no code along */
    char *script; /* NULL for a command */
    char *of;     /* the run that is run again, with its snapshot; NULL for a definition */
    const struct backend *backend;
    struct snapshot *snapshot;
    struct snapshot_progress progress;
    struct run *run;
    struct notes notes;
    struct error err;
};

static void submit_free(struct submit *submit)
{
    json_decref(submit->intent);
    free(submit->source);
    free(submit->script);
    free(submit->of);
    snapshot_free(submit->snapshot);
    run_free(submit->run);
    notes_done(&submit->notes);
    error_clear(&submit->err);
    free(submit);
}

/* --- the definition against the workspace ---------------------------------------------------------- */

/* "name" or "name:version"; "name:latest" and "name@latest" were made "name" by the spec. */
static json_t *find_environment(struct store *store, const char *reference, struct error *err)
{
    const char *colon = strrchr(reference, ':');
    AUTO_FREE char *name =
        colon != NULL ? xstrndup(reference, (size_t)(colon - reference)) : xstrdup(reference);
    int version = colon != NULL ? atoi(colon + 1) : 0;
    if (store == NULL)
        return NULL;
    json_t *found = store_get_environment(store, name, version, err);
    if (found == NULL && err->code == ERROR_NOT_FOUND && err->hint == NULL)
        error_hint(err,
                   "define it with %%%%environment %s, or list what there is with %%environments",
                   name);
    return found;
}

/* The intent's "environment": null, a registered one, or an inline definition. */
static json_t *resolve_environment(struct submission *submission, const json_t *job,
                                   struct error *err)
{
    const json_t *environment = json_object_get(job, "environment");
    if (environment == NULL || json_is_null(environment))
        return json_null();
    if (json_is_string(environment)) {
        struct store *store = submission_store(submission, err);
        return find_environment(store, json_string_value(environment), err);
    }
    char hash[65];
    spec_hash(environment, hash);
    return json_pack("{s:n, s:n, s:s, s:O}", "name", "version", "hash", hash, "definition",
                     environment);
}

static json_t *resolve_compute(struct submission *submission, const json_t *job, struct error *err)
{
    const char *name = json_get_string(job, "compute", "local");
    if (strcmp(name, "local") == 0)
        return json_pack("{s:s, s:{s:s, s:s}}", "name", "local", "definition", "name", "local",
                         "type", "local");
    struct store *store = submission_store(submission, err);
    json_t *found = store != NULL ? store_get_compute(store, name, err) : NULL;
    if (found == NULL && err->code == ERROR_NOT_FOUND && err->hint == NULL)
        error_hint(err,
                   "define it with %%%%compute %s, use `local` (this machine), or list what "
                   "there is with %%computes",
                   name);
    return found;
}

/* What every intent has; borrows all of it. */
static json_t *new_intent(struct submission *submission, const char *experiment, const json_t *job,
                          const json_t *environment, const json_t *compute)
{
    AUTO_FREE char *id = run_new_id();
    struct backend_plan plan = {.home = submission->home,
                                .job = job,
                                .environment = json_object_get(environment, "definition"),
                                .compute = json_object_get(compute, "definition")};
    json_t *intent = json_pack("{s:i, s:s, s:s, s:O, s:O, s:O, s:s, s:{s:s}}", "version", 1, "id",
                               id, "experiment", experiment, "job", job, "environment", environment,
                               "compute", compute, "backend", backend_for(submission, &plan)->name,
                               "snapshot", "source", json_get_string(job, "code", ""));
    json_set_string(intent, "display_name", json_get_string(job, "display_name", id));
    json_set_time(intent, "created_at", clock_now());
    return intent;
}

static json_t *build_intent(struct submission *submission, const json_t *job, struct error *err)
{
    AUTO_JSON json_t *compute = resolve_compute(submission, job, err);
    AUTO_JSON json_t *environment =
        compute != NULL ? resolve_environment(submission, job, err) : NULL;
    if (environment == NULL)
        return NULL;
    return new_intent(submission, json_get_string(job, "experiment_name", "default"), job,
                      environment, compute);
}

/* The environment of a run, its image by the digest it had then: names move on. New reference. */
static json_t *pinned_environment(const struct run *run)
{
    json_t *environment = json_deep_copy(json_object_get(run->intent, "environment"));
    json_t *definition = json_object_get(environment, "definition");
    AUTO_FREE char *path = run_path(run, RUN_IMAGE);
    AUTO_JSON json_t *used = file_exists(path) ? json_read(path, NULL) : NULL;
    AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
    const char *digest = json_get_string(used, "digest", NULL);
    if (digest == NULL ||
        image_name_parse(json_get_string(definition, "image", ""), &name, NULL) != 0)
        return environment;
    replace(&name.digest, xstrdup(digest));
    AUTO_FREE char *text = image_name_text(&name);
    json_set_string(definition, "image", text);
    return environment;
}

/* Job and environment are those of the run, the environment as it was then. The compute is where there
 * is room today: its definition of today counts. */
static json_t *build_rerun_intent(struct submission *submission, const struct run *run,
                                  struct error *err)
{
    const json_t *job = json_object_get(run->intent, "job");
    AUTO_JSON json_t *environment = pinned_environment(run);
    AUTO_JSON json_t *compute = resolve_compute(submission, job, err);
    if (compute == NULL)
        return NULL;
    if (!json_is_object(job) || environment == NULL) {
        error_set(err, ERROR_CORRUPT, "%s/run.json does not say what was run", run->dir);
        return NULL;
    }
    json_t *intent = new_intent(submission, json_get_string(run->intent, "experiment", "default"),
                                job, environment, compute);
    json_set_string(intent, "rerun_of", run->id);
    if (json_get_string(job, "code", NULL) != NULL)
        json_set_string(json_object_get(intent, "snapshot"), "of", run->id);
    return intent;
}

static struct backend_plan plan_of(struct submit *submit)
{
    return (struct backend_plan){
        .home = submit->submission->home,
        .job = json_object_get(submit->intent, "job"),
        .environment =
            json_object_get(json_object_get(submit->intent, "environment"), "definition"),
        .compute = json_object_get(json_object_get(submit->intent, "compute"), "definition")};
}

static int check_source(const char *source, struct error *err)
{
    struct stat st;
    if (source[0] == '\0')
        return 0;
    if (stat(source, &st) != 0) {
        error_errno(err, "the folder to submit, %s", source);
        return error_hint(err,
                          "give an existing folder as `code:` (or `source_directory:`); relative "
                          "paths begin at the notebook's folder");
    }
    if (!S_ISDIR(st.st_mode)) {
        error_set(err, ERROR_INVALID,
                  "%s is a file; `code:` (or `source_directory:`) takes a folder", source);
        return error_hint(err, "give the folder the script is in");
    }
    return 0;
}

/* --- the folder, on the worker pool ----------------------------------------------------------------- */

static int compare_paths(const void *key, const void *entry)
{
    return strcmp(key, ((const struct snapshot_entry *)entry)->path);
}

/* The script must be in what is sent: missing, or dropped by a rule, are two different mistakes. */
static int check_script(const struct submit *submit, struct error *err)
{
    const struct snapshot *snapshot = submit->snapshot;
    if (submit->script == NULL || snapshot == NULL ||
        bsearch(submit->script, snapshot->entries, snapshot->count, sizeof *snapshot->entries,
                compare_paths) != NULL)
        return 0;
    AUTO_FREE char *path = file_join(submit->source, submit->script);
    if (!file_exists(path)) {
        error_set(err, ERROR_NOT_FOUND, "the script %s is not in the folder %s", submit->script,
                  submit->source);
        return error_hint(err, "`script:` is relative to that folder");
    }
    error_set(err, ERROR_INVALID, "the script %s is dropped by %s", submit->script,
              snapshot->ignore_file != NULL ? snapshot->ignore_file : "the built-in ignore rules");
    return error_hint(err, "add the line !%s to it", submit->script);
}

/* The folder as it is now. */
static int scan_source(struct submit *submit, struct error *err)
{
    struct snapshot_limits limits = SNAPSHOT_LIMITS_INIT;
    if (submit->source[0] != '\0' &&
        snapshot_scan(submit->source, &limits, submit->dry_run, &submit->progress,
                      &submit->snapshot, &submit->notes, err) != 0)
        return -1;
    return check_script(submit, err);
}

/* The folder as it was for the run that is run again. */
static int find_snapshot(struct submit *submit, struct error *err)
{
    const char *home = submit->submission->home;
    AUTO_FREE char *manifest = xasprintf("%s/runs/%s/" RUN_MANIFEST, home, submit->of);
    if (submit->source[0] == '\0' ||
        snapshot_manifest_read(manifest, home, &submit->snapshot, err) == 0)
        return 0;
    error_wrap(err, "the snapshot of run %s", submit->of);
    return error_hint(err, "submit the folder as it is now, with a %%%%submit cell");
}

static void prepare_on_worker(void *data)
{
    struct submit *submit = data;
    int found = submit->of != NULL ? find_snapshot(submit, &submit->err)
                                   : scan_source(submit, &submit->err);
    if (found != 0)
        return;
    if (submit->progress.cancelled)
        error_set(&submit->err, ERROR_CANCELLED, "stopped before anything was submitted");
    else if (!submit->dry_run)
        run_create(submit->submission->home, submit->intent, &submit->run, &submit->err);
}

/* --- the answers ---------------------------------------------------------------------------------------- */

static json_t *snapshot_plan(const struct snapshot *snapshot)
{
    json_t *entries = json_array();
    json_t *dropped = json_array();
    if (snapshot == NULL)
        return json_pack("{s:i, s:i, s:o, s:o}", "files", 0, "size", 0, "entries", entries,
                         "dropped", dropped);
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_entry *entry = &snapshot->entries[i];
        if (entry->kind == SNAPSHOT_DIR)
            continue;
        json_t *row = json_pack("{s:I}", "size", (json_int_t)entry->size);
        json_set_string(row, "path", entry->path);
        json_set_string(row, "rule", entry->kept_by);
        json_array_append_new(entries, row);
    }
    for (size_t i = 0; i < snapshot->dropped_count; i++) {
        json_t *row = json_pack("{s:b, s:I}", "folder", snapshot->dropped[i].is_dir, "size",
                                (json_int_t)snapshot->dropped[i].size);
        json_set_string(row, "path", snapshot->dropped[i].path);
        json_set_string(row, "rule", snapshot->dropped[i].rule);
        json_array_append_new(dropped, row);
    }
    json_t *plan =
        json_pack("{s:I, s:I, s:o, s:o}", "files", (json_int_t)snapshot->file_count, "size",
                  (json_int_t)snapshot->size, "entries", entries, "dropped", dropped);
    json_set_string(plan, "source", snapshot->root);
    json_set_string(plan, "ignore_file", snapshot->ignore_file);
    return plan;
}

static json_t *build_plan(struct submit *submit, struct error *err)
{
    struct backend_plan plan = plan_of(submit);
    AUTO_FREE char *run_dir = xasprintf("%s/runs/<id>", submit->submission->home);
    AUTO_JSON json_t *out =
        json_pack("{s:O, s:O, s:s, s:o}", "job", plan.job, "compute", plan.compute, "run_dir",
                  run_dir, "snapshot", snapshot_plan(submit->snapshot));
    if (submit->backend->describe(&plan, out, err) != 0)
        return NULL;
    return steal(&out);
}

static void answer(struct submit *submit, const struct submit_result *result)
{
    bool failed = error_is_set(&submit->err);
    submit->done(failed ? NULL : result, failed ? &submit->err : NULL, submit->data);
}

static void accept_run(struct submit *submit)
{
    struct submission *submission = submit->submission;
    AUTO_FREE char *id = xstrdup(submit->run->id);
    struct submit_result result = {.run_id = id, .notes = &submit->notes};
    AUTO_ERROR struct error err = ERROR_INIT;
    failpoint("submit.accept.intent");
    if (store_put_run(submission->store, submit->run, &err) != 0)
        log_warning("the index does not know run %s yet: %s", id, err.text);
    failpoint("submit.accept.indexed");
    for (size_t i = 0; i < submit->notes.count; i++)
        run_remark(submit->run, submit->notes.items[i].text, NULL);
    drive_open(submission, steal(&submit->run), steal(&submit->snapshot));
    answer(submit, &result);
}

static void prepare_on_loop(void *data)
{
    struct submit *submit = data;
    if (submit->submission->closing) {
        log_info(
            "submission abandoned: the kernel is going"); /* a run made is taken up by the next */
    } else if (error_is_set(&submit->err)) {
        answer(submit, NULL);
    } else if (submit->dry_run) {
        AUTO_JSON json_t *plan = build_plan(submit, &submit->err);
        answer(submit, &(struct submit_result){.plan = plan, .notes = &submit->notes});
    } else {
        accept_run(submit);
    }
    submit_free(submit);
}

/* The definition in submit->intent against what this machine can do. */
static int check_intent(struct submit *submit, struct error *err)
{
    struct backend_plan plan = plan_of(submit);
    submit->source = xstrdup(json_get_string(plan.job, "code", ""));
    submit->script = xstrdup_or_null(json_get_string(plan.job, "script", NULL));
    submit->backend =
        backend_of(submit->submission, json_get_string(submit->intent, "backend", ""), err);
    return submit->backend != NULL ? submit->backend->check(&plan, &submit->notes, err) : -1;
}

/* Everything that can be checked without walking the folder. */
static int prepare(struct submit *submit, const json_t *job, struct error *err)
{
    submit->intent = build_intent(submit->submission, job, err);
    if (submit->intent == NULL || check_intent(submit, err) != 0)
        return -1;
    return check_source(submit->source, err);
}

static int prepare_rerun(struct submit *submit, const char *run_id, struct error *err)
{
    AUTO(run) struct run *run = NULL;
    if (run_load(submit->submission->home, run_id, &run, err) != 0)
        return -1;
    submit->of = xstrdup(run_id);
    submit->intent = build_rerun_intent(submit->submission, run, err);
    return submit->intent != NULL ? check_intent(submit, err) : -1;
}

static struct submit *new_submit(struct submission *submission, submit_done_fn done, void *data)
{
    struct submit *submit = xcalloc(1, sizeof *submit);
    submit->submission = submission;
    submit->done = done;
    submit->data = data;
    return submit;
}

/* `ready` says whether it passed its checks; frees it otherwise. */
static struct submit *begin(struct submit *submit, bool ready)
{
    if (!ready) {
        submit_free(submit);
        return NULL;
    }
    work_queue(submit->submission, prepare_on_worker, prepare_on_loop, submit);
    return submit;
}

struct submit *submission_submit(struct submission *submission, const json_t *job, bool dry_run,
                                 submit_done_fn done, void *data, struct error *err)
{
    struct submit *submit = new_submit(submission, done, data);
    submit->dry_run = dry_run;
    return begin(submit,
                 submission_store(submission, err) != NULL && prepare(submit, job, err) == 0);
}

struct submit *submission_rerun(struct submission *submission, const char *run_id,
                                submit_done_fn done, void *data, struct error *err)
{
    struct submit *submit = new_submit(submission, done, data);
    return begin(submit, submission_store(submission, err) != NULL &&
                             prepare_rerun(submit, run_id, err) == 0);
}

void submit_cancel(struct submit *submit)
{
    submit->progress.cancelled = true;
}
