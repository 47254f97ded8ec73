/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Warnings and remarks that do not stop the work: collected by whoever notices, shown once by
 * whoever renders. Each may have a place in the cell.
 */

#include <stddef.h>

#include "base/mem.h"

enum note_level { NOTE_INFO, NOTE_WARNING };

struct note {
    enum note_level level;
    char *text;
    int line;   /* 1-based, 0 when there is no place */
    int column; /* 1-based, 0 when the whole line is meant */
};

struct notes {
    struct note *items;
    size_t count;
    size_t capacity;
};

#define NOTES_INIT    \
    {                 \
        .items = NULL \
    }

void notes_done(struct notes *notes);
#define AUTO_NOTES __attribute__((cleanup(notes_done)))

/* `notes` may be NULL: then nobody listens. */
void notes_add(struct notes *notes, enum note_level level, int line, int column, const char *fmt,
               ...) PRINTF(5, 6);
