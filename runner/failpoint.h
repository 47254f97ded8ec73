/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Places where tests stop the runner to kill it or its parent. Compiled in only with
 * -DSKIFF_FAILPOINTS: then the process stops itself (SIGSTOP) at the place that the environment
 * variable SKIFF_FAIL_AT names, once; the script does not see the variable. In order:
 *
 *   locked      the lock is held; nothing else was done
 *   detached    the runner has left its parent
 *   forked      the script's process exists and waits
 *   recorded    status.json is durable; the script still waits
 *   released    the script was let go
 *   ended       the script has ended and its output is written, the last record is not
 */

#ifdef SKIFF_FAILPOINTS
void failpoint_init(void);
void failpoint_pass(const char *name);
#else
static inline void failpoint_init(void)
{
}
static inline void failpoint_pass(const char *name)
{
    (void)name;
}
#endif
