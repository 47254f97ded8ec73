/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Starting the script in two steps, so that it never runs without a record of it on disk: its
 * process is made first and waits; it executes the script only when it is released. When the runner
 * dies in between it is never executed.
 */

#include <stddef.h>
#include <sys/types.h>

struct script {
    pid_t pid;
    int release; /* write end: one byte lets it go */
    int report;  /* read end: what went wrong before or in exec; closed by a successful exec */
};

/* Makes the process: own session, default signals, killed when the runner dies, stdin from
 * /dev/null, stdout and stderr to `output`. `cwd` may be NULL. `argv` is executed as it is, looked
 * up on PATH when it has no slash; when there is no such program, `fallback` (unless NULL) is.
 * -1 with errno. */
int script_fork(struct script *script, const char *cwd, char *const *argv, char *const *fallback,
                int output);

/* Lets it go and waits until it executes the script. Returns 0, or -1 with a line for people in
 * `error`; its process then exits with status 127 (not found) or 126. */
int script_release(struct script *script, const char *cwd, char *const *argv, char *error,
                   size_t error_size);
