/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A child program of a test: started like Jupyter starts a kernel (own session, stdin closed),
 * watched through a pidfd, its output kept in a file. A failure ends the test.
 */

#include <sys/types.h>

#include "base/mem.h"

struct frontend_process;

/* Starts argv[0] (looked up on $PATH) with the environment of the test, in which `env` (NULL-ended
 * "NAME=value", may be NULL) is added or replaced. Both outputs go to `log_path`. */
MUST_CHECK struct frontend_process *
frontend_process_new(const char *const *argv, const char *const *env, const char *log_path);

/* Kills it when it still runs, reaps it, frees. NULL is allowed. */
void frontend_process_free(struct frontend_process *process);

pid_t frontend_process_pid(const struct frontend_process *process);

/* Becomes readable when the process ends. Borrowed. */
int frontend_process_fd(const struct frontend_process *process);

void frontend_process_kill(struct frontend_process *process, int signal);

/* Waits for the end (30 s at most) and returns the status as waitpid(2) gives it. May be called
 * again. */
int frontend_process_wait(struct frontend_process *process);

/* What it has written so far. Caller frees. */
MUST_CHECK char *frontend_process_log(const struct frontend_process *process);
