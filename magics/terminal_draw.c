/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of a terminal as HTML and as text. Colours are chosen, or moved, so that they can be read on a
 * white page and on a black one: their luminance lies between two limits. */
#include <string.h>

#include "magics/terminal_private.h"

/* Relative luminance (0 to 255) with a contrast of at least 3 to white and to #111111. */
#define LUMINANCE_MIN 30
#define LUMINANCE_MAX 76
#define LUMINANCE_MIDDLE 128 /* of a background: above it text is black */

uint32_t terminal_palette(unsigned number)
{
    static const uint32_t sixteen[] = {
        0x767676, 0xd1453b, 0x2b8f45, 0xa87c00, 0x3b78d8, 0xb04fc4, 0x1a8a99, 0x858585,
        0x8a8a8a, 0xe0524a, 0x33a04f, 0xb58900, 0x5b93f0, 0xc66ae0, 0x2099a8, 0x949494,
    };
    static const uint32_t steps[] = {0, 95, 135, 175, 215, 255};
    if (number < 16)
        return TERMINAL_COLOR | sixteen[number];
    if (number < 232) {
        unsigned cube = number - 16;
        return TERMINAL_COLOR | steps[cube / 36] << 16 | steps[cube / 6 % 6] << 8 | steps[cube % 6];
    }
    uint32_t grey = number < 256 ? 8 + 10 * (number - 232) : 128;
    return TERMINAL_COLOR | grey << 16 | grey << 8 | grey;
}

/* About: the square stands for the power of 2.2. */
static unsigned luminance(uint32_t color)
{
    unsigned r = color >> 16 & 255;
    unsigned g = color >> 8 & 255;
    unsigned b = color & 255;
    return (r * r * 54 + g * g * 183 + b * b * 19) / (256 * 255);
}

/* Towards `target` (0 or 255) in each part. */
static uint32_t blend(uint32_t color, unsigned target)
{
    uint32_t result = TERMINAL_COLOR;
    for (unsigned shift = 0; shift <= 16; shift += 8) {
        unsigned part = color >> shift & 255;
        result |= (uint32_t)((part * 7 + target) / 8) << shift;
    }
    return result;
}

static uint32_t readable(uint32_t color)
{
    for (int i = 0; i < 32 && luminance(color) > LUMINANCE_MAX; i++)
        color = blend(color, 0);
    for (int i = 0; i < 32 && luminance(color) < LUMINANCE_MIN; i++)
        color = blend(color, 255);
    return color;
}

static bool same_style(const struct terminal_style *a, const struct terminal_style *b)
{
    return a->fg == b->fg && a->bg == b->bg && a->flags == b->flags;
}

static void put_color(struct buf *html, const char *what, uint32_t color)
{
    buf_printf(html, "%s:#%06x;", what, color & 0xffffff);
}

static void put_colors(struct buf *html, const struct terminal_style *style)
{
    bool inverse = (style->flags & TERMINAL_INVERSE) != 0;
    uint32_t bg = inverse ? (style->fg != 0 ? style->fg : 0x808080 | TERMINAL_COLOR) : style->bg;
    uint32_t fg = inverse ? style->bg : style->fg;
    if (bg != 0) {
        put_color(html, "background", bg);
        if (fg == 0 || inverse)
            fg = luminance(bg) > LUMINANCE_MIDDLE / 2 ? 0x000000 : 0xffffff;
        put_color(html, "color", fg);
    } else if (fg != 0) {
        put_color(html, "color", readable(fg));
    }
}

static void open_span(struct buf *html, const struct terminal_style *style)
{
    static const struct {
        enum terminal_flag flag;
        const char *css;
    } css[] = {
        {TERMINAL_BOLD, "font-weight:bold;"},
        {TERMINAL_DIM, "opacity:0.65;"},
        {TERMINAL_ITALIC, "font-style:italic;"},
        {TERMINAL_UNDERLINE, "text-decoration:underline;"},
        {TERMINAL_STRIKE, "text-decoration:line-through;"},
    };
    buf_puts(html, "<span style=\"");
    put_colors(html, style);
    for (size_t i = 0; i < ARRAY_SIZE(css); i++)
        if ((style->flags & css[i].flag) != 0)
            buf_puts(html, css[i].css);
    buf_puts(html, "\">");
}

static size_t encode(uint32_t code, char *text)
{
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--, code >>= 6)
        text[i] = (char)(0x80 | (code & 0x3f));
    text[0] = (char)(leads[size] | code);
    return size;
}

/* Cells of one style, a piece at a time. */
static void put_cells(struct buf *buf, const struct terminal_cell *cells, size_t count, bool html)
{
    char piece[512];
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t code = cells[i].code;
        const char *escaped = !html         ? NULL
                              : code == '<' ? "&lt;"
                              : code == '>' ? "&gt;"
                              : code == '&' ? "&amp;"
                                            : NULL;
        if (size + 8 > sizeof piece) {
            buf_append(buf, piece, size);
            size = 0;
        }
        if (escaped != NULL) {
            memcpy(piece + size, escaped, strlen(escaped));
            size += strlen(escaped);
        } else {
            size += encode(code, piece + size);
        }
    }
    buf_append(buf, piece, size);
}

/* Blanks at the end that nobody sees are left out. */
static size_t visible_count(const struct terminal_line *line)
{
    size_t count = line->count;
    while (count > 0) {
        const struct terminal_cell *cell = &line->cells[count - 1];
        if (cell->code != ' ' || cell->style.bg != 0 ||
            (cell->style.flags & (TERMINAL_INVERSE | TERMINAL_UNDERLINE)) != 0)
            break;
        count--;
    }
    return count;
}

static void put_cut(const struct terminal_line *line, struct buf *buf)
{
    if (line->cut)
        buf_puts(buf, "…");
}

void terminal_draw_html(const struct terminal_line *line, struct buf *html)
{
    static const struct terminal_style plain = {.fg = 0};
    size_t count = visible_count(line);
    for (size_t i = 0; i < count;) {
        const struct terminal_cell *cells = &line->cells[i];
        bool is_plain = same_style(&cells->style, &plain);
        size_t run = 1;
        while (i + run < count && same_style(&cells[run].style, &cells->style))
            run++;
        if (!is_plain)
            open_span(html, &cells->style);
        put_cells(html, cells, run, true);
        if (!is_plain)
            buf_puts(html, "</span>");
        i += run;
    }
    put_cut(line, html);
}

void terminal_draw_text(const struct terminal_line *line, struct buf *text)
{
    put_cells(text, line->cells, visible_count(line), false);
    put_cut(line, text);
}
