/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The metrics of a run while they grow: a reader that a live view keeps, and asks again and again for
 * what was added to metrics.jsonl and to the log since the last time. Reading happens on the worker pool
 * in slices, one read at a time; the first read of a long log takes seconds, and tells what it has so
 * far with each slice.
 */

#include <stdbool.h>

#include "submission/metrics.h"

struct metrics_follow;
struct submission;

/* Points of each metric that a view gets: some ten a pixel column of a chart. What is written elsewhere
 * (skiff metrics, %metrics) reads the files itself. */
#define METRICS_FOLLOW_POINTS 2048

/* Called from the loop after each slice that found something, and at the end of each read; then
 * `complete` says that all is in that was in the files when they were last asked for. `metrics` (see
 * metrics_copy()) is never NULL, and stays as it is until the next call or metrics_follow_close().
 * May close the reader. */
typedef void (*metrics_follow_fn)(const struct metrics *metrics, bool complete, void *data);

/* Reads nothing yet. `run_dir` is copied. */
MUST_CHECK struct metrics_follow *metrics_follow_new(struct submission *submission,
                                                     const char *run_dir, metrics_follow_fn done,
                                                     void *data);

/* Asks for what was added; `done` is called later, at least once. An ask during a read is remembered:
 * one more read follows. A file that was cut or replaced is read from its beginning again. */
void metrics_follow_read(struct metrics_follow *follow);

/* No call afterwards. A read under way ends soon, by itself. NULL is allowed. */
void metrics_follow_close(struct metrics_follow *follow);
