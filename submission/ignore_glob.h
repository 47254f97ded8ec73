/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * git's wildmatch with WM_PATHNAME, compiled once per pattern: `*`, `?` and [classes] never match a
 * slash; `**` does when it is a whole component; classes know ranges, negation by ! or ^, escapes
 * and the POSIX names over ASCII. What git calls malformed (an open class, an unknown class name, a
 * backslash at the end) matches nothing.
 *
 * wildmatch backtracks through every star and is exponential. Here only the last `*` and the last
 * `**` are ever tried again, which gives the same answers (the .c says why) in at most
 * path length x path length steps, however long the pattern.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct ignore_glob;

/* Compiles `pattern`, a string without its leading or trailing slash. Never fails. */
MUST_CHECK struct ignore_glob *ignore_glob_new(const char *pattern);
void ignore_glob_free(struct ignore_glob *glob);

/* Does the whole of `text` match? */
bool ignore_glob_match(const struct ignore_glob *glob, const char *text);
