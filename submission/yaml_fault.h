/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * libyaml's complaints in words for someone who does not know YAML's grammar: what is wrong, where
 * it really is (libyaml often notices a line later), and what to write instead.
 */

#include <stddef.h>

#include "base/error.h"

struct yaml_fault {
    const char *text; /* the document, valid UTF-8 */
    size_t size;
    int first_line;      /* of the document, where the user sees it */
    const char *problem; /* libyaml's */
    const char *context; /* "" when there is none */
    int line, column;    /* of the problem, 1-based, in the document */
    int context_line, context_column;
};

/* Sets the error with its place and hint; quotes keys, never values. Returns -1. */
int yaml_fault_explain(const struct yaml_fault *fault, struct error *err);
