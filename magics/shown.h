/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * How much of a run's log people have been shown: the file `shown` in the run's directory, one number
 * of bytes. It outlives the kernel, so another one goes on where this one was killed. It is written
 * several times a second in place and without fsync: after a loss of power some output is shown
 * again.
 */

#include <stdint.h>

/* The first byte of the log that nobody was shown; 0 when there is no such file or it does not read.
 */
uint64_t shown_read(const char *run_dir);

/* Notes that the bytes before `offset` were shown. A failure is not told: they are shown again then.
 */
void shown_write(const char *run_dir, uint64_t offset);
