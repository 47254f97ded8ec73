/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From a cell's text to a checked definition: parses, finds out whether the text is meant for this
 * magic at all, lets the kind's check do its work, and settles the name. What all kinds say in the
 * same words (errors, notes, names, paths) is here too.
 */
#include "submission/spec.h"

#include <ctype.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "submission/secret.h"
#include "submission/spec_read.h"

#define QUOTED_MAX 60 /* code points of a value in an error: enough to know it again */

/* Azure's rules: environments and experiments `^[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}$`, computes
 * `^[a-zA-Z](?![a-zA-Z0-9-]*-\d+$)[a-zA-Z0-9\-]{2,23}$`. */
#define NAME_MAX_SIZE 255
#define COMPUTE_NAME_MIN 3
#define COMPUTE_NAME_MAX 24

static const char *const magics[SPEC_KIND_COUNT] = {
    [SPEC_ENVIRONMENT] = "%%environment",
    [SPEC_COMPUTE] = "%%compute",
    [SPEC_JOB] = "%%submit",
};

const char *spec_kind_name(enum spec_kind kind)
{
    static const char *const names[SPEC_KIND_COUNT] = {
        [SPEC_ENVIRONMENT] = "environment",
        [SPEC_COMPUTE] = "compute",
        [SPEC_JOB] = "job",
    };
    return names[kind];
}

/* --- errors and notes ------------------------------------------------------------------------------ */

static char *format(const char *fmt, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    return text;
}

int spec_fail(struct spec_context *context, const struct yaml_node *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    AUTO_FREE char *text = format(fmt, args);
    va_end(args);
    error_set(context->err, ERROR_INVALID, "%s", text);
    return at != NULL ? error_at(context->err, at->line, at->column) : -1;
}

void spec_note(struct spec_context *context, enum note_level level, const struct yaml_node *at,
               const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    AUTO_FREE char *text = format(fmt, args);
    va_end(args);
    notes_add(context->notes, level, at != NULL ? at->line : 0, at != NULL ? at->column : 0, "%s",
              text);
}

char *spec_alternatives(const struct strlist *words)
{
    AUTO_BUF struct buf text = BUF_INIT;
    for (size_t i = 0; i < words->count; i++) {
        if (i > 0)
            buf_puts(&text, i + 1 < words->count ? ", " : " or ");
        buf_puts(&text, words->items[i]);
    }
    return buf_steal(&text);
}

char *spec_quote(const char *value)
{
    size_t size = strcspn(value, "\n");
    const char *address = strstr(value, "://");
    const char *host = strrchr(value, '@');
    size_t shown = utf8_offset(value, QUOTED_MAX);
    bool login = address != NULL && host != NULL && host > address; /* https://sam:password@host */
    if (login && (size_t)(address + 3 - value) < shown)
        shown = (size_t)(address + 3 - value);
    bool cut = shown < size || value[size] != '\0';
    return xasprintf("\"%.*s%s\"", (int)(shown < size ? shown : size), value, cut ? "..." : "");
}

char *spec_quote_key(const char *key)
{
    AUTO_FREE char *word = xstrndup(key, strcspn(key, "="));
    return spec_quote(word);
}

bool spec_is_sensitive(const char *name)
{
    static const char *const parts[] = {"token",  "secret",     "pass", "passwd",
                                        "pwd",    "passphrase", "key",  "credentials",
                                        "apikey", "credential"};
    if (strcasestr(name, "password") != NULL)
        return true;
    while (*name != '\0') {
        size_t size = strcspn(name, "_-.");
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
            if (strlen(parts[i]) == size && strncasecmp(name, parts[i], size) == 0)
                return true;
        name += size;
        name += *name != '\0';
    }
    return false;
}

int spec_fail_secret(struct spec_context *context, const struct yaml_node *at, const char *what,
                     bool docker)
{
    error_set(context->err, ERROR_INVALID,
              "%s in line %d holds the secret itself, and a notebook is saved, shared and shown",
              what, at->line);
    return error_hint(context->err,
                      "take it out of the cell and refer to it: secret:NAME (stored once with "
                      "%%secret NAME), env:NAME (a variable of the kernel)%s file:PATH%s",
                      docker ? "," : " or", docker ? " or docker (what `docker login` keeps)" : "");
}

/* Where a line may hold a secret, its place becomes words: who shows errors shows the line. */
static void hide_secret_line(const struct spec_source *source, struct error *err)
{
    static const char *const signs[] = {"pas",   "word",       "pwd", "secret",
                                        "token", "credential", "key"};
    const char *at = source->text;
    const char *end = at + source->size;
    for (int line = source->first_line; line < err->line && at < end; line++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline != NULL ? newline + 1 : end;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    AUTO_FREE char *line = xstrndup(at, (size_t)((newline != NULL ? newline : end) - at));
    bool hide = strstr(line, "://") != NULL && strchr(line, '@') != NULL;
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
        hide = hide || strcasestr(line, signs[i]) != NULL;
    if (!hide)
        return;
    replace(&err->text, xasprintf("%s (line %d, column %d)", err->text, err->line, err->column));
    err->line = err->column = 0;
}

/* --- environment variables ------------------------------------------------------------------------- */

static bool is_variable_name(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return *name == '\0';
}

int spec_check_variables(struct spec_context *context, const struct yaml_node *node)
{
    for (size_t i = 0; node != NULL && i < node->count; i++) {
        const char *name = node->keys[i]->text;
        const struct yaml_node *value = node->items[i];
        if (!is_variable_name(name)) {
            AUTO_FREE char *quoted = spec_quote_key(name);
            spec_fail(context, node->keys[i], "%s is no name of an environment variable", quoted);
            return error_hint(context->err, "use letters, digits and _, not a digit first");
        }
        bool text = value->kind == YAML_STRING && value->text[0] != '\0';
        if (text && strncmp(value->text, "secret:", 7) == 0 && !secret_is_reference(value->text)) {
            spec_fail(context, value, "the value of %s is no reference to a secret", name);
            return error_hint(context->err, "write secret:NAME, with a NAME of letters, digits, _ "
                                            "and -");
        }
        if (text && spec_is_sensitive(name) && !secret_is_reference(value->text))
            spec_note(context, NOTE_WARNING, node->keys[i],
                      "%s looks like a secret and is written into the cell. Store it once with "
                      "%%secret NAME and write %s: secret:NAME instead.",
                      name, name);
    }
    return 0;
}

/* --- paths -------------------------------------------------------------------------------------------- */

char *spec_path(const struct spec_context *context, const char *path)
{
    AUTO_FREE char *expanded = file_expand_home(path);
    const char *rest = expanded;
    while (rest[0] == '.' && rest[1] == '/') {
        rest += 2;
        rest += strspn(rest, "/");
    }
    if (strcmp(rest, ".") == 0)
        rest = "";
    AUTO_FREE char *whole =
        rest[0] != '\0' ? file_join(context->base, rest) : xstrdup(context->base);
    size_t size = strlen(whole);
    while (size > 1 && (whole[size - 1] == '/' ||
                        (size > 2 && whole[size - 1] == '.' && whole[size - 2] == '/')))
        whole[--size] = '\0';
    return steal(&whole);
}

/* --- names --------------------------------------------------------------------------------------------- */

static int check_compute_name(const char *name, struct error *err)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
    size_t size = strlen(name);
    AUTO_FREE char *quoted = spec_quote(name);
    if (strcmp(name, "local") == 0) {
        error_set(err, ERROR_INVALID, "the compute `local` exists already: it is this machine");
        return error_hint(err, "use it as it is, or choose another name");
    }
    if (!isalpha((unsigned char)name[0]))
        error_set(err, ERROR_INVALID, "the compute name %s must begin with a letter", quoted);
    else if (name[strspn(name, allowed)] != '\0')
        error_set(err, ERROR_INVALID, "the compute name %s may hold letters, digits and - only",
                  quoted);
    else if (size < COMPUTE_NAME_MIN || size > COMPUTE_NAME_MAX)
        error_set(err, ERROR_INVALID,
                  "the compute name %s is too %s: Azure takes %d to %d characters", quoted,
                  size < COMPUTE_NAME_MIN ? "short" : "long", COMPUTE_NAME_MIN, COMPUTE_NAME_MAX);
    else {
        const char *dash = strrchr(name, '-');
        if (dash == NULL || dash[1] == '\0' || dash[1 + strspn(dash + 1, "0123456789")] != '\0')
            return 0;
        error_set(err, ERROR_INVALID,
                  "the compute name %s ends in a dash and a number, which Azure keeps for nodes",
                  quoted);
        return error_hint(err, "write %.*s%s, for example", (int)(dash - name), name, dash + 1);
    }
    return error_hint(err, "gpu-cluster is a good name");
}

int spec_check_name(enum spec_kind kind, const char *name, struct error *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    if (kind == SPEC_COMPUTE)
        return check_compute_name(name, err);
    const char *what = kind == SPEC_JOB ? "experiment" : spec_kind_name(kind);
    size_t size = strlen(name);
    AUTO_FREE char *quoted = spec_quote(name);
    if (size == 0 || size > NAME_MAX_SIZE)
        error_set(err, ERROR_INVALID, "the %s name %s is too %s: Azure takes 1 to %d characters",
                  what, quoted, size == 0 ? "short" : "long", NAME_MAX_SIZE);
    else if (!isalnum((unsigned char)name[0]))
        error_set(err, ERROR_INVALID, "the %s name %s must begin with a letter or a digit", what,
                  quoted);
    else if (name[strspn(name, allowed)] != '\0')
        error_set(err, ERROR_INVALID, "the %s name %s may hold letters, digits, - and _ only", what,
                  quoted);
    else
        return 0;
    if (kind == SPEC_ENVIRONMENT && strpbrk(name, "/.") != NULL)
        return error_hint(err, "a container image goes below `image:`");
    return error_hint(err, "choose another name, such as fastai2 or my-model_v2");
}

/* Azure's own default for a job: the folder it is submitted from. */
static char *default_experiment(const char *base)
{
    const char *name = base != NULL ? file_base_name(base) : "";
    return xstrdup(spec_check_name(SPEC_JOB, name, NULL) == 0 ? name : "default");
}

/* The name from the magic's line or the text's key; both must agree. NULL with an error. */
static char *settle_name(struct spec_context *context, enum spec_kind kind, const char *given,
                         const struct yaml_node *root)
{
    const char *key = kind == SPEC_JOB ? "experiment_name" : "name";
    const struct yaml_node *node = yaml_get(root, key);
    const char *name = node != NULL ? node->text : given;
    if (name == NULL && kind == SPEC_JOB)
        return default_experiment(context->base);
    if (name == NULL) {
        error_set(context->err, ERROR_INVALID, "the %s has no name", spec_kind_name(kind));
        error_hint(context->err, "write it after the magic: %s NAME", magics[kind]);
        return NULL;
    }
    if (node != NULL && given != NULL && strcmp(node->text, given) != 0) {
        AUTO_FREE char *here = spec_quote(node->text);
        AUTO_FREE char *there = spec_quote(given);
        spec_fail(context, node, "`%s` is %s, and after %s stands %s", key, here, magics[kind],
                  there);
        error_hint(context->err, "remove this line, or give its name after %s", magics[kind]);
        return NULL;
    }
    if (spec_check_name(kind, name, context->err) != 0) {
        if (node != NULL)
            error_at(context->err, node->line, node->column);
        return NULL;
    }
    return xstrdup(name);
}

/* --- is the text meant for this magic? --------------------------------------------------------------- */

static int fail_other_kind(struct spec_context *context, const struct yaml_node *at,
                           const char *what, enum spec_kind other, enum spec_kind kind)
{
    spec_fail(context, at, "this is the YAML of %s, as its %s says, and the cell is %s",
              other == SPEC_ENVIRONMENT ? "an environment"
              : other == SPEC_COMPUTE   ? "a compute"
                                        : "a job",
              what, magics[kind]);
    return error_hint(context->err, "begin the cell with %s NAME", magics[other]);
}

static int check_type(struct spec_context *context, const struct yaml_node *root,
                      enum spec_kind kind)
{
    static const char *const unsupported[] = {
        "sweep",      "pipeline",     "parallel",      "spark",           "automl",
        "finetuning", "import",       "data_transfer", "computeinstance", "virtualmachine",
        "kubernetes", "synapsespark", "attached"};
    const struct yaml_node *node = yaml_get(root, "type");
    if (node == NULL || node->kind != YAML_STRING)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(unsupported); i++) {
        if (strcasecmp(node->text, unsupported[i]) != 0)
            continue;
        error_set(context->err, ERROR_UNSUPPORTED, "`type: %s` is not served: Skiff runs %s",
                  unsupported[i],
                  i < 8 ? "command jobs, one script at a time" : "on AmlCompute and its stand-in");
        error_hint(context->err, i < 8 ? "submit its command with %%%%submit, once for each trial "
                                         "or step"
                                       : "define `type: amlcompute`, or use the compute `local`");
        return error_at(context->err, node->line, node->column);
    }
    if (strcasecmp(node->text, "amlcompute") == 0 && kind != SPEC_COMPUTE)
        return fail_other_kind(context, node, "type", SPEC_COMPUTE, kind);
    if (strcasecmp(node->text, "command") == 0 && kind != SPEC_JOB)
        return fail_other_kind(context, node, "type", SPEC_JOB, kind);
    return 0;
}

static int check_schema(struct spec_context *context, const struct yaml_node *root,
                        enum spec_kind kind)
{
    static const struct {
        const char *file;
        int kind; /* -1: none that is served */
    } schemas[] = {
        {"environment.", SPEC_ENVIRONMENT},
        {"amlCompute.", SPEC_COMPUTE},
        {"commandJob.", SPEC_JOB},
        {"pipelineJob.", -1},
        {"sweepJob.", -1},
        {"commandComponent.", -1},
        {"computeInstance.", -1},
        {"autoMLJob.", -1},
    };
    const struct yaml_node *node = yaml_get(root, "$schema");
    const char *file = node != NULL && yaml_is_scalar(node) ? file_base_name(node->text) : "";
    for (size_t i = 0; i < ARRAY_SIZE(schemas); i++) {
        size_t size = strlen(schemas[i].file);
        if (strncasecmp(file, schemas[i].file, size) != 0 || schemas[i].kind == (int)kind)
            continue;
        if (schemas[i].kind >= 0)
            return fail_other_kind(context, node, "$schema", (enum spec_kind)schemas[i].kind, kind);
        error_set(context->err, ERROR_UNSUPPORTED, "documents of the schema %.*s are not served",
                  (int)size - 1, schemas[i].file);
        error_hint(context->err, "Skiff knows environments, computes and command jobs: submit the "
                                 "command of a step or a trial with %%%%submit");
        return error_at(context->err, node->line, node->column);
    }
    return 0;
}

static int check_root(struct spec_context *context, const struct yaml_node *root,
                      enum spec_kind kind)
{
    if (root->kind == YAML_MAP)
        return check_type(context, root, kind) != 0 ? -1 : check_schema(context, root, kind);
    spec_fail(context, root, "%s is made of `key: value` lines, and this is %s", magics[kind],
              yaml_kind_words(root));
    return error_hint(context->err, "for example: %.*s",
                      (int)strcspn(spec_keys(kind)[kind == SPEC_JOB].example, "\n"),
                      spec_keys(kind)[kind == SPEC_JOB].example);
}

/* --- the whole ------------------------------------------------------------------------------------------ */

static json_t *parse(struct spec_context *context, enum spec_kind kind,
                     const struct spec_source *source)
{
    static json_t *(*const checks[SPEC_KIND_COUNT])(struct spec_context *,
                                                    const struct yaml_node *) = {
        [SPEC_ENVIRONMENT] = spec_environment_check,
        [SPEC_COMPUTE] = spec_compute_check,
        [SPEC_JOB] = spec_job_check,
    };
    AUTO(yaml_node)
    struct yaml_node *root =
        yaml_parse(source->text, source->size, source->first_line, context->err);
    if (root == NULL || check_root(context, root, kind) != 0)
        return NULL;
    AUTO_JSON json_t *values = checks[kind](context, root);
    AUTO_FREE char *name = values != NULL ? settle_name(context, kind, source->name, root) : NULL;
    if (name == NULL) {
        spec_hint_example(context, kind, root);
        return NULL;
    }
    AUTO_JSON json_t *definition = json_object();
    json_set_string(definition, kind == SPEC_JOB ? "experiment_name" : "name", name);
    json_object_update_missing(definition, values);
    return steal(&definition);
}

int spec_parse(enum spec_kind kind, const struct spec_source *source, json_t **ret_definition,
               struct notes *notes, struct error *err)
{
    AUTO_ERROR struct error fault = ERROR_INIT;
    struct spec_context context = {.base = source->base, .notes = notes, .err = &fault};
    json_t *definition = parse(&context, kind, source);
    if (definition != NULL) {
        *ret_definition = definition;
        return 0;
    }
    if (fault.file == NULL) {
        if (fault.line > 0)
            hide_secret_line(source, &fault);
        fault.file = xstrdup_or_null(source->file);
    }
    return error_move(err, &fault);
}

void spec_hash(const json_t *definition, char ret_hex[65])
{
    AUTO_JSON json_t *copy = json_copy((json_t *)(uintptr_t)definition); /* shallow; only read */
    json_object_del(copy, "name");
    json_object_del(copy, "description");
    json_object_del(copy, "tags");
    AUTO_FREE char *text = json_canonical(copy);
    unsigned char digest[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(digest, (const unsigned char *)text, strlen(text));
    sodium_bin2hex(ret_hex, 2 * sizeof digest + 1, digest, sizeof digest);
}
