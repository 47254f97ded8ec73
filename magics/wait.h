/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A magic that follows a run: with its cell waiting for the end, or letting it go on. The cell fails
 * when the run does. An interrupt detaches the cell from the run, which goes on.
 */

#include <stdbool.h>

#include "magics/magic_call.h"

/* Whether runs are shown as widgets in the call's cell: somebody is there, and can see them. */
bool wait_draws_widgets(const struct magic_call *call);

struct wait_options {
    bool log;            /* its output, too, not only its states */
    bool wait;           /* the cell ends with the run */
    const char *line_id; /* a display of render_line() that becomes the run's; NULL: a new one */
};

/* Follows the run in the call's cell and ends the call: now, or with the run. */
void wait_follow(struct magic_call *call, const char *run_id, const struct wait_options *options);
