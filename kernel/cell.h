/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * One execute_request from its start to its reply: what an interpreter sees of it. Output goes to
 * the front end at once, with the request as its parent. After a finishing function the cell is
 * gone and must not be touched.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/mem.h"

struct cell;

const char *cell_code(const struct cell *cell); /* NUL-terminated UTF-8; borrowed from the cell */
bool cell_silent(const struct cell *cell);
bool cell_allow_stdin(const struct cell *cell);   /* false: nobody can answer; do not ask */
bool cell_draws_widgets(const struct cell *cell); /* its front end has asked for widgets before */

/* Text for the pager, put into the reply's payload (shown by front ends that have one). */
void cell_page(struct cell *cell, json_t *bundle);

/* Asks the user one line through stdin. `answered` is called once from the loop: `text` is the
 * answer, owned by the callee's caller and wiped after the call when `password` is set, or NULL
 * when the cell was interrupted while asking. -1 when the front end cannot be asked
 * (cell_allow_stdin is false); the callback is then never made.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#messages-on-the-stdin-router-dealer-channel
 */
typedef void (*cell_answer_fn)(struct cell *cell, const char *text, void *data);
int cell_ask(struct cell *cell, const char *prompt, bool password, cell_answer_fn answered,
             void *data);

/* Ends the cell. Exactly one of these, exactly once, from the loop. */
void cell_finish_ok(struct cell *cell);
/* ename and evalue as in Python; the traceback's lines may hold ANSI colours. */
void cell_finish_error(struct cell *cell, const char *ename, const char *evalue,
                       const char *const *traceback, size_t line_count);
