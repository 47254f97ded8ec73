/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Help: on a magic, a key, an option, and the overview. Pure but for the last; bundles are new
 * references. */

#include <jansson.h>

#include "magics/magic.h"

struct question;

/* %skiff: the version, the home folder, the companion as companion_describe() has it (NULL: nothing
 * about it), every magic with its line. */
MUST_CHECK json_t *inspect_overview(const char *home, const json_t *companion);

/* %magic?: usage, options, keys of its text, an example. */
MUST_CHECK json_t *inspect_magic(const struct magic *magic);

/* A key of a definition: meaning, other spellings, allowed values, an example. */
MUST_CHECK json_t *inspect_key(const struct spec_key *key);

/* What is under the cursor of a cell; NULL when nothing is known about it. */
MUST_CHECK json_t *inspect_at(const char *code, size_t cursor);

/* Answers the question. */
void inspect_answer(struct question *question);
