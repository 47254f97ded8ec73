/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an %%environment says. There are three sorts, and a definition is exactly one of them: an
 * image, an image built from a Dockerfile, or a Python on the machine that runs the script. Dockerfiles
 * and package lists are read now, so that the definition, and its hash, hold what they said.
 */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/image_name.h"
#include "submission/spec_read.h"

/* The environment at hand: its map, and what was read of it. */
struct reading {
    struct spec_context *context;
    const struct yaml_node *map;
    json_t *values;
};

static const struct yaml_node *node_of(const struct reading *reading, const char *name,
                                       const char **ret_written)
{
    return spec_node(reading->map, spec_keys(SPEC_ENVIRONMENT), name, ret_written);
}

/* --- which sort ------------------------------------------------------------------------------------ */

/* Two keys that cannot stand together; the later one is pointed at. */
static int check_not_both(const struct reading *reading, const char *a, const char *b,
                          const char *why, const char *hint)
{
    const char *a_written = a;
    const char *b_written = b;
    const struct yaml_node *a_node = node_of(reading, a, &a_written);
    const struct yaml_node *b_node = node_of(reading, b, &b_written);
    if (a_node == NULL || b_node == NULL)
        return 0;
    bool a_later = a_node->line > b_node->line ||
                   (a_node->line == b_node->line && a_node->column > b_node->column);
    spec_fail(reading->context, a_later ? a_node : b_node, "`%s` and `%s` exclude each other: %s",
              a_written, b_written, why);
    return error_hint(reading->context->err, "%s", hint);
}

static int check_sort(const struct reading *reading)
{
    static const char *const sorts[] = {"image", "dockerfile", "dockerfile_path", "build"};
    static const char *const packages[] = {"python", "pip", "pip_requirements", "conda_file"};
    for (size_t i = 0; i < ARRAY_SIZE(sorts); i++)
        for (size_t j = i + 1; j < ARRAY_SIZE(sorts); j++)
            if (check_not_both(reading, sorts[i], sorts[j],
                               "an environment is one image, or is built from one Dockerfile",
                               "keep one of them") != 0)
                return -1;
    for (size_t i = 1; i < ARRAY_SIZE(sorts); i++)
        for (size_t j = 0; j < ARRAY_SIZE(packages); j++)
            if (check_not_both(reading, sorts[i], packages[j],
                               "what a Dockerfile builds is used as it is",
                               "install the packages in the Dockerfile: RUN pip install ...") != 0)
                return -1;
    return check_not_both(reading, "image", "python", "an image brings its own Python",
                          "keep one of them");
}

/* v1 ignored the packages silently when this was true. */
static int check_user_managed(const struct reading *reading)
{
    static const char *const packages[] = {"pip", "pip_requirements", "conda_file"};
    const char *written = "user_managed_dependencies";
    if (!json_get_bool(reading->values, written, false))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(packages); i++)
        if (check_not_both(reading, written, packages[i],
                           "true means that the Python there is used as it is",
                           "remove user_managed_dependencies to have the packages installed") != 0)
            return -1;
    return 0;
}

static int check_not_empty(const struct reading *reading)
{
    static const char *const enough[] = {"image",
                                         "build",
                                         "python",
                                         "pip",
                                         "conda_file",
                                         "environment_variables",
                                         "user_managed_dependencies"};
    for (size_t i = 0; i < ARRAY_SIZE(enough); i++)
        if (json_object_get(reading->values, enough[i]) != NULL)
            return 0;
    spec_fail(reading->context, reading->map, "the environment says nothing about what to run in");
    return error_hint(reading->context->err,
                      "give an `image:`, a `dockerfile:`, or, for a plain process, `python:`, "
                      "`pip:` or `conda_file:`");
}

/* --- the image --------------------------------------------------------------------------------------- */

static int check_image(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    const char *written = "image";
    const struct yaml_node *node = node_of(reading, "image", &written);
    AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
    AUTO_ERROR struct error fault = ERROR_INIT;
    if (node == NULL || image_name_parse(node->text, &name, &fault) == 0)
        return 0;
    AUTO_FREE char *quoted = spec_quote(node->text);
    spec_fail(context, node, "`%s` is %s: %s", written, quoted, fault.text);
    return error_hint(context->err, "%s", fault.hint);
}

/* The registry to log in to when none is named: the image's. */
static void default_address(json_t *registry, const char *image)
{
    AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
    if (json_get_string(registry, "address", NULL) == NULL && image != NULL &&
        image_name_parse(image, &name, NULL) == 0)
        json_set_string(registry, "address", name.registry);
}

static int check_registry(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    const char *written = "registry";
    const struct yaml_node *node = node_of(reading, "registry", &written);
    json_t *registry = json_object_get(reading->values, "registry");
    if (node == NULL)
        return 0;
    const char *image = json_get_string(reading->values, "image", NULL);
    const char *password = json_get_string(registry, "password", NULL);
    if (image == NULL && json_object_get(reading->values, "build") == NULL) {
        spec_fail(context, node, "`%s` says how to log in for an image, and there is none",
                  written);
        return error_hint(context->err, "add `image:`, or remove `%s`", written);
    }
    default_address(registry, image);
    if (json_get_string(registry, "address", NULL) == NULL) {
        spec_fail(context, node, "`%s` has no address, and there is no image to take it from",
                  written);
        return error_hint(context->err, "add address: myregistry.azurecr.io, for example");
    }
    if (password == NULL || strcmp(password, "docker") == 0 ||
        json_get_string(registry, "username", NULL) != NULL)
        return 0;
    spec_fail(context, node, "`%s` has a password and no username", written);
    return error_hint(context->err, "add username: sam, for example");
}

/* --- Dockerfiles --------------------------------------------------------------------------------------- */

static bool is_instruction(const char *line, const char *word)
{
    size_t size = strlen(word);
    return strncasecmp(line, word, size) == 0 && (line[size] == ' ' || line[size] == '\t');
}

/* Looks through a Dockerfile that has no folder around it: does it begin with FROM, does it copy? */
static int check_dockerfile(const struct reading *reading, const struct yaml_node *node,
                            const char *text)
{
    struct spec_context *context = reading->context;
    AUTO_FREE char *copy = xstrdup(text);
    char *rest = copy;
    bool from = false;
    bool continued = false;
    while (rest != NULL) {
        char *line = strsep(&rest, "\n");
        line += strspn(line, " \t\r");
        size_t size = strcspn(line, "\r");
        bool goes_on = size > 0 && line[size - 1] == '\\';
        bool instruction = !continued && size > 0 && line[0] != '#';
        continued = goes_on || (continued && (size == 0 || line[0] == '#'));
        if (!instruction)
            continue;
        if (!from && !is_instruction(line, "FROM") && !is_instruction(line, "ARG"))
            break;
        from = from || is_instruction(line, "FROM");
        bool copies = is_instruction(line, "COPY") || is_instruction(line, "ADD");
        if (copies && strstr(line, "--from=") == NULL && strstr(line, "://") == NULL)
            spec_note(context, NOTE_WARNING, node,
                      "The Dockerfile copies files (%.*s), and there is no folder to copy from. "
                      "Write build: {path: FOLDER} with the Dockerfile in that folder.",
                      (int)strcspn(line, " \t"), line);
    }
    if (from)
        return 0;
    spec_fail(context, node, "the Dockerfile does not begin with FROM");
    return error_hint(context->err, "its first line says what to build on: FROM python:3.11");
}

/* `dockerfile: Dockerfile` or its text? A text has several lines or begins with an instruction. */
static bool is_dockerfile_text(const char *text)
{
    return strchr(text, '\n') != NULL || is_instruction(text, "FROM") ||
           is_instruction(text, "ARG") || text[0] == '#';
}

static int read_dockerfile(const struct reading *reading, const struct yaml_node *node, bool text)
{
    AUTO_BUF struct buf contents = BUF_INIT;
    if (text) {
        buf_puts(&contents, node->text);
    } else {
        AUTO_FREE char *path = spec_path(reading->context, node->text);
        if (spec_read_file(reading->context, node, path, &contents) != 0)
            return -1;
    }
    const char *data = contents.data != NULL ? contents.data : "";
    json_t *value = strlen(data) == contents.size ? json_string(data) : NULL;
    if (value == NULL) {
        spec_fail(reading->context, node, "the Dockerfile is not a text in UTF-8");
        return error_hint(reading->context->err, "give the path of a text file, saved as UTF-8");
    }
    json_object_set_new(reading->values, "build", json_pack("{s:o}", "dockerfile", value));
    return check_dockerfile(reading, node, data);
}

/* A folder with a Dockerfile in it. Whether they are there is seen when they are needed. */
static int check_build(const struct reading *reading)
{
    struct spec_context *context = reading->context;
    const struct yaml_node *node = node_of(reading, "build", NULL);
    json_t *build = json_object_get(reading->values, "build");
    if (node == NULL)
        return 0;
    const struct yaml_node *file = yaml_get(node, "dockerfile_path");
    const char *dockerfile = json_get_string(build, "dockerfile_path", "Dockerfile");
    const char *folder = json_get_string(build, "path", NULL);
    AUTO_FREE char *quoted = spec_quote(dockerfile);
    if (folder == NULL) {
        spec_fail(context, node, "`build` has no `path`: the folder that is built");
        return error_hint(context->err,
                          "write build: {path: .}, or dockerfile_path: %s when the "
                          "Dockerfile needs no other files",
                          dockerfile);
    }
    if (strstr(folder, "://") != NULL) {
        error_set(context->err, ERROR_UNSUPPORTED, "building from an address is not served here");
        error_hint(context->err, "clone it, and give the folder");
        return error_at(context->err, node->line, node->column);
    }
    if (dockerfile[0] == '/' || strncmp(dockerfile, "..", 2) == 0 ||
        strstr(dockerfile, "/..") != NULL) {
        spec_fail(context, file, "`dockerfile_path` is %s, outside of the folder", quoted);
        return error_hint(context->err, "it is relative to `path`, and must be below it");
    }
    AUTO_FREE char *absolute = spec_path(context, folder);
    json_object_set_new(build, "dockerfile_path", json_string(dockerfile));
    json_set_string(build, "path", absolute);
    return 0;
}

static int check_dockerfiles(const struct reading *reading)
{
    const struct yaml_node *text = node_of(reading, "dockerfile", NULL);
    const struct yaml_node *path = node_of(reading, "dockerfile_path", NULL);
    json_object_del(reading->values, "dockerfile");
    json_object_del(reading->values, "dockerfile_path");
    if (text != NULL)
        return read_dockerfile(reading, text, is_dockerfile_text(text->text));
    if (path != NULL)
        return read_dockerfile(reading, path, false);
    return check_build(reading);
}

/* --- packages --------------------------------------------------------------------------------------------- */

static int check_packages(const struct reading *reading)
{
    const struct yaml_node *file = node_of(reading, "pip_requirements", NULL);
    const struct yaml_node *pip = node_of(reading, "pip", NULL);
    const struct yaml_node *conda = node_of(reading, "conda_file", NULL);
    AUTO_JSON json_t *requirements = json_array();
    if (file != NULL && spec_packages_file(reading->context, file, requirements) != 0)
        return -1;
    if (pip != NULL && spec_packages_pip(reading->context, pip, requirements) != 0)
        return -1;
    json_object_del(reading->values, "pip_requirements");
    if (file != NULL || pip != NULL)
        json_object_set(reading->values, "pip", requirements);
    if (conda == NULL)
        return 0;
    json_t *contents = spec_packages_conda(reading->context, conda);
    if (contents == NULL)
        return -1;
    json_object_set_new(reading->values, "conda_file", contents);
    return 0;
}

static int check_python(const struct reading *reading)
{
    const struct yaml_node *node = node_of(reading, "python", NULL);
    if (node == NULL || strpbrk(node->text, "\n\t") == NULL)
        return 0;
    AUTO_FREE char *quoted = spec_quote(node->text);
    return spec_fail(reading->context, node, "`python` is %s; it takes one path, name or version",
                     quoted);
}

/* --- the whole ---------------------------------------------------------------------------------------------- */

/* A v1 environment's section pasted as it is would otherwise read as a wrong type. */
static int check_sections(struct spec_context *context, const struct yaml_node *map)
{
    const struct yaml_node *python = yaml_get(map, "python");
    if (python == NULL || python->kind != YAML_MAP)
        return 0;
    spec_fail(context, python, "`python` is a section of v1 here");
    return error_hint(context->err, "write its keys (user_managed_dependencies, interpreter_path, "
                                    "conda_dependencies) at the top level");
}

static void note_version(const struct reading *reading)
{
    const struct yaml_node *version = node_of(reading, "version", NULL);
    if (version != NULL)
        spec_note(reading->context, NOTE_INFO, version,
                  "`version` is not used: each changed definition becomes the next version.");
    json_object_del(reading->values, "version");
    json_object_del(reading->values, "$schema");
    json_object_del(reading->values, "os_type");
}

json_t *spec_environment_check(struct spec_context *context, const struct yaml_node *map)
{
    if (check_sections(context, map) != 0)
        return NULL;
    AUTO_JSON json_t *values =
        spec_read_map(context, SPEC_ENVIRONMENT, map, spec_keys(SPEC_ENVIRONMENT));
    const struct reading reading = {.context = context, .map = map, .values = values};
    if (values == NULL || check_sort(&reading) != 0 || check_user_managed(&reading) != 0 ||
        check_image(&reading) != 0 || check_dockerfiles(&reading) != 0 ||
        check_packages(&reading) != 0 || check_python(&reading) != 0 ||
        check_registry(&reading) != 0 || check_not_empty(&reading) != 0 ||
        spec_check_variables(context, node_of(&reading, "environment_variables", NULL)) != 0)
        return NULL;
    note_version(&reading);
    return steal(&values);
}
