/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include <stddef.h>

/* "Did you mean": the candidate nearest to `word` by edit distance (letters' case and - versus _
 * count for little), or NULL when none is near enough to be a slip of the same word. Candidates are
 * borrowed; NULL entries are skipped. The result is one of them. */
const char *suggest(const char *word, const char *const *candidates, size_t count);
