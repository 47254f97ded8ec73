/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole life cycles on the fake backend: every way a run can go, and what its events then say. */
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

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for %d ms", NO_HURRY_MS);
}

static void open_submission(struct world *world)
{
    struct submission_options options = {
        .loop = &world->loop, .home = world->home, .directory = world->root, .backends = only_fake};
    world->submission = submission_new(&options);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(dir, name);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

static int set_up(void **state)
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

static int tear_down(void **state)
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

static void on_submitted(const struct submit_result *result, const struct error *err, void *data)
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

static json_t *job(const struct world *world, const char *compute)
{
    return json_pack("{s:s, s:s, s:s, s:[], s:s}", "experiment_name", "test", "code", world->source,
                     "script", "train.py", "arguments", "compute", compute);
}

static void wait_for_answer(struct world *world)
{
    while (!world->answered)
        uv_run(&world->loop, UV_RUN_ONCE);
}

/* Submits; the run id, or NULL with the error in world->err. Owned by the world. */
static const char *submit_job(struct world *world, json_t *definition, bool dry_run)
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

static char *submit_to(struct world *world, const char *compute)
{
    const char *id = submit_job(world, job(world, compute), false);
    if (id == NULL)
        fail_msg("refused: %s", world->err.text);
    return xstrdup(id);
}

static void on_changed(const struct run_view *view, void *data)
{
    (void)view;
    (void)data;
}

static void on_ended(const struct run_view *view, void *data)
{
    struct world *world = data;
    assert_true(run_state_is_final(view->run->state));
    world->ended++;
}

static void wait_for_end(struct world *world, const char *id)
{
    static const struct watch_callbacks callbacks = {.changed = on_changed, .ended = on_ended};
    int before = world->ended;
    struct watch *watch = submission_watch(world->submission, id, 0, &callbacks, world, NULL);
    assert_non_null(watch);
    while (world->ended == before)
        uv_run(&world->loop, UV_RUN_ONCE);
    watch_close(watch);
}

static void wait_for_state(struct world *world, const char *id, enum run_state wanted)
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
static char *states(const struct world *world, const char *id)
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

static void assert_states(const struct world *world, const char *id, const char *expected)
{
    AUTO_FREE char *actual = states(world, id);
    AUTO(run) struct run *run = NULL;
    if (strcmp(actual, expected) != 0 && run_load(world->home, id, &run, NULL) == 0)
        fail_msg("\"%s\" and not \"%s\": %s", actual, expected, run->reason ? run->reason : "");
}

static void assert_reason(const struct world *world, const char *id, const char *part)
{
    AUTO(run) struct run *run = NULL;
    assert_int_equal(run_load(world->home, id, &run, NULL), 0);
    assert_non_null(run->reason);
    if (strstr(run->reason, part) == NULL)
        fail_msg("the reason is: %s", run->reason);
}

static size_t count_runs(const struct world *world)
{
    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    run_list_ids(world->home, &ids, NULL);
    return ids.count;
}

static void make_cluster(struct world *world, int nodes)
{
    int change;
    AUTO_JSON json_t *definition =
        json_pack("{s:s, s:s, s:s, s:s, s:i, s:i, s:i}", "name", "cluster", "type", "amlcompute",
                  "size", "STANDARD_DS3_V2", "tier", "dedicated", "min_instances", 0,
                  "max_instances", nodes, "idle_time_before_scale_down", 1800);
    assert_int_equal(submission_put_compute(world->submission, definition, false, &change, NULL),
                     0);
}

/* --- how runs end ------------------------------------------------------------------------------------ */

static void a_run_completes(void **state)
{
    struct world *world = *state;
    AUTO_FREE char *id = submit_to(world, "local");
    wait_for_end(world, id);
    assert_states(world, id, "NotStarted Preparing Starting Running Finalizing Completed");
    assert_int_equal(fake_counts()->started, 1);
}

static void the_snapshot_is_laid_out_with_its_kept_folders(void **state)
{
    struct world *world = *state;
    AUTO_FREE char *id = submit_to(world, "local");
    wait_for_end(world, id);
    AUTO_FREE char *script = xasprintf("%s/runs/%s/code/train.py", world->home, id);
    AUTO_FREE char *outputs = xasprintf("%s/runs/%s/code/outputs", world->home, id);
    char target[64] = "";
    assert_true(file_exists(script));
    assert_true(readlink(outputs, target, sizeof target - 1) > 0);
    assert_string_equal(target, "../outputs");
}

static void a_script_that_fails_fails_the_run(void **state)
{
    struct world *world = *state;
    fake_reset(&(struct fake_plan){.exit_code = 3});
    AUTO_FREE char *id = submit_to(world, "local");
    wait_for_end(world, id);
    assert_states(world, id, "NotStarted Preparing Starting Running Finalizing Failed");
    assert_reason(world, id, "3");
}

static void an_environment_that_cannot_be_made_fails_the_run(void **state)
{
    struct world *world = *state;
    fake_reset(&(struct fake_plan){.prepare_error = "no matching distribution"});
    AUTO_FREE char *id = submit_to(world, "local");
    wait_for_end(world, id);
    assert_states(world, id, "NotStarted Preparing Failed");
    assert_reason(world, id, "no matching distribution");
    assert_int_equal(fake_counts()->started, 0);
}

static void a_start_that_fails_fails_the_run(void **state)
{
    struct world *world = *state;
    fake_reset(&(struct fake_plan){.start_error = "no runner"});
    AUTO_FREE char *id = submit_to(world, "local");
    wait_for_end(world, id);
    assert_states(world, id, "NotStarted Preparing Starting Failed");
}

static void a_lost_run_is_never_running_for_ever(void **state)
{
    struct world *world = *state;
    fake_reset(&(struct fake_plan){.lost = true});
    AUTO_FREE char *id = submit_to(world, "local");
    wait_for_end(world, id);
    assert_states(world, id, "NotStarted Preparing Starting Running NotResponding Failed");
}

/* --- cancelling ---------------------------------------------------------------------------------------- */

static void cancels_at(struct world *world, const struct fake_plan *plan, enum run_state when,
                       const char *expected)
{
    fake_reset(plan);
    AUTO_FREE char *id = submit_to(world, "local");
    wait_for_state(world, id, when);
    assert_int_equal(submission_cancel(world->submission, id, NULL), 1);
    wait_for_end(world, id);
    assert_states(world, id, expected);
    assert_int_equal(submission_cancel(world->submission, id, NULL), 0);
}

static void cancelling_works_at_every_stage(void **state)
{
    struct world *world = *state;
    cancels_at(world, &(struct fake_plan){.prepare_ms = NO_HURRY_MS}, RUN_PREPARING,
               "NotStarted Preparing CancelRequested Canceled");
    cancels_at(world, &(struct fake_plan){.start_ms = NO_HURRY_MS}, RUN_STARTING,
               "NotStarted Preparing Starting CancelRequested Canceled");
    cancels_at(world, &(struct fake_plan){.never = true}, RUN_RUNNING,
               "NotStarted Preparing Starting Running CancelRequested Finalizing Canceled");
}

/* --- the stand-in's queue --------------------------------------------------------------------------------- */

static void runs_wait_for_a_node_in_order(void **state)
{
    struct world *world = *state;
    fake_reset(&(struct fake_plan){.never = true});
    make_cluster(world, 1);
    AUTO_FREE char *first = submit_to(world, "cluster");
    wait_for_state(world, first, RUN_RUNNING);
    AUTO_FREE char *second = submit_to(world, "cluster");
    AUTO_FREE char *third = submit_to(world, "cluster");
    wait_for_state(world, second, RUN_QUEUED);
    wait_for_state(world, third, RUN_QUEUED);
    AUTO_JSON json_t *busy = submission_compute_status(world->submission, "cluster", NULL);
    assert_int_equal(json_get_int(busy, "currentNodeCount", -1), 1);
    submission_cancel(world->submission, first, NULL);
    wait_for_state(world, second, RUN_RUNNING);
    wait_for_state(world, third, RUN_QUEUED);
    submission_cancel(world->submission, third, NULL);
    wait_for_end(world, third);
    submission_cancel(world->submission, second, NULL);
    wait_for_end(world, second);
    assert_states(world, third, "NotStarted Preparing Queued CancelRequested Canceled");
    AUTO_JSON json_t *idle = submission_compute_status(world->submission, "cluster", NULL);
    const json_t *counts = json_object_get(idle, "nodeStateCounts");
    assert_int_equal(json_get_int(counts, "idleNodeCount", -1), 1);
    assert_int_equal(json_get_int(counts, "runningNodeCount", -1), 0);
    assert_string_equal(json_get_string(idle, "allocationState", ""), "Steady");
}

/* --- refusals -------------------------------------------------------------------------------------------- */

static void refuses(struct world *world, json_t *definition, enum error_code code, const char *part)
{
    assert_null(submit_job(world, definition, false));
    assert_int_equal(world->err.code, code);
    if (strstr(world->err.text, part) == NULL)
        fail_msg("the error is: %s", world->err.text);
    assert_int_equal(count_runs(world), 0);
}

static json_t *job_with(const struct world *world, const char *key, const char *value)
{
    json_t *definition = job(world, "local");
    json_object_set_new(definition, key, json_string(value));
    return definition;
}

static void what_is_wrong_is_found_before_anything_happens(void **state)
{
    struct world *world = *state;
    write_text(world->source, ".amlignore", "drop*\n");
    write_text(world->source, "dropped.py", "");
    refuses(world, job_with(world, "script", "tran.py"), ERROR_NOT_FOUND, "tran.py");
    refuses(world, job_with(world, "script", "dropped.py"), ERROR_INVALID, ".amlignore");
    refuses(world, job_with(world, "compute", "gpu"), ERROR_NOT_FOUND, "gpu");
    refuses(world, job_with(world, "environment", "nope"), ERROR_NOT_FOUND, "nope");
    refuses(world, job_with(world, "code", "/nonexistent/folder"), ERROR_NOT_FOUND, "/nonexistent");
}

static void a_dry_run_changes_nothing(void **state)
{
    struct world *world = *state;
    write_text(world->source, ".amlignore", "*.log\n!keep.log\n");
    write_text(world->source, "noise.log", "123");
    write_text(world->source, "keep.log", "");
    assert_null(submit_job(world, job(world, "local"), true));
    assert_non_null(world->plan);
    const json_t *snapshot = json_object_get(world->plan, "snapshot");
    const json_t *dropped = json_array_get(json_object_get(snapshot, "dropped"), 0);
    assert_string_equal(json_get_string(dropped, "path", ""), "noise.log");
    assert_string_equal(json_get_string(dropped, "rule", ""), "*.log (.amlignore:1)");
    assert_int_equal(json_get_int(dropped, "size", 0), 3);
    const json_t *kept = json_array_get(json_object_get(snapshot, "entries"), 1);
    assert_string_equal(json_get_string(kept, "path", ""), "keep.log");
    assert_string_equal(json_get_string(kept, "rule", ""), "!keep.log (.amlignore:2)");
    assert_int_equal(json_get_int(snapshot, "files", 0), 3);
    assert_int_equal(count_runs(world), 0);
}

/* --- kernels that come and go ------------------------------------------------------------------------------- */

/* As if the process had ended: its workers have, too. */
static void close_submission(struct world *world)
{
    submission_close(world->submission);
    uv_unref((uv_handle_t *)&world->deadline);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    uv_ref((uv_handle_t *)&world->deadline);
}

static void the_next_kernel_takes_up_what_was_left(void **state)
{
    static const enum run_state stages[] = {RUN_PREPARING, RUN_STARTING, RUN_RUNNING};
    struct world *world = *state;
    for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
        fake_reset(&(struct fake_plan){.prepare_ms = 20, .start_ms = 20, .run_ms = 50});
        AUTO_FREE char *id = submit_to(world, "local");
        wait_for_state(world, id, stages[i]);
        close_submission(world);
        open_submission(world);
        wait_for_end(world, id);
        assert_states(world, id, "NotStarted Preparing Starting Running Finalizing Completed");
        assert_int_equal(fake_counts()->started, 1);
        assert_int_equal(fake_counts()->started_twice, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define LIFE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        LIFE(a_run_completes),
        LIFE(the_snapshot_is_laid_out_with_its_kept_folders),
        LIFE(a_script_that_fails_fails_the_run),
        LIFE(an_environment_that_cannot_be_made_fails_the_run),
        LIFE(a_start_that_fails_fails_the_run),
        LIFE(a_lost_run_is_never_running_for_ever),
        LIFE(cancelling_works_at_every_stage),
        LIFE(runs_wait_for_a_node_in_order),
        LIFE(what_is_wrong_is_found_before_anything_happens),
        LIFE(a_dry_run_changes_nothing),
        LIFE(the_next_kernel_takes_up_what_was_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
