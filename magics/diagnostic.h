/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Errors and notes as people read them: what is wrong, the line with a caret under the column, what
 * is allowed, the next step. The one place that renders them; pure but for the last two.
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "submission/notes.h"

struct cell;

/* The exception's name: "InvalidError", "NotFoundError"; "KeyboardInterrupt" for what the user
 * stopped. The caller frees it. */
MUST_CHECK char *diagnostic_ename(const struct error *err);

/* The error's first line. The caller frees it. */
MUST_CHECK char *diagnostic_evalue(const struct error *err);

/* The whole as plain text. `ename` NULL means diagnostic_ename(); `source` is the text the place is
 * in (the cell, or the file named by err->file), or NULL. The caller frees it. */
MUST_CHECK char *diagnostic_text(const struct error *err, const char *ename, const char *source,
                                 bool colours);

/* The same as a MIME bundle. New reference. */
MUST_CHECK json_t *diagnostic_bundle(const struct error *err, const char *ename,
                                     const char *source);

/* All notes as one small MIME bundle; NULL when there are none. New reference. */
MUST_CHECK json_t *diagnostic_notes(const struct notes *notes);

/* Shows the notes in the cell, if any. */
void diagnostic_show_notes(struct cell *cell, const struct notes *notes);

/* Ends the cell with the error: for a person as a panel and one line, in batch as the whole text in
 * the traceback. `ename` NULL means diagnostic_ename(). Python's cells end without it (plain.c): a
 * front end takes one message for an error of theirs. */
void diagnostic_finish(struct cell *cell, const struct error *err, const char *source,
                       const char *ename);
