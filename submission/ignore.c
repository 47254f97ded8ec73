/* SPDX-License-Identifier: BSD-3-Clause */
/* Ignore files: lines to patterns, and which pattern decides. Follows git's dir.c to the letter,
 * oddities included, because people test their ignore files with git: the part of a pattern before
 * its first special character is compared as it is, so that what follows counts as the beginning of
 * a pattern (`a**` + `/b` matches ax/y/b), and only a trailing slash that was written asks for a
 * folder. The stars are ignore_glob.c's. */
#include "submission/ignore.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"
#include "submission/ignore_glob.h"

#define SPECIAL "*?[\\"

enum pattern_shape {
    SHAPE_LITERAL, /* nothing special: equal bytes */
    SHAPE_SUFFIX,  /* `*` and nothing special behind it, for base names only */
    SHAPE_GLOB,    /* `prefix` bytes as they are, then a glob */
};

struct pattern {
    const char *written; /* the line less trailing spaces; points into the list's text */
    int line;
    bool negated;
    bool dirs_only;
    bool base_name_only; /* no slash but a trailing one: matches in every folder below */
    enum pattern_shape shape;
    const char *body; /* what is compared: no `!`, no leading slash */
    size_t size;      /* of the body, less a trailing slash */
    size_t prefix;    /* SHAPE_GLOB: bytes of the body before the glob */
    struct ignore_glob *glob;
};

struct ignore_list {
    const struct ignore_list *parent;
    char *base;
    size_t base_size;
    char *source;
    char *text; /* the file, its lines cut apart by NULs */
    struct pattern *patterns;
    size_t count, capacity;
};

/* --- parsing ---------------------------------------------------------------------------------- */

/* Spaces at the end do not count unless a backslash is before them. */
static void trim_trailing_spaces(char *line)
{
    char *first_space = NULL;
    for (char *p = line; *p != '\0'; p++) {
        if (*p == ' ') {
            first_space = first_space != NULL ? first_space : p;
            continue;
        }
        first_space = NULL;
        if (*p == '\\' && *++p == '\0')
            return;
    }
    if (first_space != NULL)
        *first_space = '\0';
}

static void find_shape(struct pattern *pattern)
{
    size_t plain = strcspn(pattern->body, SPECIAL);
    if (plain >= pattern->size) {
        pattern->shape = SHAPE_LITERAL;
        return;
    }
    /* git looks for what is special in the whole line, a trailing slash and all. */
    bool one_star = pattern->body[0] == '*' && strpbrk(pattern->body + 1, SPECIAL) == NULL;
    if (pattern->base_name_only && one_star) {
        pattern->shape = SHAPE_SUFFIX;
        return;
    }
    pattern->shape = SHAPE_GLOB;
    pattern->prefix = pattern->base_name_only ? 0 : plain;
    AUTO_FREE char *glob =
        xstrndup(pattern->body + pattern->prefix, pattern->size - pattern->prefix);
    pattern->glob = ignore_glob_new(glob);
}

static void add_pattern(struct ignore_list *list, const char *line, int number)
{
    struct pattern pattern = {.written = line, .line = number, .body = line};
    if (*pattern.body == '!') {
        pattern.negated = true;
        pattern.body++;
    }
    pattern.size = strlen(pattern.body);
    if (pattern.size > 0 && pattern.body[pattern.size - 1] == '/') {
        pattern.dirs_only = true;
        pattern.size--;
    }
    pattern.base_name_only = memchr(pattern.body, '/', pattern.size) == NULL;
    if (!pattern.base_name_only && pattern.body[0] == '/') {
        pattern.body++;
        pattern.size--;
    }
    find_shape(&pattern);
    grow(&list->patterns, &list->capacity, list->count + 1, sizeof pattern);
    list->patterns[list->count++] = pattern;
}

static void parse_lines(struct ignore_list *list, char *text, size_t size)
{
    char *end = text + size;
    int number = 0;
    for (char *line = text; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *next = newline != NULL ? newline + 1 : end;
        number++;
        if (newline != NULL)
            *newline = '\0';
        /* A carriage return belongs to the line end, also of a last line that has no newline. */
        char *last = newline != NULL ? newline : end;
        if (last > line && last[-1] == '\r')
            last[-1] = '\0';
        if (*line != '#' && *line != '\0') {
            trim_trailing_spaces(line);
            add_pattern(list, line, number);
        }
        line = next;
    }
}

struct ignore_list *ignore_parse(const struct ignore_list *parent, const char *base,
                                 const char *source, const char *text, size_t size)
{
    struct ignore_list *list = xcalloc(1, sizeof *list);
    list->parent = parent;
    list->base = xstrdup(base);
    list->base_size = strlen(base);
    list->source = xstrdup(source);
    list->text = xmalloc(size + 1);
    if (size > 0)
        memcpy(list->text, text, size);
    list->text[size] = '\0';
    size_t bom = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    parse_lines(list, list->text + bom, size - bom);
    return list;
}

void ignore_free(struct ignore_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->count; i++)
        ignore_glob_free(list->patterns[i].glob);
    free(list->patterns);
    free(list->text);
    free(list->source);
    free(list->base);
    free(list);
}

/* --- matching --------------------------------------------------------------------------------- */

static bool matches(const struct pattern *pattern, const char *name, size_t size)
{
    switch (pattern->shape) {
    case SHAPE_LITERAL:
        return size == pattern->size && memcmp(name, pattern->body, size) == 0;
    case SHAPE_SUFFIX: {
        size_t suffix = pattern->size - 1;
        return size >= suffix && memcmp(name + size - suffix, pattern->body + 1, suffix) == 0;
    }
    default:
        return size >= pattern->prefix && memcmp(name, pattern->body, pattern->prefix) == 0 &&
               ignore_glob_match(pattern->glob, name + pattern->prefix);
    }
}

/* The last pattern of one file that matches, or NULL. */
static const struct pattern *find_in_list(const struct ignore_list *list, const char *path,
                                          size_t size, bool is_dir)
{
    const char *base_name = memrchr(path, '/', size);
    base_name = base_name != NULL ? base_name + 1 : path;
    const char *below = list->base_size > 0 ? path + list->base_size + 1 : path;
    for (size_t i = list->count; i-- > 0;) {
        const struct pattern *pattern = &list->patterns[i];
        const char *name = pattern->base_name_only ? base_name : below;
        if (pattern->dirs_only && !is_dir)
            continue;
        if (matches(pattern, name, size - (size_t)(name - path)))
            return pattern;
    }
    return NULL;
}

/* A list speaks only about what is below its folder. */
static bool is_below(const struct ignore_list *list, const char *path, size_t size)
{
    return list->base_size == 0 || (size > list->base_size && path[list->base_size] == '/' &&
                                    memcmp(path, list->base, list->base_size) == 0);
}

bool ignore_match(const struct ignore_list *list, const char *path, bool is_dir,
                  struct ignore_rule *ret_rule)
{
    size_t size = strlen(path);
    if (ret_rule != NULL)
        *ret_rule = (struct ignore_rule){.source = NULL};
    for (; list != NULL; list = list->parent) {
        const struct pattern *found =
            is_below(list, path, size) ? find_in_list(list, path, size, is_dir) : NULL;
        if (found == NULL)
            continue;
        if (ret_rule != NULL)
            *ret_rule = (struct ignore_rule){.source = list->source,
                                             .line = found->line,
                                             .pattern = found->written,
                                             .negated = found->negated};
        return !found->negated;
    }
    return false;
}

/* --- writing ---------------------------------------------------------------------------------- */

char *ignore_line(const char *path, bool is_dir)
{
    AUTO_BUF struct buf line = BUF_INIT;
    buf_putc(&line, '/');
    for (size_t size = strlen(path), step; size > 0; path += step, size -= step) {
        step = utf8_sequence(path, size);
        if (step == 0 || *path == '\n' || *path == '\r') {
            step = 1;
            buf_putc(&line, '?');
            continue;
        }
        if (strchr(SPECIAL, *path) != NULL || (*path == ' ' && size == 1 && !is_dir))
            buf_putc(&line, '\\');
        buf_append(&line, path, step);
    }
    if (is_dir)
        buf_putc(&line, '/');
    return buf_steal(&line);
}
