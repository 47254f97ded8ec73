/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A metric as a picture: an inline SVG line chart, and a text sparkline as its twin. Both draw any
 * series: gaps where a value is not finite, one point, a constant, and any number of points (thinned
 * to what the width can show, keeping each column's least and greatest).
 */

#include <stddef.h>

#include "base/buf.h"
#include "submission/metrics.h"

/* Values at equal distances; gaps where one is not finite. */
struct chart_series {
    const double *values; /* borrowed */
    size_t count;
};

/* Appends a small <svg> line without axes, from 0 to the greatest value: for a line of text. `title` is
 * for readers of the screen. */
void chart_line(struct buf *html, const char *title, const struct chart_series *series);

/* Appends an <svg> of currentColor lines (it fits light and dark themes), with the first and last
 * step and the least and greatest value at the axes. Nothing when no value is finite. */
void chart_svg(struct buf *html, const struct metric *metric);

/* Appends `width` or fewer block characters, a blank for each gap. Nothing when no value is finite.
 */
void chart_sparkline(struct buf *text, const struct metric *metric, size_t width);

/* A value for people: "0.0312", "1.2e+06", "nan". Static size, always NUL-terminated. */
#define CHART_NUMBER_SIZE 32
char *chart_number(double value, char text[static CHART_NUMBER_SIZE]);
