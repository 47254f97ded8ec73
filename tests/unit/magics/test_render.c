/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/render.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit.h"
/* keep apart */
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "magics/render_plan.h"

#define HOSTILE "<script>alert('x')</script>\"&"

static struct run *hostile_run(const char *dir)
{
    struct run *run = xcalloc(1, sizeof *run);
    *run = (struct run){.id = xstrdup(HOSTILE),
                        .dir = xstrdup(dir),
                        .intent = json_pack("{s:s, s:{s:s, s:i}, s:{s:s}}", "experiment", HOSTILE,
                                            "environment", "name", HOSTILE, "version", 1, "compute",
                                            "name", HOSTILE),
                        .state = RUN_FAILED,
                        .reason = xstrdup(HOSTILE),
                        .created_us = 1000000,
                        .started_us = 3000000,
                        .ended_us = 8000000};
    return run;
}

/* Takes the bundle. Nothing of it may reach the page as markup, and its twin says it all. */
static void assert_safe(json_t *bundle)
{
    const char *html = json_get_string(bundle, "text/html", NULL);
    const char *text = json_get_string(bundle, "text/plain", NULL);
    assert_non_null(html);
    assert_non_null(strstr(html, "&lt;script&gt;"));
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "alert('"));
    assert_non_null(strstr(text, HOSTILE));
    json_decref(bundle);
}

static char *make_dir(void)
{
    char *dir = xstrdup("/tmp/skiff-test-XXXXXX");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static void put(const char *dir, const char *name, const void *data, size_t size)
{
    AUTO_FREE char *path = file_join(dir, name);
    AUTO_FREE char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(file_make_dirs(folder, NULL), 0);
    assert_int_equal(file_write(path, data, size, 0600, NULL), 0);
}

static void read_report(struct report *report, const struct run_view *view,
                        const struct metrics *metrics)
{
    *report = (struct report){.view = view, .metrics = metrics, .now_us = 9000000};
    report_read_outputs(report, view->run);
}

static void escapes_hostile_names_everywhere(void **state)
{
    (void)state;
    AUTO_FREE char *dir = make_dir();
    AUTO(run) struct run *run = hostile_run(dir);
    AUTO(metrics) struct metrics *metrics = metrics_new();
    struct process_status process = PROCESS_STATUS_INIT;
    struct run_view view = {.run = run, .process = &process, .progress = HOSTILE};
    AUTO_REPORT struct report report;
    put(dir, "outputs/<script>.txt", "x", 1);
    read_report(&report, &view, metrics);
    AUTO_JSON json_t *events = json_pack("[{s:s, s:s}]", "state", "Failed", "reason", HOSTILE);
    AUTO_JSON json_t *runs = json_pack("[{s:s, s:s, s:s, s:s}]", "id", HOSTILE, "experiment",
                                       HOSTILE, "state", "Failed", "compute", HOSTILE);
    AUTO_JSON json_t *environment =
        json_pack("{s:s, s:i, s:{s:s}, s:s}", "name", HOSTILE, "version", 1, "definition", "image",
                  HOSTILE, "build", HOSTILE);
    AUTO_JSON json_t *environments = json_pack("[O]", environment);
    AUTO_JSON json_t *compute = json_pack("{s:s, s:{s:s}, s:{s:s}}", "name", HOSTILE, "definition",
                                          "name", HOSTILE, "status", "vmSize", HOSTILE);
    AUTO_JSON json_t *computes = json_pack("[O]", compute);
    AUTO_JSON json_t *plan =
        json_pack("{s:[s], s:{s:s}, s:{s:[{s:s}], s:[{s:s, s:s}]}}", "command", HOSTILE,
                  "environment_variables", HOSTILE, HOSTILE, "snapshot", "entries", "path", HOSTILE,
                  "dropped", "path", HOSTILE, "rule", HOSTILE);
    struct workspace workspace = {.why = (char *)(uintptr_t)HOSTILE};
    AUTO_FREE char *title = render_title(run);
    assert_safe(render_line(title, RUN_RUNNING, HOSTILE));
    assert_safe(render_summary(&report));
    assert_safe(render_details(&view, events));
    assert_safe(render_runs(runs));
    assert_safe(render_metrics(HOSTILE, metrics));
    assert_safe(render_plan_environment(environment, false));
    assert_safe(render_plan_environments(environments));
    assert_safe(render_plan_computes(computes, true));
    assert_safe(render_plan_workspace(&workspace));
    assert_safe(render_plan_submit(plan));
    AUTO_JSON json_t *outputs = render_outputs(&report);
    assert_null(strstr(json_get_string(outputs, "text/html", ""), "<script"));
    assert_int_equal(file_remove_tree(dir, NULL), 0);
}

static void summary_is_complete_in_both_twins(void **state)
{
    (void)state;
    AUTO_FREE char *dir = make_dir();
    AUTO(run) struct run *run = hostile_run(dir);
    AUTO(metrics) struct metrics *metrics = metrics_new();
    static const char lines[] = "epoch: 1 loss: 0.5\nepoch: 2 loss: 0.25\nepoch: 3 loss: 0.125\n";
    struct process_status process = PROCESS_STATUS_INIT;
    struct run_view view = {.run = run, .process = &process};
    AUTO_REPORT struct report report;
    replace(&run->id, xstrdup("calm_fox_1"));
    replace(&run->reason, xstrdup("exited with status 3"));
    metrics_feed_log(metrics, lines, sizeof lines - 1);
    put(dir, "outputs/model.bin", "12345", 5);
    put(dir, RUN_LOG, lines, sizeof lines - 1);
    read_report(&report, &view, metrics);
    AUTO_JSON json_t *bundle = render_summary(&report);
    static const char *const both[] = {
        "calm_fox_1", "Failed", "exited with status 3", "5.0 s", "model.bin", "5 B",
        "0.125",      RUN_LOG,  "%logs calm_fox_1",     "loss"};
    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        assert_non_null(strstr(json_get_string(bundle, "text/html", ""), both[i]));
        assert_non_null(strstr(json_get_string(bundle, "text/plain", ""), both[i]));
    }
    assert_non_null(strstr(json_get_string(bundle, "text/html", ""), "<svg"));
    assert_non_null(strstr(json_get_string(bundle, "text/plain", ""), "█▃▁"));
    assert_int_equal(file_remove_tree(dir, NULL), 0);
}

/* Pictures by their first bytes, bounded in size and number, never through a link. */
static void embeds_only_small_true_pictures(void **state)
{
    (void)state;
    AUTO_FREE char *dir = make_dir();
    AUTO(run) struct run *run = hostile_run(dir);
    AUTO_FREE char *link = file_join(dir, "outputs/link.png");
    AUTO_FREE char *outside = file_join(dir, "secret");
    static const char png[] = "\x89PNG\r\n\x1a\nrest";
    struct run_view view = {.run = run};
    AUTO_REPORT struct report report;
    AUTO_BUF struct buf big = BUF_INIT;
    buf_append(&big, png, 8);
    memset(buf_reserve(&big, REPORT_PICTURE_BYTES_MAX), 0, REPORT_PICTURE_BYTES_MAX);
    big.size += REPORT_PICTURE_BYTES_MAX;
    put(dir, "secret", png, sizeof png);
    put(dir, "outputs/a-big.png", big.data, big.size);
    put(dir, "outputs/fake.png", "<svg onload=x>", 14);
    for (char name[] = "outputs/p0.png"; name[9] < '5'; name[9]++)
        put(dir, name, png, sizeof png);
    assert_int_equal(symlink(outside, link), 0);
    read_report(&report, &view, NULL);
    assert_int_equal(report.picture_count, REPORT_PICTURES_MAX);
    for (size_t i = 0; i < report.picture_count; i++) {
        assert_string_equal(report.pictures[i].mime, "image/png");
        assert_non_null(strstr(report.pictures[i].path, "p"));
        assert_null(strstr(report.pictures[i].path, "link"));
        assert_null(strstr(report.pictures[i].path, "big"));
        assert_null(strstr(report.pictures[i].path, "fake"));
    }
    assert_int_equal(file_remove_tree(dir, NULL), 0);
}

static void bounds_a_dry_run(void **state)
{
    (void)state;
    json_t *entries = json_array();
    for (int i = 0; i < 5000; i++)
        json_array_append_new(entries, json_pack("{s:s, s:i}", "path", "some/file.py", "size", 10));
    AUTO_JSON json_t *plan =
        json_pack("{s:{s:o, s:i, s:i}, s:{s:s}}", "snapshot", "entries", entries, "files", 5000,
                  "size", 50000, "environment_variables", "TOKEN", "env:TOKEN");
    AUTO_JSON json_t *bundle = render_plan_submit(plan);
    const char *text = json_get_string(bundle, "text/plain", "");
    assert_non_null(strstr(text, "and 4800 more files"));
    assert_non_null(strstr(text, "5000 files, 50 kB"));
    assert_non_null(strstr(text, "env:TOKEN"));
    assert_true(strlen(json_get_string(bundle, "text/html", "")) < 120000);
}

static void tail_of_a_log(void **state)
{
    (void)state;
    static const struct {
        const char *log;
        size_t lines;
        const char *tail;
    } cases[] = {
        {"a\nb\nc\n", 2, "b\nc"}, {"a\nb\nc", 2, "b\nc"},          {"a\n", 5, "a"},
        {"\n\n", 3, ""},          {"a\xff\n", 1, "a\xef\xbf\xbd"},
    };
    AUTO_FREE char *dir = make_dir();
    AUTO(run) struct run *run = hostile_run(dir);
    AUTO_FREE char *none = report_log_tail(run, 5);
    assert_string_equal(none, "");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        put(dir, RUN_LOG, cases[i].log, strlen(cases[i].log));
        AUTO_FREE char *tail = report_log_tail(run, cases[i].lines);
        assert_string_equal(tail, cases[i].tail);
    }
    assert_int_equal(file_remove_tree(dir, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(escapes_hostile_names_everywhere),
        UNIT(summary_is_complete_in_both_twins),
        UNIT(embeds_only_small_true_pictures),
        UNIT(bounds_a_dry_run),
        UNIT(tail_of_a_log),
    };
    setenv("TZ", "UTC", 1);
    tzset();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
