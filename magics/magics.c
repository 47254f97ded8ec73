/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Skiff's magics as an interpreter. A cell is a sequence of calls, each of which may end later; the
 * first failure ends the cell. Python's values are put in, the whole cell is parsed and every call's
 * words are checked before the first one begins.
 */
#include "magics/magics.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "kernel/cell.h"
#include "kernel/companion.h"
#include "kernel/question.h"
#include "magics/complete.h"
#include "magics/diagnostic.h"
#include "magics/inspect.h"
#include "magics/magic_call.h"
#include "magics/parse.h"
#include "magics/registry.h"
#include "magics/run_output.h"
#include "magics/run_widget.h"
#include "magics/runs_widget.h"
#include "magics/substitute.h"

/* Values that Python was asked for. It answers in any case; the cell may not be there any more. */
struct evaluation {
    struct sequence *sequence; /* NULL: nobody waits for them */
    bool interrupted;
};

struct sequence {
    struct magics *magics;
    struct cell *cell;             /* NULL when the kernel goes away under it */
    struct substitute *values;     /* NULL: the cell has no expressions */
    struct evaluation *evaluation; /* while Python is asked for them */
    struct parse *parse;           /* of the cell with its values; NULL before */
    size_t next;
    struct magic_call *call; /* the one that runs, or NULL */
    bool starting;           /* inside its run function */
    char *ename;
    struct error err;
    char *file_text; /* what err.file holds */
};

struct magics {
    uv_loop_t *loop;
    struct magics_options options;
    struct run_output_set *run_outputs;
    struct run_widget_set *run_widgets;
    struct runs_widget_set *runs_widgets;
    struct sequence *current;
};

struct magics *magics_new(uv_loop_t *loop, const struct magics_options *options)
{
    struct magics *magics = xcalloc(1, sizeof *magics);
    magics->loop = loop;
    magics->options = *options;
    magics->run_outputs = run_output_set_new(loop, options->submission);
    magics->run_widgets = run_widget_set_new(
        loop, options->submission,
        &(struct run_widget_python){.module = options->python, .companion = options->companion});
    magics->runs_widgets = runs_widget_set_new(loop, options->submission, magics->run_widgets);
    return magics;
}

/* --- the sequence ----------------------------------------------------------------------------- */

static void sequence_free(struct sequence *sequence)
{
    magic_call_unref(sequence->call);
    if (sequence->evaluation != NULL)
        sequence->evaluation->sequence = NULL;
    parse_free(sequence->parse);
    substitute_free(sequence->values);
    free(sequence->ename);
    free(sequence->file_text);
    error_clear(&sequence->err);
    free(sequence);
}

/* Finishing the cell may begin the next one at once: ours is out of the way before. */
static void finish(struct sequence *sequence)
{
    struct cell *cell = sequence->cell;
    sequence->magics->current = NULL;
    if (sequence->parse != NULL && sequence->values != NULL)
        substitute_locate(sequence->values, &sequence->err);
    if (cell != NULL && error_is_set(&sequence->err))
        diagnostic_finish(cell, &sequence->err,
                          sequence->err.file != NULL ? sequence->file_text : cell_code(cell),
                          sequence->ename);
    else if (cell != NULL)
        cell_finish_ok(cell);
    sequence_free(sequence);
}

static void run_on(struct sequence *sequence);

/* Takes what the call left behind, then goes on, unless start() is still on the stack and will. */
static void on_call_ended(struct magic_call *call, const char *ename, struct error *err)
{
    struct sequence *sequence = call->ended_data;
    sequence->call = NULL;
    sequence->ename = xstrdup_or_null(ename);
    sequence->file_text = steal(&call->file_text);
    if (error_is_set(err))
        error_move(&sequence->err, err);
    else
        replace(&sequence->file_text, NULL);
    if (!sequence->starting)
        run_on(sequence);
    magic_call_unref(call);
}

static bool wants_help(const struct parse_call *words)
{
    for (size_t i = 0; i < words->count; i++)
        if (strcmp(words->words[i].text, "--help") == 0 || strcmp(words->words[i].text, "-h") == 0)
            return true;
    return words->help;
}

/* 0, with the arguments sorted; or the error. Help takes no arguments. */
static int check(const struct parse_call *words, const struct magic **ret_magic,
                 struct arguments *ret_arguments, struct error *err)
{
    *ret_magic = registry_resolve(words, err);
    if (*ret_magic == NULL)
        return -1;
    return wants_help(words) ? 0 : arguments_bind(*ret_magic, words, ret_arguments, err);
}

static void start(struct sequence *sequence, const struct parse_call *words)
{
    struct magic_call *call = xcalloc(1, sizeof *call);
    *call = (struct magic_call){.loop = sequence->magics->loop,
                                .submission = sequence->magics->options.submission,
                                .run_outputs = sequence->magics->run_outputs,
                                .run_widgets = sequence->magics->run_widgets,
                                .runs_widgets = sequence->magics->runs_widgets,
                                .companion = sequence->magics->options.companion,
                                .python = sequence->magics->options.python,
                                .cell = sequence->cell,
                                .words = words,
                                .body = sequence->parse->body,
                                .body_line = sequence->parse->body_line,
                                .ended = on_call_ended,
                                .ended_data = sequence,
                                .refs = 1};
    sequence->call = call;
    sequence->starting = true;
    magic_call_ref(call);
    if (check(words, &call->magic, &call->arguments, &sequence->err) < 0) {
        magic_call_fail(call, &(struct error)ERROR_INIT);
    } else if (wants_help(words)) {
        magic_call_show(call, inspect_magic(call->magic));
        magic_call_ok(call);
    } else {
        call->magic->run(call);
    }
    magic_call_unref(call);
    sequence->starting = false;
}

/* Calls that end at once are followed in a loop, not by recursion. */
static void run_on(struct sequence *sequence)
{
    while (!error_is_set(&sequence->err) && sequence->next < sequence->parse->count) {
        start(sequence, &sequence->parse->calls[sequence->next++]);
        if (sequence->call != NULL)
            return; /* on_call_ended() comes later */
    }
    finish(sequence);
}

static int check_all(const struct parse *parse, struct error *err)
{
    const struct magic *magic;
    struct arguments arguments;
    for (size_t i = 0; i < parse->count; i++)
        if (check(&parse->calls[i], &magic, &arguments, err) < 0)
            return -1;
    return 0;
}

/* --- the interpreter -------------------------------------------------------------------------- */

static bool magics_claims(void *self, const char *code)
{
    (void)self;
    return registry_claims(code);
}

/* A cell magic written with one %: what follows it looks like Python, and is not what is wrong. */
static int check_first_name(const char *code, struct error *err)
{
    const char *line = code;
    while (*line != '\0' && (*line == '#' || strspn(line, " \t\r") == strcspn(line, "\n")))
        line += strcspn(line, "\n") + (line[strcspn(line, "\n")] == '\n');
    if (line[0] != '%' || line[1] == '%')
        return 0;
    AUTO_FREE char *name = xstrndup(line + 1, strcspn(line + 1, " \t\r\n?"));
    const struct magic *magic = registry_find(name);
    if (magic == NULL || !magic->cell || line[1 + strlen(name)] == '?')
        return 0;
    int number = 1;
    for (const char *c = code; c < line; c++)
        number += *c == '\n';
    error_set(err, ERROR_INVALID,
              "%%%s defines something in the lines below it: it begins with two %%", name);
    error_at(err, number, 1);
    return error_hint(err, "write %%%%%s", name);
}

/* What the opening of the store had to repair is told in the first cell there is. */
static void tell_repairs(struct magics *magics, struct cell *cell)
{
    AUTO_NOTES struct notes notes = NOTES_INIT;
    submission_take_notes(magics->options.submission, &notes);
    if (notes.count > 0)
        diagnostic_show_notes(cell, &notes);
}

/* The cell as it is to be run is known: checks all of it, and begins. */
static void begin(struct sequence *sequence, const char *code)
{
    if (parse_cell(code, &sequence->parse, &sequence->err) < 0 ||
        check_all(sequence->parse, &sequence->err) < 0)
        finish(sequence);
    else
        run_on(sequence);
}

/* --- Python's values -------------------------------------------------------------------------- */

/* Python is not asked on behalf of a magic that does not exist. */
static int check_names(const struct substitute *values, struct error *err)
{
    const struct parse *outline = values != NULL ? substitute_outline(values) : NULL;
    for (size_t i = 0; outline != NULL && i < outline->count; i++)
        if (registry_resolve(&outline->calls[i], err) == NULL)
            return -1;
    return 0;
}

/* Why no value came: there is no Python, it is gone, or it is another language. */
static void fail_without_values(struct sequence *sequence, const struct error *why)
{
    const struct companion *companion = sequence->magics->options.companion;
    AUTO_JSON json_t *description = companion != NULL ? companion_describe(companion) : NULL;
    const char *state = json_get_string(description, "state", "none");
    if (strcmp(state, "none") == 0) {
        error_set(&sequence->err, ERROR_UNSUPPORTED,
                  "{{ }} takes its value from Python, and this kernel has none");
        error_hint(&sequence->err,
                   "write the values themselves; %%skiff says why there is no Python "
                   "and how to have one");
        sequence->ename = xstrdup("NoCompanionError");
    } else if (why != NULL) {
        error_set(&sequence->err, ERROR_FAILED,
                  "Python ended while it computed the values of this cell; nothing was done");
        error_hint(&sequence->err, "its variables are gone; the next cell starts a new one");
        sequence->ename = xstrdup("DeadKernelError");
    } else {
        error_set(
            &sequence->err, ERROR_UNSUPPORTED,
            "{{ }} takes its value from IPython, and the companion of this kernel is another");
        error_hint(&sequence->err, "%%skiff says which it is");
    }
    error_at(&sequence->err, substitute_line(sequence->values), 0);
    finish(sequence);
}

static void fail_as_interrupted(struct sequence *sequence)
{
    error_set(&sequence->err, ERROR_CANCELLED,
              "interrupted while Python computed the values of this cell; nothing was done");
    finish(sequence);
}

static void on_values(json_t *values, const struct error *err, void *data)
{
    struct evaluation *evaluation = data;
    struct sequence *sequence = evaluation->sequence;
    const json_t *bundle = json_object_get(json_object_get(values, "values"), "data");
    const json_t *answer = json_object_get(bundle, "application/json");
    bool interrupted = evaluation->interrupted;
    free(evaluation);
    if (sequence == NULL)
        return;
    sequence->evaluation = NULL;
    if (interrupted)
        fail_as_interrupted(sequence);
    else if (!json_is_array(answer))
        fail_without_values(sequence, values == NULL ? err : NULL);
    else if (substitute_fill(sequence->values, answer, &sequence->ename, &sequence->err) < 0)
        finish(sequence);
    else
        begin(sequence, substitute_text(sequence->values));
}

static void evaluate(struct sequence *sequence)
{
    struct companion *companion = sequence->magics->options.companion;
    if (companion == NULL) {
        fail_without_values(sequence, NULL);
        return;
    }
    AUTO_FREE char *question = substitute_question(sequence->values);
    struct evaluation *evaluation = xcalloc(1, sizeof *evaluation);
    evaluation->sequence = sequence;
    sequence->evaluation = evaluation;
    companion_evaluate(companion, json_pack("{s:s}", "values", question), on_values, evaluation);
}

/* --- cells ------------------------------------------------------------------------------------- */

static void magics_execute(void *self, struct cell *cell)
{
    struct magics *magics = self;
    struct sequence *sequence = xcalloc(1, sizeof *sequence);
    tell_repairs(magics, cell);
    sequence->magics = magics;
    sequence->cell = cell;
    magics->current = sequence;
    if (check_first_name(cell_code(cell), &sequence->err) < 0 ||
        substitute_new(cell_code(cell), &sequence->values, &sequence->err) < 0 ||
        check_names(sequence->values, &sequence->err) < 0)
        finish(sequence);
    else if (sequence->values != NULL)
        evaluate(sequence);
    else
        begin(sequence, cell_code(cell));
}

/* Python is asked to stop, and its answer ends the cell; when it is not there yet, or asked again, the
 * cell does not wait for it. */
static void interrupt_evaluation(struct sequence *sequence)
{
    struct companion *companion = sequence->magics->options.companion;
    AUTO_JSON json_t *description = companion_describe(companion);
    bool running = strcmp(json_get_string(description, "state", ""), "running") == 0;
    bool again = sequence->evaluation->interrupted;
    companion_interrupt(companion);
    sequence->evaluation->interrupted = true;
    if (running && !again)
        return;
    fail_as_interrupted(sequence);
}

static void magics_interrupt(void *self, struct cell *cell)
{
    struct magics *magics = self;
    struct sequence *sequence = magics->current;
    if (sequence == NULL || sequence->cell != cell)
        return;
    if (sequence->call != NULL)
        magic_call_interrupt(sequence->call);
    else if (sequence->evaluation != NULL)
        interrupt_evaluation(sequence);
}

static void magics_complete(void *self, struct question *question)
{
    complete_answer(((struct magics *)self)->options.submission, question);
}

static void magics_inspect(void *self, struct question *question)
{
    (void)self;
    inspect_answer(question);
}

/* A console asks whether Enter runs the cell: a cell magic's text ends with an empty line. */
static void magics_is_complete(void *self, struct question *question)
{
    struct parse_first first = {.magic = NULL};
    const char *code = question_code(question);
    const char *last_line = strrchr(code, '\n');
    bool ended = last_line != NULL && last_line[strspn(last_line, " \t\r\n")] == '\0';
    bool open = parse_first(code, &first) && first.magic[1] == '%' && !first.help && !ended;
    (void)self;
    free(first.magic);
    question_answer_is_complete(question, open ? "incomplete" : "complete", "");
}

/* The owner may have closed the server before: the running cell is not touched, what works for it
 * is stopped and told that the call is over. */
void magics_free(struct magics *magics)
{
    if (magics == NULL)
        return;
    struct sequence *sequence = magics->current;
    if (sequence != NULL && sequence->call != NULL) {
        sequence->cell = NULL;
        magic_call_interrupt(sequence->call);
    }
    if (magics->current != NULL) { /* the interrupt did not end it */
        if (sequence->call != NULL)
            sequence->call->cell = NULL;
        sequence_free(sequence);
    }
    run_output_set_free(magics->run_outputs);
    runs_widget_set_free(magics->runs_widgets);
    run_widget_set_free(magics->run_widgets);
    free(magics);
}

static void magics_opened(void *self, struct server *server)
{
    struct magics *magics = self;
    run_widget_set_serve(magics->run_widgets, server);
    runs_widget_set_serve(magics->runs_widgets, server);
}

static void magics_restore(void *self)
{
    struct magics *magics = self;
    run_widget_set_restore(magics->run_widgets);
    runs_widget_set_restore(magics->runs_widgets);
}

/* In a cell that is not ours yet: the names of our magics. */
static size_t magics_offer(void *self, const char *code, size_t cursor, struct strlist *matches)
{
    AUTO_CONTEXT struct context context;
    (void)self;
    context_find(&context, code, cursor);
    if (context.kind == CONTEXT_MAGIC)
        complete_find(&context, NULL, "", matches);
    return context.start;
}

const struct interpreter magics_interpreter = {
    .name = "skiff",
    .claims = magics_claims,
    .execute = magics_execute,
    .interrupt = magics_interrupt,
    .complete = magics_complete,
    .inspect = magics_inspect,
    .is_complete = magics_is_complete,
    .offer = magics_offer,
    .opened = magics_opened,
    .restore = magics_restore,
};
