/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs that are run again: with what they had, whatever has become of it since. */
#include "tests/unit/submission/world.h"

#include <fcntl.h>

#define OLD "print('hello')\n"

static void begin_rerun(struct world *world, const char *id)
{
    world->answered = false;
    error_clear(&world->err);
    replace(&world->run_id, NULL);
    if (submission_rerun(world->submission, id, on_submitted, world, &world->err) != NULL)
        wait_for_answer(world);
}

static char *rerun(struct world *world, const char *id)
{
    begin_rerun(world, id);
    if (world->run_id == NULL)
        fail_msg("refused: %s", world->err.text);
    assert_string_not_equal(world->run_id, id);
    return xstrdup(world->run_id);
}

static char *finished(struct world *world, const char *compute)
{
    char *id = submit_to(world, compute);
    wait_for_end(world, id);
    return id;
}

static char *path_in(const struct world *world, const char *id, const char *name)
{
    return xasprintf("%s/runs/%s/%s", world->home, id, name);
}

static json_t *intent_of(const struct world *world, const char *id)
{
    AUTO_FREE char *path = path_in(world, id, "run.json");
    return json_read(path, NULL);
}

static void assert_code(const struct world *world, const char *id, const char *name,
                        const char *expected)
{
    AUTO_FREE char *code = path_in(world, id, "code");
    AUTO_FREE char *path = file_join(code, name);
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_ERROR struct error err = ERROR_INIT;
    if (file_read(path, FILE_SMALL_MAX, &text, &err) != 0)
        fail_msg("%s", err.text);
    assert_string_equal(text.data, expected);
}

static void remove_file(const char *path)
{
    assert_int_equal(file_remove_tree(path, NULL), 0);
}

static void it_runs_with_what_it_had(void **state)
{
    struct world *world = *state;
    AUTO_FREE char *link = file_join(world->source, "link");
    assert_int_equal(symlink("train.py", link), 0);
    write_text(world->source, "caf\xe9.txt", "bytes");
    AUTO_FREE char *first = finished(world, "local");
    write_text(world->source, "train.py", "changed\n");
    AUTO_FREE char *second = rerun(world, first);
    remove_file(world->source);
    wait_for_end(world, second);
    assert_states(world, second, "NotStarted Preparing Starting Running Finalizing Completed");
    AUTO_FREE char *third = rerun(world, second);
    AUTO_FREE char *gone = path_in(world, first, "");
    remove_file(gone);
    wait_for_end(world, third);
    assert_states(world, third, "NotStarted Preparing Starting Running Finalizing Completed");
    assert_code(world, third, "train.py", OLD);
    assert_code(world, third, "link", OLD);
    assert_code(world, third, "caf\xe9.txt", "bytes");
    assert_int_equal(fake_counts()->started, 3);

    AUTO_JSON json_t *old = intent_of(world, second);
    AUTO_JSON json_t *new = intent_of(world, third);
    assert_string_equal(json_get_string(new, "rerun_of", ""), second);
    assert_string_equal(json_get_string(new, "id", ""), third);
    assert_string_equal(json_get_string(new, "display_name", ""), third);
    static const char *const same[] = {"experiment", "job", "environment", "compute", "backend"};
    for (size_t i = 0; i < ARRAY_SIZE(same); i++)
        assert_true(json_equal(json_object_get(old, same[i]), json_object_get(new, same[i])));
}

static void the_environment_is_the_recorded_one_and_the_compute_todays(void **state)
{
    struct world *world = *state;
    int version;
    bool is_new;
    AUTO_JSON json_t *image = json_pack("{s:s, s:s}", "name", "env", "image", "old");
    AUTO_JSON json_t *other = json_pack("{s:s, s:s}", "name", "env", "image", "new");
    make_cluster(world, 1);
    assert_int_equal(submission_put_environment(world->submission, image, &version, &is_new, NULL),
                     0);
    json_t *definition = job(world, "cluster");
    json_object_set_new(definition, "environment", json_string("env"));
    AUTO_FREE char *first = xstrdup_or_null(submit_job(world, definition, false));
    assert_non_null(first);
    wait_for_end(world, first);
    assert_int_equal(submission_put_environment(world->submission, other, &version, &is_new, NULL),
                     0);
    make_cluster(world, 4);
    AUTO_FREE char *second = rerun(world, first);
    wait_for_end(world, second);
    AUTO_JSON json_t *intent = intent_of(world, second);
    const json_t *environment = json_object_get(intent, "environment");
    const json_t *compute = json_object_get(json_object_get(intent, "compute"), "definition");
    assert_int_equal(json_get_int(environment, "version", 0), 1);
    assert_true(json_equal(json_object_get(environment, "definition"), image));
    assert_int_equal(json_get_int(compute, "max_instances", 0), 4);
}

static void a_command_without_code_is_run_again(void **state)
{
    struct world *world = *state;
    json_t *definition = json_pack("{s:s, s:s, s:s}", "experiment_name", "test", "command", "true",
                                   "compute", "local");
    AUTO_FREE char *first = xstrdup_or_null(submit_job(world, definition, false));
    assert_non_null(first);
    wait_for_end(world, first);
    AUTO_FREE char *second = rerun(world, first);
    wait_for_end(world, second);
    assert_states(world, second, "NotStarted Preparing Starting Running Finalizing Completed");
}

/* --- what cannot be run again ------------------------------------------------------------------------ */

static void refuses(struct world *world, const char *id, enum error_code code, const char *part)
{
    size_t before = count_runs(world);
    begin_rerun(world, id);
    assert_null(world->run_id);
    assert_int_equal(world->err.code, code);
    if (strstr(world->err.text, part) == NULL)
        fail_msg("the error is: %s", world->err.text);
    assert_int_equal(count_runs(world), before);
}

static void what_is_missing_is_named(void **state)
{
    struct world *world = *state;
    refuses(world, "calm_fox_0123456789", ERROR_NOT_FOUND, "calm_fox_0123456789");
    refuses(world, "../runs", ERROR_NOT_FOUND, "../runs");
    make_cluster(world, 1);
    AUTO_FREE char *id = finished(world, "cluster");
    AUTO_FREE char *compute = file_join(world->home, "computes/cluster.json");
    AUTO_FREE char *manifest = path_in(world, id, "snapshot.json");
    AUTO_FREE char *objects = file_join(world->home, "objects");
    remove_file(objects);
    refuses(world, id, ERROR_CORRUPT, "train.py");
    remove_file(manifest);
    refuses(world, id, ERROR_NOT_FOUND, manifest);
    close_submission(world);
    remove_file(compute);
    open_submission(world);
    refuses(world, id, ERROR_NOT_FOUND, "cluster");
}

/* --- kernels that are killed ------------------------------------------------------------------------- */

static void the_next_kernel_takes_the_same_snapshot(void **state)
{
    struct world *world = *state;
    AUTO_FREE char *first = finished(world, "local");
    write_text(world->source, "train.py", "changed\n");
    AUTO_FREE char *second = rerun(world, first);
    close_submission(world); /* the intent is there, and nothing else */
    AUTO_FREE char *manifest = path_in(world, second, "snapshot.json");
    assert_false(file_exists(manifest));
    open_submission(world);
    wait_for_end(world, second);
    assert_states(world, second, "NotStarted Preparing Starting Running Finalizing Completed");
    assert_code(world, second, "train.py", OLD);
}

static void a_run_that_is_gone_meanwhile_fails_what_it_was_for(void **state)
{
    struct world *world = *state;
    AUTO_FREE char *first = finished(world, "local");
    AUTO_FREE char *manifest = path_in(world, first, "snapshot.json");
    AUTO_FREE char *second = rerun(world, first);
    close_submission(world);
    remove_file(manifest);
    open_submission(world);
    wait_for_end(world, second);
    assert_states(world, second, "NotStarted Preparing Failed");
    assert_reason(world, second, manifest);
    assert_reason(world, second, "%%submit");
}

/* The machine was switched off after it was laid out: nobody knows how much of it is on the disk. */
static void what_was_laid_out_before_the_power_cut_is_laid_out_again(void **state)
{
    struct world *world = *state;
    AUTO_FREE char *first = finished(world, "local");
    fake_reset(&(struct fake_plan){.prepare_ms = NO_HURRY_MS});
    AUTO_FREE char *second = rerun(world, first);
    AUTO_FREE char *manifest = path_in(world, second, "snapshot.json");
    AUTO_FREE char *script = path_in(world, second, "code/train.py");
    AUTO_FREE char *gone = path_in(world, first, "");
    while (!file_exists(manifest))
        uv_run(&world->loop, UV_RUN_ONCE);
    close_submission(world);
    fake_reset(&(struct fake_plan){0});
    struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, manifest, long_ago, 0), 0);
    remove_file(script);
    remove_file(gone);
    open_submission(world);
    wait_for_end(world, second);
    assert_code(world, second, "train.py", OLD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define LIFE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
        LIFE(it_runs_with_what_it_had),
        LIFE(the_environment_is_the_recorded_one_and_the_compute_todays),
        LIFE(a_command_without_code_is_run_again),
        LIFE(what_is_missing_is_named),
        LIFE(the_next_kernel_takes_the_same_snapshot),
        LIFE(a_run_that_is_gone_meanwhile_fails_what_it_was_for),
        LIFE(what_was_laid_out_before_the_power_cut_is_laid_out_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
