/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * One invocation of a magic: what its run function gets, and how it answers.
 *
 * A call ends once, by magic_call_ok() or one of the failing functions; then it is over: its cell
 * is gone, its words are gone, and only `over` and `state` may be looked at. What works in the
 * background keeps the call by reference and asks magic_call_over() first.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "kernel/cell.h"
#include "kernel/outlet.h"
#include "magics/arguments.h"
#include "submission/submission.h"

struct companion;
struct python_module;
struct run_output_set;
struct run_widget_set;
struct runs_widget_set;

struct magic_call {
    const struct magic *magic;
    uv_loop_t *loop;
    struct submission *submission;        /* borrowed */
    struct run_output_set *run_outputs;   /* borrowed */
    struct run_widget_set *run_widgets;   /* borrowed */
    struct runs_widget_set *runs_widgets; /* borrowed */
    struct companion *companion;          /* borrowed; NULL: this kernel has none */
    struct python_module *python;         /* borrowed; NULL: nobody asks for the last run */
    struct cell *cell;                    /* borrowed; NULL once the call is over */
    const struct parse_call *words;
    struct arguments arguments;
    const char *body; /* a cell magic's text; else NULL */
    int body_line;

    /* Set by a magic that takes time: the user asked to stop, end the call soon. May be called
     * again until the call is over. NULL: the call is ended as interrupted for it. */
    void (*interrupt)(struct magic_call *call);
    void *state; /* the magic's own */

    /* The caller's: told once how the call ended. `ename` NULL means the error's own. */
    void (*ended)(struct magic_call *call, const char *ename, struct error *err);
    void *ended_data;

    char *file_text; /* the text that errors with a file name are about; owned */
    unsigned refs;
};

struct magic_call *magic_call_ref(struct magic_call *call);
void magic_call_unref(struct magic_call *call);

/* Ends the call. `err` is emptied. */
void magic_call_ok(struct magic_call *call);
void magic_call_fail(struct magic_call *call, struct error *err);
void magic_call_raise(struct magic_call *call, const char *ename, struct error *err);

/* Ends the call as it is when err is not set, else fails. */
void magic_call_finish(struct magic_call *call, struct error *err);

bool magic_call_over(const struct magic_call *call);

/* The user asked to stop. */
void magic_call_interrupt(struct magic_call *call);

/* Shows a MIME bundle (taken) in the cell. */
void magic_call_show(struct magic_call *call, json_t *bundle);

/* The run that the first argument means (the newest when there is none). The caller frees it. */
int magic_call_run_id(struct magic_call *call, char **ret_id, struct error *err);

/* Should the cell wait for the run: --wait, --no-wait, else whether nobody is there to come back.
 */
int magic_call_waits(const struct magic_call *call, bool *ret_wait, struct error *err);

/* The definition a cell magic's body, or the file of --file, holds. Notes are shown in the cell.
 * New reference. */
MUST_CHECK json_t *magic_call_definition(struct magic_call *call, struct error *err);

/* For struct magic's complete. */
void magic_call_complete_runs(struct submission *submission, struct strlist *ret_names);
void magic_call_complete_environments(struct submission *submission, struct strlist *ret_names);
void magic_call_complete_computes(struct submission *submission, struct strlist *ret_names);
