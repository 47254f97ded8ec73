/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Finds what the cursor is at. The body is YAML that is being typed and does not parse: keys are
 * found by indentation and by open braces on the cursor's own line, which is how people read it.
 */
#include "magics/context.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "magics/parse.h"
#include "magics/registry.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The word at the cursor begins at `start`; what follows the cursor is not looked at. */
static void set_word(struct context *context, enum context_kind kind, const char *code,
                     const char *start, const char *cursor)
{
    context->kind = kind;
    context->start = (size_t)(start - code);
    replace(&context->prefix, xstrndup(start, (size_t)(cursor - start)));
}

/* --- a line of magics ------------------------------------------------------------------------- */

static const struct magic_option *option_named(const struct magic *magic, const char *name)
{
    for (const struct magic_option *option = magic->options; option && option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

/* The words between the name and the cursor's word: the last option that waits for its value, and
 * how many arguments there were. */
static size_t count_arguments(const struct magic *magic, const char *from, const char *to,
                              const struct magic_option **ret_open)
{
    size_t arguments = 0;
    *ret_open = NULL;
    while (from < to) {
        const char *end = from;
        while (end < to && !is_blank(*end))
            end++;
        AUTO_FREE char *word = xstrndup(from, (size_t)(end - from));
        if (*word == '-') {
            const struct magic_option *option = option_named(magic, word);
            *ret_open = option != NULL && option->value != NULL ? option : NULL;
        } else if (*word != '\0') {
            arguments += *ret_open == NULL;
            *ret_open = NULL;
        }
        from = end + 1;
    }
    return arguments;
}

static void find_in_magic_line(struct context *context, const char *code, const char *line,
                               const char *cursor)
{
    while (line < cursor && (is_blank(*line) || *line == '?'))
        line++;
    const char *name_end = line;
    while (name_end < cursor && !is_blank(*name_end))
        name_end++;
    if (line == cursor || *line != '%')
        return;
    if (name_end == cursor) {
        set_word(context, CONTEXT_MAGIC, code, line, cursor);
        return;
    }
    const char *bare = line + strspn(line, "%");
    AUTO_FREE char *name = xstrndup(bare, bare < name_end ? (size_t)(name_end - bare) : 0);
    context->magic = registry_find(name);
    const char *word = cursor;
    while (word > name_end && !is_blank(word[-1]))
        word--;
    if (context->magic == NULL || memchr(name_end, '#', (size_t)(word - name_end)) != NULL)
        return;
    size_t arguments = count_arguments(context->magic, name_end, word, &context->option);
    const char *equals = memchr(word, '=', (size_t)(cursor - word));
    if (*word == '-' && word < cursor && equals != NULL) {
        AUTO_FREE char *option = xstrndup(word, (size_t)(equals - word));
        context->option = option_named(context->magic, option);
        if (context->option != NULL)
            set_word(context, CONTEXT_OPTION_VALUE, code, equals + 1, cursor);
    } else if (context->option != NULL) {
        set_word(context, CONTEXT_OPTION_VALUE, code, word, cursor);
    } else if (word < cursor && *word == '-') {
        set_word(context, CONTEXT_OPTION, code, word, cursor);
    } else if (arguments == 0) {
        set_word(context, CONTEXT_ARGUMENT, code, word, cursor);
    }
}

/* --- the body --------------------------------------------------------------------------------- */

/* The key a line begins with ("key:" or "key: ..."), or NULL. The caller frees it. */
static char *key_of(const char *text, const char *end)
{
    const char *colon = text;
    while (colon < end && *colon != ':' && !is_blank(*colon) && *colon != '{' && *colon != '\n')
        colon++;
    bool key = colon < end && *colon == ':' && colon > text;
    bool ended = key && (colon + 1 == end || is_blank(colon[1]) || colon[1] == '\n');
    if (!ended)
        return NULL;
    bool quoted = (*text == '"' || *text == '\'') && colon - text > 2;
    return quoted ? xstrndup(text + 1, (size_t)(colon - text) - 2)
                  : xstrndup(text, (size_t)(colon - text));
}

/* Keys are found from the inside out, so they are put in front. */
static void put_first(struct strlist *path, char *key)
{
    strlist_take(path, key);
    for (size_t i = path->count - 1; i > 0; i--) {
        path->items[i] = path->items[i - 1];
        path->items[i - 1] = key;
    }
}

/* "key: |", "key: >-": what is indented below is text. */
static bool is_block_scalar(const char *line, const char *end)
{
    while (end > line && (is_blank(end[-1]) || end[-1] == '-' || end[-1] == '+'))
        end--;
    return end > line + 1 && (end[-1] == '|' || end[-1] == '>') && is_blank(end[-2]);
}

/* Walks up from `line` (which begins with `indent` blanks), collecting the keys above it that are
 * less and less indented. False inside a block scalar: that is text, not YAML. */
static bool collect_parents(struct strlist *path, const char *body, const char *line, size_t indent)
{
    while (line > body && indent > 0) {
        const char *end = line - 1;
        line = end;
        while (line > body && line[-1] != '\n')
            line--;
        size_t blanks = strspn(line, " ");
        const char *text = line + blanks;
        if (text >= end || *text == '#' || *text == '\r' || blanks >= indent)
            continue;
        char *key = key_of(text, end);
        if (key == NULL)
            continue;
        if (is_block_scalar(line, end)) {
            free(key);
            return false;
        }
        put_first(path, key);
        indent = blanks;
    }
    return true;
}

static void drop_last(struct strlist *path)
{
    if (path->count == 0)
        return;
    free(path->items[--path->count]);
    path->items[path->count] = NULL;
}

/* Within the cursor's line: steps into "key: {" as far as braces are open. Returns where the
 * innermost key or value begins. */
static const char *enter_braces(struct strlist *path, const char *text, const char *cursor)
{
    const char *start = text;
    for (const char *p = text; p < cursor; p++) {
        char *key = *p == '{' ? key_of(start, p) : NULL;
        if (key != NULL)
            strlist_take(path, key);
        if (*p == '}')
            drop_last(path);
        if (*p == '{' || *p == ',')
            start = p + 1;
        while (start < cursor && start > text && is_blank(*start))
            start++;
    }
    return start;
}

/* The folder a job's script is looked for in: the value of the body's own `code:` line. */
static char *folder_of(const char *body)
{
    for (const char *line = body; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        AUTO_FREE char *key = key_of(line, line + strcspn(line, "\n"));
        if (key == NULL || (strcmp(key, "code") != 0 && strcmp(key, "source_directory") != 0))
            continue;
        const char *value = strchr(line, ':') + 1;
        value += strspn(value, " \t\"'");
        return xstrndup(value, strcspn(value, "\"' \t\r\n"));
    }
    return NULL;
}

static void find_in_body(struct context *context, const char *code, const char *body,
                         const char *line, const char *cursor)
{
    const char *text = line + strspn(line, " ");
    text = text < cursor ? text : cursor;
    size_t indent = (size_t)(text - line);
    bool item = text < cursor && *text == '-' && (text + 1 == cursor || is_blank(text[1]));
    if (memchr(text, '#', (size_t)(cursor - text)) != NULL ||
        !collect_parents(&context->path, body, line, indent + item))
        return;
    if (item)
        text += 1 + strspn(text + 1, " ");
    text = text < cursor ? text : cursor;
    const char *start = item ? text : enter_braces(&context->path, text, cursor);
    char *key = key_of(start, cursor);
    if (key == NULL) {
        set_word(context, item ? CONTEXT_VALUE : CONTEXT_KEY, code, start, cursor);
        return;
    }
    strlist_take(&context->path, key);
    const char *value = strchr(start, ':') + 1;
    while (value < cursor && (is_blank(*value) || *value == '"' || *value == '\'' || *value == '['))
        value++;
    set_word(context, CONTEXT_VALUE, code, value, cursor);
}

/* The start of the body when the code is a cell magic of ours, else NULL. */
static const char *body_of(const char *code, const struct magic **ret_magic)
{
    struct parse_first first;
    if (!parse_first(code, &first))
        return NULL;
    AUTO_FREE char *magic = first.magic;
    *ret_magic = magic[1] == '%' && !first.help ? registry_find(magic + 2) : NULL;
    return *ret_magic != NULL && (*ret_magic)->cell ? first.rest : NULL;
}

void context_find(struct context *context, const char *code, size_t cursor_offset)
{
    const struct magic *magic = NULL;
    const char *cursor = code + cursor_offset;
    const char *line = cursor;
    while (line > code && line[-1] != '\n')
        line--;
    *context = (struct context){.prefix = xstrdup("")};
    const char *body = body_of(code, &magic);
    if (body != NULL && line >= body) {
        context->magic = magic;
        context->folder = magic->kind == SPEC_JOB ? folder_of(body) : NULL;
        find_in_body(context, code, body, line, cursor);
    } else {
        find_in_magic_line(context, code, line, cursor);
    }
}

void context_done(struct context *context)
{
    free(context->prefix);
    free(context->folder);
    strlist_done(&context->path);
}

/* --- the table of keys ------------------------------------------------------------------------ */

static bool is_named(const struct spec_key *key, const char *name)
{
    if (strcmp(key->name, name) == 0)
        return true;
    for (size_t i = 0; key->synonyms != NULL && key->synonyms[i] != NULL; i++)
        if (strcmp(key->synonyms[i], name) == 0)
            return true;
    return false;
}

/* A job's environment may be written out in place, with the keys of one. */
static const struct spec_key *children_of(enum spec_kind kind, const struct spec_key *key)
{
    bool environment = kind == SPEC_JOB && strcmp(key->name, "environment") == 0;
    return environment ? spec_keys(SPEC_ENVIRONMENT) : key->children;
}

const struct spec_key *context_key(enum spec_kind kind, const struct strlist *path)
{
    const struct spec_key *keys = spec_keys(kind);
    const struct spec_key *found = NULL;
    for (size_t i = 0; i < path->count; i++) {
        found = NULL;
        for (; keys != NULL && keys->name != NULL && found == NULL; keys++)
            if (is_named(keys, path->items[i]))
                found = keys;
        if (found == NULL)
            return NULL;
        keys = children_of(kind, found);
    }
    return found;
}

const struct spec_key *context_keys(enum spec_kind kind, const struct strlist *path)
{
    const struct spec_key *key = path->count > 0 ? context_key(kind, path) : NULL;
    return path->count == 0 ? spec_keys(kind) : key != NULL ? children_of(kind, key) : NULL;
}

bool context_value_place(enum spec_kind kind, const char *body, const char *key, int *ret_line,
                         int *ret_column)
{
    int line = 1;
    for (const char *start = body; start != NULL; line++) {
        AUTO_FREE char *written = key_of(start, start + strcspn(start, "\n"));
        struct strlist path = {.items = (char *[]){written, NULL}, .count = written != NULL};
        const struct spec_key *found = written != NULL ? context_key(kind, &path) : NULL;
        if (found != NULL && strcmp(found->name, key) == 0) {
            const char *value = strchr(start, ':') + 1;
            value += strspn(value, " \t");
            *ret_line = line;
            *ret_column = (int)utf8_count(start, (size_t)(value - start)) + 1;
            return true;
        }
        start = strchr(start, '\n');
        start = start != NULL ? start + 1 : NULL;
    }
    return false;
}
