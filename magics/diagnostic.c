/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Renders errors. The offending line is cut around the caret when it is long, and is shown as it is
 * otherwise: the user must recognise it. Tabs become blanks so that the caret stands right.
 */
#include "magics/diagnostic.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "kernel/cell.h"
#include "kernel/outlet.h"
#include "magics/parse.h"
#include "magics/table.h"

#define LINE_SHOWN 100 /* code points of the offending line: the width of a notebook */

#define RED "\033[31m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

char *diagnostic_ename(const struct error *err)
{
    if (err->code == ERROR_CANCELLED)
        return xstrdup("KeyboardInterrupt");
    const char *name = error_name(err->code);
    size_t size = strlen(name);
    bool whole = size > 5 && strcmp(name + size - 5, "Error") == 0;
    return xasprintf("%s%s", name, whole ? "" : "Error");
}

/* Front ends show the evalue on one line, papermill and nbconvert in their own message. */
char *diagnostic_evalue(const struct error *err)
{
    const char *text = err->text != NULL ? err->text : "unknown error";
    return xstrndup(text, strcspn(text, "\n"));
}

/* The line and the caret line below it, cut around the column; false when there is no such line. */
static bool excerpt(const struct error *err, const char *source, struct buf *line,
                    struct buf *caret)
{
    AUTO_FREE char *whole = source != NULL && err->line > 0 ? parse_line(source, err->line) : NULL;
    if (whole == NULL || *whole == '\0')
        return false;
    size_t column = err->column > 0 ? (size_t)err->column - 1 : 0;
    size_t length = utf8_count(whole, strlen(whole));
    size_t first = column > LINE_SHOWN - 20 ? column - (LINE_SHOWN - 20) : 0;
    size_t from = utf8_offset(whole, first);
    size_t to = utf8_offset(whole, first + LINE_SHOWN);
    buf_puts(line, first > 0 ? "…" : "");
    buf_append(line, whole + from, to - from);
    buf_puts(line, length > first + LINE_SHOWN ? "…" : "");
    for (char *c = line->data; *c != '\0'; c++)
        *c = *c == '\t' ? ' ' : *c;
    for (size_t i = first > 0 ? first - 1 : 0; err->column > 0 && i < column && i < length; i++)
        buf_putc(caret, ' ');
    if (err->column > 0)
        buf_putc(caret, '^');
    return true;
}

/* Where it is, in words: the excerpt alone does not tell line 3 from line 30. */
static char *place(const struct error *err)
{
    if (err->line <= 0)
        return err->file != NULL ? xasprintf("in %s", err->file) : NULL;
    AUTO_FREE char *where = err->column > 0
                                ? xasprintf("line %d, column %d", err->line, err->column)
                                : xasprintf("line %d", err->line);
    return err->file != NULL ? xasprintf("in %s, %s", err->file, where) : steal(&where);
}

/* The next step of an error that tells none: what its kind allows, for the disk above all. */
static const char *next_step(const struct error *err)
{
    static const char *const steps[] = {
        [ERROR_INVALID] =
            "put a ? behind the magic (%%submit?) to see how it is used, with an example",
        [ERROR_NOT_FOUND] = "%runs, %environments and %computes list what there is",
        [ERROR_DENIED] = ("look at the owner and the mode of what is named; %workspace says where "
                          "Skiff keeps things"),
        [ERROR_IO] =
            "look at the disk that is named, then run the cell again; nothing was half done",
        [ERROR_BUSY] = "run the cell again in a moment",
        [ERROR_CORRUPT] =
            "`skiff reindex` in a terminal rebuilds the index and names what does not read",
        [ERROR_INTERNAL] = ("this is a mistake of Skiff's: please report it with the server's log "
                            "(start it with SKIFF_LOG=debug)"),
    };
    if (err->hint != NULL)
        return err->hint;
    return (size_t)err->code < ARRAY_SIZE(steps) ? steps[err->code] : NULL;
}

char *diagnostic_text(const struct error *err, const char *ename, const char *source, bool colours)
{
    struct buf text = BUF_INIT;
    AUTO_BUF struct buf line = BUF_INIT;
    AUTO_BUF struct buf caret = BUF_INIT;
    AUTO_FREE char *own_ename = diagnostic_ename(err);
    AUTO_FREE char *where = place(err);
    buf_printf(&text, "%s%s%s: %s\n", colours ? RED : "", ename ? ename : own_ename,
               colours ? PLAIN : "", err->text != NULL ? err->text : "unknown error");
    if (where != NULL)
        buf_printf(&text, "  %s%s\n", where, err->line > 0 ? ":" : "");
    if (excerpt(err, source, &line, &caret)) {
        buf_printf(&text, "    %s\n", line.data);
        if (caret.size > 0)
            buf_printf(&text, "    %s%s%s\n", colours ? RED : "", caret.data, colours ? PLAIN : "");
    }
    if (next_step(err) != NULL)
        buf_printf(&text, "%s→ %s%s\n", colours ? BOLD : "", next_step(err), colours ? PLAIN : "");
    text.data[--text.size] = '\0'; /* the last newline */
    return buf_steal(&text);
}

/* The caret has a colour of its own: a middle red is seen on white and on black. */
static void put_excerpt_html(struct buf *html, const struct error *err, const char *source)
{
    AUTO_BUF struct buf line = BUF_INIT;
    AUTO_BUF struct buf caret = BUF_INIT;
    if (!excerpt(err, source, &line, &caret))
        return;
    buf_puts(html, "<pre style=\"margin:4px 0 4px 16px;background:none\">");
    buf_puts_html(html, line.data);
    if (caret.size > 0)
        buf_printf(html, "\n<span style=\"color:#d64545;font-weight:bold\">%s</span>", caret.data);
    buf_puts(html, "</pre>");
}

json_t *diagnostic_bundle(const struct error *err, const char *ename, const char *source)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_FREE char *where = place(err);
    AUTO_FREE char *plain = diagnostic_text(err, ename, source, false);
    buf_puts(&html, "<div style=\"font-size:13px;line-height:1.5;margin:4px 0;padding:4px 12px;"
                    "border-left:3px solid #d64545\"><div style=\"white-space:pre-wrap;"
                    "font-weight:600\">");
    buf_puts_html(&html, err->text != NULL ? err->text : "unknown error");
    buf_puts(&html, "</div>");
    if (where != NULL) {
        buf_puts(&html, "<div " TABLE_STYLE_DIM ">");
        buf_puts_html(&html, where);
        buf_puts(&html, "</div>");
    }
    put_excerpt_html(&html, err, source);
    if (next_step(err) != NULL) {
        buf_puts(&html, "<div style=\"white-space:pre-wrap\">→ ");
        buf_puts_html(&html, next_step(err));
        buf_puts(&html, "</div>");
    }
    buf_puts(&html, "</div>");
    buf_puts(&text, plain);
    return table_bundle(&html, &text);
}

json_t *diagnostic_notes(const struct notes *notes)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    if (notes->count == 0)
        return NULL;
    buf_puts(&html, "<div style=\"font-size:12px;line-height:1.5;margin:4px 0;padding:2px 12px;"
                    "border-left:3px solid #d99a1c\">");
    for (size_t i = 0; i < notes->count; i++) {
        const struct note *note = &notes->items[i];
        AUTO_FREE char *line = note->line > 0 ? xasprintf("line %d: ", note->line) : xstrdup("");
        const char *kind = note->level == NOTE_WARNING ? "Warning" : "Note";
        buf_printf(&html, "<div style=\"white-space:pre-wrap\"><b>%s</b> %s", kind, line);
        buf_puts_html(&html, note->text);
        buf_puts(&html, "</div>");
        buf_printf(&text, "%s: %s%s\n", kind, line, note->text);
    }
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

void diagnostic_show_notes(struct cell *cell, const struct notes *notes)
{
    json_t *bundle = diagnostic_notes(notes);
    if (bundle != NULL)
        outlet_display(cell_outlet(cell), bundle, NULL);
}

void diagnostic_finish(struct cell *cell, const struct error *err, const char *source,
                       const char *ename)
{
    AUTO_FREE char *own_ename = diagnostic_ename(err);
    AUTO_FREE char *evalue = diagnostic_evalue(err);
    /* For a person a panel says it all and the traceback is one line. In batch the traceback is all
     * that reaches nbconvert's stderr and the saved page. */
    bool panel = cell_allow_stdin(cell);
    ename = ename != NULL ? ename : own_ename;
    if (panel)
        outlet_display(cell_outlet(cell), diagnostic_bundle(err, ename, source), NULL);
    AUTO_FREE char *line = panel ? xasprintf(RED "%s" PLAIN ": %s", ename, evalue)
                                 : diagnostic_text(err, ename, source, true);
    cell_finish_error(cell, ename, evalue, (const char *const[]){line}, 1);
}
