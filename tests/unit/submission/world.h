/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A home, a source folder and an open submission on the fake backend, and what tests do with them. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/backends/fake.h"
#include "submission/submission.h"

#include "tests/unit.h"

static const struct backend *const only_fake[] = {&backend_fake, NULL};

#define NO_HURRY_MS 30000 /* a test that waits this long has failed */

struct world {
    uv_loop_t loop;
    uv_timer_t deadline;
    char root[64];
    char *home;
    char *source;
    struct submission *submission;
    /* the last answer of a submit */
    char *run_id;
    json_t *plan;
    struct error err;
    bool answered;
    int ended; /* watches that have seen their end */
};

static UNUSED void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for %d ms", NO_HURRY_MS);
}

static UNUSED void open_submission(struct world *world)
{
    struct submission_options options = {
        .loop = &world->loop, .home = world->home, .directory = world->root, .backends = only_fake};
    world->submission = submission_new(&options);
}

static UNUSED void write_text(const char *dir, const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(dir, name);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

static UNUSED int set_up(void **state)
{
    struct world *world = xcalloc(1, sizeof *world);
    snprintf(world->root, sizeof world->root, "/tmp/skiff-life-XXXXXX");
    assert_non_null(mkdtemp(world->root));
    world->home = file_join(world->root, "home");
    world->source = file_join(world->root, "source");
    assert_int_equal(file_make_dirs(world->source, NULL), 0);
    write_text(world->source, "train.py", "print('hello')\n");
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->deadline);
    uv_timer_start(&world->deadline, on_deadline, NO_HURRY_MS, 0);
    fake_reset(&(struct fake_plan){0});
    open_submission(world);
    *state = world;
    return 0;
}

static UNUSED int tear_down(void **state)
{
    struct world *world = *state;
    submission_close(world->submission);
    uv_close((uv_handle_t *)&world->deadline, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0); /* no handle was left behind */
    assert_int_equal(file_remove_tree(world->root, NULL), 0);
    json_decref(world->plan);
    error_clear(&world->err);
    free(world->run_id);
    free(world->home);
    free(world->source);
    free(world);
    return 0;
}

/* --- verbs ----------------------------------------------------------------------------------------- */

static UNUSED void on_submitted(const struct submit_result *result, const struct error *err,
                                void *data)
{
    struct world *world = data;
    world->answered = true;
    if (err != NULL) {
        error_set(&world->err, err->code, "%s", err->text);
        return;
    }
    replace(&world->run_id, xstrdup_or_null(result->run_id));
    json_decref(world->plan);
    world->plan = json_incref(result->plan);
}

static UNUSED json_t *job(const struct world *world, const char *compute)
{
    return json_pack("{s:s, s:s, s:s, s:[], s:s}", "experiment_name", "test", "code", world->source,
                     "script", "train.py", "arguments", "compute", compute);
}

static UNUSED void wait_for_answer(struct world *world)
{
    while (!world->answered)
        uv_run(&world->loop, UV_RUN_ONCE);
}

/* Submits; the run id, or NULL with the error in world->err. Owned by the world. */
static UNUSED const char *submit_job(struct world *world, json_t *definition, bool dry_run)
{
    world->answered = false;
    error_clear(&world->err);
    replace(&world->run_id, NULL);
    if (submission_submit(world->submission, definition, dry_run, on_submitted, world,
                          &world->err) != NULL)
        wait_for_answer(world);
    json_decref(definition);
    return world->run_id;
}

static UNUSED char *submit_to(struct world *world, const char *compute)
{
    const char *id = submit_job(world, job(world, compute), false);
    if (id == NULL)
        fail_msg("refused: %s", world->err.text);
    return xstrdup(id);
}

static UNUSED void on_changed(const struct run_view *view, void *data)
{
    (void)view;
    (void)data;
}

static UNUSED void on_ended(const struct run_view *view, void *data)
{
    struct world *world = data;
    assert_true(run_state_is_final(view->run->state));
    world->ended++;
}

static UNUSED void wait_for_end(struct world *world, const char *id)
{
    static const struct watch_callbacks callbacks = {.changed = on_changed, .ended = on_ended};
    int before = world->ended;
    struct watch *watch = submission_watch(world->submission, id, 0, &callbacks, world, NULL);
    assert_non_null(watch);
    while (world->ended == before)
        uv_run(&world->loop, UV_RUN_ONCE);
    watch_close(watch);
}

static UNUSED void wait_for_state(struct world *world, const char *id, enum run_state wanted)
{
    for (;;) {
        AUTO(run) struct run *run = NULL;
        assert_int_equal(run_load(world->home, id, &run, NULL), 0);
        if (run->state == wanted)
            return;
        assert_false(run_state_is_final(run->state));
        uv_run(&world->loop, UV_RUN_ONCE);
    }
}

/* The states of a run's events as one line: "NotStarted Preparing ...". */
static UNUSED char *states(const struct world *world, const char *id)
{
    AUTO(run) struct run *run = NULL;
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    assert_int_equal(run_load(world->home, id, &run, NULL), 0);
    AUTO_JSON json_t *events = run_events(run, NULL);
    size_t i;
    json_t *event;
    json_array_foreach (events, i, event)
        if (json_object_get(event, "state") != NULL)
            strlist_add(&names, json_get_string(event, "state", "?"));
    return strlist_join(&names, " ");
}

static UNUSED void assert_states(const struct world *world, const char *id, const char *expected)
{
    AUTO_FREE char *actual = states(world, id);
    AUTO(run) struct run *run = NULL;
    if (strcmp(actual, expected) != 0 && run_load(world->home, id, &run, NULL) == 0)
        fail_msg("\"%s\" and not \"%s\": %s", actual, expected, run->reason ? run->reason : "");
}

static UNUSED void assert_reason(const struct world *world, const char *id, const char *part)
{
    AUTO(run) struct run *run = NULL;
    assert_int_equal(run_load(world->home, id, &run, NULL), 0);
    assert_non_null(run->reason);
    if (strstr(run->reason, part) == NULL)
        fail_msg("the reason is: %s", run->reason);
}

static UNUSED size_t count_runs(const struct world *world)
{
    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    run_list_ids(world->home, &ids, NULL);
    return ids.count;
}

static UNUSED void make_cluster(struct world *world, int nodes)
{
    int change;
    AUTO_JSON json_t *definition =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i}", "name", "cluster", "type", "amlcompute",
                  "size", "STANDARD_DS3_V2", "tier", "dedicated", "min_instances", 0,
                  "max_instances", nodes, "idle_time_before_scale_down", 1800);
    assert_int_equal(submission_put_compute(world->submission, definition, false, &change, NULL),
                     0);
}

/* As if the process had ended: its workers have, too. */
static UNUSED void close_submission(struct world *world)
{
    submission_close(world->submission);
    uv_unref((uv_handle_t *)&world->deadline);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_ref((uv_handle_t *)&world->deadline);
}
