/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of the table of runs share: runs_widget.c (its life and what is clicked) and
 * runs_widget_view.c (its models). */

#include "base/buf.h"
#include "magics/model.h"
#include "magics/runs_widget.h"

/* The models of a table but for those of its rows, children before what they are in. */
enum runs_part {
    RUNS_NAME_LAYOUT,
    RUNS_FACTS_LAYOUT,
    RUNS_ROW_LAYOUT,
    RUNS_TEXT_LAYOUT,
    RUNS_PICK_LAYOUT,
    RUNS_PAGER_LAYOUT,
    RUNS_AREA_LAYOUT,
    RUNS_NAME_STYLE,
    RUNS_FIRST_SHOWN, /* those above are in rows, those below around them */
    RUNS_NOTE = RUNS_FIRST_SHOWN,
    RUNS_NOTE_BOX,
    RUNS_TEXT,
    RUNS_STATE,
    RUNS_EXPERIMENT,
    RUNS_FILTERS,
    RUNS_TITLE,
    RUNS_TITLES,
    RUNS_HEAD,
    RUNS_LINES,
    RUNS_MESSAGE,
    RUNS_NEWER,
    RUNS_OLDER,
    RUNS_RANGE,
    RUNS_PAGER,
    RUNS_BODY,
    RUNS_AREA,
    RUNS_ROOT,
    RUNS_PARTS,
};

/* Who compares more runs than this side by side wants their metrics (%metrics), not their logs. */
#define RUNS_SHOWN_MAX 5

/* What is typed is looked for anywhere in some words about a run: a longer text finds nothing. */
#define RUNS_TEXT_MAX 200

/* The choices above the table's own: all, and those that have not ended. */
enum { RUNS_PICK_ALL, RUNS_PICK_LIVE, RUNS_PICK_STATES };

/* The models of one row. A run keeps its row while it is on the page: a click that was on its way when the
 * page moved on still means the run that was clicked. */
struct runs_row {
    struct runs_table *table;
    struct model *name, *facts, *line;
    char *run_id; /* NULL: free */
};

/* A run that is shown below. */
struct runs_shown {
    char *run_id;
    struct model *root; /* borrowed from the run's widget */
};

struct runs_table {
    struct runs_widget_set *set;
    struct runs_table *next;
    char *id;         /* of its options; begins its models' ids */
    json_t *options;  /* as displayed.h keeps them */
    size_t row_count; /* of a page */

    /* what the user wants to see */
    char *text;                              /* NULL: all */
    char *experiment;                        /* NULL: all */
    int state;                               /* an index of what may be picked: RUNS_PICK_ALL... */
    size_t offset;                           /* of the page's first run */
    struct runs_shown shown[RUNS_SHOWN_MAX]; /* the newest click first */
    size_t shown_count;

    /* what there is */
    json_t *runs; /* of the page; never NULL */
    bool has_older;
    struct strlist experiments; /* those that may be picked */
    char *trouble;              /* what could not be done */

    /* its models */
    struct model *parts[RUNS_PARTS];
    struct runs_row rows[RUNS_WIDGET_ROWS_MAX];
    bool opened; /* pages were told of its models in this kernel */

    /* when it does something next (uv_now()); 0: not */
    bool stale;          /* runs may have changed */
    uint64_t typed_ms;   /* the user has stopped typing */
    uint64_t tick_ms;    /* a duration is a second longer */
    uint64_t listed_ms;  /* when the runs were listed last */
    uint64_t free_at_ms; /* when what comes by itself may be sent again */
};

extern const struct model_events runs_widget_events;     /* data: the table */
extern const struct model_events runs_widget_row_events; /* data: the row */

/* Where the table's comms are. */
struct server *runs_widget_server(const struct runs_table *table);

/* --- models (runs_widget_view.c) --- */

void runs_widget_make_models(struct runs_table *table);
void runs_widget_free_models(struct runs_table *table);

/* Sets what has changed in the models; sends nothing. */
void runs_widget_draw(struct runs_table *table);

/* Sends what was set; the number of messages. */
size_t runs_widget_flush(struct runs_table *table);

/* All models: to pages, or silently with a note of the time; and again on pages that take updates. */
void runs_widget_open_models(struct runs_table *table, const struct outlet *outlet);
void runs_widget_restore_models(struct runs_table *table);
void runs_widget_repeat(struct runs_table *table);

/* What the row of a run says beside its id, as of `now_us`; the titles with NULL. */
void runs_widget_facts(struct buf *html, const json_t *run, int64_t now_us);

/* Does its duration count? */
bool runs_widget_counts(const json_t *run);
