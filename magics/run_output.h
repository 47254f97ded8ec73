/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A run followed in a cell without widgets, where a page is static or a terminal shows it: its states,
 * its output as it comes, and the summary at the end. It works on after the cell has ended, for as long
 * as the front end shows what comes.
 *
 * What goes to the front end is bounded: a few messages a second, STREAM_BYTES_MAX bytes a run.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "kernel/outlet.h"
#include "submission/submission.h"

/* All runs that are followed by one kernel. */
struct run_output_set;
struct run_output;

MUST_CHECK struct run_output_set *run_output_set_new(uv_loop_t *loop,
                                                     struct submission *submission);

/* Stops following all; nobody is told. NULL is allowed. Frees when the loop has closed the handles.
 */
void run_output_set_free(struct run_output_set *set);

struct run_output_options {
    struct outlet *outlet; /* referenced */
    const char *run_id;
    bool log; /* show the run's output, from the first byte that no kernel has shown */

    /* Nobody watches: the state is one display that is updated, for a page. Else a person reads along in
     * a text front end: each state is a line; without the log, one line draws over itself. */
    bool batch;

    /* The run has ended and its summary is shown; `state` is final. The run output is gone after
     * this call. NULL: nobody waits. */
    void (*ended)(enum run_state state, const char *reason, void *data);
    void *data;
};

/* Follows a run. If another cell showed its output until now, that moves here. Borrowed: it frees
 * itself at the end. */
struct run_output *run_output_start(struct run_output_set *set,
                                    const struct run_output_options *options, struct error *err);

/* Stops following: what has come is shown first, `ended` is not called. */
void run_output_stop(struct run_output *output);
