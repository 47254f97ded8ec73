/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A backend whose runs exist in memory and on timers: delays and failures are injected by the test that
 * uses it, and nothing else does. Its work outlives drives and submissions (as real work does), not the
 * process.
 */

#include <stdint.h>
#include <uv.h>

#include "submission/process.h"

struct fake_plan {
    int prepare_ms, start_ms, run_ms; /* how long each takes; 0: the next turn of the loop */
    bool never;                       /* run_ms is ignored: runs until cancelled */
    const char *check_error;          /* refuses the job with this text */
    const char *prepare_error;        /* prepare() reports this */
    const char *start_error;          /* start() reports this */
    int exit_code;
    bool lost;           /* ends without an exit record */
    bool ignores_cancel; /* a script that does not stop */
};

struct fake_counts {
    int prepared, started, cancelled, released;
    int started_twice; /* start() for a run id that was started before: must stay 0 */
};

/* Sets the plan for what is prepared and started from now on, and clears the counts and all runs. */
void fake_reset(const struct fake_plan *plan);
const struct fake_counts *fake_counts(void);
