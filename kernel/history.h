/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The history of inputs, in SQLite (WAL, shared by all kernels of one home). Each kernel process is a
 * session with a number. Opened at the first use, not at start-up; where the file cannot be used the
 * history is kept in memory and the log says so once.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

/* Longer inputs are data pasted into a cell: cut, nobody scrolls back to them. */
#define HISTORY_ENTRY_MAX (1024 * 1024)

struct server;
struct history;

/* Opens the file (NULL: memory only); never fails. The caller frees it with history_close(). */
struct history *history_open(const char *path);
void history_close(struct history *history); /* NULL is allowed */

/* Appends an input of this session. */
void history_append(struct history *history, int line, const char *input);

/* A query of a history_request. Results are arrays [session, line, input], or with `output` [session, line,
 * [input, null]], oldest first. The number of the current session is 0 in ranges, as in IPython. New
 * reference. */
struct history_query {
    enum { HISTORY_TAIL, HISTORY_RANGE, HISTORY_SEARCH } access;
    bool output;
    bool unique;         /* search: each input once, its newest place */
    int64_t n;           /* tail, search: at most so many of the newest; <= 0: all */
    int64_t session;     /* range: absolute, 0 for this one, negative counts back from it */
    int64_t start, stop; /* range: start <= line < stop; stop <= 0: to the end */
    const char *pattern; /* search: with * and ? */
};
json_t *history_find(struct history *history, const struct history_query *query);

/* The server's history, opened when needed: adds an input. */
void history_add(struct server *server, int line, const char *input);
