/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * {{ expression }} in a cell of Skiff's: found, asked of Python in one request, and replaced by its
 * value before the cell is parsed. Pure: who asks Python is the caller.
 *
 * An expression is on one line. ${{...}} is Azure's, lines that begin with # are comments, and both
 * are left alone; so is an expression in a comment after a value. An expression that is the whole of
 * a YAML value (or of a word of the magic's line) is replaced by JSON (a quoted word), so that a text
 * stays a text and a list is a list. Inside of a longer text its own text is put in, and the cell is
 * then read back: what would change how the text around it is read (a quote, a colon, a comma in a
 * flow list) is refused, not guessed at.
 */

#include <jansson.h>

#include "base/error.h"
#include "magics/parse.h"

/* A definition has some dozens of values. */
#define SUBSTITUTE_MAX 100

/* Of one expression, in bytes: what is longer belongs in a cell of Python. */
#define SUBSTITUTE_EXPRESSION_MAX 2000

/* Of one value, in bytes: a definition is for people to read; data belongs in files. */
#define SUBSTITUTE_VALUE_MAX 100000

struct substitute;

/* Finds the expressions of a cell, whose first line is a magic of ours. *ret_substitute stays NULL
 * when there is none to ask for. Errors have their place in the cell. */
int substitute_new(const char *code, struct substitute **ret_substitute, struct error *err);
void substitute_free(struct substitute *substitute);
DEFINE_AUTO(substitute)

/* The calls of the cell with something in the place of each expression: good for the magics' names.
 * Borrowed. */
const struct parse *substitute_outline(const struct substitute *substitute);

/* The line of the first expression. */
int substitute_line(const struct substitute *substitute);

/* One Python expression for the values of all, for companion_evaluate(). The caller frees it. */
MUST_CHECK char *substitute_question(const struct substitute *substitute);

/* Takes the answer: what application/json holds of the question's value. Errors have the place of
 * the expression at fault; *ret_ename is then the name of Python's exception, owned by the caller, or
 * stays as it is. */
int substitute_fill(struct substitute *substitute, const json_t *answer, char **ret_ename,
                    struct error *err);

/* The cell with its values, once filled: as many lines as the cell has. Borrowed. */
const char *substitute_text(const struct substitute *substitute);

/* An error's column in the text becomes the one in the cell: a value's is that of its {{. */
void substitute_locate(const struct substitute *substitute, struct error *err);
