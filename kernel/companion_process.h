/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The companion's process: started with a connection file of its own (ipc sockets and a new key, in
 * a folder nobody else can enter), in a session and process group of its own, and ended by the
 * system when this process is (PR_SET_PDEATHSIG, prctl(2)).
 */

#include <stdbool.h>
#include <sys/types.h>
#include <uv.h>

#include "base/error.h"
#include "kernel/companion_find.h"
#include "protocol/connection.h"

struct companion_process;

/* The process has ended: `how` is "exited with status 1" or "was killed by signal 9". `was_ended`: by
 * somebody who wanted it gone (SIGKILL, SIGTERM), which says nothing about the program. */
typedef void (*companion_exited_fn)(const char *how, bool was_ended, void *data);

int companion_process_start(uv_loop_t *loop, const struct candidate *candidate,
                            companion_exited_fn exited, void *data,
                            struct companion_process **ret_process, struct error *err);

/* Where it listens. Borrowed from the process. */
const struct connection *companion_process_connection(const struct companion_process *process);

pid_t companion_process_pid(const struct companion_process *process); /* 0 once it has ended */

/* To the whole process group. Nothing happens once it has ended. */
void companion_process_signal(const struct companion_process *process, int number);

/* Kills what is left of the group, removes the folder, and frees when the loop has closed the
 * handle. `exited` is not called any more. NULL is allowed. */
void companion_process_close(struct companion_process *process);

/* What `skiff companion PARENT ARGV...` does, between the fork and the kernel: asks the system to
 * kill it with its parent, then becomes ARGV. Returns only when it cannot. */
int companion_process_become(int argc, char **argv);
