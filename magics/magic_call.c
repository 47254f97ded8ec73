/* SPDX-License-Identifier: BSD-3-Clause */
/* A magic's invocation. Invariant: `cell` is set exactly while the call is not over; `ended` is
 * told exactly once. */
#include "magics/magic_call.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "magics/diagnostic.h"

struct magic_call *magic_call_ref(struct magic_call *call)
{
    call->refs++;
    return call;
}

void magic_call_unref(struct magic_call *call)
{
    if (call == NULL || --call->refs > 0)
        return;
    free(call->file_text);
    free(call);
}

/* The one place where calls end. A second end (an answer that comes after an interrupt) is dropped
 * here, so that every magic need not guard against it. */
void magic_call_raise(struct magic_call *call, const char *ename, struct error *err)
{
    if (magic_call_over(call)) {
        error_clear(err);
        return;
    }
    magic_call_ref(call);
    call->cell = NULL;
    call->ended(call, ename, err);
    error_clear(err);
    magic_call_unref(call);
}

void magic_call_fail(struct magic_call *call, struct error *err)
{
    magic_call_raise(call, NULL, err);
}

void magic_call_ok(struct magic_call *call)
{
    struct error none = ERROR_INIT;
    magic_call_raise(call, NULL, &none);
}

void magic_call_finish(struct magic_call *call, struct error *err)
{
    magic_call_raise(call, NULL, err);
}

bool magic_call_over(const struct magic_call *call)
{
    return call->cell == NULL;
}

void magic_call_interrupt(struct magic_call *call)
{
    if (call->interrupt != NULL) {
        call->interrupt(call);
        return;
    }
    struct error err = ERROR_INIT;
    error_set(&err, ERROR_CANCELLED, "interrupted");
    magic_call_fail(call, &err);
}

void magic_call_show(struct magic_call *call, json_t *bundle)
{
    outlet_display(cell_outlet(call->cell), bundle, NULL);
}

int magic_call_run_id(struct magic_call *call, char **ret_id, struct error *err)
{
    if (submission_find_run(call->submission, arguments_first(&call->arguments), ret_id, err) == 0)
        return 0;
    if (call->arguments.count > 0)
        error_at(err, call->arguments.args[0]->line, call->arguments.args[0]->column);
    return -1;
}

int magic_call_waits(const struct magic_call *call, bool *ret_wait, struct error *err)
{
    bool wait = arguments_has(&call->arguments, "--wait");
    bool no_wait = arguments_has(&call->arguments, "--no-wait");
    if (wait && no_wait) {
        error_set(err, ERROR_INVALID, "--wait and --no-wait exclude each other");
        error_at(err, call->words->name.line, 0);
        return error_hint(err,
                          "give one of them, or none: then a cell waits when it is executed in "
                          "batch");
    }
    *ret_wait = wait || (!no_wait && !cell_allow_stdin(call->cell));
    return 0;
}

/* Reads --file into call->file_text, so that errors can show its lines. */
static int read_file(struct magic_call *call, const char *given, char **ret_path, struct error *err)
{
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_FREE char *expanded = file_expand_home(given);
    AUTO_FREE char *path = file_join(submission_directory(call->submission), expanded);
    if (file_read(path, FILE_SMALL_MAX, &text, err) < 0) {
        error_wrap(err, "reading --file %s", given);
        error_hint(err, "relative paths begin at %s", submission_directory(call->submission));
        return error_at(err, call->words->name.line, 0);
    }
    if (text.size > 0 && memchr(text.data, '\0', text.size) != NULL) {
        error_set(err, ERROR_INVALID, "%s is not a text file: it holds a NUL byte", given);
        error_hint(err, "give the path of a YAML file");
        return error_at(err, call->words->name.line, 0);
    }
    call->file_text = buf_steal(&text);
    *ret_path = steal(&path);
    return 0;
}

json_t *magic_call_definition(struct magic_call *call, struct error *err)
{
    AUTO_NOTES struct notes notes = NOTES_INIT;
    AUTO_FREE char *path = NULL;
    const char *file = arguments_value(&call->arguments, "--file");
    struct spec_source source = {.name = arguments_first(&call->arguments),
                                 .text = call->body,
                                 .first_line = call->body_line,
                                 .base = submission_directory(call->submission)};
    /* Both would leave open which of them counts. */
    if (file != NULL && call->body[strspn(call->body, " \t\r\n")] != '\0') {
        error_set(err, ERROR_INVALID, "this cell has both --file and a text of its own");
        error_at(err, call->body_line, 0);
        error_hint(err, "leave one of them away");
        return NULL;
    }
    if (source.name != NULL && spec_check_name(call->magic->kind, source.name, err) < 0) {
        error_at(err, call->arguments.args[0]->line, call->arguments.args[0]->column);
        return NULL;
    }
    if (file != NULL) {
        if (read_file(call, file, &path, err) < 0)
            return NULL;
        source.text = call->file_text;
        source.first_line = 1;
        source.file = path;
    }
    source.size = strlen(source.text);
    json_t *definition = NULL;
    int failed = spec_parse(call->magic->kind, &source, &definition, &notes, err);
    diagnostic_show_notes(call->cell, &notes);
    return failed < 0 ? NULL : definition;
}

void magic_call_complete_runs(struct submission *submission, struct strlist *ret_names)
{
    submission_names(submission, SPEC_JOB, ret_names);
}

void magic_call_complete_environments(struct submission *submission, struct strlist *ret_names)
{
    submission_names(submission, SPEC_ENVIRONMENT, ret_names);
}

void magic_call_complete_computes(struct submission *submission, struct strlist *ret_names)
{
    submission_names(submission, SPEC_COMPUTE, ret_names);
}
