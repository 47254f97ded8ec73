/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a %%submit says. Lexical only: whether the folder, the script, the environment and the compute
 * exist is seen when the job is submitted, against the workspace of that moment.
 */
#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/spec_read.h"

#define TIMEOUT_MAX (30 * 24 * 60 * 60) /* seconds: the longest run Azure allows */
#define INSTANCES_MAX 65000             /* the largest cluster of Azure's */

/* The job at hand: its map, and what was read of it. */
struct reading {
    struct spec_context *context;
    const struct yaml_node *map;
    json_t *values;
};

static const struct yaml_node *node_of(const struct reading *reading, const char *name,
                                       const char **ret_written)
{
    return spec_node(reading->map, spec_keys(SPEC_JOB), name, ret_written);
}

static int fail_unsupported(const struct reading *reading, const struct yaml_node *at,
                            const char *what, const char *hint)
{
    error_set(reading->context->err, ERROR_UNSUPPORTED, "%s", what);
    error_hint(reading->context->err, "%s", hint);
    return error_at(reading->context->err, at->line, at->column);
}

/* An address, or a name in Azure's storage, rather than a path of this machine. */
static bool is_remote(const char *path)
{
    return strstr(path, "://") != NULL || strncmp(path, "azureml:", 8) == 0;
}

/* --- what is run ---------------------------------------------------------------------------------- */

static int check_script(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    const struct yaml_node *node = node_of(reading, "script", NULL);
    const char *script = node->text;
    AUTO_FREE char *quoted = spec_quote(script);
    while (script[0] == '.' && script[1] == '/')
        script += 2;
    const char *more = strstr(script, ".py ");
    if (more != NULL) {
        int size = (int)(more - script) + 3; /* what follows may be a secret */
        spec_fail(context, node, "`script` is \"%.*s ...\": a script and its arguments", size,
                  script);
        return error_hint(context->err, "write script: %.*s and the rest as arguments: [...]", size,
                          script);
    }
    if (script[0] == '/' || script[0] == '~') {
        spec_fail(context, node, "`script` is %s, an absolute path", quoted);
        return error_hint(context->err, "write it relative to `code` (source_directory), the "
                                        "folder that is sent along");
    }
    AUTO_FREE char *framed = xasprintf("/%s/", script);
    if (strstr(framed, "/../") != NULL || script[0] == '\0') {
        spec_fail(context, node, "`script` is %s, which leads out of the folder that is sent along",
                  quoted);
        return error_hint(context->err, "choose a folder as `code` (source_directory) that holds "
                                        "the script");
    }
    json_set_string(reading->values, "script", script);
    return 0;
}

/* The list itself was read by the table. */
static int check_arguments(const struct reading *reading)
{
    const struct yaml_node *node = node_of(reading, "arguments", NULL);
    if (node == NULL || !yaml_is_scalar(node) || !node->plain || strchr(node->text, ' ') == NULL)
        return 0;
    spec_fail(reading->context, node,
              "`arguments` is one text with blanks, which would be one argument");
    return error_hint(reading->context->err, "write a list: arguments: [--epochs, 3]");
}

static bool has_letter(const char *text)
{
    for (; *text != '\0'; text++)
        if (isalnum((unsigned char)*text) || *text == '_')
            return true;
    return false;
}

static int check_command(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    const struct yaml_node *node = node_of(reading, "command", NULL);
    if (node->kind == YAML_LIST && node->count > 0) {
        json_t *words = spec_read_strings(context, "command", node);
        if (words == NULL)
            return -1;
        json_object_set_new(reading->values, "command", words);
        return 0;
    }
    if (!yaml_is_scalar(node) || node->kind == YAML_NULL || !has_letter(node->text))
        return spec_fail_type(context, "command", node, "a line for the shell, or a list of words");
    json_set_string(reading->values, "command", node->text);
    return 0;
}

static int check_work(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    const struct yaml_node *script = node_of(reading, "script", NULL);
    const struct yaml_node *command = node_of(reading, "command", NULL);
    const struct yaml_node *arguments = node_of(reading, "arguments", NULL);
    if (script != NULL && command != NULL) {
        const struct yaml_node *later = script->line > command->line ? script : command;
        spec_fail(context, later, "`script` and `command` exclude each other");
        return error_hint(context->err, "keep `script` with `arguments`, or put all of it into "
                                        "`command`");
    }
    if (script == NULL && command == NULL) {
        spec_fail(context, reading->map, "the job says nothing about what to run");
        return error_hint(context->err, "add script: train.py, or command: python train.py");
    }
    if (script == NULL && arguments != NULL) {
        spec_fail(context, arguments, "`arguments` belong to a `script`, and there is a `command`");
        return error_hint(context->err, "put them into the command");
    }
    if (script == NULL)
        return check_command(reading);
    return check_script(reading) != 0 ? -1 : check_arguments(reading);
}

static int check_code(const struct reading *reading)
{
    const char *written = "code";
    const struct yaml_node *node = node_of(reading, "code", &written);
    if (node == NULL && json_object_get(reading->values, "command") != NULL)
        return 0;
    if (node != NULL && is_remote(node->text)) {
        AUTO_FREE char *what =
            xasprintf("`%s` is an address, and code is sent from a folder here", written);
        return fail_unsupported(reading, node, what, "clone or download it, and give the folder");
    }
    AUTO_FREE char *path = spec_path(reading->context, node != NULL ? node->text : ".");
    json_set_string(reading->values, "code", path);
    if (node == NULL)
        spec_note(reading->context, NOTE_INFO, node_of(reading, "script", NULL),
                  "No `code` (source_directory) is given: the notebook's folder is sent along.");
    return 0;
}

/* --- where it runs ------------------------------------------------------------------------------------ */

/* "name", "name:VERSION", "name@latest", each also with "azureml:" before it. */
static int check_environment_name(const struct reading *reading, const struct yaml_node *node)
{
    struct spec_context *context = reading->context;
    const char *text = strncmp(node->text, "azureml:", 8) == 0 ? node->text + 8 : node->text;
    AUTO_FREE char *quoted = spec_quote(node->text);
    if (strstr(node->text, "://") != NULL || text[0] == '/')
        return fail_unsupported(reading, node,
                                "environments of Azure's registries are not reachable from here",
                                "define one with %%environment: its image goes below `image:`");
    size_t size = strcspn(text, ":@");
    const char *version = text[size] != '\0' ? text + size + 1 : "latest";
    AUTO_FREE char *name = xstrndup(text, size);
    if (spec_check_name(SPEC_ENVIRONMENT, name, context->err) != 0) {
        if (strchr(text, '/') != NULL)
            error_hint(context->err, "for an image write environment: {image: %s}", node->text);
        return error_at(context->err, node->line, node->column);
    }
    if (strcmp(version, "latest") == 0) {
        json_set_string(reading->values, "environment", name);
        return 0;
    }
    bool number = text[size] == ':' && version[0] >= '1' && version[0] <= '9' &&
                  strlen(version) <= 9 && version[strspn(version, "0123456789")] == '\0';
    if (!number) {
        spec_fail(context, node,
                  "`environment` is %s; after the name goes a version, which is a "
                  "number from 1 on, or latest",
                  quoted);
        return error_hint(context->err, "write %s, %s:1 or %s@latest", name, name, name);
    }
    AUTO_FREE char *canonical = xasprintf("%s:%s", name, version);
    json_set_string(reading->values, "environment", canonical);
    return 0;
}

static int check_environment(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    const struct yaml_node *node = node_of(reading, "environment", NULL);
    if (node == NULL)
        return 0;
    if (node->kind == YAML_MAP) {
        json_t *inline_definition = spec_environment_check(context, node);
        if (inline_definition == NULL)
            return -1;
        json_object_del(inline_definition, "name"); /* Azure ignores it there, too */
        json_object_set_new(reading->values, "environment", inline_definition);
        return 0;
    }
    if (yaml_is_scalar(node) && node->kind != YAML_NULL && node->text[0] != '\0')
        return check_environment_name(reading, node);
    spec_fail_type(context, "environment", node, "a name, or a map with a definition");
    return error_hint(context->err, "write environment: NAME for one that %%%%environment made, or "
                                    "leave it out to run with this machine's Python");
}

static int check_compute(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    const struct yaml_node *node = node_of(reading, "compute", NULL);
    const char *text = node != NULL ? node->text : "local";
    const char *name = strncmp(text, "azureml:", 8) == 0 ? text + 8 : text;
    if (node == NULL)
        spec_note(context, NOTE_INFO, NULL,
                  "No compute is given: the run is on this machine "
                  "(compute: local).");
    else if (strstr(text, "://") != NULL || name[0] == '/')
        return fail_unsupported(reading, node, "a compute is named here, not addressed",
                                "write the last part of the address: compute: gpu-cluster");
    else if (strcmp(name, "local") != 0 && spec_check_name(SPEC_COMPUTE, name, context->err) != 0)
        return error_at(context->err, node->line, node->column);
    json_set_string(reading->values, "compute", name);
    return 0;
}

/* --- inputs and outputs ---------------------------------------------------------------------------------- */

static int check_data_name(const struct reading *reading, const struct yaml_node *key)
{
    AUTO_FREE char *quoted = spec_quote_key(key->text);
    bool fits = key->text[0] != '\0';
    for (const char *c = key->text; *c != '\0'; c++)
        fits = fits && (isalnum((unsigned char)*c) || *c == '_');
    if (fits)
        return 0;
    spec_fail(reading->context, key, "%s is no name for an input or output", quoted);
    return error_hint(reading->context->err, "use letters, digits and _");
}

static const char *const data_types[] = {"uri_file",     "uri_folder",   "mltable", "mlflow_model",
                                         "custom_model", "triton_model", NULL};

static const struct spec_key input_keys[] = {
    {.name = "type", .type = SPEC_STRING, .allowed = data_types},
    {.name = "path", .type = SPEC_PATH},
    {.name = "mode",
     .type = SPEC_STRING,
     .allowed = (const char *const[]){"ro_mount", "rw_mount", "download", "direct", "eval_mount",
                                      "eval_download", NULL}},
    {.name = NULL},
};

static const struct spec_key output_keys[] = {
    {.name = "type", .type = SPEC_STRING, .allowed = data_types},
    {.name = "path", .type = SPEC_PATH},
    {.name = "mode",
     .type = SPEC_STRING,
     .allowed = (const char *const[]){"rw_mount", "upload", "direct", NULL}},
    {.name = "name", .type = SPEC_STRING},
    {.name = NULL},
};

/* A literal as its text, or data as an object with an absolute path. */
static json_t *read_input(const struct reading *reading, const char *name,
                          const struct yaml_node *node)
{
    struct spec_context *context = reading->context;
    if (yaml_is_scalar(node) && node->kind != YAML_NULL && has_letter(node->text))
        return json_string(node->text);
    if (node->kind != YAML_MAP) {
        AUTO_FREE char *quoted = yaml_is_scalar(node) ? spec_quote(node->text) : NULL;
        spec_fail(context, node, "the input `%s` is %s; it takes a letter or digit, or a path",
                  name, quoted != NULL ? quoted : yaml_kind_words(node));
        error_hint(context->err, "write %s: 3, or %s: {type: uri_folder, path: ./data}", name,
                   name);
        return NULL;
    }
    AUTO_JSON json_t *input = spec_read_map(context, SPEC_JOB, node, input_keys);
    const char *path = json_get_string(input, "path", NULL);
    if (input == NULL)
        return NULL;
    if (path == NULL) {
        spec_fail(context, node, "the input `%s` has no `path`", name);
        error_hint(context->err, "write path: ./data, for example");
        return NULL;
    }
    if (is_remote(path)) {
        AUTO_FREE char *what =
            xasprintf("the input `%s` is not on this machine, and data in Azure's "
                      "storage or behind an address is not fetched here",
                      name);
        fail_unsupported(reading, yaml_get(node, "path"), what,
                         "download it, and give the local path");
        return NULL;
    }
    AUTO_FREE char *absolute = spec_path(context, path);
    json_set_string(input, "path", absolute);
    return steal(&input);
}

static json_t *read_output(const struct reading *reading, const char *name,
                           const struct yaml_node *node)
{
    if (node->kind == YAML_NULL)
        return json_object();
    if (node->kind != YAML_MAP) {
        spec_fail(reading->context, node, "the output `%s` is %s; it takes a map", name,
                  yaml_kind_words(node));
        error_hint(reading->context->err, "write %s: {type: uri_folder}", name);
        return NULL;
    }
    json_t *output = spec_read_map(reading->context, SPEC_JOB, node, output_keys);
    if (output != NULL && json_object_get(output, "path") != NULL)
        spec_note(reading->context, NOTE_WARNING, yaml_get(node, "path"),
                  "The `path` of the output `%s` is not used: it is the folder outputs/%s of the "
                  "run.",
                  name, name);
    return output;
}

static int check_data(const struct reading *reading, const char *key,
                      json_t *(*read)(const struct reading *, const char *,
                                      const struct yaml_node *))
{
    const struct yaml_node *node = node_of(reading, key, NULL);
    json_t *data = json_object();
    if (node == NULL || node->kind == YAML_NULL) {
        json_decref(data);
        json_object_del(reading->values, key);
        return 0;
    }
    json_object_set_new(reading->values, key, data);
    if (node->kind != YAML_MAP)
        return spec_fail_type(reading->context, key, node, "a map of names");
    for (size_t i = 0; i < node->count; i++) {
        const char *name = node->keys[i]->text;
        json_t *value = check_data_name(reading, node->keys[i]) == 0
                            ? read(reading, name, node->items[i])
                            : NULL;
        if (value == NULL)
            return -1;
        json_object_set_new(data, name, value);
    }
    return 0;
}

/* Every ${{...}} of the command or the arguments. */
static int check_placeholders(const struct reading *reading)
{
    static const char *const holders[] = {"command", "arguments"};
    json_t *inputs = json_object_get(reading->values, "inputs");
    json_t *outputs = json_object_get(reading->values, "outputs");
    for (size_t i = 0; i < ARRAY_SIZE(holders); i++) {
        const struct yaml_node *node = node_of(reading, holders[i], NULL);
        size_t count = node == NULL ? 0 : node->kind == YAML_LIST ? node->count : 1;
        for (size_t j = 0; j < count; j++) {
            const struct yaml_node *item = node->kind == YAML_LIST ? node->items[j] : node;
            if (spec_argv_check(reading->context, item, item->text, inputs, outputs) != 0)
                return -1;
        }
    }
    return 0;
}

/* --- limits and resources ------------------------------------------------------------------------------------ */

static int check_timeout(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    static const char v1[] = "max_run_duration_seconds";
    const struct yaml_node *limits = node_of(reading, "limits", NULL);
    const struct yaml_node *node = limits != NULL ? yaml_get(limits, "timeout") : NULL;
    const struct yaml_node *v1_node = node_of(reading, v1, NULL);
    if (node != NULL && v1_node != NULL) {
        spec_fail(context, v1_node, "`%s` and `timeout` (line %d) are two names of one thing", v1,
                  node->line);
        return error_hint(context->err, "keep limits: {timeout: ...}, Azure's newer name");
    }
    int64_t seconds = v1_node != NULL
                          ? json_get_int(reading->values, v1, 0)
                          : json_get_int(json_object_get(reading->values, "limits"), "timeout", 0);
    node = node != NULL ? node : v1_node;
    json_object_del(reading->values, v1);
    json_object_del(reading->values, "limits");
    if (seconds < 0 || seconds > TIMEOUT_MAX) {
        spec_fail(context, node, "the timeout is %lld s; it takes 0 (none) to %d s, 30 days",
                  (long long)seconds, TIMEOUT_MAX);
        return -1;
    }
    if (seconds > 0)
        json_object_set_new(reading->values, "limits",
                            json_pack("{s:I}", "timeout", (json_int_t)seconds));
    return 0;
}

static int check_instances(const struct reading *reading)
{
    const struct yaml_node *resources = node_of(reading, "resources", NULL);
    const struct yaml_node *node = resources != NULL ? yaml_get(resources, "instance_count") : NULL;
    if (resources != NULL && node == NULL)
        node = yaml_get(resources, "node_count");
    int64_t count =
        json_get_int(json_object_get(reading->values, "resources"), "instance_count", 1);
    if (count < 1 || count > INSTANCES_MAX)
        return spec_fail(reading->context, node, "`instance_count` is %lld; it takes 1 to %d",
                         (long long)count, INSTANCES_MAX);
    if (count > 1)
        spec_note(reading->context, NOTE_WARNING, node,
                  "`instance_count` is %lld: one instance is run, for this machine is one node.",
                  (long long)count);
    return 0;
}

static int check_shm_size(const struct reading *reading)
{
    const struct yaml_node *resources = node_of(reading, "resources", NULL);
    const struct yaml_node *node = resources != NULL ? yaml_get(resources, "shm_size") : NULL;
    return node != NULL ? spec_read_size(reading->context, "shm_size", node,
                                         json_object_get(reading->values, "resources"))
                        : 0;
}

/* Azure's id of a job is not ours: runs have ids that no two can share. */
static void settle_labels(const struct reading *reading)
{
    const struct yaml_node *node = node_of(reading, "name", NULL);
    if (node != NULL && json_object_get(reading->values, "display_name") == NULL)
        json_set_string(reading->values, "display_name", node->text);
    if (node != NULL)
        spec_note(reading->context, NOTE_INFO, node,
                  "`name` is shown as the run's display name; each run gets an id of its own.");
    json_object_del(reading->values, "name");
    json_object_del(reading->values, "type");
    json_object_del(reading->values, "$schema");
    json_object_del(reading->values, "experiment_name"); /* settled with the magic's line */
}

json_t *spec_job_check(struct spec_context *context, const struct yaml_node *map)
{
    AUTO_JSON json_t *values = spec_read_map(context, SPEC_JOB, map, spec_keys(SPEC_JOB));
    const struct reading reading = {.context = context, .map = map, .values = values};
    if (values == NULL || check_work(&reading) != 0 || check_code(&reading) != 0 ||
        check_environment(&reading) != 0 || check_compute(&reading) != 0 ||
        check_data(&reading, "inputs", read_input) != 0 ||
        check_data(&reading, "outputs", read_output) != 0 || check_placeholders(&reading) != 0 ||
        check_timeout(&reading) != 0 || check_instances(&reading) != 0 ||
        check_shm_size(&reading) != 0 ||
        spec_check_variables(context, node_of(&reading, "environment_variables", NULL)) != 0)
        return NULL;
    settle_labels(&reading);
    return steal(&values);
}
