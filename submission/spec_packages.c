/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What pip and conda are asked for. Requirement lines are checked loosely: pip knows best what a
 * requirement is. Refused is what would reach beyond the definition (other files, folders of this
 * machine) or hold a secret, since the definition travels and its hash must say what it means.
 */
#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/suggest.h"
#include "submission/spec_read.h"

#define REQUIREMENTS_MAX 1000     /* a frozen environment has a few hundred */
#define REQUIREMENT_SIZE_MAX 8192 /* a pinned package with a hash for each of its wheels */
#define CONDA_PACKAGES_MAX 2000   /* `conda env export` of everything lists some hundreds */

/* Where a requirement stands: a value of the cell, or a line of a file that the value names. */
struct place {
    const struct yaml_node *at;
    const char *file; /* NULL: the cell */
    int line;         /* of the file */
};

static int fail_at(struct spec_context *context, const struct place *place, const char *what,
                   const char *hint)
{
    spec_fail(context, place->at, "%s", what);
    error_hint(context->err, "%s", hint);
    if (place->file == NULL)
        return -1;
    if (context->err != NULL)
        replace(&context->err->file, xstrdup(place->file));
    return error_at(context->err, place->line, 0);
}

/* --- requirement lines --------------------------------------------------------------------------- */

/* Options that say where and how, and nothing of this machine. */
static const char *const allowed_options[] = {
    "--index-url",
    "-i",
    "--extra-index-url",
    "--find-links",
    "-f",
    "--no-index",
    "--pre",
    "--prefer-binary",
    "--only-binary",
    "--no-binary",
    "--require-hashes",
    "--trusted-host",
};

static int check_option(struct spec_context *context, const struct place *place, const char *line)
{
    static const char *const includes[] = {"-r", "--requirement", "-c", "--constraint"};
    static const char *const editables[] = {"-e", "--editable"};
    AUTO_FREE char *option = xstrndup(line, strcspn(line, " =\t"));
    if (option[1] == '\0')
        return fail_at(context, place, "a requirement does not begin with a dash",
                       "write a list without the | or in brackets: pip: [numpy, pandas]");
    if (option[1] != '-' && option[2] != '\0') /* -rbase.txt */
        option[2] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(allowed_options); i++)
        if (strcmp(option, allowed_options[i]) == 0)
            return 0;
    for (size_t i = 0; i < ARRAY_SIZE(includes); i++)
        if (strcmp(option, includes[i]) == 0)
            return fail_at(context, place,
                           "requirements cannot include another file (-r, -c): the definition must "
                           "hold all of them",
                           "put the lines of that file here");
    for (size_t i = 0; i < ARRAY_SIZE(editables); i++)
        if (strcmp(option, editables[i]) == 0)
            return fail_at(context, place, "an editable install (-e) points into this machine",
                           "submit the package's folder as `code:`, or name a released version");
    AUTO_FREE char *what = xasprintf("the option %s of pip is not served here", option);
    AUTO_STRLIST struct strlist words = STRLIST_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(allowed_options); i++)
        strlist_add(&words, allowed_options[i]);
    AUTO_FREE char *list = spec_alternatives(&words);
    AUTO_FREE char *hint = xasprintf("these are: %s", list);
    return fail_at(context, place, what, hint);
}

/* https://user:password@host or https://token@host. What pip fills in from the environment (${NAME})
 * and the git of git+ssh://git@host are fine. */
static bool holds_password(const char *line)
{
    for (const char *at = strstr(line, "://"); at != NULL; at = strstr(at, "://")) {
        at += 3;
        size_t host = strcspn(at, "/ ?#");
        const char *sign = memchr(at, '@', host);
        size_t size = sign != NULL ? (size_t)(sign - at) : 0;
        bool git = size == 3 && strncmp(at, "git", 3) == 0;
        if (size > 0 && !git && memchr(at, '$', size) == NULL)
            return true;
    }
    return false;
}

/* A requirement that is none. Its beginning is quoted: in a text of many lines the place is that of
 * the text, and a query behind an address may be a secret. */
static int fail_requirement(struct spec_context *context, const struct place *place,
                            const char *line, const char *why, const char *hint)
{
    AUTO_FREE char *start = xstrndup(line, strcspn(line, " \t?=;"));
    AUTO_FREE char *quoted = spec_quote(start);
    AUTO_FREE char *what = xasprintf("%s is no requirement: %s", quoted, why);
    return fail_at(context, place, what, hint);
}

static int check_requirement(struct spec_context *context, const struct place *place,
                             const char *line)
{
    if (strlen(line) > REQUIREMENT_SIZE_MAX)
        return fail_at(context, place, "this requirement is longer than 8192 bytes",
                       "one line names one package");
    if (holds_password(line)) { /* no place in the cell: the line would show it */
        AUTO_FREE char *what = xasprintf("a requirement in line %d holds a password in its address",
                                         place->file != NULL ? place->line : place->at->line);
        error_set(context->err, ERROR_INVALID, "%s", what);
        return error_hint(context->err, "keep it in pip's configuration or in ~/.netrc, which pip "
                                        "reads by itself");
    }
    if (line[0] == '-')
        return check_option(context, place, line);
    if (line[0] == '.' || line[0] == '~')
        return fail_requirement(
            context, place, line,
            "the packages are installed from another folder, where a relative path means nothing",
            "give an absolute path or an address, or submit the folder as `code:`");
    if (!isalnum((unsigned char)line[0]) && line[0] != '/')
        return fail_requirement(context, place, line, "one begins with the name of a package",
                                "write, for example, numpy or pandas==2.2.2");
    return 0;
}

/* Cuts a comment ("#" at the start or after a blank) and blanks around. */
static char *trim(char *line)
{
    for (char *c = line; *c != '\0'; c++)
        if (*c == '#' && (c == line || c[-1] == ' ' || c[-1] == '\t')) {
            *c = '\0';
            break;
        }
    line += strspn(line, " \t\r");
    size_t size = strlen(line);
    while (size > 0 && strchr(" \t\r", line[size - 1]) != NULL)
        line[--size] = '\0';
    return line;
}

static int add_requirement(struct spec_context *context, const struct place *place, char *line,
                           json_t *requirements)
{
    line = trim(line);
    if (line[0] == '\0')
        return 0;
    if (json_array_size(requirements) >= REQUIREMENTS_MAX)
        return fail_at(context, place, "these are more than 1000 requirements",
                       "name the packages you import, and let pip find what they need");
    if (check_requirement(context, place, line) != 0)
        return -1;
    json_array_append_new(requirements, json_text_value(line, strlen(line)));
    return 0;
}

/* The lines of a text; one that ends in a backslash goes on in the next. `text` is written to. */
static int add_lines(struct spec_context *context, struct place *place, char *text,
                     json_t *requirements)
{
    AUTO_BUF struct buf joined = BUF_INIT;
    int number = 0;
    char *rest = text;
    while (rest != NULL) {
        char *line = strsep(&rest, "\n");
        size_t size = strcspn(line, "\r");
        number++;
        place->line = joined.size == 0 ? number : place->line;
        if (size > 0 && line[size - 1] == '\\' && rest != NULL) {
            buf_append(&joined, line, size - 1);
            continue;
        }
        buf_append(&joined, line, size);
        if (add_requirement(context, place, joined.data != NULL ? joined.data : line,
                            requirements) != 0)
            return -1;
        buf_clear(&joined);
    }
    return 0;
}

int spec_packages_file(struct spec_context *context, const struct yaml_node *node,
                       json_t *requirements)
{
    AUTO_FREE char *path = spec_path(context, node->text);
    AUTO_BUF struct buf text = BUF_INIT;
    if (spec_read_file(context, node, path, &text) != 0)
        return -1;
    struct place place = {.at = node, .file = path};
    if (memchr(text.data != NULL ? text.data : "", '\0', text.size) != NULL)
        return fail_at(context, &place, "this is no text file", "give a requirements.txt");
    AUTO_FREE char *lines = buf_steal(&text);
    bool byte_order_mark = strncmp(lines, "\xef\xbb\xbf", 3) == 0;
    return add_lines(context, &place, byte_order_mark ? lines + 3 : lines, requirements);
}

static bool is_requirements_path(const char *text)
{
    size_t size = strlen(text);
    return size > 4 && strcmp(text + size - 4, ".txt") == 0 && strpbrk(text, " \n") == NULL;
}

int spec_packages_pip(struct spec_context *context, const struct yaml_node *node,
                      json_t *requirements)
{
    if (yaml_is_scalar(node) && node->kind != YAML_NULL && is_requirements_path(node->text))
        return spec_packages_file(context, node, requirements);
    AUTO_JSON json_t *items = spec_read_strings(context, "pip", node);
    size_t i;
    json_t *item;
    if (items == NULL)
        return -1;
    json_array_foreach (items, i, item) {
        struct place place = {.at = node->kind == YAML_LIST ? node->items[i] : node};
        AUTO_FREE char *text = xstrdup(json_string_value(item));
        if (add_lines(context, &place, text, requirements) != 0)
            return -1;
    }
    return 0;
}

/* --- conda ---------------------------------------------------------------------------------------- */

/* `- pip: [...]` among the dependencies. */
static json_t *conda_pip(struct spec_context *context, const struct yaml_node *item)
{
    if (item->count != 1 || strcmp(item->keys[0]->text, "pip") != 0) {
        spec_fail(context, item, "a map among conda's dependencies can only be `pip:` with a list");
        error_hint(context->err, "write a version as name=1.2, and pip's packages below `- pip:`");
        return NULL;
    }
    AUTO_JSON json_t *requirements = json_array();
    bool empty = item->items[0]->kind == YAML_NULL;
    if (!empty && spec_packages_pip(context, item->items[0], requirements) != 0)
        return NULL;
    return json_pack("{s:O}", "pip", requirements);
}

static void fail_dependency(struct spec_context *context, const struct yaml_node *item)
{
    AUTO_FREE char *quoted = yaml_is_scalar(item) ? spec_quote(item->text) : NULL;
    spec_fail(context, item, "%s is no package for conda, and each dependency is one",
              quoted != NULL ? quoted : yaml_kind_words(item));
    error_hint(context->err, "write dependencies: [python=3.11, numpy], for example");
}

static json_t *conda_dependencies(struct spec_context *context, const struct yaml_node *list)
{
    AUTO_JSON json_t *dependencies = json_array();
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_node *item = list->items[i];
        json_t *value = NULL;
        if (item->kind == YAML_MAP)
            value = conda_pip(context, item);
        else if (item->kind == YAML_STRING && isalnum((unsigned char)item->text[0]))
            value = json_text_value(item->text, strlen(item->text));
        else if (item->kind == YAML_STRING && item->text[0] != '\0' &&
                 (item->text[0] == '_' || strstr(item->text, "::") != NULL))
            value = json_text_value(item->text, strlen(item->text)); /* _libgcc_mutex, channel:: */
        else
            fail_dependency(context, item);
        if (value == NULL)
            return NULL;
        json_array_append_new(dependencies, value);
    }
    return steal(&dependencies);
}

static int check_conda_keys(struct spec_context *context, const struct yaml_node *map)
{
    /* `prefix` is a path of the machine the file was exported on: known, and left out. */
    static const char *const allowed[] = {"name", "channels", "dependencies", "prefix"};
    for (size_t i = 0; i < map->count; i++) {
        const char *key = map->keys[i]->text;
        bool known = false;
        for (size_t j = 0; j < ARRAY_SIZE(allowed); j++)
            known = known || strcmp(key, allowed[j]) == 0;
        if (known)
            continue;
        const char *near = suggest(key, allowed, ARRAY_SIZE(allowed));
        AUTO_FREE char *quoted = spec_quote(key);
        spec_fail(context, map->keys[i], "unknown key %s in a conda file", quoted);
        return error_hint(context->err, "%s%s%sits keys are: name, channels, dependencies",
                          near != NULL ? "did you mean " : "", near != NULL ? near : "",
                          near != NULL ? "? " : "");
    }
    return 0;
}

static json_t *conda_contents(struct spec_context *context, const struct yaml_node *map)
{
    if (map->kind != YAML_MAP) {
        spec_fail(context, map,
                  "a conda file is a map with `channels` and `dependencies`, and "
                  "this is %s",
                  yaml_kind_words(map));
        error_hint(context->err, "begin it with `channels: [conda-forge]` and `dependencies:`");
        return NULL;
    }
    const struct yaml_node *name = yaml_get(map, "name");
    const struct yaml_node *channels = yaml_get(map, "channels");
    const struct yaml_node *list = yaml_get(map, "dependencies");
    if (check_conda_keys(context, map) != 0)
        return NULL;
    if (list == NULL || list->kind != YAML_LIST || list->count == 0 ||
        list->count > CONDA_PACKAGES_MAX) {
        spec_fail(context, list != NULL ? list : map,
                  "a conda file needs a list of 1 to %d `dependencies`", CONDA_PACKAGES_MAX);
        error_hint(context->err, "write dependencies: [python=3.11, numpy], for example");
        return NULL;
    }
    AUTO_JSON json_t *contents = json_object();
    if (name != NULL && yaml_is_scalar(name))
        json_set_string(contents, "name", name->text);
    if (channels != NULL && channels->kind != YAML_NULL) {
        json_t *strings = spec_read_strings(context, "channels", channels);
        if (strings == NULL) {
            if (context->err->hint == NULL)
                error_hint(context->err, "write channels: [conda-forge], for example");
            return NULL;
        }
        json_object_set_new(contents, "channels", strings);
    }
    json_t *dependencies = conda_dependencies(context, list);
    if (dependencies == NULL)
        return NULL;
    json_object_set_new(contents, "dependencies", dependencies);
    return steal(&contents);
}

/* Faults in the file are placed in the file. */
static json_t *conda_from_file(struct spec_context *context, const struct yaml_node *node)
{
    AUTO_FREE char *path = spec_path(context, node->text);
    AUTO_BUF struct buf text = BUF_INIT;
    if (spec_read_file(context, node, path, &text) != 0)
        return NULL;
    AUTO(yaml_node)
    struct yaml_node *map =
        yaml_parse(text.data != NULL ? text.data : "", text.size, 1, context->err);
    json_t *contents = map != NULL ? conda_contents(context, map) : NULL;
    if (contents == NULL && context->err != NULL && context->err->file == NULL)
        context->err->file = xstrdup(path);
    return contents;
}

json_t *spec_packages_conda(struct spec_context *context, const struct yaml_node *node)
{
    if (node->kind == YAML_STRING && node->text[0] != '\0')
        return conda_from_file(context, node);
    if (node->kind == YAML_MAP)
        return conda_contents(context, node);
    spec_fail_type(context, "conda_file", node, "the path of a conda file, or its contents");
    return NULL;
}
