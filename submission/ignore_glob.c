/* SPDX-License-Identifier: BSD-3-Clause */
/* One pattern as a row of tokens, each of which takes one byte, or is a star.
 *
 * Matching is greedy from the left with two places to go back to. It is enough to remember the last
 * star of each kind: between two `*` the same number of slashes is matched wherever the first one
 * ends, so the bytes by which it could be longer hold no slash, and the second can take them;
 * anything before a `**` could be made up for by the `**`. When the text runs out before the tokens
 * do, every later try runs out too, and the answer is no. */
#include "submission/ignore_glob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum token_kind {
    TOKEN_BYTE,
    TOKEN_ANY,         /* ? */
    TOKEN_CLASS,       /* [...] */
    TOKEN_STAR,        /* any run of bytes without a slash */
    TOKEN_DEEP_STAR,   /* any run of bytes */
    TOKEN_DEEP_FOLDER, /* nothing, or any run of bytes that ends with a slash */
    TOKEN_NEVER,       /* malformed: matches nothing */
    TOKEN_END,
};

struct token {
    uint8_t kind;
    uint8_t byte;
    uint32_t class_index;
};

struct class_set {
    uint64_t words[4]; /* one bit per byte value */
};

struct ignore_glob {
    struct token *tokens; /* the last one is TOKEN_END */
    size_t count, capacity;
    struct class_set *classes;
    size_t class_count, class_capacity;
};

/* --- classes ---------------------------------------------------------------------------------- */

static bool set_has(const struct class_set *set, uint8_t byte)
{
    return (set->words[byte / 64] >> (byte % 64) & 1) != 0;
}

static void set_add_range(struct class_set *set, unsigned from, unsigned to)
{
    for (unsigned byte = from; byte <= to; byte++)
        set->words[byte / 64] |= 1ull << (byte % 64);
}

/* git's own ctype: ASCII only, and no vertical tab or form feed among the spaces. */
static const struct {
    const char *name;
    uint8_t ranges[10]; /* pairs from, to; a pair of zeros ends them */
} named_classes[] = {
    {"alnum", {'0', '9', 'A', 'Z', 'a', 'z'}},
    {"alpha", {'A', 'Z', 'a', 'z'}},
    {"blank", {' ', ' ', '\t', '\t'}},
    {"cntrl", {1, 31, 127, 127}},
    {"digit", {'0', '9'}},
    {"graph", {33, 126}},
    {"lower", {'a', 'z'}},
    {"print", {32, 126}},
    {"punct", {33, 47, 58, 64, 91, 96, 123, 126}},
    {"space", {' ', ' ', '\t', '\n', '\r', '\r'}},
    {"upper", {'A', 'Z'}},
    {"xdigit", {'0', '9', 'A', 'F', 'a', 'f'}},
};

static bool set_add_named(struct class_set *set, const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(named_classes); i++) {
        if (strlen(named_classes[i].name) != length ||
            memcmp(named_classes[i].name, name, length) != 0)
            continue;
        for (const uint8_t *range = named_classes[i].ranges; range[0] != 0; range += 2)
            set_add_range(set, range[0], range[1]);
        return true;
    }
    return false;
}

/* What [: begins. Returns where it ends (at its `]`), `p` itself when it is no name but an ordinary
 * bracket, NULL when the pattern is malformed. */
static const char *add_bracketed_name(struct class_set *set, const char *p)
{
    const char *name = p + 2;
    const char *end = strchr(name, ']');
    if (end == NULL)
        return NULL;
    if (end == name || end[-1] != ':') {
        set_add_range(set, '[', '[');
        return p;
    }
    return set_add_named(set, name, (size_t)(end - 1 - name)) ? end : NULL;
}

/* The end of a range whose dash is at `p`. Returns its last character, NULL when malformed. */
static const char *add_range(struct class_set *set, uint8_t from, const char *p)
{
    p++;
    if (*p == '\\' && *++p == '\0')
        return NULL;
    set_add_range(set, from, (uint8_t)*p);
    return p;
}

/* The items of a class, the first of which may be a plain `]`. Returns the closing bracket, or NULL
 * when there is none. `previous` is what a range may begin with, 0 after a range or a name. */
static const char *parse_class_items(struct class_set *set, const char *p)
{
    uint8_t previous = 0;
    do {
        uint8_t byte = (uint8_t)*p;
        if (byte == '\0')
            return NULL;
        if (byte == '\\') {
            byte = (uint8_t) * ++p;
            if (byte == '\0')
                return NULL;
            set_add_range(set, byte, byte);
        } else if (byte == '-' && previous != 0 && p[1] != '\0' && p[1] != ']') {
            p = add_range(set, previous, p);
            byte = 0;
        } else if (byte == '[' && p[1] == ':') {
            const char *end = add_bracketed_name(set, p);
            byte = end == p ? '[' : 0;
            p = end;
        } else {
            set_add_range(set, byte, byte);
        }
        if (p == NULL)
            return NULL;
        previous = byte;
    } while (*++p != ']');
    return p;
}

/* `p` is behind the opening bracket. Returns the closing one, or NULL. */
static const char *parse_class(struct class_set *set, const char *p)
{
    bool negated = *p == '!' || *p == '^';
    p = parse_class_items(set, negated ? p + 1 : p);
    if (p != NULL && negated)
        for (size_t i = 0; i < ARRAY_SIZE(set->words); i++)
            set->words[i] = ~set->words[i];
    set->words['/' / 64] &= ~(1ull << ('/' % 64));
    return p;
}

/* --- compiling -------------------------------------------------------------------------------- */

static void add_token(struct ignore_glob *glob, enum token_kind kind, char byte)
{
    grow(&glob->tokens, &glob->capacity, glob->count + 1, sizeof *glob->tokens);
    glob->tokens[glob->count++] = (struct token){
        .kind = kind, .byte = (uint8_t)byte, .class_index = (uint32_t)glob->class_count};
}

static const char *compile_class(struct ignore_glob *glob, const char *p)
{
    struct class_set set = {{0}};
    const char *end = parse_class(&set, p + 1);
    if (end == NULL)
        return NULL;
    add_token(glob, TOKEN_CLASS, 0);
    grow(&glob->classes, &glob->class_capacity, glob->class_count + 1, sizeof set);
    glob->classes[glob->class_count++] = set;
    return end + 1;
}

/* A run of stars. Two or more are special only between slashes or the pattern's ends. */
static const char *compile_stars(struct ignore_glob *glob, const char *pattern, const char *p)
{
    const char *end = p + strspn(p, "*");
    bool alone = (p == pattern || p[-1] == '/') &&
                 (*end == '\0' || *end == '/' || (end[0] == '\\' && end[1] == '/'));
    if (end - p < 2 || !alone) {
        add_token(glob, TOKEN_STAR, 0);
        return end;
    }
    if (*end != '/') {
        add_token(glob, TOKEN_DEEP_STAR, 0);
        return end;
    }
    add_token(glob, TOKEN_DEEP_FOLDER, 0);
    return end + 1;
}

struct ignore_glob *ignore_glob_new(const char *pattern)
{
    struct ignore_glob *glob = xcalloc(1, sizeof *glob);
    const char *p = pattern;
    while (p != NULL && *p != '\0') {
        if (*p == '*') {
            p = compile_stars(glob, pattern, p);
        } else if (*p == '[') {
            p = compile_class(glob, p);
        } else if (*p == '?') {
            add_token(glob, TOKEN_ANY, 0);
            p++;
        } else {
            p += *p == '\\' ? 1 : 0;
            if (*p == '\0')
                p = NULL;
            else
                add_token(glob, TOKEN_BYTE, *p++);
        }
    }
    add_token(glob, p == NULL ? TOKEN_NEVER : TOKEN_END, 0);
    return glob;
}

void ignore_glob_free(struct ignore_glob *glob)
{
    if (glob == NULL)
        return;
    free(glob->tokens);
    free(glob->classes);
    free(glob);
}

/* --- matching --------------------------------------------------------------------------------- */

static bool takes(const struct ignore_glob *glob, const struct token *token, char byte)
{
    switch (token->kind) {
    case TOKEN_BYTE:
        return token->byte == (uint8_t)byte;
    case TOKEN_ANY:
        return byte != '/';
    case TOKEN_CLASS:
        return set_has(&glob->classes[token->class_index], (uint8_t)byte);
    default:
        return false;
    }
}

/* A place to go on from when the tokens behind a star do not fit. */
struct retry {
    const struct token *token; /* behind the star; NULL when there is no such star yet */
    const char *text;          /* where they were tried last */
    bool folders;              /* only behind a slash: TOKEN_DEEP_FOLDER */
};

/* Lets a `*` take one byte more. False when it must not. */
static bool extend_star(struct retry *star)
{
    if (star->token == NULL || *star->text == '\0' || *star->text == '/')
        return false;
    star->text++;
    return true;
}

/* Lets a `**` take one byte, or one folder, more. */
static bool extend_deep(struct retry *deep)
{
    if (deep->token == NULL || *deep->text == '\0')
        return false;
    const char *next = deep->folders ? strchr(deep->text, '/') : deep->text;
    if (next == NULL)
        return false;
    deep->text = next + 1;
    return true;
}

bool ignore_glob_match(const struct ignore_glob *glob, const char *text)
{
    const struct token *token = glob->tokens;
    struct retry star = {.token = NULL}, deep = {.token = NULL};
    if (glob->tokens[glob->count - 1].kind == TOKEN_NEVER)
        return false;
    for (;;) {
        if (token->kind == TOKEN_STAR) {
            star = (struct retry){.token = ++token, .text = text};
        } else if (token->kind == TOKEN_DEEP_STAR || token->kind == TOKEN_DEEP_FOLDER) {
            bool folders = token->kind == TOKEN_DEEP_FOLDER;
            deep = (struct retry){.token = ++token, .text = text, .folders = folders};
            star.token = NULL;
        } else if (*text == '\0') {
            return token->kind == TOKEN_END;
        } else if (takes(glob, token, *text)) {
            token++;
            text++;
        } else if (extend_star(&star)) {
            token = star.token;
            text = star.text;
        } else if (extend_deep(&deep)) {
            token = deep.token;
            text = deep.text;
            star.token = NULL;
        } else {
            return false;
        }
    }
}
