/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A list of owned strings. `items` always has a NULL after the last one, so that it serves as an
 * argv or envp.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

struct strlist {
    char **items; /* NULL while the list is empty and was never added to */
    size_t count;
    size_t capacity;
};

#define STRLIST_INIT  \
    {                 \
        .items = NULL \
    }

void strlist_done(struct strlist *list);
#define AUTO_STRLIST __attribute__((cleanup(strlist_done)))

void strlist_add(struct strlist *list, const char *text); /* copies */
void strlist_take(struct strlist *list, char *text);      /* takes over */
void strlist_addf(struct strlist *list, const char *fmt, ...) PRINTF(2, 3);
bool strlist_has(const struct strlist *list, const char *text);
void strlist_sort(struct strlist *list); /* by bytes */

/* The items joined by `separator`. The caller frees it. */
MUST_CHECK char *strlist_join(const struct strlist *list, const char *separator);
