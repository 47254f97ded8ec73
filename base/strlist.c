/* SPDX-License-Identifier: BSD-3-Clause */
/* The list of owned strings, NULL-terminated at all times. */
#include "base/strlist.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

void strlist_done(struct strlist *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct strlist)STRLIST_INIT;
}

void strlist_take(struct strlist *list, char *text)
{
    grow(&list->items, &list->capacity, list->count + 2, sizeof *list->items);
    list->items[list->count++] = text;
    list->items[list->count] = NULL;
}

void strlist_add(struct strlist *list, const char *text)
{
    strlist_take(list, xstrdup(text));
}

void strlist_addf(struct strlist *list, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int length = vasprintf(&text, fmt, args);
    va_end(args);
    if (length < 0)
        abort();
    strlist_take(list, text);
}

bool strlist_has(const struct strlist *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void strlist_sort(struct strlist *list)
{
    if (list->count > 1)
        qsort(list->items, list->count, sizeof *list->items, compare);
}

char *strlist_join(const struct strlist *list, const char *separator)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            buf_puts(&text, separator);
        buf_puts(&text, list->items[i]);
    }
    return buf_steal(&text);
}
