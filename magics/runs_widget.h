/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * %runs as a live table of stock ipywidgets models: a page of runs, newest first, with their states as
 * they change, filters by text, state and experiment, and a button on each run that shows it live below.
 *
 * There is one table for each set of options, in any number of cells and pages; it outlives the kernel
 * (displayed.h). An idle table costs nothing: it looks again when the index of runs changes, and each
 * second only while a run on its page runs. It sends RUNS_WIDGET_MESSAGES_PER_S messages a second at
 * most, apart from what answers a click.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "kernel/outlet.h"
#include "submission/submission.h"

#define RUNS_WIDGET_MESSAGES_PER_S 10
#define RUNS_WIDGET_ROWS 20     /* of a page, when nobody says */
#define RUNS_WIDGET_ROWS_MAX 50 /* each is three models: what more there is, is on the next page */

struct run_widget_set;
struct runs_widget_set; /* all of one kernel */
struct server;

/* `run_widgets` (borrowed) shows the runs that are clicked, and is freed later than this set. */
MUST_CHECK struct runs_widget_set *runs_widget_set_new(uv_loop_t *loop,
                                                       struct submission *submission,
                                                       struct run_widget_set *run_widgets);

/* What pages show stays there. NULL is allowed. Frees when the loop has closed the handles. */
void runs_widget_set_free(struct runs_widget_set *set);

/* Where its comms are opened from now on. */
void runs_widget_set_serve(struct runs_widget_set *set, struct server *server);

/* A page asks for all widgets: brings back the tables that this folder's notebooks display. Each says as of
 * when it is true, until the page has shown that it takes updates. */
void runs_widget_set_restore(struct runs_widget_set *set);

/* What the table shows at first; users change it there. Strings are copied. */
struct runs_widget_options {
    const char *experiment; /* NULL: all */
    const char *state;      /* as Azure spells it; NULL: all */
    const char *text;       /* NULL: all */
    bool live;              /* those that have not ended; `state` goes before it */
    size_t rows;            /* of a page: 1 to RUNS_WIDGET_ROWS_MAX; 0: RUNS_WIDGET_ROWS */
};

/* Shows the table in a cell, with its options as they are given, and its first page as the static twin
 * beside it. 0, or -1 when the runs cannot be listed. */
int runs_widget_show(struct runs_widget_set *set, struct outlet *outlet,
                     const struct runs_widget_options *options, struct error *err);
