/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a job definition to what is executed: ${{inputs.NAME}} and ${{outputs.NAME}} put in, by
 * Azure's rule as plain text, unquoted. `{{ expression }}` (without the dollar) is not ours and is
 * left alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/suggest.h"
#include "submission/spec_read.h"

/* --- ${{...}} ---------------------------------------------------------------------------------------- */

struct placeholder {
    const char *start; /* of "${{" */
    const char *end;   /* after "}}"; NULL when it is never closed */
    char *scope;       /* "inputs", "outputs" or anything else */
    char *name;
};

static void placeholder_done(struct placeholder *placeholder)
{
    free(placeholder->scope);
    free(placeholder->name);
}
#define AUTO_PLACEHOLDER __attribute__((cleanup(placeholder_done)))

/* The first one in the text. */
static bool find_placeholder(const char *text, struct placeholder *ret)
{
    const char *start = strstr(text, "${{");
    if (start == NULL)
        return false;
    const char *inside = start + 3 + strspn(start + 3, " \t");
    const char *close = strstr(inside, "}}");
    *ret = (struct placeholder){.start = start, .end = close != NULL ? close + 2 : NULL};
    if (close == NULL)
        return true;
    while (close > inside && (close[-1] == ' ' || close[-1] == '\t'))
        close--;
    const char *dot = memchr(inside, '.', (size_t)(close - inside));
    const char *scope_end = dot != NULL ? dot : close;
    ret->scope = xstrndup(inside, (size_t)(scope_end - inside));
    ret->name = dot != NULL ? xstrndup(dot + 1, (size_t)(close - dot - 1)) : xstrdup("");
    return true;
}

static int fail_undeclared(struct spec_context *context, const struct yaml_node *at,
                           const struct placeholder *placeholder, json_t *declared)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    for (void *it = json_object_iter(declared); it != NULL;
         it = json_object_iter_next(declared, it))
        strlist_add(&names, json_object_iter_key(it));
    const char *near = suggest(placeholder->name, (const char *const *)names.items, names.count);
    AUTO_FREE char *known = strlist_join(&names, ", ");
    spec_fail(context, at, "${{%s.%s}} is not among the `%s:` of the job", placeholder->scope,
              placeholder->name, placeholder->scope);
    if (near != NULL)
        return error_hint(context->err, "did you mean ${{%s.%s}}?", placeholder->scope, near);
    return error_hint(context->err, "declare it, as in %s: {%s: %s}%s%s", placeholder->scope,
                      placeholder->name[0] != '\0' ? placeholder->name : "NAME",
                      strcmp(placeholder->scope, "inputs") == 0 ? "3" : "{type: uri_folder}",
                      names.count > 0 ? "; there are: " : "", known);
}

int spec_argv_check(struct spec_context *context, const struct yaml_node *at, const char *text,
                    json_t *inputs, json_t *outputs)
{
    while (text != NULL) {
        AUTO_PLACEHOLDER struct placeholder found = {.name = NULL};
        if (!find_placeholder(text, &found))
            return 0;
        if (found.end == NULL) {
            spec_fail(context, at, "a ${{ is never closed");
            return error_hint(context->err, "close it with }}, as in ${{inputs.epochs}}");
        }
        bool input = strcmp(found.scope, "inputs") == 0;
        bool output = strcmp(found.scope, "outputs") == 0;
        if (!input && !output) {
            AUTO_FREE char *quoted = spec_quote(found.scope);
            spec_fail(context, at, "${{...}} takes inputs.NAME or outputs.NAME, not %s", quoted);
            return error_hint(context->err, "write ${{inputs.NAME}}, and give NAME its value below "
                                            "`inputs:`; search_space and parent belong to sweeps "
                                            "and pipelines, which are not served here");
        }
        bool implicit = output && strcmp(found.name, "default") == 0;
        if (!implicit && json_object_get(input ? inputs : outputs, found.name) == NULL)
            return fail_undeclared(context, at, &found, input ? inputs : outputs);
        text = found.end;
    }
    return 0;
}

/* --- the argv ------------------------------------------------------------------------------------------ */

/* What one placeholder stands for. The caller frees it; NULL when the job has none of that name. */
static char *value_of(const json_t *job, const struct placeholder *placeholder, const char *run_dir)
{
    if (placeholder->end == NULL)
        return NULL;
    if (strcmp(placeholder->scope, "outputs") == 0) {
        bool whole = strcmp(placeholder->name, "default") == 0;
        return xasprintf("%s/outputs%s%s", run_dir, whole ? "" : "/",
                         whole ? "" : placeholder->name);
    }
    const json_t *input = json_object_get(json_object_get(job, "inputs"), placeholder->name);
    return xstrdup_or_null(json_is_string(input) ? json_string_value(input)
                                                 : json_get_string(input, "path", NULL));
}

/* The text with its placeholders replaced; what was put in is not looked at again. NULL with an
 * error. */
static char *substitute(const json_t *job, const char *text, const char *run_dir, struct error *err)
{
    AUTO_BUF struct buf result = BUF_INIT;
    for (;;) {
        AUTO_PLACEHOLDER struct placeholder found = {.name = NULL};
        if (!find_placeholder(text, &found))
            break;
        AUTO_FREE char *value = value_of(job, &found, run_dir);
        if (value == NULL) {
            error_set(err, ERROR_INVALID, "the job has no value for a ${{...}} in its command");
            return NULL;
        }
        buf_append(&result, text, (size_t)(found.start - text));
        buf_puts(&result, value);
        text = found.end;
    }
    buf_puts(&result, text);
    return buf_steal(&result);
}

static int append_words(const json_t *job, const json_t *words, const char *run_dir,
                        struct strlist *ret_argv, struct error *err)
{
    size_t i;
    json_t *word;
    json_array_foreach (words, i, word) {
        const char *text = json_string_value(word);
        char *value = text != NULL ? substitute(job, text, run_dir, err) : NULL;
        if (value == NULL)
            return text != NULL
                       ? -1
                       : error_set(err, ERROR_INVALID, "an argument of the job is not a text");
        strlist_take(ret_argv, value);
    }
    return 0;
}

int spec_job_argv(const json_t *job, const char *python, const char *run_dir,
                  struct strlist *ret_argv, struct error *err)
{
    const json_t *command = json_object_get(job, "command");
    const char *script = json_get_string(job, "script", NULL);
    if (script != NULL) {
        strlist_add(ret_argv, python);
        strlist_add(ret_argv, script);
        return append_words(job, json_object_get(job, "arguments"), run_dir, ret_argv, err);
    }
    if (json_is_array(command))
        return append_words(job, command, run_dir, ret_argv, err);
    if (!json_is_string(command))
        return error_set(err, ERROR_INVALID, "the job has neither a script nor a command");
    char *line = substitute(job, json_string_value(command), run_dir, err);
    if (line == NULL)
        return -1;
    strlist_add(ret_argv, "bash"); /* as on Azure; sh would not do for `source` and [[ ]] */
    strlist_add(ret_argv, "-c");
    strlist_take(ret_argv, line);
    return 0;
}
