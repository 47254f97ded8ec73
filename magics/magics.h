/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Skiff's magics as interpreters: the first claims cells made of Skiff's magics, the second
 * everything else and answers with an error that says which magics there are (until a companion
 * kernel runs plain cells).
 */

#include "kernel/interpreter.h"
#include "submission/submission.h"

struct magics;

/* `submission` must outlive it. */
MUST_CHECK struct magics *magics_new(uv_loop_t *loop, struct submission *submission);
void magics_free(struct magics *magics); /* closes what still watches runs; NULL is allowed */

/* `self` of both is the struct magics. */
extern const struct interpreter magics_interpreter;
extern const struct interpreter plain_interpreter;
