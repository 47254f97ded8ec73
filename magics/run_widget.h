/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A run as a live widget of stock ipywidgets models: its state and what happens now, progress, the end
 * of its output, metrics, what it uses, its outputs, and buttons to steer it. Any number of cells and
 * pages show the same models; they outlive the kernel (displayed.h). At the end of the run each output
 * that showed it live becomes the static twin (render_summary()).
 *
 * What goes to front ends is bounded: RUN_WIDGET_MESSAGES_PER_S messages a second for each run, and
 * for all runs of the kernel together what Jupyter's server lets through. An idle widget sends nothing.
 */

#include <stdbool.h>
#include <uv.h>

#include "kernel/outlet.h"
#include "submission/submission.h"

#define RUN_WIDGET_MESSAGES_PER_S 10

struct companion;
struct model;
struct python_module;
struct run_display;
struct run_widget_set; /* all of one kernel */
struct server;

/* Told of the run that the Rerun button makes: Python's last run. Both may be NULL. Borrowed. */
struct run_widget_python {
    struct python_module *module;
    struct companion *companion;
};

MUST_CHECK struct run_widget_set *run_widget_set_new(uv_loop_t *loop, struct submission *submission,
                                                     const struct run_widget_python *python);

/* What pages show stays there. Nobody is told. NULL is allowed. Frees when the loop has closed the
 * handles. */
void run_widget_set_free(struct run_widget_set *set);

/* Where its comms are opened from now on. */
void run_widget_set_serve(struct run_widget_set *set, struct server *server);

/* A page asks for all widgets: brings back those this folder's notebooks display. Each says as of when it
 * is true, until the page has shown that it takes updates. */
void run_widget_set_restore(struct run_widget_set *set);

struct run_widget_options {
    struct outlet *outlet; /* referenced */
    const char *run_id;
    const char *line_id; /* a display of render_line() that becomes this one's; NULL: a new one */

    /* The run has ended and the output is its static twin; `state` is final. The display is gone
     * after this call. NULL: nobody waits. */
    void (*ended)(enum run_state state, const char *reason, void *data);
    void *data;
};

/* Shows a run in a cell. A run that has ended already stays a widget there: somebody has asked for it.
 * Borrowed: it frees itself at the end. NULL with an error. */
struct run_display *run_widget_show(struct run_widget_set *set,
                                    const struct run_widget_options *options, struct error *err);

/* `ended` is not called any more; the cell goes on showing the run. */
void run_display_leave(struct run_display *display);

/* The model of a run's whole widget, to be put into another one's children: open, and live as long as the
 * set. Borrowed. NULL with an error. */
struct model *run_widget_root(struct run_widget_set *set, const char *run_id, struct error *err);
