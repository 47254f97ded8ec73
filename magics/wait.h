/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A magic that follows a run: with its cell waiting for the end, or letting it go on. The cell fails
 * when the run does. An interrupt detaches the cell from the run, which goes on.
 */

#include <stdbool.h>

#include "magics/magic_call.h"

/* Follows the run in the call's cell and ends the call: now (wait false), or with the run. */
void wait_follow(struct magic_call *call, const char *run_id, bool log, bool wait);
