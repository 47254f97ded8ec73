/* SPDX-License-Identifier: BSD-3-Clause */
/* The Python of a process run, and the virtual environments built for it through the runner. A build is
 * complete when its exit record says status 0; anything else found in its folder is the rest of a build
 * that failed or was killed, and is removed under a short lock before the next one begins. */
#include "submission/python.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strlist.h"
#include "submission/process.h"
#include "submission/variables.h"

#define BUILD_LOG "build.log"
#define BUILD_GRACE_SECONDS 5
#define LOG_TAIL_SIZE 2000 /* of a failed build's log, shown in the error: about the last screen */

/* --- what a definition asks for ---------------------------------------------------------------------- */

static bool is_python_package(const char *requirement)
{
    size_t length = strcspn(requirement, " =<>!~");
    return (length == 6 && strncmp(requirement, "python", 6) == 0) ||
           (length == 3 && strncmp(requirement, "pip", 3) == 0);
}

static const json_t *conda_dependencies(const json_t *definition)
{
    return json_object_get(json_object_get(definition, "conda_file"), "dependencies");
}

/* The requirements for pip: `pip:` and the pip part of the conda file. */
static void pip_requirements(const json_t *definition, struct strlist *ret_list)
{
    size_t i;
    size_t j;
    json_t *item;
    json_t *line;
    json_array_foreach (json_object_get(definition, "pip"), i, item) {
        strlist_add(ret_list, json_string_value(item));
    }
    json_array_foreach (conda_dependencies(definition), i, item) {
        json_array_foreach (json_object_get(item, "pip"), j, line) {
            strlist_add(ret_list, json_string_value(line));
        }
    }
}

/* "3.10" for a conda file that asks for python=3.10 (or ==3.10.4, >=3.10); NULL when it names none.
 * Caller frees. */
static char *conda_python_version(const json_t *definition)
{
    size_t i;
    json_t *item;
    json_array_foreach (conda_dependencies(definition), i, item) {
        const char *text = json_is_string(item) ? json_string_value(item) : "";
        int major;
        int minor;
        if (strncmp(text, "python", 6) == 0 && strchr(" =<>~", text[6]) != NULL &&
            sscanf(text + 6 + strspn(text + 6, " =<>~"), "%d.%d", &major, &minor) == 2)
            return xasprintf("%d.%d", major, minor);
    }
    return NULL;
}

static char *python_of_version(const char *version)
{
    AUTO_FREE char *name = xasprintf("python%s", version);
    return file_find_program(name);
}

/* Does the conda file ask for more than a Python that is here, with pip packages? */
static bool needs_conda(const json_t *definition)
{
    AUTO_FREE char *version = conda_python_version(definition);
    AUTO_FREE char *python = version != NULL ? python_of_version(version) : NULL;
    size_t i;
    json_t *item;
    json_array_foreach (conda_dependencies(definition), i, item) {
        if (json_is_string(item) && !is_python_package(json_string_value(item)))
            return true;
    }
    return version != NULL && python == NULL;
}

static char *find_conda(void)
{
    static const char *const tools[] = {"micromamba", "mamba", "conda"};
    for (size_t i = 0; i < ARRAY_SIZE(tools); i++) {
        char *path = file_find_program(tools[i]);
        if (path != NULL)
            return path;
    }
    return NULL;
}

static char *python_below(const char *prefix_variable)
{
    const char *prefix = getenv(prefix_variable);
    if (prefix == NULL || prefix[0] == '\0')
        return NULL;
    AUTO_FREE char *path = xasprintf("%s/bin/python", prefix);
    return file_find_program(path);
}

/* The base interpreter: the one the definition names, else by the rule of the header. */
static char *base_python(const json_t *definition, struct error *err)
{
    const char *wanted = json_get_string(definition, "python", NULL);
    if (wanted != NULL) {
        AUTO_FREE char *expanded = file_expand_home(wanted);
        char *found = file_find_program(expanded);
        if (found == NULL && strspn(wanted, "0123456789.") == strlen(wanted))
            found = python_of_version(wanted);
        if (found == NULL) {
            error_set(err, ERROR_NOT_FOUND,
                      "the environment's python, %s, is not an executable here", wanted);
            error_hint(err, "give a path, a name on PATH or a version that is installed");
        }
        return found;
    }
    AUTO_FREE char *version = conda_python_version(definition);
    char *found = version != NULL ? python_of_version(version) : NULL;
    if (found == NULL)
        found = python_below("VIRTUAL_ENV");
    if (found == NULL)
        found = python_below("CONDA_PREFIX");
    if (found == NULL)
        found = file_find_program("python3");
    if (found == NULL)
        found = file_find_program("python");
    if (found == NULL) {
        error_set(err, ERROR_NOT_FOUND,
                  "no Python on this machine: VIRTUAL_ENV, CONDA_PREFIX and PATH "
                  "lead to none");
        error_hint(err, "install python3, or name one with `python:` in the %%%%environment");
    }
    return found;
}

/* --- the folder of a built environment ----------------------------------------------------------------- */

struct recipe {
    char *python; /* the base interpreter */
    char *conda;  /* the conda tool; NULL: venv and pip */
    struct strlist pip;
    char *dir; /* $SKIFF_HOME/venvs/<hash>; NULL: the base interpreter serves as it is */
};

static void recipe_done(struct recipe *recipe)
{
    free(recipe->python);
    free(recipe->conda);
    free(recipe->dir);
    strlist_done(&recipe->pip);
}
#define AUTO_RECIPE __attribute__((cleanup(recipe_done)))

/* Equal contents share one environment: the interpreter, the packages in their order, the conda file. */
static char *hash_dir(const char *home, const json_t *definition, const struct recipe *recipe)
{
    AUTO_FREE char *real = realpath(recipe->python, NULL);
    AUTO_JSON json_t *contents = json_object();
    json_t *pip = json_array();
    for (size_t i = 0; i < recipe->pip.count; i++)
        json_array_append_new(pip, json_string(recipe->pip.items[i]));
    json_object_set_new(contents, "pip", pip);
    json_set_string(contents, "python", real != NULL ? real : recipe->python);
    if (recipe->conda != NULL)
        json_object_set(contents, "conda", json_object_get(definition, "conda_file"));
    AUTO_FREE char *text = json_canonical(contents);
    unsigned char digest[crypto_hash_sha256_BYTES];
    char hex[2 * sizeof digest + 1];
    crypto_hash_sha256(digest, (const unsigned char *)text, strlen(text));
    sodium_bin2hex(hex, sizeof hex, digest, sizeof digest);
    return xasprintf("%s/venvs/%.32s", home, hex);
}

static int recipe_make(const char *home, const json_t *definition, struct recipe *recipe,
                       struct error *err)
{
    recipe->python = base_python(definition, err);
    if (recipe->python == NULL)
        return -1;
    pip_requirements(definition, &recipe->pip);
    if (needs_conda(definition)) {
        recipe->conda = find_conda();
        if (recipe->conda == NULL) {
            error_set(
                err, ERROR_UNSUPPORTED,
                "the conda file asks for conda packages, and there is no micromamba, mamba or "
                "conda on PATH");
            return error_hint(err, "install one, or ask for the packages with `pip:` instead");
        }
    }
    if (recipe->conda != NULL || recipe->pip.count > 0)
        recipe->dir = hash_dir(home, definition, recipe);
    return 0;
}

/* Complete: the exit record says so, and nobody has deleted the interpreter since. */
static bool is_complete(const char *dir)
{
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    AUTO_FREE char *python = file_join(dir, "env/bin/python");
    return process_status_read(dir, &status, NULL) == 0 && status.state == PROCESS_ENDED &&
           status.exit_code == 0 && file_exists(python);
}

int python_check(const json_t *definition, struct error *err)
{
    AUTO_RECIPE struct recipe recipe = {0};
    return recipe_make("", definition, &recipe, err);
}

char *python_describe(const char *home, const json_t *definition, bool *ret_cached)
{
    AUTO_RECIPE struct recipe recipe = {0};
    AUTO_ERROR struct error err = ERROR_INIT;
    *ret_cached = false;
    if (json_object_get(definition, "image") != NULL ||
        json_object_get(definition, "build") != NULL)
        return xstrdup("a container image: needs a compute with a container engine");
    if (recipe_make(home, definition, &recipe, &err) != 0)
        return xasprintf("cannot be made here: %s", err.text);
    *ret_cached = recipe.dir == NULL || is_complete(recipe.dir);
    if (recipe.dir == NULL)
        return xasprintf("runs with %s as it is", recipe.python);
    AUTO_FREE char *packages = strlist_join(&recipe.pip, ", ");
    return xasprintf("%s %s from %s%s%s, %s",
                     recipe.conda != NULL ? "a conda environment" : "a virtual environment",
                     file_base_name(recipe.dir), recipe.python,
                     recipe.pip.count > 0 ? " with " : "", packages,
                     *ret_cached ? "ready" : "built when a run first needs it");
}

char *python_interpreter(const char *home, const json_t *definition, struct error *err)
{
    AUTO_RECIPE struct recipe recipe = {0};
    if (recipe_make(home, definition, &recipe, err) != 0)
        return NULL;
    if (recipe.dir == NULL)
        return steal(&recipe.python);
    return file_join(recipe.dir, "env/bin/python");
}

/* --- building -------------------------------------------------------------------------------------------- */

struct python_build {
    uv_loop_t *loop;
    char *dir;
    struct python_callbacks callbacks;
    void *data;
    struct process_watch *watch;
    uint64_t log_offset;
    bool starting; /* process_start() has not answered yet */
    bool cancelled;
    bool released;
};

static void build_free(struct python_build *build)
{
    process_watch_close(build->watch);
    free(build->dir);
    free(build);
}

/* Frees the build and answers. */
static void build_done(struct python_build *build, const struct error *err)
{
    struct python_callbacks callbacks = build->callbacks;
    void *data = build->data;
    bool released = build->released;
    build_free(build);
    if (!released)
        callbacks.done(err, data);
}

static void read_log(struct python_build *build)
{
    char bytes[16384];
    AUTO_FREE char *path = file_join(build->dir, BUILD_LOG);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;
    while (fd >= 0 && (got = pread(fd, bytes, sizeof bytes, (off_t)build->log_offset)) > 0) {
        build->log_offset += (uint64_t)got;
        build->callbacks.log(bytes, (size_t)got, build->data);
    }
}

static void on_build_changed(void *data)
{
    read_log(data);
}

/* The last lines of the build's log: what pip says went wrong. */
static char *log_tail(const struct python_build *build)
{
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_FREE char *path = file_join(build->dir, BUILD_LOG);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t from = size > LOG_TAIL_SIZE ? size - LOG_TAIL_SIZE : 0;
    ssize_t got = fd >= 0 ? pread(fd, buf_reserve(&text, LOG_TAIL_SIZE), LOG_TAIL_SIZE, from) : 0;
    if (got <= 0)
        return xstrdup("");
    text.size = (size_t)got;
    text.data[text.size] = '\0';
    const char *line = from > 0 ? strchr(text.data, '\n') : NULL;
    return xstrdup(line != NULL ? line + 1 : text.data);
}

static void on_build_ended(void *data)
{
    struct python_build *build = data;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    read_log(build);
    if (is_complete(build->dir)) {
        build_done(build, NULL);
        return;
    }
    if (process_status_read(build->dir, &status, &err) == 0) {
        AUTO_FREE char *how = process_status_text(&status);
        AUTO_FREE char *tail = log_tail(build);
        error_set(&err, build->cancelled ? ERROR_CANCELLED : ERROR_FAILED,
                  "building the environment failed (%s):\n%s", how, tail);
        error_hint(&err, "the whole log is %s/%s; correct the %%%%environment and submit again",
                   build->dir, BUILD_LOG);
    }
    build_done(build, &err);
}

static void watch_build(struct python_build *build)
{
    static const struct process_callbacks callbacks = {.changed = on_build_changed,
                                                       .ended = on_build_ended};
    AUTO_ERROR struct error err = ERROR_INIT;
    if (process_watch(build->loop, build->dir, BUILD_LOG, &callbacks, build, &build->watch, &err) !=
        0)
        build_done(build, &err);
    else if (build->cancelled)
        process_cancel(build->dir, NULL);
}

static void on_build_started(const struct error *err, void *data)
{
    struct python_build *build = data;
    build->starting = false;
    if (build->released)
        build_free(build);
    else if (err != NULL)
        build_done(build, err);
    else
        watch_build(build);
}

/* venv and pip by default; a conda tool makes the environment from the conda file, pip part included. */
static const char build_script[] =
    "set -e\n"
    "case \"$3\" in\n"
    "*/micromamba) exec \"$3\" create -y -q -p \"$2/env\" -f \"$2/conda.yml\" ;;\n"
    "?*) exec \"$3\" env create -q -p \"$2/env\" -f \"$2/conda.yml\" ;;\n"
    "esac\n"
    "\"$1\" -m venv \"$2/env\"\n"
    "exec \"$2/env/bin/python\" -m pip install --disable-pip-version-check --no-input "
    "--progress-bar off "
    "-r \"$2/requirements.txt\"\n";

static int write_inputs(const char *dir, const json_t *definition, const struct recipe *recipe,
                        struct error *err)
{
    AUTO_FREE char *path = file_join(dir, "requirements.txt");
    AUTO_FREE char *lines = strlist_join(&recipe->pip, "\n");
    AUTO_FREE char *text = xasprintf("%s\n", lines);
    if (file_write(path, text, strlen(text), 0644, err) != 0)
        return -1;
    if (recipe->conda == NULL)
        return 0;
    AUTO_FREE char *conda_path = file_join(dir, "conda.yml"); /* JSON is YAML */
    return json_write(conda_path, json_object_get(definition, "conda_file"), 0644, err);
}

/* Under the lock: removes the rest of a build that did not end well, and makes a fresh folder. */
static int make_folder(const char *dir, const json_t *definition, const struct recipe *recipe,
                       struct error *err)
{
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    AUTO_FREE char *parent = xstrndup(dir, (size_t)(strrchr(dir, '/') - dir));
    AUTO_FREE char *lock_path = xasprintf("%s.lock", dir);
    if (file_make_dirs(parent, err) != 0)
        return -1;
    AUTO_CLOSE int lock = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (lock < 0 || flock(lock, LOCK_EX) != 0) /* held for milliseconds, never over a build */
        return error_errno(err, "cannot lock %s", lock_path);
    if (process_status_read(dir, &status, err) != 0)
        return -1;
    bool rest =
        status.state == PROCESS_LOST || (status.state == PROCESS_ENDED && !is_complete(dir));
    if (rest && file_remove_tree(dir, err) != 0)
        return -1;
    if (status.state == PROCESS_NONE || rest)
        return file_make_dirs(dir, err) != 0 ? -1 : write_inputs(dir, definition, recipe, err);
    return 0;
}

static int start_build(struct python_build *build, const struct recipe *recipe, struct error *err)
{
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    AUTO_STRLIST struct strlist envp = STRLIST_INIT;
    const char *const words[] = {"/bin/sh",
                                 "-c",
                                 build_script,
                                 "skiff-environment",
                                 recipe->python,
                                 build->dir,
                                 recipe->conda ? recipe->conda : ""};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        strlist_add(&argv, words[i]);
    variables_inherit(&envp, true);
    variables_set(&envp, "PYTHONUNBUFFERED", "1");
    variables_set(&envp, "AZUREML_RUN_ID", file_base_name(build->dir));
    struct process_spec spec = {.dir = build->dir,
                                .id = file_base_name(build->dir),
                                .cwd = build->dir,
                                .log = BUILD_LOG,
                                .argv = argv.items,
                                .envp = envp.items,
                                .grace_seconds = BUILD_GRACE_SECONDS};
    build->starting = true;
    return process_start(build->loop, &spec, on_build_started, build, err);
}

int python_prepare(uv_loop_t *loop, const char *home, const json_t *definition,
                   const struct python_callbacks *callbacks, void *data,
                   struct python_build **ret_build, struct error *err)
{
    AUTO_RECIPE struct recipe recipe = {0};
    if (recipe_make(home, definition, &recipe, err) != 0)
        return -1;
    if (recipe.dir == NULL || is_complete(recipe.dir)) {
        *ret_build = NULL;
        callbacks->done(NULL, data);
        return 0;
    }
    if (make_folder(recipe.dir, definition, &recipe, err) != 0)
        return -1;
    struct python_build *build = xcalloc(1, sizeof *build);
    build->loop = loop;
    build->dir = xstrdup(recipe.dir);
    build->callbacks = *callbacks;
    build->data = data;
    if (start_build(build, &recipe, err) != 0) {
        build_free(build);
        return -1;
    }
    *ret_build = build;
    return 0;
}

void python_cancel(struct python_build *build)
{
    build->cancelled = true;
    if (!build->starting)
        process_cancel(build->dir, NULL);
}

void python_release(struct python_build *build)
{
    if (build == NULL)
        return;
    build->released = true;
    if (!build->starting)
        build_free(build);
}
