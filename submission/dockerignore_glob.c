/* SPDX-License-Identifier: BSD-3-Clause */
/* A pattern as a row of tokens. State i is "the tokens before i have matched"; the machine keeps the
 * set of its states as bits and takes the path one character at a time. States that are reached
 * without a character lie to the right of where they are reached from, so entering one is a walk to
 * the right. A byte that is no UTF-8 counts as a character of its own. */
#include "submission/dockerignore_glob.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

enum token_kind {
    TOKEN_CHAR,
    TOKEN_ANY,   /* ? */
    TOKEN_CLASS, /* [...] */
    TOKEN_STAR,  /* any run without a slash */
    TOKEN_DEEP,  /* any run */
    /* Any run that ends with a slash, or nothing: the second is the state within the run. */
    TOKEN_FOLDERS,
    TOKEN_FOLDERS_INSIDE,
    TOKEN_END,
};

struct token {
    enum token_kind kind;
    uint32_t code; /* TOKEN_CHAR */
    bool negated;  /* TOKEN_CLASS */
    size_t first_range, range_count;
};

struct range {
    uint32_t from, to;
};

struct dockerignore_glob {
    struct token *tokens; /* the last one is TOKEN_END */
    size_t count, capacity;
    struct range *ranges;
    size_t range_count, range_capacity;
};

#define STATES_MAX (DOCKERIGNORE_PATTERN_MAX + 1) /* each token takes a byte or more, but the end */

struct states {
    uint64_t words[STATES_MAX / 64 + 1];
};

/* Where bytes that are no UTF-8 stand among the characters: behind the last one. */
#define CODE_BYTES 0x110000u

/* Takes the character at *p, which is not at its end. */
static uint32_t take_code(const char **p)
{
    static const uint8_t first_bits[] = {[1] = 0x7f, [2] = 0x1f, [3] = 0x0f, [4] = 0x07};
    size_t size = utf8_sequence(*p, strnlen(*p, 4));
    const unsigned char *bytes = (const unsigned char *)*p;
    if (size == 0) {
        (*p)++;
        return CODE_BYTES + bytes[0];
    }
    uint32_t code = bytes[0] & first_bits[size];
    for (size_t i = 1; i < size; i++)
        code = code << 6 | (bytes[i] & 0x3f);
    *p += size;
    return code;
}

/* --- compiling -------------------------------------------------------------------------------- */

static struct token *add_token(struct dockerignore_glob *glob, enum token_kind kind)
{
    grow(&glob->tokens, &glob->capacity, glob->count + 1, sizeof *glob->tokens);
    struct token *token = &glob->tokens[glob->count++];
    *token = (struct token){.kind = kind};
    return token;
}

/* One end of a range, perhaps escaped. */
static int take_class_code(const char **p, uint32_t *ret_code, struct error *err)
{
    if (**p == '-' || **p == ']')
        return error_set(err, ERROR_INVALID,
                         **p == '-' ? "a \"-\" in brackets stands between two characters"
                                    : "there is nothing in the brackets");
    if (**p == '\\')
        (*p)++;
    if (**p == '\0')
        return error_set(err, ERROR_INVALID, "a \"[\" is not closed");
    *ret_code = take_code(p);
    return 0;
}

/* *p is behind the opening bracket; leaves it behind the closing one. */
static int compile_class(struct dockerignore_glob *glob, const char **p, struct error *err)
{
    struct token token = {.kind = TOKEN_CLASS, .first_range = glob->range_count};
    if (**p == '^') {
        token.negated = true;
        (*p)++;
    }
    do {
        struct range range;
        if (take_class_code(p, &range.from, err) != 0)
            return -1;
        range.to = range.from;
        if (**p == '-') {
            (*p)++;
            if (take_class_code(p, &range.to, err) != 0)
                return -1;
        }
        if (range.to < range.from)
            return error_set(err, ERROR_INVALID, "a range in brackets is the wrong way round");
        grow(&glob->ranges, &glob->range_capacity, glob->range_count + 1, sizeof range);
        glob->ranges[glob->range_count++] = range;
    } while (**p != ']');
    (*p)++;
    token.range_count = glob->range_count - token.first_range;
    *add_token(glob, TOKEN_CLASS) = token;
    return 0;
}

/* *p is behind two stars. */
static void compile_deep(struct dockerignore_glob *glob, const char **p)
{
    bool begins = glob->count == 0, slash = **p == '/';
    if (slash)
        (*p)++;
    if (**p == '\0' || (begins && !slash && strpbrk(*p, "*?[]\\") == NULL)) {
        add_token(glob, TOKEN_DEEP);
        return;
    }
    add_token(glob, TOKEN_FOLDERS);
    add_token(glob, TOKEN_FOLDERS_INSIDE);
}

static int compile_next(struct dockerignore_glob *glob, const char **p, struct error *err)
{
    switch (**p) {
    case '*':
        (*p)++;
        if (**p != '*') {
            add_token(glob, TOKEN_STAR);
            return 0;
        }
        (*p)++;
        compile_deep(glob, p);
        return 0;
    case '?':
        (*p)++;
        add_token(glob, TOKEN_ANY);
        return 0;
    case '[':
        (*p)++;
        return compile_class(glob, p, err);
    case '\\':
        (*p)++;
        if (**p == '\0')
            return error_set(err, ERROR_INVALID, "there is nothing behind the last backslash");
        break;
    default:
        break;
    }
    uint32_t code = take_code(p);
    add_token(glob, TOKEN_CHAR)->code = code;
    return 0;
}

struct dockerignore_glob *dockerignore_glob_new(const char *pattern, struct error *err)
{
    struct dockerignore_glob *glob = xcalloc(1, sizeof *glob);
    for (const char *p = pattern; *p != '\0';)
        if (compile_next(glob, &p, err) != 0) {
            dockerignore_glob_free(glob);
            return NULL;
        }
    add_token(glob, TOKEN_END);
    return glob;
}

void dockerignore_glob_free(struct dockerignore_glob *glob)
{
    if (glob == NULL)
        return;
    free(glob->tokens);
    free(glob->ranges);
    free(glob);
}

/* --- matching --------------------------------------------------------------------------------- */

static void add_state(struct states *states, size_t i)
{
    states->words[i / 64] |= 1ull << (i % 64);
}

/* Enters state `i` and what is reached from there without a character. */
static void enter(const struct dockerignore_glob *glob, struct states *states, size_t i)
{
    for (;;) {
        add_state(states, i);
        switch (glob->tokens[i].kind) {
        case TOKEN_STAR:
        case TOKEN_DEEP:
            i++;
            break;
        case TOKEN_FOLDERS:
            add_state(states, i + 1);
            i += 2;
            break;
        default:
            return;
        }
    }
}

static bool class_has(const struct dockerignore_glob *glob, const struct token *token,
                      uint32_t code)
{
    const struct range *ranges = glob->ranges + token->first_range;
    for (size_t i = 0; i < token->range_count; i++)
        if (code >= ranges[i].from && code <= ranges[i].to)
            return !token->negated;
    return token->negated;
}

/* Takes one character in state `i`; what follows goes to `next`. */
static void step(const struct dockerignore_glob *glob, size_t i, uint32_t code, struct states *next)
{
    const struct token *token = &glob->tokens[i];
    bool goes_on = false, stays = false;
    switch (token->kind) {
    case TOKEN_CHAR:
        goes_on = token->code == code;
        break;
    case TOKEN_ANY:
        goes_on = code != '/';
        break;
    case TOKEN_CLASS:
        goes_on = class_has(glob, token, code);
        break;
    case TOKEN_STAR:
        stays = code != '/';
        break;
    case TOKEN_DEEP:
        stays = true;
        break;
    case TOKEN_FOLDERS_INSIDE:
        stays = true;
        goes_on = code == '/';
        break;
    default: /* TOKEN_FOLDERS has handed over to the two behind it; after TOKEN_END nothing may come */
        break;
    }
    if (stays)
        enter(glob, next, i);
    if (goes_on)
        enter(glob, next, i + 1);
}

/* The states after one more character. False when there are none. */
static bool advance(const struct dockerignore_glob *glob, struct states *states, uint32_t code)
{
    struct states next;
    size_t words = glob->count / 64 + 1;
    memset(next.words, 0, words * sizeof next.words[0]);
    for (size_t word = 0; word < words; word++)
        for (uint64_t bits = states->words[word]; bits != 0; bits &= bits - 1)
            step(glob, word * 64 + (size_t)__builtin_ctzll(bits), code, &next);
    uint64_t any = 0;
    for (size_t word = 0; word < words; word++)
        any |= states->words[word] = next.words[word];
    return any != 0;
}

/* Runs over the whole path. False when no state is left before its end. */
static bool run(const struct dockerignore_glob *glob, const char *path, struct states *states)
{
    memset(states->words, 0, (glob->count / 64 + 1) * sizeof states->words[0]);
    enter(glob, states, 0);
    while (*path != '\0')
        if (!advance(glob, states, take_code(&path)))
            return false;
    return true;
}

bool dockerignore_glob_match(const struct dockerignore_glob *glob, const char *path)
{
    struct states states;
    size_t end = glob->count - 1;
    return run(glob, path, &states) && (states.words[end / 64] >> (end % 64) & 1) != 0;
}

bool dockerignore_glob_match_below(const struct dockerignore_glob *glob, const char *path)
{
    struct states states;
    size_t end = glob->count - 1;
    if (!run(glob, path, &states) || !advance(glob, &states, '/'))
        return false;
    /* Something has to follow the slash, which the end alone does not take. */
    states.words[end / 64] &= ~(1ull << (end % 64));
    uint64_t any = 0;
    for (size_t word = 0; word <= end / 64; word++)
        any |= states.words[word];
    return any != 0;
}
