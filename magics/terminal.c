/* SPDX-License-Identifier: BSD-3-Clause */
/* A terminal's screen and what has scrolled off it. Invariant: the screen holds the newest lines as
 * cells, at least one of them; a line that leaves it was rendered into its block once and is gone.
 * Blocks are kept by number in a ring. */
#include "magics/terminal.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "magics/terminal_private.h"

#define PARAMS_MAX 32   /* SGR with two RGB colours needs twelve */
#define PARAM_MAX 10000 /* nobody moves farther */
#define TAB_WIDTH 8
#define REPLACEMENT 0xfffd

struct block {
    struct buf html, text; /* of its lines that have left the screen, each with its newline */
    uint64_t version;
};

enum state {
    STATE_TEXT,
    STATE_ESCAPE,     /* after ESC */
    STATE_DESIGNATE,  /* after ESC and one of ()*+-./#%: one more byte follows */
    STATE_CSI,        /* after ESC [ */
    STATE_STRING,     /* OSC, DCS and the like: swallowed up to BEL or ESC \ */
    STATE_STRING_ESC, /* ESC within it */
};

struct terminal {
    struct terminal_line screen[TERMINAL_SCREEN_LINES]; /* a ring that begins at `head` */
    size_t head, rows;
    uint64_t top; /* the number of the first line of the screen */
    size_t row, column;
    struct terminal_style style;
    bool used; /* something came */

    struct block blocks[TERMINAL_BLOCKS_MAX];
    uint64_t first_block;
    uint64_t version;
    size_t html_size; /* of all blocks */

    enum state state;
    unsigned params[PARAMS_MAX];
    size_t param_count;
    bool private;    /* a CSI that is none of ours */
    char partial[4]; /* a sequence of UTF-8 that is not complete */
    size_t partial_size;
};

struct terminal *terminal_new(void)
{
    struct terminal *terminal = xcalloc(1, sizeof *terminal);
    terminal->rows = 1;
    return terminal;
}

void terminal_free(struct terminal *terminal)
{
    if (terminal == NULL)
        return;
    for (size_t i = 0; i < TERMINAL_SCREEN_LINES; i++)
        free(terminal->screen[i].cells);
    for (size_t i = 0; i < TERMINAL_BLOCKS_MAX; i++) {
        buf_done(&terminal->blocks[i].html);
        buf_done(&terminal->blocks[i].text);
    }
    free(terminal);
}

/* --- lines and blocks ------------------------------------------------------------------------- */

static struct terminal_line *line_at(struct terminal *terminal, size_t row)
{
    return &terminal->screen[(terminal->head + row) % TERMINAL_SCREEN_LINES];
}

static struct block *block_of(struct terminal *terminal, uint64_t line)
{
    return &terminal->blocks[line / TERMINAL_BLOCK_LINES % TERMINAL_BLOCKS_MAX];
}

static void touch(struct terminal *terminal, size_t row)
{
    block_of(terminal, terminal->top + row)->version = ++terminal->version;
    terminal->used = true;
}

static void drop_first_block(struct terminal *terminal)
{
    struct block *block = &terminal->blocks[terminal->first_block++ % TERMINAL_BLOCKS_MAX];
    terminal->html_size -= block->html.size;
    buf_clear(&block->html);
    buf_clear(&block->text);
}

/* The first line of the screen does not change any more. */
static void seal(struct terminal *terminal)
{
    struct terminal_line *line = line_at(terminal, 0);
    struct block *block = block_of(terminal, terminal->top);
    size_t before = block->html.size;
    terminal_draw_html(line, &block->html);
    buf_putc(&block->html, '\n');
    terminal_draw_text(line, &block->text);
    buf_putc(&block->text, '\n');
    terminal->html_size += block->html.size - before;
    line->count = 0;
    line->cut = false;
    terminal->head = (terminal->head + 1) % TERMINAL_SCREEN_LINES;
    terminal->top++;
    terminal->rows--;
    terminal->row -= terminal->row > 0;
    while (terminal->html_size > TERMINAL_BYTES_MAX &&
           terminal->first_block < terminal->top / TERMINAL_BLOCK_LINES)
        drop_first_block(terminal);
}

static void new_line(struct terminal *terminal)
{
    terminal->column = 0;
    touch(terminal, terminal->row);
    if (terminal->row + 1 < terminal->rows) {
        terminal->row++;
        return;
    }
    if (terminal->rows == TERMINAL_SCREEN_LINES)
        seal(terminal);
    terminal->row = terminal->rows++;
    uint64_t block = (terminal->top + terminal->row) / TERMINAL_BLOCK_LINES;
    if (block >= terminal->first_block + TERMINAL_BLOCKS_MAX)
        drop_first_block(terminal);
    touch(terminal, terminal->row);
}

/* --- cells ------------------------------------------------------------------------------------ */

/* Room for `count` cells, those before it filled with blanks. */
static void fill(struct terminal_line *line, size_t count)
{
    static const struct terminal_cell blank = {.code = ' '};
    grow(&line->cells, &line->capacity, count, sizeof *line->cells);
    while (line->count < count)
        line->cells[line->count++] = blank;
}

static void put(struct terminal *terminal, uint32_t code)
{
    struct terminal_line *line = line_at(terminal, terminal->row);
    if (terminal->column >= TERMINAL_LINE_MAX) {
        line->cut = true;
        return;
    }
    if (terminal->column >= line->count)
        fill(line, terminal->column + 1);
    line->cells[terminal->column++] =
        (struct terminal_cell){.code = code, .style = terminal->style};
}

static void blank(struct terminal_line *line, size_t from, size_t to)
{
    for (size_t i = from; i < to && i < line->count; i++)
        line->cells[i] = (struct terminal_cell){.code = ' '};
}

static void truncate_line(struct terminal_line *line, size_t count)
{
    if (line->count > count)
        line->count = count;
    line->cut = false;
}

/* --- control sequences ------------------------------------------------------------------------ */

static unsigned param(const struct terminal *terminal, size_t i, unsigned fallback)
{
    return i < terminal->param_count && terminal->params[i] > 0 ? terminal->params[i] : fallback;
}

static void erase_in_line(struct terminal *terminal)
{
    struct terminal_line *line = line_at(terminal, terminal->row);
    unsigned what = param(terminal, 0, 0);
    if (what == 0)
        truncate_line(line, terminal->column);
    else if (what == 1)
        blank(line, 0, terminal->column + 1);
    else if (what == 2)
        truncate_line(line, 0);
    touch(terminal, terminal->row);
}

/* What is erased below is no line any more; a screen that is erased as a whole begins anew. */
static void erase_in_screen(struct terminal *terminal)
{
    unsigned what = param(terminal, 0, 0);
    if (what == 1)
        return;
    if (what > 1)
        terminal->row = terminal->column = 0;
    for (size_t row = terminal->row; row < terminal->rows; row++) {
        truncate_line(line_at(terminal, row), row == terminal->row ? terminal->column : 0);
        touch(terminal, row);
    }
    terminal->rows = terminal->row + 1;
}

static void move_row(struct terminal *terminal, long rows)
{
    long row = (long)terminal->row + rows;
    long last = (long)terminal->rows - 1;
    terminal->row = (size_t)(row < 0 ? 0 : row > last ? last : row);
}

static void move_column(struct terminal *terminal, long column)
{
    terminal->column = (size_t)(column < 0                   ? 0
                                : column > TERMINAL_LINE_MAX ? TERMINAL_LINE_MAX
                                                             : column);
}

/* 38 or 48 and what follows: ;5;N or ;2;R;G;B. Returns how many parameters that was. */
static size_t take_color(const struct terminal *terminal, size_t i, uint32_t *ret_color)
{
    unsigned kind = param(terminal, i + 1, 0);
    if (kind == 5) {
        *ret_color = terminal_palette(param(terminal, i + 2, 0));
        return 3;
    }
    if (kind != 2)
        return 2;
    uint32_t color = TERMINAL_COLOR;
    for (size_t part = 0; part < 3; part++)
        color |= (param(terminal, i + 2 + part, 0) & 255) << (16 - 8 * part);
    *ret_color = color;
    return 5;
}

static void set_flag(struct terminal_style *style, unsigned number)
{
    static const uint32_t on[] = {0,
                                  TERMINAL_BOLD,
                                  TERMINAL_DIM,
                                  TERMINAL_ITALIC,
                                  TERMINAL_UNDERLINE,
                                  0,
                                  0,
                                  TERMINAL_INVERSE,
                                  0,
                                  TERMINAL_STRIKE};
    if (number == 0)
        *style = (struct terminal_style){.fg = 0};
    else if (number < ARRAY_SIZE(on))
        style->flags |= on[number];
    else if (number == 22)
        style->flags &= ~(uint32_t)(TERMINAL_BOLD | TERMINAL_DIM);
    else if (number > 20 && number < 30)
        style->flags &= ~on[number - 20];
}

static void set_style(struct terminal *terminal)
{
    struct terminal_style *style = &terminal->style;
    size_t i = 0;
    do {
        unsigned number = param(terminal, i, 0);
        size_t taken = 1;
        if (number == 38)
            taken = take_color(terminal, i, &style->fg);
        else if (number == 48)
            taken = take_color(terminal, i, &style->bg);
        else if (number >= 30 && number <= 37)
            style->fg = terminal_palette(number - 30);
        else if (number >= 40 && number <= 47)
            style->bg = terminal_palette(number - 40);
        else if (number >= 90 && number <= 97)
            style->fg = terminal_palette(number - 90 + 8);
        else if (number >= 100 && number <= 107)
            style->bg = terminal_palette(number - 100 + 8);
        else if (number == 39)
            style->fg = 0;
        else if (number == 49)
            style->bg = 0;
        else
            set_flag(style, number);
        i += taken;
    } while (i < terminal->param_count);
}

static void run_csi(struct terminal *terminal, char final)
{
    long count = (long)param(terminal, 0, 1);
    switch (final) {
    case 'A':
    case 'F':
        move_row(terminal, -count);
        break;
    case 'B':
    case 'E':
        move_row(terminal, count);
        break;
    case 'C':
        move_column(terminal, (long)terminal->column + count);
        break;
    case 'D':
        move_column(terminal, (long)terminal->column - count);
        break;
    case 'G':
        move_column(terminal, count - 1);
        break;
    case 'H':
        terminal->row = 0;
        move_row(terminal, count - 1);
        move_column(terminal, (long)param(terminal, 1, 1) - 1);
        break;
    case 'J':
        erase_in_screen(terminal);
        break;
    case 'K':
        erase_in_line(terminal);
        break;
    case 'm':
        set_style(terminal);
        break;
    default:
        break; /* not known: left out */
    }
    if (final == 'E' || final == 'F')
        terminal->column = 0;
}

static void take_csi(struct terminal *terminal, char c)
{
    unsigned *last = &terminal->params[terminal->param_count - 1];
    if (c >= '0' && c <= '9') {
        *last = *last * 10 + (unsigned)(c - '0');
        *last = *last < PARAM_MAX ? *last : PARAM_MAX;
    } else if (c == ';' || c == ':') {
        if (terminal->param_count < PARAMS_MAX)
            terminal->params[terminal->param_count++] = 0;
        else
            terminal->private = true; /* too long to be one */
    } else if (c >= 0x40 && c <= 0x7e) {
        terminal->state = STATE_TEXT;
        if (!terminal->private)
            run_csi(terminal, c);
    } else if (c == 0x1b) {
        terminal->state = STATE_ESCAPE;
    } else {
        terminal->private = true;
    }
}

static void take_escape(struct terminal *terminal, char c)
{
    terminal->state = STATE_TEXT;
    if (c == '[') {
        terminal->state = STATE_CSI;
        terminal->param_count = 1;
        terminal->params[0] = 0;
        terminal->private = false;
    } else if (c == ']' || c == 'P' || c == '^' || c == '_' || c == 'X') {
        terminal->state = STATE_STRING;
    } else if (c >= 0x20 && c <= 0x2f) {
        terminal->state = STATE_DESIGNATE;
    }
}

static void take_control(struct terminal *terminal, char c)
{
    switch (c) {
    case '\n':
        new_line(terminal);
        break;
    case '\r':
        terminal->column = 0;
        break;
    case '\b':
        terminal->column -= terminal->column > 0;
        break;
    case '\t':
        move_column(terminal, (long)(terminal->column / TAB_WIDTH + 1) * TAB_WIDTH);
        break;
    case 0x1b:
        terminal->state = STATE_ESCAPE;
        break;
    default:
        break;
    }
}

/* --- text ------------------------------------------------------------------------------------- */

static uint32_t decode(const char *bytes, size_t size)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = (unsigned char)bytes[0] & masks[size];
    for (size_t i = 1; i < size; i++)
        code = code << 6 | ((unsigned char)bytes[i] & 0x3f);
    return code;
}

/* Takes what is complete of the partial sequence; bytes that begin none become U+FFFD. */
static void take_partial(struct terminal *terminal)
{
    while (terminal->partial_size > 0) {
        size_t size = utf8_sequence(terminal->partial, terminal->partial_size);
        if (size == 0 && utf8_incomplete_tail(terminal->partial, terminal->partial_size) ==
                             terminal->partial_size)
            return;
        uint32_t code = size > 0 ? decode(terminal->partial, size) : REPLACEMENT;
        size += size == 0;
        if (code < 0x80 || code > 0x9f) /* C1 controls are left out */
            put(terminal, code);
        touch(terminal, terminal->row);
        terminal->partial_size -= size;
        memmove(terminal->partial, terminal->partial + size, terminal->partial_size);
    }
}

/* A sequence that stops being one: what there is of it is no character. */
static void end_partial(struct terminal *terminal)
{
    if (terminal->partial_size == 0)
        return;
    terminal->partial_size = 0;
    put(terminal, REPLACEMENT);
    touch(terminal, terminal->row);
}

/* Bytes of ASCII that are drawn: most of what comes. */
static size_t take_plain(struct terminal *terminal, const char *bytes, size_t size)
{
    size_t count = 0;
    while (count < size && bytes[count] >= 0x20 && bytes[count] < 0x7f)
        count++;
    if (count == 0)
        return 0;
    end_partial(terminal);
    struct terminal_line *line = line_at(terminal, terminal->row);
    size_t room = TERMINAL_LINE_MAX - terminal->column;
    size_t drawn = count < room ? count : room;
    if (terminal->column + drawn > line->count)
        fill(line, terminal->column + drawn);
    for (size_t i = 0; i < drawn; i++)
        line->cells[terminal->column++] =
            (struct terminal_cell){.code = (unsigned char)bytes[i], .style = terminal->style};
    line->cut |= drawn < count;
    touch(terminal, terminal->row);
    return count;
}

static void take_byte(struct terminal *terminal, char c)
{
    switch (terminal->state) {
    case STATE_TEXT:
        if ((unsigned char)c >= 0x80) {
            terminal->partial[terminal->partial_size++] = c;
            take_partial(terminal);
        } else {
            end_partial(terminal);
            take_control(terminal, c);
        }
        break;
    case STATE_ESCAPE:
        take_escape(terminal, c);
        break;
    case STATE_DESIGNATE:
        if (c < 0x20 || c > 0x2f)
            terminal->state = STATE_TEXT;
        break;
    case STATE_CSI:
        take_csi(terminal, c);
        break;
    case STATE_STRING:
        if (c == 0x07)
            terminal->state = STATE_TEXT;
        else if (c == 0x1b)
            terminal->state = STATE_STRING_ESC;
        else if (c == '\n') /* nobody ended it: a line is not swallowed */
            terminal->state = STATE_TEXT, take_control(terminal, c);
        break;
    case STATE_STRING_ESC:
        terminal->state = STATE_TEXT;
        if (c != '\\')
            take_escape(terminal, c);
        break;
    }
}

void terminal_feed(struct terminal *terminal, const char *bytes, size_t size)
{
    size_t i = 0;
    while (i < size) {
        size_t plain =
            terminal->state == STATE_TEXT ? take_plain(terminal, bytes + i, size - i) : 0;
        i += plain;
        if (plain == 0)
            take_byte(terminal, bytes[i++]);
    }
}

/* --- what comes out --------------------------------------------------------------------------- */

void terminal_blocks(const struct terminal *terminal, uint64_t *ret_first, uint64_t *ret_end)
{
    const struct terminal_line *last =
        &terminal->screen[(terminal->head + terminal->rows - 1) % TERMINAL_SCREEN_LINES];
    uint64_t lines = terminal->top + terminal->rows - (last->count == 0); /* a last empty one */
    *ret_first = terminal->first_block;
    *ret_end = (lines + TERMINAL_BLOCK_LINES - 1) / TERMINAL_BLOCK_LINES;
    if (*ret_end < *ret_first)
        *ret_end = *ret_first;
}

uint64_t terminal_version(const struct terminal *terminal, uint64_t block)
{
    return terminal->blocks[block % TERMINAL_BLOCKS_MAX].version;
}

typedef void (*draw_fn)(const struct terminal_line *line, struct buf *buf);

/* The lines of the screen from number `from` to before `end`, each with its newline. */
static void draw_screen(const struct terminal *terminal, uint64_t from, uint64_t end, draw_fn draw,
                        struct buf *buf)
{
    for (size_t row = 0; row < terminal->rows; row++) {
        const struct terminal_line *line =
            &terminal->screen[(terminal->head + row) % TERMINAL_SCREEN_LINES];
        uint64_t number = terminal->top + row;
        if (number < from || number >= end || (row + 1 == terminal->rows && line->count == 0))
            continue;
        draw(line, buf);
        buf_putc(buf, '\n');
    }
}

void terminal_html(const struct terminal *terminal, uint64_t block, struct buf *html)
{
    const struct block *sealed = &terminal->blocks[block % TERMINAL_BLOCKS_MAX];
    uint64_t from = block * TERMINAL_BLOCK_LINES;
    size_t begin = html->size;
    buf_append(html, sealed->html.data != NULL ? sealed->html.data : "", sealed->html.size);
    draw_screen(terminal, from, from + TERMINAL_BLOCK_LINES, terminal_draw_html, html);
    if (html->size > begin)
        html->data[--html->size] = '\0';
}

/* Keeps the last lines of what was appended from `begin` on. */
static void keep_lines(struct buf *buf, size_t begin, size_t lines)
{
    size_t at = buf->size;
    for (size_t seen = 0; at > begin; at--) {
        seen += buf->data[at - 1] == '\n';
        if (seen > lines)
            break;
    }
    memmove(buf->data + begin, buf->data + at, buf->size - at);
    buf->size -= at - begin;
    buf->data[buf->size] = '\0';
}

/* Spans never cross a line, so lines can be cut off anywhere. */
static void put_tail(const struct terminal *terminal, size_t lines, bool html, struct buf *buf)
{
    uint64_t first;
    uint64_t end;
    size_t begin = buf->size;
    terminal_blocks(terminal, &first, &end);
    for (uint64_t block = first; block < end; block++) {
        const struct block *sealed = &terminal->blocks[block % TERMINAL_BLOCKS_MAX];
        const struct buf *part = html ? &sealed->html : &sealed->text;
        buf_append(buf, part->data != NULL ? part->data : "", part->size);
    }
    draw_screen(terminal, 0, UINT64_MAX, html ? terminal_draw_html : terminal_draw_text, buf);
    if (buf->size > begin)
        keep_lines(buf, begin, lines);
}

void terminal_tail_text(const struct terminal *terminal, size_t lines, struct buf *text)
{
    put_tail(terminal, lines, false, text);
}

void terminal_tail_html(const struct terminal *terminal, size_t lines, struct buf *html)
{
    put_tail(terminal, lines, true, html);
}
