/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One function per family of mistakes, tried in order; the first that recognises the complaint sets
 * the error. They look at the lines around the place, since libyaml's grammar terms ("mapping values
 * are not allowed in this context") name the symptom and rarely the slip. Whatever is quoted is a
 * key: a value may be a password.
 */
#include "submission/yaml_fault.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

/* --- lines ------------------------------------------------------------------------------------------ */

struct line {
    const char *start;
    size_t size;   /* without its end */
    size_t indent; /* leading blanks */
};

static struct line line_at(const struct yaml_fault *fault, int number)
{
    const char *at = fault->text;
    const char *end = fault->text + fault->size;
    for (int i = 1; i < number && at < end; i++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline != NULL ? newline + 1 : end;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    struct line line = {.start = at, .size = (size_t)((newline != NULL ? newline : end) - at)};
    while (line.indent < line.size && (at[line.indent] == ' ' || at[line.indent] == '\t'))
        line.indent++;
    return line;
}

static bool is_blank(struct line line)
{
    return line.indent == line.size || line.start[line.indent] == '#';
}

/* The number of the last line above `number` that holds something; 0 when there is none. */
static int line_above(const struct yaml_fault *fault, int number)
{
    while (--number > 0)
        if (!is_blank(line_at(fault, number)))
            return number;
    return 0;
}

/* The byte of a 1-based column, at most the line's size. */
static size_t byte_of(struct line line, int column)
{
    size_t at = 0;
    for (int i = 1; i < column && at < line.size; i++) {
        size_t length = utf8_sequence(line.start + at, line.size - at);
        at += length > 0 ? length : 1;
    }
    return at;
}

static char char_at(const struct yaml_fault *fault, int number, int column)
{
    struct line line = line_at(fault, number);
    size_t at = byte_of(line, column);
    return at < line.size ? line.start[at] : '\0';
}

/* The length of the word of a key at the start of the line, up to its colon; 0 when there is none. */
static size_t key_length(struct line line)
{
    const char *at = line.start + line.indent;
    size_t rest = line.size - line.indent;
    for (size_t i = 0; i < rest; i++) {
        if (at[i] == ':')
            return i;
        if (at[i] == ' ' || at[i] == '\t' || at[i] == '"' || at[i] == '\'' || at[i] == '-')
            return 0;
    }
    return 0;
}

/* `image:foo`: a key's colon with no blank after it. */
static bool lacks_blank(struct line line)
{
    size_t length = key_length(line);
    size_t after = line.indent + length + 1;
    return length > 0 && after < line.size && line.start[after] != ' ' && line.start[after] != '\t';
}

static int at(struct error *err, int line, int column, const char *text, const char *hint)
{
    error_set(err, ERROR_INVALID, "%s", text);
    error_hint(err, "%s", hint);
    return error_at(err, line, column);
}

static int missing_blank(const struct yaml_fault *fault, int number, struct error *err)
{
    struct line line = line_at(fault, number);
    int length = (int)key_length(line);
    error_set(err, ERROR_INVALID, "there is no blank after the colon of `%.*s:`", length,
              line.start + line.indent);
    error_hint(err, "write `%.*s: ` and then the value", length, line.start + line.indent);
    return error_at(err, number, (int)line.indent + length + 1);
}

static int missing_colon(int number, struct line line, struct error *err)
{
    return at(err, number, (int)line.indent + 1, "this line is no `key: value`: it has no colon",
              "write `key: value`, or indent it deeper than its key when it continues a text");
}

/* --- the families: true when they have set the error ------------------------------------------------ */

static bool explain_tab(const struct yaml_fault *fault, struct error *err)
{
    struct line line = line_at(fault, fault->line);
    const char *tab = memchr(line.start, '\t', line.indent);
    if (tab == NULL && strstr(fault->problem, "tab") == NULL)
        return false;
    at(err, fault->line, tab != NULL ? (int)(tab - line.start) + 1 : fault->column,
       "this line is indented with a tab, and YAML takes only spaces",
       "replace each tab by two spaces");
    return true;
}

static bool explain_first_character(const struct yaml_fault *fault, struct error *err)
{
    bool anchor = strstr(fault->context, "scanning an a") != NULL; /* an anchor, an alias */
    if (strstr(fault->problem, "cannot start any token") == NULL && !anchor &&
        strstr(fault->problem, "mapping keys are not allowed") == NULL &&
        strstr(fault->context, "scanning a tag") == NULL)
        return false;
    int line = fault->context[0] != '\0' ? fault->context_line : fault->line;
    int column = fault->context[0] != '\0' ? fault->context_column : fault->column;
    error_set(err, ERROR_INVALID, "a value cannot begin with %c", char_at(fault, line, column));
    error_hint(err, "put the value in quotes: \"...\"");
    error_at(err, line, column);
    return true;
}

/* "mapping values are not allowed in this context": a colon too many, or one too few before it. */
static bool explain_colon(const struct yaml_fault *fault, struct error *err)
{
    if (strstr(fault->problem, "mapping values are not allowed") == NULL)
        return false;
    struct line line = line_at(fault, fault->line);
    bool first_colon = line.indent + key_length(line) == byte_of(line, fault->column);
    int above = first_colon ? line_above(fault, fault->line) : 0;
    if (above == 0) {
        at(err, fault->line, fault->column,
           "a value cannot hold a colon followed by a blank, unless it is in quotes",
           "put the whole value in quotes: \"...\"");
        return true;
    }
    struct line before = line_at(fault, above);
    if (lacks_blank(before))
        missing_blank(fault, above, err);
    else if (memchr(before.start, ':', before.size) == NULL)
        missing_colon(above, before, err);
    else
        at(err, fault->line, (int)line.indent + 1,
           "this line is indented deeper than the one above it, which has its value already",
           "begin keys that belong together in the same column");
    return true;
}

static bool explain_simple_key(const struct yaml_fault *fault, struct error *err)
{
    if (strstr(fault->problem, "could not find expected ':'") == NULL)
        return false;
    struct line line = line_at(fault, fault->context_line);
    if (lacks_blank(line))
        missing_blank(fault, fault->context_line, err);
    else
        missing_colon(fault->context_line, line, err);
    return true;
}

static bool explain_quotes(const struct yaml_fault *fault, struct error *err)
{
    if (strstr(fault->context, "quoted scalar") == NULL)
        return false;
    if (strstr(fault->problem, "escape") != NULL || strstr(fault->problem, "Unicode") != NULL ||
        strstr(fault->problem, "hexdecimal") != NULL)
        at(err, fault->line, fault->column,
           "inside \"...\" a backslash begins an escape such as \\n, and this is none",
           "write '...' instead, or double the backslash: \\\\");
    else
        at(err, fault->context_line, fault->context_column,
           "the quote that opens here is never closed", "close it at the end of the value");
    return true;
}

static bool explain_brackets(const struct yaml_fault *fault, struct error *err)
{
    if (strstr(fault->context, "parsing a flow") == NULL)
        return false;
    char open = strstr(fault->context, "sequence") != NULL ? '[' : '{';
    char close = open == '[' ? ']' : '}';
    char found = char_at(fault, fault->line, fault->column);
    if (found == ']' || found == '}') {
        error_set(err, ERROR_INVALID, "what opens with %c closes with %c here", open, found);
        error_hint(err, "close it with %c", close);
        return error_at(err, fault->line, fault->column), true;
    }
    if (fault->line > fault->context_line) {
        error_set(err, ERROR_INVALID, "the %c that opens here is never closed", open);
        error_hint(err, "close it with %c", close);
        return error_at(err, fault->context_line, fault->context_column), true;
    }
    error_set(err, ERROR_INVALID, "a comma or %c is missing before this", close);
    error_hint(err, "separate the items by commas, and quote what holds , : { } [ ]");
    return error_at(err, fault->line, fault->column), true;
}

static bool explain_block_text(const struct yaml_fault *fault, struct error *err)
{
    if (strstr(fault->context, "block scalar") == NULL)
        return false;
    at(err, fault->line, fault->column, "after | or > the text begins on the next line",
       "put the text below, indented by two spaces");
    return true;
}

static bool explain_directive(const struct yaml_fault *fault, struct error *err)
{
    if (strstr(fault->context, "directive") == NULL && strstr(fault->problem, "directive") == NULL)
        return false;
    at(err, fault->context_line, fault->context_column,
       "a line that begins with % cannot stand inside of a definition",
       "one cell holds one magic: use a cell for each");
    return true;
}

static bool ends_in_quote(struct line line, size_t before)
{
    while (before > 0 && line.start[before - 1] == ' ')
        before--;
    return before > 0 && (line.start[before - 1] == '"' || line.start[before - 1] == '\'');
}

/* What is left are lines that do not fit where they stand. */
static bool explain_structure(const struct yaml_fault *fault, struct error *err)
{
    struct line line = line_at(fault, fault->line);
    size_t byte = byte_of(line, fault->column);
    char found = byte < line.size ? line.start[byte] : '\0';
    bool first = byte == line.indent;
    if (strstr(fault->problem, "block sequence entries are not allowed") != NULL)
        at(err, fault->line, fault->column, "a list cannot begin on the line of its key like this",
           "put each `- item` on a line of its own, or write [item, item]");
    else if (found == ',')
        at(err, fault->line, fault->column, "a value cannot begin with a comma",
           "remove the comma, or put the value in quotes: \"...\"");
    else if (found == ']' || found == '}')
        at(err, fault->line, fault->column, "there is no opening bracket for this",
           "remove it, or put the value in quotes when it belongs to it");
    else if (!first && ends_in_quote(line, byte))
        at(err, fault->line, fault->column, "the value goes on after its closing quote",
           "put all of the value in one pair of quotes; inside '...' write '' for one '");
    else if (first && found == '-' && fault->column <= fault->context_column)
        at(err, fault->line, fault->column, "this list item stands among keys",
           "indent it below the key it belongs to");
    else if (first && strstr(fault->problem, "'-' indicator") != NULL)
        at(err, fault->line, fault->column, "this key stands among list items",
           "begin it in the column of the key above the list, or make it an item: `- ...`");
    else if (first)
        at(err, fault->line, fault->column,
           "this line begins in another column than the lines it belongs to",
           "begin keys that belong together in the same column");
    else
        return false;
    return true;
}

int yaml_fault_explain(const struct yaml_fault *fault, struct error *err)
{
    bool explained = explain_tab(fault, err) || explain_colon(fault, err) ||
                     explain_simple_key(fault, err) || explain_quotes(fault, err) ||
                     explain_brackets(fault, err) || explain_block_text(fault, err) ||
                     explain_directive(fault, err) || explain_first_character(fault, err) ||
                     explain_structure(fault, err);
    if (!explained)
        at(err, fault->line, fault->column, "this does not read as YAML",
           "check indentation, quotes, brackets and the blank after each colon");
    if (err != NULL)
        err->line += fault->first_line - 1;
    return -1;
}
