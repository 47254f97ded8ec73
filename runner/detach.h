/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Leaving the process that started us: two forks, a session of our own, and a pipe through which
 * the first process learns how the start went.
 */

#include <stdbool.h>

/* Closes every descriptor but 0 to 2, and opens those on /dev/null where they are missing. */
void detach_close_inherited(void);

/* Returns in the runner only, with the write end of the pipe; -1 with errno when it could not fork.
 * The first process waits for detach_tell(), prints the line it is told on stderr and exits with
 * the status it is told, or with `lost_status` when the runner died before it could tell. */
int detach(int lost_status);

/* Tells the first process, and closes the pipe. `line` may be NULL. That it may be gone is no
 * error: the runner goes on. */
void detach_tell(int pipe, int status, const char *line);
