/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The kernel as the magics see it, made of plain fields: a cell whose output and end a test reads,
 * a companion that is asked and answers when the test says so.
 * Included by one test program at a time; it takes the place of the kernel's own functions.
 */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "kernel/cell.h"
#include "kernel/comm.h"
#include "kernel/companion.h"
#include "kernel/outlet.h"
#include "kernel/question.h"

struct outlet {
    unsigned refs;
    struct buf stream; /* all stream text */
    struct buf plain;  /* the text/plain of every display and update, a line each */
    struct buf html;   /* the text/html of the same */
    unsigned displays, updates;
};

struct cell {
    const char *code;
    bool allow_stdin;
    struct outlet outlet;
    bool done;
    char *ename; /* NULL: ended well */
    char *evalue;
    char *traceback;
    cell_answer_fn answered; /* a question that waits */
    void *answer_data;
    char *prompt;
};

struct companion {
    const char *state; /* as companion_describe() says it */
    json_t *asked;     /* the expressions; NULL: nothing waits for an answer */
    companion_values_fn answered;
    void *data;
    unsigned interrupts;
    struct buf told; /* a line each */
};

struct question {
    const char *code;
    size_t cursor;
    json_t *matches, *types, *bundle;
    size_t start, end;
    const char *status;
};

static UNUSED void fake_cell_done(struct cell *cell)
{
    buf_done(&cell->outlet.stream);
    buf_done(&cell->outlet.plain);
    buf_done(&cell->outlet.html);
    free(cell->ename);
    free(cell->evalue);
    free(cell->traceback);
    free(cell->prompt);
    *cell = (struct cell){.code = NULL};
}

const char *cell_code(const struct cell *cell)
{
    return cell->code;
}

bool cell_allow_stdin(const struct cell *cell)
{
    return cell->allow_stdin;
}

/* Text front ends and batch alone: widgets are tested against the real kernel (tests/clients). */
bool cell_draws_widgets(const struct cell *cell)
{
    (void)cell;
    return false;
}

struct comm *comm_open(struct server *server, const char *id, const char *target,
                       const struct comm_message *message)
{
    (void)server;
    (void)id;
    (void)target;
    (void)message;
    fail_msg("a comm is opened");
    return NULL;
}

struct comm *comm_restore(struct server *server, const char *id, const char *target, json_t *data)
{
    (void)server;
    (void)id;
    (void)target;
    (void)data;
    fail_msg("a comm is restored");
    return NULL;
}

void comm_send(struct comm *comm, const struct comm_message *message)
{
    (void)comm;
    (void)message;
    fail_msg("something is sent on a comm");
}

void comm_set_handler(struct comm *comm, const struct comm_handler *handler, void *self)
{
    (void)comm;
    (void)handler;
    (void)self;
}

struct outlet *cell_outlet(struct cell *cell)
{
    return &cell->outlet;
}

struct outlet *outlet_ref(struct outlet *outlet)
{
    outlet->refs++;
    return outlet;
}

void outlet_unref(struct outlet *outlet)
{
    outlet->refs -= outlet != NULL;
}

void outlet_write(struct outlet *outlet, enum outlet_stream stream, const char *text, size_t size)
{
    (void)stream;
    buf_append(&outlet->stream, text, size);
}

void outlet_printf(struct outlet *outlet, enum outlet_stream stream, const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    assert_true(vasprintf(&text, fmt, args) >= 0);
    va_end(args);
    outlet_write(outlet, stream, text, strlen(text));
    free(text);
}

static UNUSED void fake_bundle(struct outlet *outlet, json_t *bundle)
{
    buf_printf(&outlet->plain, "%s\n", json_get_string(bundle, "text/plain", ""));
    buf_printf(&outlet->html, "%s\n", json_get_string(bundle, "text/html", ""));
    json_decref(bundle);
}

void outlet_display(struct outlet *outlet, json_t *bundle, const char *display_id)
{
    (void)display_id;
    outlet->displays++;
    fake_bundle(outlet, bundle);
}

void outlet_update_display(struct outlet *outlet, json_t *bundle, const char *display_id)
{
    assert_non_null(display_id);
    outlet->updates++;
    fake_bundle(outlet, bundle);
}

int cell_ask(struct cell *cell, const char *prompt, bool password, cell_answer_fn answered,
             void *data)
{
    if (!cell->allow_stdin)
        return -1;
    assert_true(password);
    cell->prompt = xstrdup(prompt);
    cell->answered = answered;
    cell->answer_data = data;
    return 0;
}

void cell_finish_ok(struct cell *cell)
{
    assert_false(cell->done);
    cell->done = true;
}

void cell_finish_error(struct cell *cell, const char *ename, const char *evalue,
                       const char *const *traceback, size_t line_count)
{
    struct buf text = BUF_INIT;
    assert_false(cell->done);
    cell->done = true;
    cell->ename = xstrdup(ename);
    cell->evalue = xstrdup(evalue);
    for (size_t i = 0; i < line_count; i++)
        buf_printf(&text, "%s\n", traceback[i]);
    cell->traceback = buf_steal(&text);
}

const char *question_code(const struct question *question)
{
    return question->code;
}

size_t question_cursor(const struct question *question)
{
    return question->cursor;
}

void question_answer_complete(struct question *question, json_t *matches, json_t *types,
                              size_t start, size_t end)
{
    question->matches = matches;
    question->types = types;
    question->start = start;
    question->end = end;
}

void question_answer_inspect(struct question *question, json_t *bundle)
{
    question->bundle = bundle;
}

void question_answer_is_complete(struct question *question, const char *status, const char *indent)
{
    (void)indent;
    question->status = status;
}

json_t *companion_describe(const struct companion *companion)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:i, s:[s]}", "state", companion->state, "command",
                     "/opt/py/bin/python3", "why", "python3 on PATH", "version",
                     "ipython 9.0, python 3.11", "pid", 42, "notes", "/old (gone): is not there");
}

void companion_tell(struct companion *companion, const char *code)
{
    buf_printf(&companion->told, "%s\n", code);
}

void companion_interrupt(struct companion *companion)
{
    companion->interrupts++;
}

void companion_evaluate(struct companion *companion, json_t *expressions,
                        companion_values_fn answered, void *data)
{
    assert_null(companion->asked);
    companion->asked = expressions;
    companion->answered = answered;
    companion->data = data;
}

/* What Python makes of the question: its answers as JSON, or NULL when it died. */
static UNUSED void fake_values(struct companion *companion, const char *answers)
{
    struct error err = ERROR_INIT;
    json_t *values = NULL;
    json_decref(steal(&companion->asked));
    if (answers != NULL)
        values = json_pack("{s:{s:s, s:{s:o}}}", "values", "status", "ok", "data",
                           "application/json", json_loads(answers, 0, NULL));
    else
        error_set(&err, ERROR_FAILED, "Python did not answer");
    companion->answered(values, &err, companion->data);
    json_decref(values);
    error_clear(&err);
}
