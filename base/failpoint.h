/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Places where crash tests kill the process, named `unit.function.step`. They compile to nothing
 * unless built with -DSKIFF_FAILPOINTS; then the process sends itself SIGKILL at the place that
 * the environment variable SKIFF_FAIL_AT names.
 */

#ifdef SKIFF_FAILPOINTS
void failpoint(const char *name);
#else
static inline void failpoint(const char *name)
{
    (void)name;
}
#endif
