/* SPDX-License-Identifier: BSD-3-Clause */
/* Cells that are not Skiff's, where no companion kernel was found: an honest error that tells what was
 * tried, and nothing for an empty cell. Its state is the companion, or NULL. */
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "kernel/cell.h"
#include "kernel/companion.h"
#include "magics/diagnostic.h"
#include "magics/magics.h"
#include "magics/parse.h"
#include "magics/registry.h"

static bool plain_claims(void *self, const char *code)
{
    (void)self;
    (void)code;
    return true;
}

/* A magic of ours further down in a cell of Python: its line, or 0. */
static int line_of_magic(const char *code)
{
    int line = 1;
    for (const char *start = code; start != NULL; line++) {
        if (*start == '%' && registry_claims(start))
            return line;
        start = strchr(start, '\n');
        start = start != NULL ? start + 1 : NULL;
    }
    return 0;
}

/* An error of Python's is one message, and front ends expect no more of a cell of Python: no panel,
 * whoever is there. */
static void finish_as_python(struct cell *cell, const struct error *err, const char *ename)
{
    AUTO_FREE char *evalue = diagnostic_evalue(err);
    AUTO_FREE char *text = diagnostic_text(err, ename, cell_code(cell), true);
    cell_finish_error(cell, ename, evalue, (const char *const[]){text}, 1);
}

/* One line for each kernel that could not be used. */
static void tell_what_was_tried(const struct companion *companion, struct buf *text)
{
    AUTO_JSON json_t *description = companion != NULL ? companion_describe(companion) : NULL;
    size_t i;
    json_t *note;
    json_array_foreach (json_object_get(description, "notes"), i, note)
        buf_printf(text, "\n  %s", json_string_value(note));
}

static void plain_execute(void *self, struct cell *cell)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    const char *code = cell_code(cell);
    if (parse_is_blank(code)) {
        cell_finish_ok(cell);
        return;
    }
    int line = line_of_magic(code);
    if (line > 0) {
        error_set(&err, ERROR_INVALID, "Skiff's magics do not mix with Python in one cell");
        error_at(&err, line, 1);
        error_hint(&err, "put this line, and what belongs to it, in a cell of its own");
        diagnostic_finish(cell, &err, code, NULL);
        return;
    }
    buf_puts(&text, "this cell is plain code, and this kernel has no Python to run it");
    tell_what_was_tried(self, &text);
    error_set(&err, ERROR_UNSUPPORTED, "%s", text.data);
    error_hint(&err,
               "pip install ipykernel into a Python, name it with `skiff install --companion "
               "PYTHON` and restart the kernel; Skiff's own magics work without (%%skiff lists "
               "them)");
    finish_as_python(cell, &err, "NoCompanionError");
}

/* Every cell ends within plain_execute(). */
static void plain_interrupt(void *self, struct cell *cell)
{
    (void)self;
    (void)cell;
}

const struct interpreter plain_interpreter = {
    .name = "plain",
    .claims = plain_claims,
    .execute = plain_execute,
    .interrupt = plain_interrupt,
};
