/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Expressions in cells. Nothing here knows where YAML's values begin and end: each expression is
 * first replaced by a mask, a word of as many characters that YAML and the magics' grammar have no
 * use for, and the cell is parsed. Where the masks turn up says what each expression is part of;
 * columns are those of the cell. The cell with its values is parsed again, and must be the same but
 * for the masks.
 */
#include "magics/substitute.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "submission/yaml.h"

/* Masks are repetitions of a character for private use, U+F0000 and on: one for each expression. Of
 * four bytes in UTF-8, of which the first two are the same. */
#define MASK_LEAD "\xf3\xb0"
#define MASK_BYTES 4

struct expression {
    size_t start, end; /* bytes of the cell, braces included */
    int line, column;  /* of the first brace; columns and widths are in code points */
    int width;
    char *python;
    char *mask;
    bool used;   /* it is in no comment */
    bool word;   /* in a magic's line, not in its body */
    bool whole;  /* nothing else in its place */
    char *value; /* what is put in */
    char *text;  /* what is read back where it is part of a longer text; NULL for a list */
    int out_column, out_width; /* in the cell with its values */
};

struct substitute {
    char *code;
    struct expression *items;
    size_t count, capacity;
    struct parse *outline;  /* of the masked cell, which it borrows from */
    struct yaml_node *tree; /* of its body; NULL when no expression is in it */
    char *masked;
    char *filled;
};

void substitute_free(struct substitute *substitute)
{
    if (substitute == NULL)
        return;
    for (size_t i = 0; i < substitute->count; i++) {
        struct expression *item = &substitute->items[i];
        free(item->python);
        free(item->mask);
        free(item->value);
        free(item->text);
    }
    parse_free(substitute->outline);
    yaml_node_free(substitute->tree);
    free(substitute->items);
    free(substitute->code);
    free(substitute->masked);
    free(substitute->filled);
    free(substitute);
}

static int fail_at(const struct expression *item, struct error *err)
{
    return error_at(err, item->line, item->column);
}

/* --- finding expressions ---------------------------------------------------------------------- */

/* What follows a string of Python; NULL when it does not end before `end`. */
static const char *skip_string(const char *p, const char *end)
{
    char quotes[4] = {*p, *p, *p, '\0'};
    bool triple = end - p >= 3 && strncmp(p, quotes, 3) == 0;
    size_t length = triple ? 3 : 1;
    for (p += length; p + length <= end; p++) {
        if (strncmp(p, quotes, length) == 0)
            return p + length;
        p += *p == '\\';
    }
    return NULL;
}

/* The closing braces of an expression that begins at `p`: not those of its own strings and dicts. */
static const char *find_close(const char *p, const char *end)
{
    unsigned depth = 0;
    while (p != NULL && p < end) {
        if (*p == '"' || *p == '\'') {
            p = skip_string(p, end);
            continue;
        }
        if (depth == 0 && end - p >= 2 && p[0] == '}' && p[1] == '}')
            return p;
        if (strchr("([{", *p) != NULL)
            depth++;
        else if (strchr(")]}", *p) != NULL && depth > 0)
            depth--;
        p++;
    }
    return NULL;
}

static int check_length(const struct substitute *substitute, const struct expression *item,
                        struct error *err)
{
    if (item->python[0] == '\0') {
        error_set(err, ERROR_INVALID, "there is no expression between {{ and }}");
        error_hint(err, "write a Python expression, as in {{ epochs * 2 }}");
        return fail_at(item, err);
    }
    if (strlen(item->python) > SUBSTITUTE_EXPRESSION_MAX) {
        error_set(err, ERROR_LIMIT, "this expression is longer than %d bytes",
                  SUBSTITUTE_EXPRESSION_MAX);
        error_hint(err, "compute it in a cell of Python and put its name here");
        return fail_at(item, err);
    }
    if (substitute->count < SUBSTITUTE_MAX)
        return 0;
    error_set(err, ERROR_LIMIT, "there are more than %d expressions in this cell", SUBSTITUTE_MAX);
    error_hint(err, "a list is one expression: arguments: {{ arguments }}");
    return fail_at(item, err);
}

/* A word as wide as the expression, which nothing else is. */
static char *make_mask(size_t number, int width)
{
    struct buf mask = BUF_INIT;
    const char letter[] = MASK_LEAD "\x80\x80";
    for (int i = 0; i < width; i++) {
        buf_append(&mask, letter, MASK_BYTES);
        mask.data[mask.size - 2] = (char)(0x80 | number >> 6);
        mask.data[mask.size - 1] = (char)(0x80 | (number & 0x3f));
    }
    return buf_steal(&mask);
}

static char *trimmed(const char *from, const char *to)
{
    from += strspn(from, " \t");
    while (to > from && (to[-1] == ' ' || to[-1] == '\t'))
        to--;
    return to > from ? xstrndup(from, (size_t)(to - from)) : xstrdup("");
}

/* The expression whose braces open at `open`; `line` is where its line begins. */
static int add(struct substitute *substitute, const char *line, const char *open, int number,
               struct error *err)
{
    const char *end = line + strcspn(line, "\n");
    struct expression item = {.line = number, .start = (size_t)(open - substitute->code)};
    item.column = (int)utf8_count(line, (size_t)(open - line)) + 1;
    const char *close = find_close(open + 2, end);
    if (close == NULL) {
        error_set(err, ERROR_INVALID, "this {{ is not closed in its line");
        error_hint(err,
                   "a Python expression goes between {{ and }}; where {{ itself is meant, write "
                   "{{ \"{{\" }}");
        return fail_at(&item, err);
    }
    item.end = (size_t)(close + 2 - substitute->code);
    item.width = (int)utf8_count(open, (size_t)(close + 2 - open));
    item.python = trimmed(open + 2, close);
    if (check_length(substitute, &item, err) < 0) {
        free(item.python);
        return -1;
    }
    item.mask = make_mask(substitute->count, item.width);
    grow(&substitute->items, &substitute->capacity, substitute->count + 1,
         sizeof *substitute->items);
    substitute->items[substitute->count++] = item;
    return 0;
}

static int find_in_line(struct substitute *substitute, const char *line, int number,
                        struct error *err)
{
    const char *end = line + strcspn(line, "\n");
    const char *p = line;
    if (line[strspn(line, " \t")] == '#')
        return 0;
    while ((p = memmem(p, (size_t)(end - p), "{{", 2)) != NULL) {
        if (p > line && p[-1] == '$') {
            p += 2;
            continue;
        }
        if (add(substitute, line, p, number, err) < 0)
            return -1;
        p = substitute->code + substitute->items[substitute->count - 1].end;
    }
    return 0;
}

static int find_all(struct substitute *substitute, struct error *err)
{
    const char *line = substitute->code;
    for (int number = 1; line != NULL; number++) {
        if (find_in_line(substitute, line, number, err) < 0)
            return -1;
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    return 0;
}

/* --- what each is part of --------------------------------------------------------------------- */

/* The cell with `field` of each expression in its place; what is in a comment stays. */
static char *compose(const struct substitute *substitute, bool values)
{
    struct buf text = BUF_INIT;
    size_t at = 0;
    for (size_t i = 0; i < substitute->count; i++) {
        const struct expression *item = &substitute->items[i];
        if (values && !item->used)
            continue;
        buf_append(&text, substitute->code + at, item->start - at);
        buf_puts(&text, values ? item->value : item->mask);
        at = item->end;
    }
    buf_puts(&text, substitute->code + at);
    return buf_steal(&text);
}

static void mark(struct substitute *substitute, const char *text, bool plain, bool word)
{
    if (strstr(text, MASK_LEAD) == NULL)
        return;
    for (size_t i = 0; i < substitute->count; i++) {
        struct expression *item = &substitute->items[i];
        if (strstr(text, item->mask) == NULL)
            continue;
        item->used = true;
        item->word = word;
        item->whole = plain && strcmp(text, item->mask) == 0;
    }
}

static void mark_tree(struct substitute *substitute, const struct yaml_node *node)
{
    if (yaml_is_scalar(node))
        mark(substitute, node->text, node->plain, false);
    for (size_t i = 0; i < node->count; i++) {
        if (node->keys != NULL)
            mark_tree(substitute, node->keys[i]);
        mark_tree(substitute, node->items[i]);
    }
}

static int mark_words(struct substitute *substitute, const struct parse_call *call,
                      struct error *err)
{
    if (strstr(call->name.text, MASK_LEAD) != NULL) {
        error_set(err, ERROR_INVALID, "the name of a magic is no place for an expression");
        error_hint(err, "write the name itself, and a blank after it");
        return error_at(err, call->name.line, call->name.column);
    }
    for (size_t i = 0; i < call->count; i++) {
        const struct parse_word *word = &call->words[i];
        mark(substitute, word->text, word->end - word->start == strlen(word->text), true);
    }
    return 0;
}

/* Parses the masked cell. Its faults are the cell's own, and have their places. */
static int look(struct substitute *substitute, struct error *err)
{
    substitute->masked = compose(substitute, false);
    if (parse_cell(substitute->masked, &substitute->outline, err) < 0)
        return -1;
    const struct parse *outline = substitute->outline;
    for (size_t i = 0; i < outline->count; i++)
        if (mark_words(substitute, &outline->calls[i], err) < 0)
            return -1;
    if (outline->body == NULL || strstr(outline->body, MASK_LEAD) == NULL)
        return 0;
    substitute->tree = yaml_parse(outline->body, strlen(outline->body), outline->body_line, err);
    if (substitute->tree == NULL)
        return -1;
    mark_tree(substitute, substitute->tree);
    return 0;
}

static bool any_is_used(const struct substitute *substitute)
{
    for (size_t i = 0; i < substitute->count; i++)
        if (substitute->items[i].used)
            return true;
    return false;
}

int substitute_new(const char *code, struct substitute **ret_substitute, struct error *err)
{
    if (strstr(code, "{{") == NULL)
        return 0;
    AUTO(substitute) struct substitute *substitute = xcalloc(1, sizeof *substitute);
    substitute->code = xstrdup(code);
    if (find_all(substitute, err) < 0 || (substitute->count > 0 && look(substitute, err) < 0))
        return -1;
    if (any_is_used(substitute))
        *ret_substitute = steal(&substitute);
    return 0;
}

const struct parse *substitute_outline(const struct substitute *substitute)
{
    return substitute->outline;
}

int substitute_line(const struct substitute *substitute)
{
    size_t first = 0;
    while (!substitute->items[first].used) /* one is: substitute_new() has seen to it */
        first++;
    return substitute->items[first].line;
}

const char *substitute_text(const struct substitute *substitute)
{
    return substitute->filled;
}

char *substitute_question(const struct substitute *substitute)
{
    AUTO_JSON json_t *expressions = json_array();
    for (size_t i = 0; i < substitute->count; i++)
        if (substitute->items[i].used)
            json_array_append_new(expressions, json_string(substitute->items[i].python));
    AUTO_FREE char *list = json_text(expressions); /* which is Python, too */
    return xasprintf("get_ipython()._skiff_values(%s)", list);
}

/* --- values ----------------------------------------------------------------------------------- */

/* What Python says instead of a value: an exception, or why the value will not do. */
static int fail_as_python(const struct expression *item, const json_t *answer, char **ret_ename,
                          struct error *err)
{
    const char *ename = json_get_string(answer, "ename", NULL);
    const char *problem = json_get_string(answer, "problem", NULL);
    if (ename != NULL) {
        const char *evalue = json_get_string(answer, "evalue", "");
        replace(ret_ename, xstrdup(ename));
        error_set(err, ERROR_INVALID, "%s", *evalue != '\0' ? evalue : ename);
        error_hint(err, "this is what Python says of the expression; nothing was done%s",
                   strcmp(ename, "SyntaxError") == 0
                       ? ". Where {{ itself is meant, write {{ \"{{\" }}"
                       : "");
    } else {
        error_set(err, ERROR_INVALID, "the value of this expression %s",
                  problem != NULL ? problem : "did not come");
        error_hint(err, "a text, a finite number, a bool or a list of those can stand in a cell");
    }
    return fail_at(item, err);
}

static int refuse(const struct expression *item, const char *what, const char *hint,
                  struct error *err)
{
    error_set(err, ERROR_INVALID, "%s", what);
    error_hint(err, "%s", hint);
    return fail_at(item, err);
}

/* A word of a magic's line in quotes, as parse.h reads them. */
static char *quote_word(const char *text)
{
    struct buf word = BUF_INIT;
    buf_putc(&word, '"');
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            buf_putc(&word, '\\');
        buf_putc(&word, *c);
    }
    buf_putc(&word, '"');
    return buf_steal(&word);
}

/* `whole` is the value as JSON; item->text is it inside of a longer text, NULL for a list. */
static int put_in(struct expression *item, const char *whole, struct error *err)
{
    if (item->whole && !item->word) {
        item->value = xstrdup(whole);
        return 0;
    }
    if (item->text == NULL)
        return refuse(item,
                      item->word ? "a list cannot stand in a magic's line"
                                 : "a list cannot stand inside of a longer text",
                      "join it in Python, as in {{ \" \".join(names) }}", err);
    if (strpbrk(item->text, "\r\n") != NULL)
        return refuse(item, "a text of several lines cannot stand here",
                      "let the expression be the whole value of a key", err);
    item->value = item->whole ? quote_word(item->text) : xstrdup(item->text);
    return 0;
}

static int take(struct expression *item, const json_t *answer, char **ret_ename, struct error *err)
{
    const char *whole = json_get_string(answer, "json", NULL);
    const char *text = json_get_string(answer, "text", NULL);
    if (whole == NULL)
        return fail_as_python(item, answer, ret_ename, err);
    if (strlen(whole) > SUBSTITUTE_VALUE_MAX || strchr(whole, '\n') != NULL) {
        error_set(err, ERROR_LIMIT, "the value of this expression is longer than %d bytes",
                  SUBSTITUTE_VALUE_MAX);
        error_hint(err, "write it to a file and give its path");
        return fail_at(item, err);
    }
    item->text = xstrdup_or_null(text);
    return put_in(item, whole, err);
}

/* --- reading it back -------------------------------------------------------------------------- */

/* A text of the masked cell with what its masks stand for. */
static char *expand(const struct substitute *substitute, const char *text)
{
    struct buf out = BUF_INIT;
    while (*text != '\0') {
        const struct expression *found = NULL;
        for (size_t i = 0; *text == MASK_LEAD[0] && found == NULL && i < substitute->count; i++)
            if (strncmp(text, substitute->items[i].mask, strlen(substitute->items[i].mask)) == 0)
                found = &substitute->items[i];
        if (found == NULL) {
            buf_putc(&out, *text++);
            continue;
        }
        buf_puts(&out, found->text != NULL ? found->text : "");
        text += strlen(found->mask);
    }
    return buf_steal(&out);
}

static bool same_text(const struct substitute *substitute, const char *masked, const char *filled)
{
    AUTO_FREE char *wanted = expand(substitute, masked);
    return strcmp(wanted, filled) == 0;
}

static bool same_words(const struct substitute *substitute, const struct parse *filled)
{
    const struct parse *masked = substitute->outline;
    if (masked->count != filled->count)
        return false;
    for (size_t i = 0; i < masked->count; i++) {
        const struct parse_call *call = &filled->calls[i];
        if (masked->calls[i].count != call->count)
            return false;
        for (size_t k = 0; k < call->count; k++)
            if (!same_text(substitute, masked->calls[i].words[k].text, call->words[k].text))
                return false;
    }
    return true;
}

static bool is_whole(const struct substitute *substitute, const struct yaml_node *node)
{
    for (size_t i = 0; yaml_is_scalar(node) && node->plain && i < substitute->count; i++)
        if (strcmp(node->text, substitute->items[i].mask) == 0)
            return true;
    return false;
}

/* The first place where the two differ, in the masked tree; NULL when they do not. */
static const struct yaml_node *find_difference(const struct substitute *substitute,
                                               const struct yaml_node *masked,
                                               const struct yaml_node *filled)
{
    if (is_whole(substitute, masked))
        return NULL;
    if (yaml_is_scalar(masked) != yaml_is_scalar(filled) || masked->count != filled->count ||
        (masked->keys == NULL) != (filled->keys == NULL) ||
        (yaml_is_scalar(masked) && !same_text(substitute, masked->text, filled->text)))
        return masked;
    for (size_t i = 0; i < masked->count; i++) {
        const struct yaml_node *found = NULL;
        if (masked->keys != NULL)
            found = find_difference(substitute, masked->keys[i], filled->keys[i]);
        if (found == NULL)
            found = find_difference(substitute, masked->items[i], filled->items[i]);
        if (found != NULL)
            return found;
    }
    return NULL;
}

/* The value that does it: the first part of a longer text from `line` on, else the last one. */
static int misfit(const struct substitute *substitute, int line, struct error *err)
{
    const struct expression *found = NULL;
    for (size_t i = 0; i < substitute->count; i++) {
        const struct expression *item = &substitute->items[i];
        if (item->used && !item->whole && (found == NULL || found->line < line))
            found = item;
    }
    if (found == NULL && error_is_set(err)) {
        substitute_locate(substitute, err); /* a list as a key, one key twice: it says it itself */
        return -1;
    }
    if (found == NULL)
        found = &substitute->items[0];
    return refuse(found, "with this value the text around it would be read as something else",
                  "let one expression make the whole value, as in {{ f\"--name={name}\" }}", err);
}

/* 0 when the filled cell is the masked one but for the masks. */
static int compare(const struct substitute *substitute, struct error *err)
{
    AUTO(parse) struct parse *filled = NULL;
    AUTO(yaml_node) struct yaml_node *tree = NULL;
    if (parse_cell(substitute->filled, &filled, err) < 0 || !same_words(substitute, filled))
        return misfit(substitute, err->line, err);
    if (substitute->tree == NULL)
        return 0;
    tree = yaml_parse(filled->body, strlen(filled->body), filled->body_line, err);
    if (tree == NULL && err->code == ERROR_LIMIT) {
        substitute_locate(substitute, err);
        return -1;
    }
    if (tree == NULL)
        return misfit(substitute, err->line, err);
    const struct yaml_node *difference = find_difference(substitute, substitute->tree, tree);
    return difference != NULL ? misfit(substitute, difference->line, err) : 0;
}

/* --- places ----------------------------------------------------------------------------------- */

static void note_columns(struct substitute *substitute)
{
    int line = 0;
    int shift = 0;
    for (size_t i = 0; i < substitute->count; i++) {
        struct expression *item = &substitute->items[i];
        if (!item->used)
            continue;
        if (item->line != line)
            shift = 0;
        line = item->line;
        item->out_column = item->column + shift;
        item->out_width = (int)utf8_count(item->value, strlen(item->value));
        shift += item->out_width - item->width;
    }
}

void substitute_locate(const struct substitute *substitute, struct error *err)
{
    int column = err->column;
    if (err->file != NULL || err->line <= 0 || err->column <= 0)
        return;
    for (size_t i = 0; i < substitute->count; i++) {
        const struct expression *item = &substitute->items[i];
        if (!item->used || item->line != err->line || item->out_column > err->column)
            continue;
        column =
            err->column < item->out_column + item->out_width
                ? item->column
                : item->column + item->width + err->column - item->out_column - item->out_width;
    }
    error_at(err, err->line, column);
}

int substitute_fill(struct substitute *substitute, const json_t *answer, char **ret_ename,
                    struct error *err)
{
    size_t asked = 0;
    for (size_t i = 0; i < substitute->count; i++)
        if (substitute->items[i].used &&
            take(&substitute->items[i], json_array_get(answer, asked++), ret_ename, err) < 0)
            return -1;
    substitute->filled = compose(substitute, true);
    note_columns(substitute);
    return compare(substitute, err);
}
