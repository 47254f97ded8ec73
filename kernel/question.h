/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A complete, inspect or is_complete request, which an interpreter answers now or later, exactly
 * once. Positions are byte offsets here; the server translates to and from Jupyter's code points.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct question;

const char *question_code(const struct question *question); /* NUL-terminated UTF-8; borrowed */
size_t question_cursor(const struct question *question);    /* byte offset, at most the length */
int question_detail(const struct question *question);       /* inspect: 0 or 1 */

/* Completion. Candidates replace the bytes from `start` to `end` (start <= end <= length).
 * `matches` is an array of strings; `types`, NULL or an array of the same length ("magic", "key",
 * "path", ...), becomes the _jupyter_types_experimental metadata that front ends show as icons.
 * Both are taken. */
void question_answer_complete(struct question *question, json_t *matches, json_t *types,
                              size_t start, size_t end);

/* Inspection. `bundle` (taken) is a MIME bundle, or NULL for "not found". */
void question_answer_inspect(struct question *question, json_t *bundle);

/* "complete", "incomplete" (with the indent to add), "invalid" or "unknown". */
void question_answer_is_complete(struct question *question, const char *status, const char *indent);
