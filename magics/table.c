/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tables as HTML and text. Invariant: whole rows only are drawn; a cell's text is escaped here and
 * nowhere else, so that callers pass what they have.
 */
#include "magics/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "submission/run.h"

void table_init(struct table *table, const char *const *titles)
{
    *table = (struct table){.columns = 2, .header = titles != NULL, .state_column = -1};
    if (titles == NULL)
        return;
    for (table->columns = 0; titles[table->columns] != NULL; table->columns++)
        strlist_add(&table->cells, titles[table->columns]);
}

void table_done(struct table *table)
{
    strlist_done(&table->cells);
}

void table_add(struct table *table, const char *text)
{
    strlist_add(&table->cells, text != NULL ? text : "");
}

/* vasprintf that aborts, as all small allocations do. */
static char *format(const char *fmt, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    return text;
}

void table_addf(struct table *table, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    strlist_take(&table->cells, format(fmt, args));
    va_end(args);
}

void table_fact(struct table *table, const char *label, const char *value)
{
    if (value == NULL || *value == '\0')
        return;
    table_add(table, label);
    table_add(table, value);
}

void table_factf(struct table *table, const char *label, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    AUTO_FREE char *value = format(fmt, args);
    va_end(args);
    table_fact(table, label, value);
}

size_t table_rows(const struct table *table)
{
    return table->cells.count / table->columns - table->header;
}

/* Fixed colours only here: a dot must be told by its hue in any theme. */
void table_dot(struct buf *html, const char *state)
{
    static const struct {
        enum run_state state;
        const char *colour; /* mid tones: seen on white and on black */
    } colours[] = {
        {RUN_COMPLETED, "#2e9e5b"},        {RUN_FAILED, "#d64545"},
        {RUN_CANCELED, "#8a8f98"},         {RUN_RUNNING, "#3b82f6"},
        {RUN_FINALIZING, "#3b82f6"},       {RUN_NOT_RESPONDING, "#d64545"},
        {RUN_CANCEL_REQUESTED, "#8a8f98"},
    };
    const char *colour = "#d99a1c"; /* on its way */
    int wanted = run_state_parse(state);
    for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
        if ((int)colours[i].state == wanted)
            colour = colours[i].colour;
    buf_printf(html, "<span style=\"color:%s\">&#9679;</span> ", colour);
}

#define SHORT_CELL_MAX 32 /* bytes; the longest of our dates and run ids fit */

/* Jupyter aligns cells to the right and stripes rows; inline styles are what wins over that. */
static void put_html_cell(struct buf *html, const struct table *table, size_t i)
{
    size_t column = i % table->columns;
    bool title = table->header && i < table->columns;
    bool label = !table->header && column == 0;
    const char *text = table->cells.items[i];
    /* A name or a date stays whole; a path breaks anywhere rather than leave the page. */
    const char *breaks = strchr(text, '\n') != NULL       ? ";white-space:pre-wrap"
                         : strlen(text) <= SHORT_CELL_MAX ? ";white-space:nowrap"
                                                          : ";overflow-wrap:anywhere";
    buf_printf(html, "<%s style=\"text-align:left;vertical-align:top;padding:1px 12px 1px 0%s%s\">",
               title ? "th" : "td", title || label ? ";opacity:0.65;font-weight:normal" : "",
               breaks);
    if (!title && (int)column == table->state_column)
        table_dot(html, text);
    buf_puts_html(html, text);
    buf_puts(html, title ? "</th>" : "</td>");
}

void table_html(struct buf *html, const struct table *table)
{
    size_t cells = (table_rows(table) + table->header) * table->columns;
    buf_puts(html, "<table style=\"border-collapse:collapse;margin:2px 0\">");
    for (size_t i = 0; i < cells; i++) {
        if (i % table->columns == 0)
            buf_puts(html, "<tr style=\"background:none\">");
        put_html_cell(html, table, i);
        if (i % table->columns == table->columns - 1)
            buf_puts(html, "</tr>");
    }
    buf_puts(html, "</table>");
}

/* In code points: wide characters may shift a column, never break it. */
static size_t cell_width(const char *text)
{
    return utf8_count(text, strlen(text));
}

void table_text(struct buf *text, const struct table *table)
{
    size_t widths[TABLE_COLUMNS_MAX] = {0};
    size_t cells = (table_rows(table) + table->header) * table->columns;
    for (size_t i = 0; i < cells; i++) {
        size_t width = cell_width(table->cells.items[i]);
        size_t *widest = &widths[i % table->columns];
        *widest = width > *widest ? width : *widest;
    }
    for (size_t i = 0; i < cells; i++) {
        size_t column = i % table->columns;
        const char *cell = table->cells.items[i];
        buf_puts(text, cell);
        bool last = column == table->columns - 1;
        for (size_t pad = cell_width(cell); !last && pad < widths[column] + 2; pad++)
            buf_putc(text, ' ');
        if (last)
            buf_putc(text, '\n');
    }
}

json_t *table_bundle(const struct buf *html, const struct buf *text)
{
    size_t size = text->size;
    while (size > 0 && text->data[size - 1] == '\n')
        size--;
    json_t *bundle = json_object();
    json_object_set_new(bundle, "text/html",
                        json_text_value(html->data ? html->data : "", html->size));
    json_object_set_new(bundle, "text/plain", json_text_value(text->data ? text->data : "", size));
    return bundle;
}
