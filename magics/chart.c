/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Charts of metrics. The series is first brought to columns, each with its least and greatest finite
 * value; both pictures draw columns, so that their cost does not depend on the number of points.
 */
#include "magics/chart.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#define COLUMNS_MAX 160 /* two points a column at the chart's width in pixels is already dense */

/* The chart in pixels. The margins hold the axes' texts. */
enum { WIDTH = 240, HEIGHT = 78, LEFT = 2, RIGHT = 46, TOP = 8, BOTTOM = 16 };
enum { LINE_WIDTH = 90, LINE_HEIGHT = 20 };

/* One hue for all curves: told from the text, with a contrast of 4 on white and on black. */
#define ACCENT "#2f7ed8"

struct column {
    bool filled; /* holds a finite value */
    double low, high, last;
};

struct series {
    struct column columns[COLUMNS_MAX];
    size_t count;
    double min, max;
    double first_step, last_step;
};

/* False when no value is finite: there is nothing to draw then. */
static bool to_columns(const struct metric *metric, size_t width, struct series *series)
{
    bool any = false;
    *series = (struct series){.count = metric->count < width ? metric->count : width};
    for (size_t i = 0; i < metric->count; i++) {
        double value = metric->points[i].value;
        struct column *column = &series->columns[i * series->count / metric->count];
        if (!isfinite(value))
            continue;
        column->low = column->filled ? fmin(column->low, value) : value;
        column->high = column->filled ? fmax(column->high, value) : value;
        column->last = value;
        column->filled = true;
        series->min = any ? fmin(series->min, value) : value;
        series->max = any ? fmax(series->max, value) : value;
        any = true;
    }
    if (any) {
        series->first_step = metric->points[0].step;
        series->last_step = metric->points[metric->count - 1].step;
    }
    return any;
}

char *chart_number(double value, char text[static CHART_NUMBER_SIZE])
{
    if (isfinite(value))
        snprintf(text, CHART_NUMBER_SIZE, "%.4g", value);
    else
        snprintf(text, CHART_NUMBER_SIZE, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    return text;
}

/* Where a value is on the way from min to max; halving first keeps huge ranges finite. */
static double fraction(const struct series *series, double value)
{
    double span = series->max / 2 - series->min / 2;
    return span > 0 ? (value / 2 - series->min / 2) / span : 0.5;
}

static double x_of(const struct series *series, size_t column)
{
    double share = series->count > 1 ? (double)column / (double)(series->count - 1) : 0.5;
    return LEFT + share * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct series *series, double value)
{
    return TOP + (1 - fraction(series, value)) * (HEIGHT - TOP - BOTTOM);
}

/* The path: a new stretch after each gap; a column of several values is a vertical stroke. */
static void put_path(struct buf *html, const struct series *series)
{
    bool pen_down = false;
    for (size_t i = 0; i < series->count; i++) {
        const struct column *column = &series->columns[i];
        if (column->filled) {
            double x = x_of(series, i);
            buf_printf(html, "%s%.1f %.1f", pen_down ? "L" : "M", x, y_of(series, column->low));
            if (column->high > column->low)
                buf_printf(html, "L%.1f %.1fL%.1f %.1f", x, y_of(series, column->high), x,
                           y_of(series, column->last));
        }
        pen_down = column->filled;
    }
}

/* Lone points have no line to be seen by: they get dots. */
static void put_dots(struct buf *html, const struct series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        const struct column *column = &series->columns[i];
        bool before = i > 0 && series->columns[i - 1].filled;
        bool after = i + 1 < series->count && series->columns[i + 1].filled;
        if (column->filled && !before && !after)
            buf_printf(html, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2\"/>", x_of(series, i),
                       y_of(series, column->last));
    }
}

/* Where the curve is now. */
static void put_last_dot(struct buf *html, const struct series *series)
{
    for (size_t i = series->count; i > 0; i--)
        if (series->columns[i - 1].filled) {
            buf_printf(html, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>", x_of(series, i - 1),
                       y_of(series, series->columns[i - 1].last));
            return;
        }
}

/* Labels are numbers of ours, never text of the script's: nothing to escape. */
static void put_label(struct buf *html, double x, double y, const char *anchor, double value)
{
    char number[CHART_NUMBER_SIZE];
    buf_printf(html, "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>", x, y, anchor,
               chart_number(value, number));
}

void chart_svg(struct buf *html, const struct metric *metric)
{
    struct series series;
    if (!to_columns(metric, COLUMNS_MAX, &series))
        return;
    buf_printf(html,
               "<svg role=\"img\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
               "style=\"max-width:100%%\"><title>",
               WIDTH, HEIGHT, WIDTH, HEIGHT);
    buf_puts_html(html, metric->name);
    buf_printf(html,
               "</title><path d=\"M%d %d.5H%d\" fill=\"none\" stroke=\"currentColor\" "
               "stroke-opacity=\"0.25\"/><path d=\"",
               LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT);
    put_path(html, &series);
    buf_puts(html, "\" fill=\"none\" stroke=\"" ACCENT "\" stroke-width=\"1.5\" "
                   "stroke-linejoin=\"round\"/><g fill=\"" ACCENT "\">");
    put_dots(html, &series);
    put_last_dot(html, &series);
    buf_puts(html, "</g><g fill=\"currentColor\" fill-opacity=\"0.65\" font-size=\"10\" "
                   "font-family=\"sans-serif\">");
    put_label(html, WIDTH - RIGHT + 4, TOP + 4, "start", series.max);
    if (series.max > series.min)
        put_label(html, WIDTH - RIGHT + 4, HEIGHT - BOTTOM, "start", series.min);
    put_label(html, LEFT, HEIGHT - 4, "start", series.first_step);
    if (metric->count > 1)
        put_label(html, WIDTH - RIGHT, HEIGHT - 4, "end", series.last_step);
    buf_puts(html, "</g></svg>");
}

void chart_sparkline(struct buf *text, const struct metric *metric, size_t width)
{
    static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    struct series series;
    if (!to_columns(metric, width < COLUMNS_MAX ? width : COLUMNS_MAX, &series))
        return;
    for (size_t i = 0; i < series.count; i++) {
        const struct column *column = &series.columns[i];
        size_t level = column->filled ? (size_t)(fraction(&series, column->last) * 7.999) : 0;
        buf_puts(text, column->filled ? blocks[level] : " ");
    }
}

void chart_line(struct buf *html, const char *title, const struct chart_series *series)
{
    double max = 0;
    bool pen_down = false;
    for (size_t i = 0; i < series->count; i++)
        if (isfinite(series->values[i]))
            max = fmax(max, series->values[i]);
    buf_printf(html, "<svg role=\"img\" width=\"%d\" height=\"%d\"><title>", LINE_WIDTH,
               LINE_HEIGHT);
    buf_puts_html(html, title);
    buf_puts(html, "</title><path d=\"");
    for (size_t i = 0; i < series->count; i++) {
        double value = series->values[i];
        double x = series->count > 1 ? (double)i / (double)(series->count - 1) : 0.5;
        if (isfinite(value))
            buf_printf(html, "%s%.1f %.1f", pen_down ? "L" : "M", 1 + x * (LINE_WIDTH - 2),
                       1 + (1 - (max > 0 ? fmax(value, 0) / max : 0)) * (LINE_HEIGHT - 2));
        pen_down = isfinite(value);
    }
    buf_puts(html, "\" fill=\"none\" stroke=\"" ACCENT "\" stroke-width=\"1.2\"/></svg>");
}
