/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The one model of a run that every renderer draws: the live widget (panel.h, piece by piece) and the
 * static pages (render.h).
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "magics/terminal.h"
#include "submission/submission.h"
#include "submission/usage.h"

/* Pictures go into the notebook file, which is to stay below 200 kB for each run: few and small. */
#define REPORT_PICTURES_MAX 3
#define REPORT_PICTURE_BYTES_MAX (80 * 1000)
#define REPORT_PICTURES_BYTES_MAX (90 * 1000)

#define REPORT_OUTPUTS_MAX 200 /* files listed; more are a folder to look into */

struct report_picture {
    char *path;       /* as in outputs */
    const char *mime; /* static */
    char *base64;
};

struct report {
    /* All borrowed. */
    const struct run_view *view;
    const struct metrics *metrics;   /* NULL when they could not be read */
    const struct usage *usage;       /* NULL: none */
    const struct terminal *terminal; /* the end of its output; NULL: not to be shown */
    const json_t *events;            /* as run_events(); NULL: not to be shown */
    int64_t now_us;                  /* until when a run that goes on has taken its time */

    /* Read by report_read_outputs(). */
    json_t *outputs; /* as run_outputs(): at most REPORT_OUTPUTS_MAX + 1 */
    struct report_picture pictures[REPORT_PICTURES_MAX];
    size_t picture_count;
    char *log_path;
    uint64_t log_size; /* bytes; 0 when there is none */
};

#define REPORT_INIT  \
    {                \
        .view = NULL \
    }

/* Reads what is in the run's outputs and how long its log is, unless the outputs are as they were when
 * this was called last; pictures are read again then, too. Never fails: what is not there is left out.
 * Small reads that block. */
void report_read_outputs(struct report *report, const struct run *run);

/* Frees what was read. */
void report_done(struct report *report);
#define AUTO_REPORT __attribute__((cleanup(report_done)))

/* The last lines of a run's log, at most `lines` of them and 16 kB, cleaned to UTF-8. The caller
 * frees it; "" when there are none. */
MUST_CHECK char *report_log_tail(const struct run *run, size_t lines);
