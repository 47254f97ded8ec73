/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Runs as MIME bundles: text/html (self-contained, no scripts, colours of the page's theme) and a
 * complete text/plain twin. Pure functions of what they are given; every text in it may be hostile
 * and is escaped. All return new references.
 */

#include <jansson.h>
#include <stdint.h>

#include "magics/report.h"
#include "submission/submission.h"

/* "2026-11-23 01:14:55 UTC" in the local zone; "" for 0. The caller frees it. */
MUST_CHECK char *render_time(int64_t when_us);

/* "id · experiment · compute · environment". The caller frees it. */
MUST_CHECK char *render_title(const struct run *run);

/* A state for people: Azure's names as words, "Cancel requested". Static storage. */
const char *render_state(enum run_state state);

/* The line above a run's output: title, state, and what is happening now (or NULL). */
MUST_CHECK json_t *render_line(const char *title, enum run_state state, const char *progress);

/* A run as a page that stays: state and reason, what it used, metrics with charts, the end of its output
 * (with report->terminal), outputs, pictures, details (with report->events), where to look. Less than
 * 200 kB. */
MUST_CHECK json_t *render_summary(const struct report *report);

/* %status: all facts, and every event with its time. `events` as run_events(). */
MUST_CHECK json_t *render_details(const struct run_view *view, const json_t *events);

/* %runs: `runs` as submission_runs(). */
MUST_CHECK json_t *render_runs(const json_t *runs);

/* %metrics and %outputs of the run `id`. */
MUST_CHECK json_t *render_metrics(const char *id, const struct metrics *metrics);
MUST_CHECK json_t *render_outputs(const struct report *report);
