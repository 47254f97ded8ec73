/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The file events.jsonl: one JSON object a line, oldest first. A line counts when its newline is
 * there; what follows the last newline was cut off by a crash, never happened, and is removed by
 * the next append. Private to run*.c.
 */

#include "submission/run.h"

/* Opens the file for appending and locks it against other kernels; closing unlocks. -1 with an
 * error. */
int run_events_lock(const struct run *run, struct error *err);

/* Reads the complete lines after run->events_size from `fd` into the run's state and times.
 * ERROR_CORRUPT names the file. */
int run_events_read(struct run *run, int fd, struct error *err);

/* Appends {"time", `key`: text, "reason"?} durably as one line; `fd` is locked and was just read.
 * On failure the file is as it was. */
int run_events_append(const struct run *run, int fd, const char *key, const char *text,
                      const char *reason, struct error *err);
