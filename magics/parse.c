/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The cell grammar. One pass over lines; a scanner that never looks past the end of its line, so
 * that any bytes are safe. Columns count code points, whatever the bytes are.
 */
#include "magics/parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

/* One line of the code: from `pos` to `end`, its newline left out. */
struct scan {
    const char *code;
    const char *line_start;
    const char *pos;
    const char *end;
    int line;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
}

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '!' || c == '.' || (unsigned char)c >= 0x80;
}

static void skip_blanks(struct scan *scan)
{
    while (scan->pos < scan->end && is_blank(*scan->pos))
        scan->pos++;
}

static int column(const struct scan *scan, const char *at)
{
    return (int)utf8_count(scan->line_start, (size_t)(at - scan->line_start)) + 1;
}

static struct scan first_line(const char *code)
{
    return (struct scan){.code = code,
                         .line_start = code,
                         .pos = code,
                         .end = code + strcspn(code, "\n"),
                         .line = 1};
}

static bool next_line(struct scan *scan)
{
    if (*scan->end == '\0')
        return false;
    scan->line_start = scan->pos = scan->end + 1;
    scan->end = scan->pos + strcspn(scan->pos, "\n");
    scan->line++;
    return true;
}

static bool at_end(const struct scan *scan)
{
    return scan->pos == scan->end || *scan->pos == '#';
}

/* Moves to the first word of the next line that is neither blank nor a comment, this one included.
 */
static bool to_significant(struct scan *scan)
{
    do {
        skip_blanks(scan);
        if (!at_end(scan))
            return true;
    } while (next_line(scan));
    return false;
}

/* Looks at "%name", "%%name", "?%name" or "%name?" at pos: false when it is none. Moves past it. */
static bool scan_name(struct scan *scan, struct parse_call *ret_call)
{
    const char *p = scan->pos;
    struct parse_call call = {.help = false};
    while (p < scan->end && *p == '?') {
        call.help = true;
        p++;
    }
    size_t percents = 0;
    while (p < scan->end && *p == '%') {
        percents++;
        p++;
    }
    const char *name = p;
    while (p < scan->end && is_name(*p))
        p++;
    if (percents < 1 || percents > 2 || p == name)
        return false;
    size_t length = (size_t)(p - name);
    while (p < scan->end && *p == '?') {
        call.help = true;
        p++;
    }
    call.cell_magic = percents == 2;
    call.name = (struct parse_word){.text = xstrndup(name, length),
                                    .line = scan->line,
                                    .column = column(scan, scan->pos),
                                    .start = (size_t)(scan->pos - scan->code),
                                    .end = (size_t)(p - scan->code)};
    scan->pos = p;
    *ret_call = call;
    return true;
}

/* The inside of a quoted stretch; pos is at the opening quote. */
static int scan_quoted(struct scan *scan, struct buf *text, struct error *err)
{
    const char *open = scan->pos;
    char quote = *scan->pos++;
    while (scan->pos < scan->end && *scan->pos != quote) {
        bool escape = quote == '"' && *scan->pos == '\\' && scan->pos + 1 < scan->end &&
                      (scan->pos[1] == '"' || scan->pos[1] == '\\');
        scan->pos += escape;
        buf_putc(text, *scan->pos++);
    }
    if (scan->pos == scan->end) {
        error_set(err, ERROR_INVALID, "this quote is not closed before the line ends");
        error_at(err, scan->line, column(scan, open));
        return error_hint(err,
                          "write the closing %c, or leave the quotes away when there are no "
                          "blanks inside",
                          quote);
    }
    scan->pos++;
    return 0;
}

static int scan_word(struct scan *scan, struct parse_word *ret_word, struct error *err)
{
    AUTO_BUF struct buf text = BUF_INIT;
    struct parse_word word = {.line = scan->line,
                              .column = column(scan, scan->pos),
                              .start = (size_t)(scan->pos - scan->code)};
    while (scan->pos < scan->end && !is_blank(*scan->pos)) {
        if (*scan->pos != '"' && *scan->pos != '\'')
            buf_putc(&text, *scan->pos++);
        else if (scan_quoted(scan, &text, err) < 0)
            return -1;
    }
    word.end = (size_t)(scan->pos - scan->code);
    word.text = buf_steal(&text);
    *ret_word = word;
    return 0;
}

static int scan_words(struct scan *scan, struct parse_call *call, struct error *err)
{
    for (skip_blanks(scan); !at_end(scan); skip_blanks(scan)) {
        if (call->count == PARSE_WORDS_MAX) {
            error_set(err, ERROR_LIMIT, "more than %d words after %s%s", PARSE_WORDS_MAX,
                      call->cell_magic ? "%%" : "%", call->name.text);
            error_hint(err, "put long lists below the magic, as YAML");
            return error_at(err, scan->line, column(scan, scan->pos));
        }
        grow(&call->words, &call->capacity, call->count + 1, sizeof *call->words);
        if (scan_word(scan, &call->words[call->count], err) < 0)
            return -1;
        call->count++;
    }
    return 0;
}

static void call_done(struct parse_call *call)
{
    for (size_t i = 0; i < call->count; i++)
        free(call->words[i].text);
    free(call->words);
    free(call->name.text);
}

void parse_free(struct parse *parse)
{
    if (parse == NULL)
        return;
    for (size_t i = 0; i < parse->count; i++)
        call_done(&parse->calls[i]);
    free(parse->calls);
    free(parse);
}

/* What stands between line magics and is none. */
static int not_a_magic(const struct scan *scan, const struct parse *parse, struct error *err)
{
    const struct parse_call *first = &parse->calls[0];
    error_set(err, ERROR_INVALID, "this line is Python in a cell that begins with %%%s",
              first->name.text);
    error_at(err, scan->line, column(scan, scan->pos));
    return error_hint(err, "put the Python lines in a cell of their own");
}

static int cell_magic_too_late(const struct parse_call *call, struct error *err)
{
    error_set(err, ERROR_INVALID, "%%%%%s must be the first line of its cell", call->name.text);
    error_at(err, call->name.line, call->name.column);
    return error_hint(err, "put it in a cell of its own, with its text below it");
}

/* One line of magics or help. 1: it was a cell magic, and what follows is its body. */
static int parse_magic_line(struct scan *scan, struct parse *parse, struct error *err)
{
    struct parse_call call;
    if (!scan_name(scan, &call)) {
        if (parse->count > 0)
            return not_a_magic(scan, parse, err);
        error_set(err, ERROR_INVALID, "this cell does not begin with a magic");
        error_hint(err, "%%skiff lists Skiff's magics");
        return error_at(err, scan->line, column(scan, scan->pos));
    }
    grow(&parse->calls, &parse->capacity, parse->count + 1, sizeof *parse->calls);
    parse->calls[parse->count++] = call;
    struct parse_call *own = &parse->calls[parse->count - 1];
    if (own->cell_magic && !own->help && parse->count > 1)
        return cell_magic_too_late(own, err);
    if (parse->count > PARSE_CALLS_MAX) {
        error_set(err, ERROR_LIMIT, "more than %d magics in one cell", PARSE_CALLS_MAX);
        error_hint(err, "put the rest into another cell");
        return error_at(err, scan->line, 0);
    }
    if (scan_words(scan, own, err) < 0)
        return -1;
    return own->cell_magic && !own->help;
}

int parse_cell(const char *code, struct parse **ret_parse, struct error *err)
{
    AUTO(parse) struct parse *parse = xcalloc(1, sizeof *parse);
    struct scan scan = first_line(code);
    bool more = true;
    while (more && to_significant(&scan)) {
        int with_body = parse_magic_line(&scan, parse, err);
        if (with_body < 0)
            return -1;
        more = next_line(&scan);
        if (with_body) {
            parse->body = more ? scan.pos : scan.end;
            parse->body_line = more ? scan.line : scan.line + 1;
            more = false;
        }
    }
    if (parse->count == 0)
        return error_set(err, ERROR_INVALID, "this cell is empty");
    *ret_parse = steal(&parse);
    return 0;
}

bool parse_first(const char *code, struct parse_first *ret_first)
{
    struct scan scan = first_line(code);
    struct parse_call call;
    if (!to_significant(&scan) || !scan_name(&scan, &call))
        return false;
    bool whole = scan.pos == scan.end || is_blank(*scan.pos) || *scan.pos == '#';
    if (whole)
        *ret_first = (struct parse_first){
            .magic = xasprintf("%s%s", call.cell_magic ? "%%" : "%", call.name.text),
            .help = call.help,
            .rest = *scan.end == '\n' ? scan.end + 1 : NULL};
    free(call.name.text);
    return whole;
}

bool parse_is_blank(const char *code)
{
    struct scan scan = first_line(code);
    return !to_significant(&scan);
}

char *parse_line(const char *code, int line)
{
    struct scan scan = first_line(code);
    while (scan.line < line)
        if (!next_line(&scan))
            return NULL;
    size_t length = (size_t)(scan.end - scan.line_start);
    if (length > 0 && scan.line_start[length - 1] == '\r')
        length--;
    return xstrndup(scan.line_start, length);
}
