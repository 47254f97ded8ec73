/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Completion: what may stand where the cursor is (context.h says where that is). */

#include "base/strlist.h"
#include "magics/context.h"

struct question;
struct submission;

/* More are no help to anyone; a folder may hold a million. */
#define COMPLETE_MAX 200

/* The candidates at a place, in the order to show them. `directory` is where relative paths begin.
 * `submission` may be NULL: then no names are known. Returns what they are, for icons: "magic",
 * "option", "key", "value", "path", "name". */
const char *complete_find(const struct context *context, struct submission *submission,
                          const char *directory, struct strlist *ret_matches);

/* Answers the question. */
void complete_answer(struct submission *submission, struct question *question);
