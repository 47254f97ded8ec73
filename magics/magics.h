/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Skiff's magics as interpreters: the first claims cells made of Skiff's magics, the second
 * everything else and answers with an error that says which magics there are: it is asked where no
 * companion kernel runs plain cells. {{ expressions }} in the first one's cells are the companion's
 * values, put in before anything is checked or done.
 */

#include "kernel/interpreter.h"
#include "submission/submission.h"

struct companion;
struct magics;
struct python_module;

/* What it works with; all of it must outlive it. */
struct magics_options {
    struct submission *submission;
    struct companion *companion;  /* NULL: there is no Python to take values from */
    struct python_module *python; /* told of what is submitted; NULL: nobody is */
};

MUST_CHECK struct magics *magics_new(uv_loop_t *loop, const struct magics_options *options);
void magics_free(struct magics *magics); /* closes what still watches runs; NULL is allowed */

/* `self` of both is the struct magics. */
extern const struct interpreter magics_interpreter;
extern const struct interpreter plain_interpreter;
