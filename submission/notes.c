/* SPDX-License-Identifier: BSD-3-Clause */
/* Notes: a growing list of owned texts. Each text is complete; nothing is merged or cut. */
#include "submission/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

void notes_done(struct notes *notes)
{
    for (size_t i = 0; i < notes->count; i++)
        free(notes->items[i].text);
    free(notes->items);
    *notes = (struct notes)NOTES_INIT;
}

void notes_add(struct notes *notes, enum note_level level, int line, int column, const char *fmt,
               ...)
{
    if (notes == NULL)
        return;
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    if (vasprintf(&text, fmt, args) < 0)
        text = xstrdup(fmt);
    va_end(args);
    grow(&notes->items, &notes->capacity, notes->count + 1, sizeof *notes->items);
    notes->items[notes->count++] =
        (struct note){.level = level, .text = text, .line = line, .column = column};
}
