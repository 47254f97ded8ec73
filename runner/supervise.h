/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The life of one run in this process: start the script, carry its output, sample it, stop it when
 * asked or when its time is over, clean up behind it, and record the end.
 */

#include <stdbool.h>
#include <stdint.h>

#define SUPERVISE_ERROR_SIZE 512 /* a line for people */

struct supervise_options {
    const char *id;  /* "" when none was given */
    const char *cwd; /* NULL: ours */
    const char *log; /* relative to the run folder */
    int64_t grace_ms;
    int64_t timeout_ms; /* 0: none */
    char *const *argv;
    char *const *fallback; /* executed when argv[0] is not there; NULL: nothing is */
};

struct supervise;

/* Starts the script. Afterwards status.json is durable and the script is executing, or the reason
 * why it cannot is known and the end will be recorded by supervise_loop(). NULL with a line in
 * `error` when nothing was started. `dir` is the run folder. */
struct supervise *supervise_start(const struct supervise_options *options, int dir,
                                  char error[static SUPERVISE_ERROR_SIZE]);

/* Whether the script could not be executed. */
bool supervise_failed(const struct supervise *run);

/* Runs until the end is recorded. Returns the script's exit status, 128 + the signal that ended it.
 */
int supervise_loop(struct supervise *run);
