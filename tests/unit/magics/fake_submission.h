/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The submission core as the magics see it, with one run that a test moves by hand. It takes the
 * place of the core's own functions; definitions (spec.h), runs' files and metrics are the real
 * ones.
 */

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "submission/metrics_follow.h"
#include "submission/submission.h"

#define FAKE_RUN "calm_fox_0123456789"

struct submission {
    uv_loop_t loop;
    char home[64];
    bool refuse;            /* submission_submit() refuses at once */
    struct submit *pending; /* a submission that waits for its answer */
    bool cancelled;         /* it was cancelled */
    json_t *job;            /* what was submitted */
    char *rerun_of;         /* the run that is submitted again, or NULL */
    bool dry_run;
    enum run_state run_state;
    const char *reason;
    struct watch *watch; /* the one that is open, or NULL */
    unsigned cancels;
    char *listed; /* what runs were listed by: "EXPERIMENT|STATE|TEXT" */
    struct metrics *metrics;
    struct workspace workspace;
};

struct submit {
    struct submission *submission;
    submit_done_fn done;
    void *data;
};

struct watch {
    struct submission *submission;
    struct watch_callbacks callbacks;
    void *data;
    uint64_t offset;
};

static UNUSED void fake_init(struct submission *fake)
{
    *fake = (struct submission){.run_state = RUN_RUNNING};
    strcpy(fake->home, "/tmp/skiff-test-XXXXXX");
    assert_non_null(mkdtemp(fake->home));
    uv_loop_init(&fake->loop);
    fake->metrics = metrics_new();
    fake->workspace = (struct workspace){
        .local = true, .home = fake->home, .why = (char *)(uintptr_t) "no config.json was found"};
}

static UNUSED void fake_done(struct submission *fake)
{
    uv_run(&fake->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fake->loop), 0);
    assert_null(fake->watch);
    assert_null(fake->pending);
    json_decref(fake->job);
    free(fake->rerun_of);
    free(fake->listed);
    metrics_free(fake->metrics);
    assert_int_equal(file_remove_tree(fake->home, NULL), 0);
}

static UNUSED struct run *fake_run(const struct submission *fake)
{
    struct run *run = xcalloc(1, sizeof *run);
    *run = (struct run){.id = xstrdup(FAKE_RUN),
                        .dir = xasprintf("%s/runs/" FAKE_RUN, fake->home),
                        .intent = json_pack("{s:s, s:{s:s, s:i}, s:{s:s}}", "experiment", "exp",
                                            "environment", "name", "env", "version", 2, "compute",
                                            "name", "local"),
                        .state = fake->run_state,
                        .reason = xstrdup_or_null(fake->reason),
                        .created_us = 1000000,
                        .started_us = 2000000,
                        .ended_us = run_state_is_final(fake->run_state) ? 5000000 : 0};
    return run;
}

/* What the test does to the run. */

static UNUSED void fake_show(struct submission *fake,
                             void (*callback)(const struct run_view *view, void *data),
                             const char *progress)
{
    AUTO(run) struct run *run = fake_run(fake);
    struct process_status process = PROCESS_STATUS_INIT;
    struct run_view view = {.run = run, .process = &process, .progress = progress};
    callback(&view, fake->watch->data);
}

static UNUSED void fake_change(struct submission *fake, enum run_state state, const char *progress)
{
    fake->run_state = state;
    fake_show(fake, fake->watch->callbacks.changed, progress);
}

static UNUSED void fake_output(struct submission *fake, const char *text)
{
    fake->watch->offset += strlen(text);
    fake->watch->callbacks.output(text, strlen(text), fake->watch->data);
}

static UNUSED void fake_end(struct submission *fake, enum run_state state, const char *reason)
{
    fake->run_state = state;
    fake->reason = reason;
    fake_show(fake, fake->watch->callbacks.ended, NULL);
}

static UNUSED void fake_answer(struct submission *fake, const struct submit_result *result,
                               const struct error *err)
{
    struct submit *submit = steal(&fake->pending);
    submit->done(result, err, submit->data);
    free(submit);
}

static UNUSED void fake_accept(struct submission *fake)
{
    struct notes notes = NOTES_INIT;
    fake_answer(fake, &(struct submit_result){.run_id = FAKE_RUN, .notes = &notes}, NULL);
}

/* The core's functions. */

const char *submission_home(const struct submission *submission)
{
    return submission->home;
}

const char *submission_directory(const struct submission *submission)
{
    return submission->home;
}

const struct workspace *submission_workspace(struct submission *submission, struct error *err)
{
    (void)err;
    return &submission->workspace;
}

int submission_put_environment(struct submission *submission, const json_t *definition,
                               int *ret_version, bool *ret_new, struct error *err)
{
    (void)submission, (void)definition, (void)err;
    *ret_version = 3;
    *ret_new = true;
    return 0;
}

json_t *submission_plan_environment(struct submission *submission, const json_t *definition,
                                    struct error *err)
{
    (void)submission, (void)err;
    return json_pack("{s:s, s:i, s:b, s:O, s:s, s:b}", "name", "env", "version", 3, "new", 1,
                     "definition", definition, "build", "it is built", "cached", 0);
}

json_t *submission_environments(struct submission *submission, struct error *err)
{
    (void)submission, (void)err;
    return json_array();
}

void submission_take_notes(struct submission *submission, struct notes *ret_notes)
{
    (void)submission, (void)ret_notes;
}

int submission_put_compute(struct submission *submission, const json_t *definition, bool dry_run,
                           int *ret_change, struct error *err)
{
    (void)submission, (void)definition, (void)dry_run, (void)err;
    *ret_change = 0;
    return 0;
}

json_t *submission_compute_status(struct submission *submission, const char *name,
                                  struct error *err)
{
    (void)submission, (void)name, (void)err;
    return json_pack("{s:i, s:s}", "currentNodeCount", 0, "allocationState", "Steady");
}

json_t *submission_computes(struct submission *submission, struct error *err)
{
    (void)submission, (void)err;
    return json_pack("[{s:s, s:{s:s}, s:{s:i}}]", "name", "local", "definition", "type", "local",
                     "status", "currentNodeCount", 1);
}

struct submit *submission_submit(struct submission *submission, const json_t *job, bool dry_run,
                                 submit_done_fn done, void *data, struct error *err)
{
    if (submission->refuse) {
        error_set(err, ERROR_NOT_FOUND, "there is no environment 'nope'");
        return NULL;
    }
    json_decref(submission->job);
    submission->job = json_deep_copy(job);
    submission->dry_run = dry_run;
    submission->pending = xcalloc(1, sizeof *submission->pending);
    *submission->pending = (struct submit){.submission = submission, .done = done, .data = data};
    return submission->pending;
}

struct submit *submission_rerun(struct submission *submission, const char *run_id,
                                submit_done_fn done, void *data, struct error *err)
{
    if (submission->refuse) {
        error_set(err, ERROR_NOT_FOUND, "there is no compute 'gone'");
        return NULL;
    }
    replace(&submission->rerun_of, xstrdup(run_id));
    submission->pending = xcalloc(1, sizeof *submission->pending);
    *submission->pending = (struct submit){.submission = submission, .done = done, .data = data};
    return submission->pending;
}

void submit_cancel(struct submit *submit)
{
    submit->submission->cancelled = true;
}

struct watch *submission_watch(struct submission *submission, const char *run_id,
                               uint64_t log_offset, const struct watch_callbacks *callbacks,
                               void *data, struct error *err)
{
    (void)err;
    assert_string_equal(run_id, FAKE_RUN);
    assert_null(submission->watch);
    submission->watch = xcalloc(1, sizeof *submission->watch);
    *submission->watch = (struct watch){
        .submission = submission, .callbacks = *callbacks, .data = data, .offset = log_offset};
    return submission->watch;
}

void watch_close(struct watch *watch)
{
    if (watch != NULL)
        watch->submission->watch = NULL;
    free(watch);
}

int submission_find_run(struct submission *submission, const char *prefix, char **ret_id,
                        struct error *err)
{
    (void)submission;
    if (prefix != NULL && strncmp(FAKE_RUN, prefix, strlen(prefix)) != 0)
        return error_set(err, ERROR_NOT_FOUND, "there is no run '%s'", prefix);
    *ret_id = xstrdup(FAKE_RUN);
    return 0;
}

int submission_run(struct submission *submission, const char *id, struct run **ret_run,
                   struct process_status *ret_status, struct error *err)
{
    (void)id, (void)ret_status, (void)err;
    *ret_run = fake_run(submission);
    return 0;
}

json_t *submission_runs(struct submission *submission, const struct store_run_filter *filter,
                        struct error *err)
{
    (void)err;
    replace(&submission->listed,
            xasprintf("%s|%s|%s", filter->experiment ? filter->experiment : "",
                      filter->state ? filter->state : "", filter->text ? filter->text : ""));
    return json_pack("[{s:s, s:s, s:s}]", "id", FAKE_RUN, "experiment", "exp", "state",
                     run_state_name(submission->run_state));
}

/* Answers at once, with one image (or container) that was removed. */
static int fake_sweep(housekeeping_done_fn done, void *data)
{
    AUTO_JSON json_t *result =
        json_pack("{s:s, s:[{s:s, s:s, s:s, s:i}], s:[], s:i}", "engine", "unix:///engine",
                  "removed", "name", "localhost/skiff:12", "environment", "fastai2", "run", "gone",
                  "size", 81000000, "kept", "freed", 81000000);
    done(result, NULL, data);
    return 0;
}

int submission_prune_images(struct submission *submission, bool dry_run, housekeeping_done_fn done,
                            void *data, struct error *err)
{
    (void)submission;
    (void)dry_run;
    (void)err;
    return fake_sweep(done, data);
}

int submission_remove_image(struct submission *submission, const char *name,
                            housekeeping_done_fn done, void *data, struct error *err)
{
    (void)submission;
    if (strcmp(name, "fastai2") == 0)
        return fake_sweep(done, data);
    return error_set(err, ERROR_NOT_FOUND, "nothing was built for the environment %s", name);
}

int submission_clean_containers(struct submission *submission, bool dry_run,
                                housekeeping_done_fn done, void *data, struct error *err)
{
    (void)submission;
    (void)dry_run;
    (void)err;
    return fake_sweep(done, data);
}

int submission_cancel(struct submission *submission, const char *id, struct error *err)
{
    (void)id, (void)err;
    submission->cancels++;
    return !run_state_is_final(submission->run_state);
}

void submission_metrics(struct submission *submission, const char *id, metrics_done_fn done,
                        void *data)
{
    (void)id;
    done(submission->metrics, NULL, data);
}

struct metrics_follow *metrics_follow_new(struct submission *submission, const char *run_dir,
                                          metrics_follow_fn done, void *data)
{
    (void)submission;
    (void)run_dir;
    (void)done;
    (void)data;
    return NULL;
}

void metrics_follow_read(struct metrics_follow *follow)
{
    (void)follow;
}

void metrics_follow_close(struct metrics_follow *follow)
{
    (void)follow;
}

struct runs_watch *submission_watch_runs(struct submission *submission, void (*changed)(void *data),
                                         void *data, struct error *err)
{
    (void)submission;
    (void)changed;
    (void)data;
    (void)err;
    return NULL;
}

void submission_unwatch_runs(struct runs_watch *watch)
{
    (void)watch;
}

void submission_names(struct submission *submission, enum spec_kind kind, struct strlist *ret_names)
{
    (void)submission;
    strlist_add(ret_names, kind == SPEC_JOB           ? FAKE_RUN
                           : kind == SPEC_ENVIRONMENT ? "fastai2"
                                                      : "gpu-cluster");
}

int submission_experiments(struct submission *submission, struct strlist *ret_names,
                           struct error *err)
{
    (void)submission, (void)err;
    strlist_add(ret_names, "first-try");
    strlist_add(ret_names, "exp");
    return 0;
}
