/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What runs cells. The server knows the protocol and no language: it hands each request to the
 * first interpreter in its list that claims it. Skiff's magics are one interpreter ("handled
 * here"); a companion kernel is another ("handled elsewhere"). Both implement this one small
 * interface.
 *
 * A request is an operation that ends later, not a call that blocks. Every slot returns at once;
 * the operation ends when the interpreter calls exactly one of the finishing functions of cell.h or
 * question.h, from the loop, now or later.
 */

#include <stdbool.h>
#include <stddef.h>

struct cell;
struct question;
struct server;
struct strlist;

struct interpreter {
    const char *name;

    /* Required. Is this code ours? Pure, fast, any text. The last interpreter claims everything. */
    bool (*claims)(void *self, const char *code);

    /* Required. Begins a cell; ends by a cell_finish_*(). `cell` stays the server's and lives until
     * it is finished. One cell runs at a time.
     * https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute */
    void (*execute)(void *self, struct cell *cell);

    /* Required. The user asked to stop the running cell: end it soon (it must still finish). May be
     * called more than once. Never called for a cell that is finished.
     * https://jupyter-client.readthedocs.io/en/stable/messaging.html#kernel-interrupt */
    void (*interrupt)(void *self, struct cell *cell);

    /* Optional, each; NULL answers "nothing". They end by the question_answer_*() of their kind.
     * https://jupyter-client.readthedocs.io/en/stable/messaging.html#completion
     * https://jupyter-client.readthedocs.io/en/stable/messaging.html#introspection
     * https://jupyter-client.readthedocs.io/en/stable/messaging.html#code-completeness */
    void (*complete)(void *self, struct question *question);
    void (*inspect)(void *self, struct question *question);
    void (*is_complete)(void *self, struct question *question);

    /* Optional. What this interpreter adds to the completion of code that another one answers: its
     * magics, where a cell begins. Appends the candidates, which replace the bytes from the returned
     * position to the cursor. */
    size_t (*offer)(void *self, const char *code, size_t cursor, struct strlist *matches);

    /* Optional. The server is open: comms may be opened on it until the interpreter is closed. */
    void (*opened)(void *self, struct server *server);

    /* Optional. A page asks for the state of all widgets: it was loaded, or its kernel restarted
     * under it. Those of ours that it may show from an earlier kernel are to be brought back now,
     * with comm_restore(). Called again for every page. */
    void (*restore)(void *self);
};

/* An interpreter and its state, as the server is given them. */
struct interpreter_slot {
    const struct interpreter *interpreter;
    void *self;
};
