/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole life cycles on the fake backend: every way a run can go, and what its events then say. */
#include "tests/unit/submission/world.h"

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

/* A kernel was killed between the end of a run and the index: lists by state tell the end. */
static void lists_by_state_say_how_it_is_now(void **state)
{
    struct world *world = *state;
    AUTO(run) struct run *run = NULL;
    fake_reset(&(struct fake_plan){.never = true});
    AUTO_FREE char *id = submit_to(world, "local");
    wait_for_state(world, id, RUN_RUNNING);
    close_submission(world);
    assert_int_equal(run_load(world->home, id, &run, NULL), 0);
    assert_int_equal(run_advance(run, RUN_COMPLETED, NULL, NULL), 1);
    open_submission(world);
    struct store_run_filter running = {.state = "Running"};
    struct store_run_filter completed = {.state = "Completed", .text = "LOCAL"};
    AUTO_JSON json_t *stale =
        store_list_runs(submission_store(world->submission, NULL), &running, NULL);
    AUTO_JSON json_t *live = submission_runs(world->submission, &running, NULL);
    AUTO_JSON json_t *ended = submission_runs(world->submission, &completed, NULL);
    assert_int_equal(json_array_size(stale), 1);
    assert_int_equal(json_array_size(live), 0);
    assert_int_equal(json_array_size(ended), 1);
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
        LIFE(lists_by_state_say_how_it_is_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
