/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Small tables and lists of facts, as HTML and as text from the same cells. The HTML takes its
 * colours from the page (currentColor and opacity only), so that it reads in light and dark themes.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/strlist.h"

#define TABLE_COLUMNS_MAX 10 /* what fits a notebook's width */

/* Styles shared by everything that is rendered. */
#define TABLE_STYLE_BOX "style=\"font-size:13px;line-height:1.5;margin:4px 0\""
#define TABLE_STYLE_DIM "style=\"opacity:0.65\""

struct table {
    size_t columns;
    bool header;          /* the first row holds titles */
    int state_column;     /* this column holds states and gets a dot of colour; -1: none */
    struct strlist cells; /* row by row */
};

/* `titles` is NULL-terminated, or NULL for a list of facts: two columns, no titles. */
void table_init(struct table *table, const char *const *titles);
void table_done(struct table *table);
#define AUTO_TABLE __attribute__((cleanup(table_done)))

/* Adds a cell (copied; NULL is empty); rows are filled from left to right. */
void table_add(struct table *table, const char *text);
void table_addf(struct table *table, const char *fmt, ...) PRINTF(2, 3);

/* A fact: label and value; left out when the value is NULL or empty. */
void table_fact(struct table *table, const char *label, const char *value);
void table_factf(struct table *table, const char *label, const char *fmt, ...) PRINTF(3, 4);

size_t table_rows(const struct table *table); /* without the titles */
void table_html(struct buf *html, const struct table *table);
void table_text(struct buf *text, const struct table *table);

/* The dot for a state's name, as HTML. */
void table_dot(struct buf *html, const char *state);

/* A MIME bundle of both. The buffers' contents are cleaned to UTF-8. New reference. */
MUST_CHECK json_t *table_bundle(const struct buf *html, const struct buf *text);
