/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Everything the pictures of a run are drawn from, read once from its directory: what render.h
 * draws for a cell, a widget can draw again from the same.
 */

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "submission/submission.h"

/* Pictures go into the notebook file: few and small, or it grows with every run. */
#define REPORT_PICTURES_MAX 3
#define REPORT_PICTURE_BYTES_MAX (200 * 1000)
#define REPORT_PICTURES_BYTES_MAX (400 * 1000)

#define REPORT_OUTPUTS_MAX 200 /* files listed; more are a folder to look into */

struct report_picture {
    char *path;       /* as in outputs */
    const char *mime; /* static */
    char *base64;
};

struct report {
    const struct run_view *view;   /* borrowed */
    const struct metrics *metrics; /* borrowed; NULL when they could not be read */
    json_t *outputs;               /* as run_outputs(): at most REPORT_OUTPUTS_MAX + 1 */
    struct report_picture pictures[REPORT_PICTURES_MAX];
    size_t picture_count;
    char *log_path;
    uint64_t log_size; /* bytes; 0 when there is none */
};

/* Reads. Never fails: what is not there is left out. Small reads that block. */
void report_read(struct report *report, const struct run_view *view, const struct metrics *metrics);
void report_done(struct report *report);
#define AUTO_REPORT __attribute__((cleanup(report_done)))

/* The last lines of a run's log, at most `lines` of them and 16 kB, cleaned to UTF-8. The caller
 * frees it; "" when there are none. */
MUST_CHECK char *report_log_tail(const struct run *run, size_t lines);
