/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The cell grammar, and nothing of what the magics mean: a pure function of the text.
 *
 *   cell        = { blank | comment } ( cell-magic | line { line | blank | comment } )
 *   cell-magic  = "%%name" { word } [ comment ] newline, then the body: the rest as it is
 *   line        = "%name" { word } [ comment ]  |  help
 *   help        = "%name?" | "%%name?" | "?%name" | "?%%name"
 *   word        = characters without blanks; '...' and "..." hold blanks, \" and \\ escape in "..."
 *   comment     = "#" at the start of a word, to the end of the line
 *
 * Every word knows its place: 1-based line and column in code points, and bytes.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* A cell of line magics is written by a person; more than this is a mistake or an attack. */
#define PARSE_CALLS_MAX 200
#define PARSE_WORDS_MAX 100

struct parse_word {
    char *text; /* without quotes */
    int line, column;
    size_t start, end; /* bytes of the code, quotes included */
};

struct parse_call {
    struct parse_word name; /* without '%' and '?'; its place is that of the first '%' or '?' */
    bool cell_magic;        /* written with %% */
    bool help;              /* written with ? */
    struct parse_word *words;
    size_t count, capacity;
};

struct parse {
    struct parse_call *calls; /* at least one; exactly one when it is a cell magic */
    size_t count, capacity;
    const char *body; /* a cell magic's; borrowed from the code, NUL-terminated; else NULL */
    int body_line;    /* the line in which it begins */
};

/* Parses a cell whose first significant line is a magic. Errors have a place in the cell. */
int parse_cell(const char *code, struct parse **ret_parse, struct error *err);
void parse_free(struct parse *parse);
DEFINE_AUTO(parse)

struct parse_first {
    char *magic;      /* as written, without its arguments: "%runs", "%%submit" */
    bool help;        /* with a ?, which is not part of `magic` */
    const char *rest; /* the line after it, in the code; NULL when there is none */
};

/* Looks at the first significant line of any code. False when it is no magic, or there is none;
 * else the caller frees `magic`. */
bool parse_first(const char *code, struct parse_first *ret_first);

/* True when there is nothing but blank lines and comments. */
bool parse_is_blank(const char *code);

/* The text of a 1-based line without its end. The caller frees it; NULL past the last line. */
MUST_CHECK char *parse_line(const char *code, int line);
