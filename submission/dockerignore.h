/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * .dockerignore: which files of a folder are no part of a build's context, with the answers of
 * Docker's own client.
 *
 * A pattern is about the path from the root, not about names anywhere: `*.pyc` is what lies in the
 * root, and takes a folder of any depth (two stars and a slash) before it to mean all. One that
 * matches a folder speaks for what is below it. The last pattern that speaks for a path decides: `!`
 * before it keeps, else it drops. Unlike git's, a folder that is dropped may hold what is kept.
 *
 * As in Docker's client, a pattern that changes nothing for a folder does not speak for what is below
 * it: `a/b` with `!a` behind it leaves a/b dropped, for a was not dropped before.
 *
 * Where Docker's translation to regular expressions says something else within brackets, or behind a
 * backslash, than its documentation (`[*]`, `\d`), the documentation holds.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A file of ten lines is long; a generated one has thousands. At the limits the worst patterns still
 * tell one path within seconds. */
#define DOCKERIGNORE_FILE_MAX (256 * 1024)
#define DOCKERIGNORE_PATTERNS_MAX 10000

struct dockerignore; /* the patterns of one file */

/* Parses the bytes of an ignore file. `source` is its name, for errors. NULL: ERROR_INVALID for a
 * pattern that is none (an open bracket, a `!` alone, a NUL byte), ERROR_LIMIT; the error names the
 * file and the line. */
MUST_CHECK struct dockerignore *dockerignore_parse(const char *source, const char *text,
                                                   size_t size, struct error *err);
void dockerignore_free(struct dockerignore *rules); /* NULL is allowed */
static inline UNUSED void dockerignore_auto(struct dockerignore **pp)
{
    dockerignore_free(*pp);
}

/* How many patterns there are: the room for what is known of a folder. */
size_t dockerignore_count(const struct dockerignore *rules);

/* Is `path` dropped (relative to the root, no leading or trailing slash)? `above` is what this
 * function has written for the folder that holds it, NULL in the root; ret_spoken, of
 * dockerignore_count() elements, receives which patterns speak for the path, for what is below it. */
bool dockerignore_match(const struct dockerignore *rules, const char *path, const bool *above,
                        bool *ret_spoken);

/* Could something below the dropped folder `path` be kept? `spoken` is what dockerignore_match() has
 * written for it. If not, there is no need to look into it. */
bool dockerignore_may_keep_below(const struct dockerignore *rules, const char *path,
                                 const bool *spoken);

/* The line that drops `path` and what is below it, in plain UTF-8: special characters escaped. What
 * a line cannot hold (a newline, what is not UTF-8) becomes `?`. The caller frees it. */
MUST_CHECK char *dockerignore_line(const char *path);
