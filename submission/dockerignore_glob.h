/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * One pattern of a .dockerignore file, compiled: Go's filepath.Match and Docker's `**`.
 *
 *   *        any run of characters but slashes          ?      one character but a slash
 *   [a-c]    one of them, [^a-c] one of the others      \x     the character x itself
 *   ** /     (without the blank) nothing, or any run of characters that ends with a slash
 *   **       at the end, or before plain characters at the beginning: any run of characters
 *
 * As in Docker, a class may match a slash, and `**` in the middle stands for whole folders, slash
 * written or not (`a**b` is a, then folders, then b).
 *
 * The pattern runs as a machine that is in all its states at once: a match takes at most length of
 * the pattern x length of the path steps, whatever the pattern.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* No path the system takes is longer, so a longer pattern is no pattern. */
#define DOCKERIGNORE_PATTERN_MAX 4096

struct dockerignore_glob;

/* Compiles a cleaned pattern of 1 to DOCKERIGNORE_PATTERN_MAX bytes. NULL: ERROR_INVALID says what
 * is wrong with it, without naming it. */
MUST_CHECK struct dockerignore_glob *dockerignore_glob_new(const char *pattern, struct error *err);
void dockerignore_glob_free(struct dockerignore_glob *glob); /* NULL is allowed */

/* Does the whole of `path` match? */
bool dockerignore_glob_match(const struct dockerignore_glob *glob, const char *path);

/* Is there a path below the folder `path` that could match? May say yes for nothing, never no. */
bool dockerignore_glob_match_below(const struct dockerignore_glob *glob, const char *path);
