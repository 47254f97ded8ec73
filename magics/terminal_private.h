/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the two files of the terminal share: terminal.c takes what comes, terminal_draw.c makes HTML and
 * text of it. */

#include "magics/terminal.h"

enum terminal_flag {
    TERMINAL_BOLD = 1,
    TERMINAL_DIM = 2,
    TERMINAL_ITALIC = 4,
    TERMINAL_UNDERLINE = 8,
    TERMINAL_INVERSE = 16,
    TERMINAL_STRIKE = 32,
};

/* A colour is 0xRRGGBB with this bit, or 0 for the page's own. */
#define TERMINAL_COLOR 0x1000000u

struct terminal_style {
    uint32_t fg, bg;
    uint32_t flags;
};

struct terminal_cell {
    uint32_t code; /* a code point */
    struct terminal_style style;
};

struct terminal_line {
    struct terminal_cell *cells;
    size_t count, capacity;
    bool cut; /* there was more than TERMINAL_LINE_MAX */
};

/* The colour number of 256: the sixteen of the page, the cube, the greys. */
uint32_t terminal_palette(unsigned number);

void terminal_draw_html(const struct terminal_line *line, struct buf *html);
void terminal_draw_text(const struct terminal_line *line, struct buf *text);
