/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The pieces that a run is drawn from, as HTML: each is one value of the run's widget (run_widget.h), and
 * the static pages are made of the same (render.h). No scripts, no styles but inline ones; colours are the
 * page's, so that light and dark themes both read. Pure. Every text in it may be hostile and is escaped;
 * every piece is bounded.
 */

#include <stdbool.h>

#include "base/buf.h"
#include "magics/report.h"

#define PANEL_CHARTS_MAX 12  /* 3 kB each; %metrics shows more */
#define PANEL_OUTPUTS_MAX 20 /* rows; %outputs shows more */
#define PANEL_FAILED_LINES \
    12 /* of the output below the reason of a failure: the end of a traceback */
#define PANEL_DEFINITION_MAX (12 * 1000) /* bytes of a definition that is shown */

/* The state in words, the time it takes, what is happening now or how it ended; of a failed run the last
 * lines of its output and what to try. */
void panel_head(struct buf *html, const struct report *report);

/* The share that is done, 0 to 1, when what is happening or the last line of the output says it. */
bool panel_progress(const struct report *report, double *ret_fraction);

/* Nothing is appended by these when there is nothing to show. `max` is PANEL_CHARTS_MAX, or more. */
void panel_metrics(struct buf *html, const char *run_id, const struct metrics *metrics, size_t max);
void panel_usage(struct buf *html, const struct usage *usage);
void panel_outputs(struct buf *html, const struct report *report);

/* The pictures alone, as data: a notebook must stay readable when the run's folder is gone. */
void panel_pictures(struct buf *html, const struct report *report);

/* The definition, the snapshot, the environment and, with report->events, every state with its time. */
void panel_details(struct buf *html, const struct report *report);

/* Around lines of a terminal (terminal_html()). */
#define PANEL_LOG_OPEN                                                                  \
    "<pre style=\"margin:0;padding:0;font-family:var(--jp-code-font-family,monospace);" \
    "font-size:12px;line-height:1.4;white-space:pre-wrap;overflow-wrap:anywhere;"       \
    "background:none;border:0;color:inherit\">"
#define PANEL_LOG_CLOSE "</pre>"

/* How long the output is and where: it stands below the log. */
void panel_log_note(struct buf *html, const struct report *report);

/* As of when the widget is true, for a page that is told nothing more. */
void panel_as_of(struct buf *html, const char *run_id, const char *when);

/* What to try after a failure, as far as the state, the process and the end of the output tell: a sentence
 * each. For text and HTML. */
void panel_advice(const struct report *report, struct strlist *ret_lines);
