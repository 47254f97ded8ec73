/* SPDX-License-Identifier: BSD-3-Clause */
/* Places where tests stop the runner; an empty unit in the program that is installed. */
#include "runner/failpoint.h"

#ifdef SKIFF_FAILPOINTS
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char chosen[32]; /* set once at the start */

void failpoint_init(void)
{
    const char *name = getenv("SKIFF_FAIL_AT");
    if (name != NULL)
        snprintf(chosen, sizeof chosen, "%s", name);
    unsetenv("SKIFF_FAIL_AT");
}

void failpoint_pass(const char *name)
{
    if (strcmp(chosen, name) == 0)
        raise(SIGSTOP);
}
#endif
