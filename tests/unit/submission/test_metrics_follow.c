/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics of a run that goes on, read as its files grow. */
#include "submission/metrics_follow.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "submission/backends/fake.h"
#include "submission/submission.h"

#include "tests/unit.h"

static const struct backend *const only_fake[] = {&backend_fake, NULL};

#define NO_HURRY_MS 30000           /* a test that waits this long has failed */
#define LONG_LOG (40 * 1000 * 1000) /* several slices */

struct world {
    uv_loop_t loop;
    uv_timer_t deadline;
    char dir[64];
    struct submission *submission;
    struct metrics_follow *follow;
    char *text; /* what was told last, as "name=last/points ..." */
    int told;
    bool complete;
    bool close_when_told;
    bool ask_when_told; /* once */
};

static void on_deadline(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for %d ms", NO_HURRY_MS);
}

static char *text_of(const struct metrics *metrics)
{
    struct buf text = BUF_INIT;
    size_t count;
    const struct metric *items = metrics_items(metrics, &count);
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "%s%s=%g/%zu", i > 0 ? " " : "", items[i].name, items[i].last,
                   items[i].seen);
    return buf_steal(&text);
}

static void on_metrics(const struct metrics *metrics, bool complete, void *data)
{
    struct world *world = data;
    replace(&world->text, text_of(metrics));
    world->told++;
    world->complete = complete;
    if (world->ask_when_told)
        metrics_follow_read(world->follow);
    world->ask_when_told = false;
    if (world->close_when_told)
        metrics_follow_close(steal(&world->follow));
}

static int set_up(void **state)
{
    struct world *world = xcalloc(1, sizeof *world);
    strcpy(world->dir, "/tmp/skiff-test-XXXXXX");
    assert_non_null(mkdtemp(world->dir));
    AUTO_FREE char *logs = file_join(world->dir, "user_logs");
    assert_int_equal(file_make_dirs(logs, NULL), 0);
    uv_loop_init(&world->loop);
    uv_timer_init(&world->loop, &world->deadline);
    uv_timer_start(&world->deadline, on_deadline, NO_HURRY_MS, 0);
    struct submission_options options = {
        .loop = &world->loop, .home = world->dir, .directory = world->dir, .backends = only_fake};
    world->submission = submission_new(&options);
    world->follow = metrics_follow_new(world->submission, world->dir, on_metrics, world);
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    metrics_follow_close(world->follow);
    submission_close(world->submission);
    uv_close((uv_handle_t *)&world->deadline, NULL);
    uv_run(&world->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&world->loop), 0);
    assert_int_equal(file_remove_tree(world->dir, NULL), 0);
    free(world->text);
    free(world);
    return 0;
}

static void append(const struct world *world, const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(world->dir, name);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(file_write_full(fd, text, strlen(text)), 0);
}

#define LOG "user_logs/std_log.txt"
#define JSONL "metrics.jsonl"

/* Runs the loop until something was told that is complete. */
static void wait_complete(struct world *world)
{
    world->complete = false;
    while (!world->complete)
        uv_run(&world->loop, UV_RUN_ONCE);
}

static void reads(struct world *world, const char *expected)
{
    metrics_follow_read(world->follow);
    wait_complete(world);
    assert_string_equal(world->text, expected);
}

static void append_long_log(const struct world *world)
{
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_BUF struct buf filler = BUF_INIT;
    for (int i = 0; i < 2000; i++)
        buf_puts(&filler, "not a number\n");
    while (text.size < LONG_LOG) {
        buf_puts(&text, "loss=0.5\n");
        buf_append(&text, filler.data, filler.size);
    }
    append(world, LOG, text.data);
}

static void what_was_added_is_read(void **state)
{
    struct world *world = *state;
    reads(world, "");
    append(world, LOG, "loss=0.5\nacc=0");
    reads(world, "loss=0.5/1");
    append(world, LOG, ".25\nloss=0.4\n");
    reads(world, "loss=0.4/2 acc=0.25/1");
    reads(world, "loss=0.4/2 acc=0.25/1");
    assert_int_equal(world->told, 4);
}

/* Whenever the file begins to name something, what the log said of it counts no more. */
static void the_file_is_trusted_more_than_the_log(void **state)
{
    struct world *world = *state;
    append(world, LOG, "loss=9.5\nacc=0.5\n");
    reads(world, "loss=9.5/1 acc=0.5/1");
    append(world, LOG, "loss=8.5\nacc=0.6\n");
    append(world, JSONL, "{\"loss\":0.1}\n{\"lo");
    reads(world, "loss=0.1/1 acc=0.6/2");
    append(world, JSONL, "ss\":0.2}\n");
    append(world, LOG, "loss=7.5\nacc=0.7\n");
    reads(world, "loss=0.2/2 acc=0.7/3");
}

static void a_file_that_begins_again_is_read_again(void **state)
{
    struct world *world = *state;
    AUTO_FREE char *path = file_join(world->dir, JSONL);
    AUTO_FREE char *other = file_join(world->dir, "other");
    append(world, LOG, "acc=0.5\n");
    append(world, JSONL, "{\"loss\":0.1}\n{\"loss\":0.2}\n{\"old\":1}\n");
    reads(world, "loss=0.2/2 old=1/1 acc=0.5/1");
    assert_int_equal(truncate(path, 0), 0);
    append(world, JSONL, "{\"loss\":0.3}\n");
    reads(world, "loss=0.3/1 acc=0.5/1");
    append(world, "other", "{\"loss\":0.4}\n{\"loss\":0.5}\n{\"loss\":0.6}\n");
    assert_int_equal(rename(other, path), 0);
    reads(world, "loss=0.6/3 acc=0.5/1");
    assert_int_equal(truncate(path, 0), 0);
    reads(world, "acc=0.5/1");
}

static void a_long_log_tells_what_it_has(void **state)
{
    struct world *world = *state;
    append_long_log(world);
    append(world, LOG, "acc=0.5\n");
    metrics_follow_read(world->follow);
    while (world->told == 0)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_false(world->complete);
    assert_memory_equal(world->text, "loss=0.5/", 9);
    assert_null(strstr(world->text, "acc"));
    wait_complete(world);
    assert_in_range(world->told, 3, 10);
    assert_non_null(strstr(world->text, "acc=0.5/1"));
}

static void asking_while_it_reads_reads_once_more(void **state)
{
    struct world *world = *state;
    append_long_log(world);
    world->ask_when_told = true; /* in the middle of it */
    metrics_follow_read(world->follow);
    metrics_follow_read(world->follow);
    metrics_follow_read(world->follow);
    while (world->told == 0)
        uv_run(&world->loop, UV_RUN_ONCE);
    append(world, LOG, "acc=0.5\n"); /* after the read that is under way had begun */
    wait_complete(world);
    assert_non_null(strstr(world->text, "acc=0.5/1"));
    int told = world->told;
    AUTO_FREE char *text = xstrdup(world->text);
    reads(world, text);
    assert_int_equal(world->told, told + 1); /* nothing else was still to come */
}

static void closing_in_the_middle_is_safe(void **state)
{
    struct world *world = *state;
    append_long_log(world);
    metrics_follow_read(world->follow);
    metrics_follow_read(world->follow);
    metrics_follow_close(steal(&world->follow)); /* its slice may be under way */
    world->follow = metrics_follow_new(world->submission, world->dir, on_metrics, world);
    world->close_when_told = true;
    metrics_follow_read(world->follow);
    while (world->told == 0)
        uv_run(&world->loop, UV_RUN_ONCE);
    assert_null(world->follow);
    world->follow = metrics_follow_new(world->submission, world->dir, on_metrics, world);
    world->close_when_told = false;
    metrics_follow_read(world->follow); /* and the submission is closed under it */
}

/* A view draws when it likes, also while the next slice is being read. */
static void keep(const struct metrics *metrics, bool complete, void *data)
{
    (void)complete;
    *(const struct metrics **)data = metrics;
}

static void what_was_told_stays_as_it_is(void **state)
{
    struct world *world = *state;
    const struct metrics *kept = NULL;
    append_long_log(world);
    struct metrics_follow *follow = metrics_follow_new(world->submission, world->dir, keep, &kept);
    metrics_follow_read(follow);
    while (kept == NULL)
        uv_run(&world->loop, UV_RUN_ONCE);
    AUTO_FREE char *before = text_of(kept);
    for (int i = 0; i < 1000; i++) {
        AUTO_FREE char *now = text_of(kept);
        assert_string_equal(now, before);
    }
    metrics_follow_close(follow);
}

#define FOLLOW(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLLOW(what_was_added_is_read),
        FOLLOW(the_file_is_trusted_more_than_the_log),
        FOLLOW(a_file_that_begins_again_is_read_again),
        FOLLOW(a_long_log_tells_what_it_has),
        FOLLOW(asking_while_it_reads_reads_once_more),
        FOLLOW(closing_in_the_middle_is_safe),
        FOLLOW(what_was_told_stays_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
