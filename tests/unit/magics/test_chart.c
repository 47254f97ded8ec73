/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/chart.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "tests/unit.h"

static struct metric metric_of(const double *values, size_t count, struct metric_point *points)
{
    for (size_t i = 0; i < count; i++)
        points[i] = (struct metric_point){.step = (double)i, .value = values[i]};
    return (struct metric){.name = (char *)(uintptr_t) "loss", .points = points, .count = count};
}

static void draws_sparklines(void **state)
{
    (void)state;
    static const struct {
        double values[5];
        size_t count;
        const char *line;
    } cases[] = {
        {{0, 1, 2, 3, 4}, 5, "▁▂▄▆█"}, {{1, NAN, 0}, 3, "█ ▁"},  {{7}, 1, "▄"},
        {{2, 2, 2}, 3, "▄▄▄"},         {{NAN, INFINITY}, 2, ""}, {{-1.7e308, 1.7e308}, 2, "▁█"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct metric_point points[5];
        struct metric metric = metric_of(cases[i].values, cases[i].count, points);
        AUTO_BUF struct buf text = BUF_INIT;
        chart_sparkline(&text, &metric, 40);
        assert_string_equal(text.data ? text.data : "", cases[i].line);
    }
}

static void thins_many_points_and_keeps_extremes(void **state)
{
    (void)state;
    enum { COUNT = 50000 };
    struct metric_point *points = xcalloc(COUNT, sizeof *points);
    for (size_t i = 0; i < COUNT; i++)
        points[i] = (struct metric_point){.step = (double)i, .value = i == 31234 ? 99 : 1};
    struct metric metric = {.name = (char *)(uintptr_t) "loss", .points = points, .count = COUNT};
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_BUF struct buf svg = BUF_INIT;
    chart_sparkline(&text, &metric, 40);
    chart_svg(&svg, &metric);
    assert_int_equal(utf8_count(text.data, text.size), 40);
    assert_true(svg.size < 8000);
    assert_non_null(strstr(svg.data, ">99<"));
    free(points);
}

static void draws_svg_for_both_themes(void **state)
{
    (void)state;
    struct metric_point points[4];
    struct metric metric = metric_of((const double[]){3, NAN, 1, 2}, 4, points);
    metric.name = (char *)(uintptr_t) "<script>";
    AUTO_BUF struct buf svg = BUF_INIT;
    chart_svg(&svg, &metric);
    assert_null(strstr(svg.data, "<script>"));
    assert_null(strstr(svg.data, "nan"));
    assert_non_null(strstr(svg.data, "currentColor"));
    assert_non_null(strstr(svg.data, "<circle")); /* the lone point before the gap is seen */
    assert_non_null(strstr(svg.data, "&lt;script&gt;"));
}

static void draws_nothing_without_finite_values(void **state)
{
    (void)state;
    struct metric_point points[1];
    struct metric metric = metric_of((const double[]){NAN}, 1, points);
    AUTO_BUF struct buf svg = BUF_INIT;
    chart_svg(&svg, &metric);
    assert_int_equal(svg.size, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(draws_sparklines),
        UNIT(thins_many_points_and_keeps_extremes),
        UNIT(draws_svg_for_both_themes),
        UNIT(draws_nothing_without_finite_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
