/* SPDX-License-Identifier: BSD-3-Clause */
/* Places where crash tests kill the process; an empty unit in the program that is installed. */
#include "base/failpoint.h"

#ifdef SKIFF_FAILPOINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>

void failpoint(const char *name)
{
    const char *chosen = getenv("SKIFF_FAIL_AT");
    if (chosen != NULL && strcmp(chosen, name) == 0)
        raise(SIGKILL);
}
#endif
