/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Metrics of a run, from two sources in this order of trust:
 *
 *   metrics.jsonl  lines {"name","value","step"?} or any flat object of numbers ("step", "epoch" or
 *                  "iteration" is then the step)
 *   the log        lines by safe rules: `loss=0.12`, `epoch: 3 accuracy: 0.98`,
 *                  `Epoch 3/10 - loss: 0.4`, objects on a line of their own (JSON or as Python
 *                  prints a dict); numbers with units (`12ms`, `3/10`, `45%`), dates, versions,
 *                  paths and lists of parameters are not metrics
 *
 * A name that metrics.jsonl holds is not looked for in the log. The rules in full: docs/runs.md.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define METRICS_NAMES_MAX 200     /* more different names are prose, not metrics */
#define METRICS_POINTS_MAX 100000 /* per name; then every second one is dropped, again and again */
#define METRICS_LINE_MAX 4096     /* longer lines are not looked at */

struct metric_point {
    double step;  /* as given, else the count of points before it */
    double value; /* may be NaN or infinite */
};

struct metric {
    char *name;
    struct metric_point *points; /* in order of arrival, evenly thinned */
    size_t count, capacity;
    size_t seen;           /* points that came: more than `count` once they were thinned */
    double last, min, max; /* of all points that came; min and max over finite values, else NaN */
};

struct metrics; /* a reader with its state: feed it, ask it */

MUST_CHECK struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);
DEFINE_AUTO(metrics)

/* Feeds output as it comes, in pieces of any size; a line counts when its end has come ('\n', '\r'
 * or a backspace, with which progress bars go back). */
void metrics_feed_log(struct metrics *metrics, const char *data, size_t size);

/* Feeds bytes of metrics.jsonl, in pieces of any size. */
void metrics_feed_jsonl(struct metrics *metrics, const char *data, size_t size);

/* The metrics in order of first appearance. Borrowed until the next feed. */
const struct metric *metrics_items(const struct metrics *metrics, size_t *ret_count);

/* A copy to look at while the original is fed on; it is not fed itself. A series of more than `max`
 * points (at least 4) has no more than that: the first, the last, and in between those with the least
 * and the greatest value of each stretch, so that a chart of it looks the same. */
MUST_CHECK struct metrics *metrics_copy(const struct metrics *metrics, size_t max);

/* Reads both files of a run from the start. Blocks. */
int metrics_read(const char *run_dir, struct metrics **ret_metrics, struct error *err);
