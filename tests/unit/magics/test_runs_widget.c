/* SPDX-License-Identifier: BSD-3-Clause */
/* The row of a run in the live table: every fact is there, and nothing in it is markup. */
#include <string.h>

#include "base/json.h"
#include "magics/runs_widget_private.h"
#include "tests/unit.h"

#define START INT64_C(1795392895000000)

static json_t *make_run(const char *experiment, const char *state, int64_t started, int64_t ended)
{
    json_t *run = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "id", "able_fox_0123456789",
                            "experiment", experiment, "state", state, "reason", "exit status 3",
                            "compute", "cpu-cluster", "environment", "torch:2");
    json_set_time(run, "created_at", START);
    json_set_time(run, "started_at", started);
    json_set_time(run, "ended_at", ended);
    return run;
}

static size_t count(const char *text, const char *what)
{
    size_t found = 0;
    for (const char *at = strstr(text, what); at != NULL; at = strstr(at + 1, what))
        found++;
    return found;
}

static void test_facts(void **state)
{
    static const char *const wanted[] = {"digits",        "Failed<", "12 s",    "cpu-cluster",
                                         "exit status 3", "torch:2", "2026-11-"};
    AUTO_JSON json_t *run = make_run("digits", "Failed", START, START + 12000000);
    AUTO_BUF struct buf html = BUF_INIT;
    (void)state;
    runs_widget_facts(&html, run, START + 99000000);
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        assert_non_null(strstr(html.data, wanted[i]));
}

static void test_duration_counts(void **state)
{
    static const struct {
        int64_t started, ended;
        bool counts;
        const char *shown;
    } cases[] = {
        {0, 0, false, NULL},
        {START, 0, true, "30 s"},
        {START, START + 5000000, false, "5"},
        {0, START, false, NULL}, /* cancelled before it began */
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_JSON json_t *run = make_run("a", "Running", cases[i].started, cases[i].ended);
        AUTO_BUF struct buf html = BUF_INIT;
        runs_widget_facts(&html, run, START + 30000000);
        assert_int_equal(runs_widget_counts(run), cases[i].counts);
        if (cases[i].shown != NULL)
            assert_non_null(strstr(html.data, cases[i].shown));
        else
            assert_null(strstr(html.data, " s</span>"));
    }
}

/* The index may hold anything that a folder's name or a job said. */
static void test_hostile_text(void **state)
{
    AUTO_JSON json_t *run = make_run("\"><script>alert(1)</script>", "<b>", START, 0);
    AUTO_BUF struct buf html = BUF_INIT;
    (void)state;
    runs_widget_facts(&html, run, START);
    assert_null(strstr(html.data, "<script"));
    assert_null(strstr(html.data, "<b>"));
    json_object_clear(run);
    buf_clear(&html);
    runs_widget_facts(&html, run, START);
    assert_non_null(html.data);
}

/* A row has a cell below each title, in the same grid. */
static void test_columns(void **state)
{
    AUTO_JSON json_t *run = make_run("a", "Completed", START, START + 1);
    AUTO_BUF struct buf titles = BUF_INIT;
    AUTO_BUF struct buf row = BUF_INIT;
    const char *grid = "grid-template-columns:";
    (void)state;
    runs_widget_facts(&titles, NULL, 0);
    runs_widget_facts(&row, run, START);
    assert_int_equal(count(titles.data, "text-overflow"), count(row.data, "text-overflow"));
    const char *a = strstr(titles.data, grid);
    const char *b = strstr(row.data, grid);
    assert_non_null(a);
    assert_non_null(b);
    size_t size = strcspn(b, ";\"");
    assert_memory_equal(a, b, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_facts),
        cmocka_unit_test(test_duration_counts),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
