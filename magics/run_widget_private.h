/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of the run widget share: run_widget.c (its life), run_widget_view.c (its models), and
 * run_widget_steer.c (its buttons). */

#include "magics/model.h"
#include "magics/report.h"
#include "magics/run_widget.h"
#include "magics/terminal.h"
#include "submission/metrics_follow.h"
#include "submission/usage.h"

/* The models of a widget, children before what they are in: the order in which they are opened. */
enum part {
    PART_LOG_LAYOUT,
    PART_LINES_LAYOUT,
    PART_BAR_LAYOUT,
    PART_NOTE,
    PART_NOTE_BOX,
    PART_HEAD,
    PART_BAR,
    PART_BAR_BOX,
    PART_CANCEL,
    PART_SURE,
    PART_KEEP,
    PART_RERUN,
    PART_DETAILS_BUTTON,
    PART_BUTTONS,
    PART_USAGE,
    PART_METRICS,
    PART_LOG_LINES,
    PART_LOG,
    PART_LOG_NOTE,
    PART_OUTPUTS,
    PART_DETAILS,
    PART_BODY,
    PART_AGAIN, /* what was made by Rerun */
    PART_ROOT,
    PARTS,
};

/* Who wants more runs of the same wants a loop around %%submit. */
#define RUN_WIDGET_RERUNS_MAX 10

/* What may be sent: each message takes some time out of a budget that refills. */
struct pace {
    uint64_t free_at_ms;
};

struct run_widget {
    struct run_widget_set *set;
    struct run_widget *next;
    char *id;
    struct run_display *displays;

    /* the run as it is shown */
    struct run *run;
    struct process_status process;
    char *progress;
    struct run_view view; /* of the three above */
    struct terminal *terminal;
    const struct metrics *metrics; /* borrowed from the reader, or the first ones */
    struct metrics *first_metrics; /* read at once, where that is quick; NULL: they come later */
    struct usage usage;
    struct report outputs; /* only what report_read_outputs() reads */

    /* where it comes from */
    struct watch *watch; /* NULL once the run has ended */
    struct metrics_follow *reader;
    bool in_mid_line; /* what comes up to the next newline is the end of a line we do not have */
    bool ended;       /* the watch has said so; its last metrics may still be read */
    bool final;       /* nothing will change any more but what buttons do */
    uint64_t metrics_log_size; /* of the log when they were asked for last */
    uint64_t next_sample_ms, next_metrics_ms, next_tick_ms;

    /* its models */
    struct model *parts[PARTS];
    struct model *blocks[TERMINAL_BLOCKS_MAX];
    uint64_t block_versions[TERMINAL_BLOCKS_MAX];
    uint64_t first_block, end_block;
    bool
        opened; /* pages were told of its models in this kernel; doing it again would cut off what they show */
    bool dirty;
    bool asks_cancel; /* the button was clicked once */
    bool shows_details;
    struct run_widget *again[RUN_WIDGET_RERUNS_MAX]; /* what Rerun made; in the same set */
    size_t again_count;
    struct submit *rerun; /* under way */
    char *trouble;        /* what a button could not do */
    struct pace pace;
};

struct run_widget_set {
    uv_loop_t *loop;
    struct submission *submission;
    struct run_widget_python python;
    struct server *server;
    struct run_widget *first;
    uv_timer_t timer;      /* one for all: the next thing due */
    uint64_t displays;     /* makes display ids unique in this kernel */
    bool restored;         /* those of earlier kernels were brought back */
    uint64_t settle_ms[4]; /* when pages are told that they are live; 0: done */
    struct pace pace;
};

/* Something may have changed: it is drawn and sent as soon as the pace allows. */
void run_widget_touch(struct run_widget *widget);

/* The run's widget, made when there is none; NULL with an error. */
struct run_widget *run_widget_get(struct run_widget_set *set, const char *run_id,
                                  struct error *err);

/* Shows a new run below the widget that it was made by. */
int run_widget_add_rerun(struct run_widget *widget, const char *run_id, struct error *err);

/* The model of report.h, for the time of a call. */
void run_widget_report(const struct run_widget *widget, struct report *report);

/* --- models (run_widget_view.c) --- */

void run_widget_make_models(struct run_widget *widget);
void run_widget_free_models(struct run_widget *widget);

/* Sets what has changed in the models; sends nothing. */
void run_widget_draw(struct run_widget *widget);

/* Sends what was set. Returns the number of messages; adds the bytes. */
size_t run_widget_flush(struct run_widget *widget, size_t *bytes);

/* All models, with what is in them: to pages, or silently with a note of the time. */
void run_widget_open_models(struct run_widget *widget, const struct outlet *outlet);
void run_widget_restore_models(struct run_widget *widget);

/* Takes the note back on pages that take updates, and repeats what they may have missed. */
void run_widget_settle(struct run_widget *widget);

/* --- buttons (run_widget_steer.c) --- */

extern const struct model_events run_widget_buttons; /* data: the widget */
