/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * git's ignore rules, with git's answers (gitignore(5); tested against `git check-ignore`).
 *
 * A list holds the patterns of one ignore file and knows the folder it is in. Lists form a chain
 * from the root down to the folder at hand; the last matching pattern of the deepest list that has
 * one decides. An ignored folder is never entered, so nothing below it can be included again.
 *
 * Paths and patterns are bytes, compared with case. Matching takes time polynomial in the length of
 * the path, whatever the pattern (see ignore_glob.h).
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

#define IGNORE_FILE_MAX \
    (1024 * 1024) /* larger ignore files are cut off there, said by the caller */

struct ignore_list; /* the patterns of one file */

struct ignore_rule {
    const char *source;  /* path of the ignore file, as given to ignore_parse */
    int line;            /* 1-based */
    const char *pattern; /* as written, less trailing spaces */
    bool negated;
};

/* Parses the bytes of an ignore file (any bytes; a BOM is skipped). `base` is its folder relative
 * to the root, "" for the root itself, else "a/b". Never fails: git ignores what it cannot read as
 * a pattern. `parent` is borrowed and must outlive the list. */
MUST_CHECK struct ignore_list *ignore_parse(const struct ignore_list *parent, const char *base,
                                            const char *source, const char *text, size_t size);
void ignore_free(struct ignore_list *list);
static inline UNUSED void ignore_auto(struct ignore_list **pp)
{
    ignore_free(*pp);
}

/* Is `path` (relative to the root, no leading slash) dropped, its parents being kept? `list` is the
 * chain of the folder that holds it; NULL is the empty chain. *ret_rule, when not NULL, receives
 * the rule that decided, kept or dropped (valid while the list lives), or {0} when none matched. */
bool ignore_match(const struct ignore_list *list, const char *path, bool is_dir,
                  struct ignore_rule *ret_rule);

/* The line of the root's ignore file that drops `path` and what is below it, in plain UTF-8: an
 * anchored pattern with git's special characters escaped. A byte that cannot be written in a line
 * (newline, NUL, what is not UTF-8) becomes `?`. The caller frees it. */
MUST_CHECK char *ignore_line(const char *path, bool is_dir);
