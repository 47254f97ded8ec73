/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernelspec and where it goes. The new folder is filled beside its place and exchanged with what is
 * there, so that Jupyter never sees half of one, and a failure leaves the old one. */
#include "kernelspec/install.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strlist.h"
#include "base/suggest.h"
#include "kernelspec/logos.h"
#include "kernelspec/lookup.h"

/* Jupyter's rule for the names of kernels. */
static int check_name(const char *name, struct error *err)
{
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && strchr("._-", *c) == NULL) {
            error_set(err, ERROR_INVALID,
                      "\"%s\" cannot be the name of a kernel: '%c' is not allowed", name, *c);
            return error_hint(err, "letters, digits, '.', '_' and '-' are");
        }
    if (name[0] == '\0' || name[0] == '.')
        return error_set(err, ERROR_INVALID, "\"%s\" cannot be the name of a kernel", name);
    return 0;
}

/* What Python says of itself: where its prefix is cannot be told from its path, which may be a wrapper's.
 * A prefix is a path; what is longer than one is none. */
static char *ask_prefix(const char *python)
{
    char *const argv[] = {(char[]){"python3"}, (char[]){"-c"},
                          (char[]){"import sys; print(sys.prefix)"}, NULL};
    char prefix[PATH_MAX];
    posix_spawn_file_actions_t actions;
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    bool started = posix_spawn(&pid, python, &actions, NULL, argv, environ) == 0;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *answer = fdopen(ends[0], "r");
    bool answered = fgets(prefix, sizeof prefix, answer) != NULL;
    fclose(answer);
    if (started)
        waitpid(pid, NULL, 0);
    return answered && prefix[0] == '/' ? xstrndup(prefix, strcspn(prefix, "\n")) : NULL;
}

/* The prefix of the environment that is active; of python3 on PATH when none is. */
static char *sys_prefix(struct error *err)
{
    static const char *const variables[] = {"VIRTUAL_ENV", "CONDA_PREFIX"};
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++) {
        const char *value = getenv(variables[i]);
        if (value != NULL && value[0] != '\0')
            return xstrdup(value);
    }
    AUTO_FREE char *python = file_find_program("python3");
    char *prefix = python != NULL ? ask_prefix(python) : NULL;
    if (prefix == NULL) {
        error_set(err, ERROR_NOT_FOUND, "no environment is active, and %s",
                  python != NULL ? "python3 does not say where it is"
                                 : "there is no python3 on PATH");
        error_hint(err, "activate the environment Jupyter is in, or give its folder with --prefix");
    }
    return prefix;
}

/* --- the companion ---------------------------------------------------------------------------- */

/* The kernel runs in another folder, so a path is whole; links in it stay, for they make a virtual
 * environment. */
static char *absolute(const char *path)
{
    AUTO_FREE char *expanded = file_expand_home(path);
    AUTO_FREE char *here = expanded[0] != '/' ? getcwd(NULL, 0) : NULL;
    return here != NULL ? file_join(here, expanded) : steal(&expanded);
}

/* The Python of an environment, or NULL. */
static char *python_of(const char *prefix)
{
    static const char *const names[] = {"bin/python3", "bin/python"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        AUTO_FREE char *path = file_join(prefix, names[i]);
        AUTO_FREE char *found = file_find_program(path);
        if (found != NULL)
            return absolute(found);
    }
    return NULL;
}

static int itself(const char *companion, struct error *err)
{
    return error_set(err, ERROR_INVALID,
                     "--companion %s is Skiff itself, which does not run Python", companion);
}

static char *check_python(const char *given, struct error *err)
{
    AUTO_FREE char *path = absolute(given);
    AUTO_FREE char *found = file_find_program(path);
    if (found == NULL || file_is_dir(path)) {
        error_set(err, ERROR_NOT_FOUND, "--companion %s: there is no Python at %s", given, path);
        error_hint(err, "give the path of a Python that has ipykernel, the name of a kernelspec, "
                        "or none");
        return NULL;
    }
    if (lookup_is_skiff(path)) {
        itself(given, err);
        return NULL;
    }
    return steal(&path);
}

static char *check_kernelspec(const char *name, struct error *err)
{
    AUTO_FREE char *dir = NULL;
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    AUTO_JSON json_t *spec = lookup_kernelspec(name, &dir);
    const char *program = json_string_value(json_array_get(json_object_get(spec, "argv"), 0));
    if (program != NULL && !lookup_is_skiff(program))
        return xstrdup(name);
    if (program != NULL) {
        itself(name, err);
        return NULL;
    }
    lookup_names(&names);
    AUTO_FREE char *list = strlist_join(&names, ", ");
    const char *near = suggest(name, (const char *const *)names.items, names.count);
    if (spec != NULL)
        error_set(err, ERROR_INVALID, "--companion %s: %s/kernel.json has no argv", name, dir);
    else if (names.count == 0)
        error_set(err, ERROR_NOT_FOUND,
                  "--companion %s: no kernelspec has this name, and there is no other", name);
    else
        error_set(err, ERROR_NOT_FOUND,
                  "--companion %s: no kernelspec has this name; there are: %s", name, list);
    if (near != NULL)
        error_hint(err, "did you mean --companion %s?", near);
    else
        error_hint(err, "a Python is given by its path, as in --companion /usr/bin/python3");
    return NULL;
}

/* What goes into argv; *ret is NULL for nothing: python3 on PATH is looked for when it is needed. */
static int choose_companion(const char *given, const char *prefix, char **ret, struct error *err)
{
    if (given == NULL) {
        *ret = prefix != NULL ? python_of(prefix) : NULL;
        return 0;
    }
    if (strcmp(given, "none") == 0)
        *ret = xstrdup(given);
    else
        *ret = strchr(given, '/') != NULL ? check_python(given, err) : check_kernelspec(given, err);
    return *ret != NULL ? 0 : -1;
}

/* --- the files -------------------------------------------------------------------------------- */

/* The environment's folder; *ret is NULL for one user. */
static int find_prefix(const struct install_options *options, char **ret, struct error *err)
{
    *ret = NULL;
    if (options->where == INSTALL_USER)
        return 0;
    if (options->where == INSTALL_PREFIX && options->prefix[0] == '\0')
        return error_set(err, ERROR_INVALID, "--prefix takes a folder, and this one has no name");
    *ret = options->where == INSTALL_PREFIX ? file_expand_home(options->prefix) : sys_prefix(err);
    return *ret != NULL ? 0 : -1;
}

/* The same as kernel.json.in, but for the companion: what packagers install is for any environment. */
static json_t *kernel_json(const char *display_name, const char *companion, struct error *err)
{
    AUTO_FREE char *program = file_real("/proc/self/exe", err);
    if (program == NULL)
        return NULL;
    json_t *argv = json_pack("[s, s]", program, "kernel");
    if (companion != NULL) {
        json_array_append_new(argv, json_string("--companion"));
        json_array_append_new(argv, json_text_value(companion, strlen(companion)));
    }
    json_array_append_new(argv, json_string("-f"));
    json_array_append_new(argv, json_string("{connection_file}"));
    return json_pack("{s:o, s:s, s:s, s:s, s:{s:b, s:s}}", "argv", argv, "display_name",
                     display_name, "language", "python", "interrupt_mode", "message", "metadata",
                     "debugger", 1, "supported_encryption", "curve");
}

static int fill(const char *dir, const json_t *spec, struct error *err)
{
    AUTO_FREE char *path = file_join(dir, "kernel.json");
    size_t count;
    const struct logo *all = logos(&count);
    if (file_make_dirs(dir, err) != 0 || json_write(path, spec, 0644, err) != 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        AUTO_FREE char *logo = file_join(dir, all[i].name);
        if (file_write(logo, all[i].data, all[i].size, 0644, err) != 0)
            return -1;
    }
    return 0;
}

/* Puts `fresh` in the place of `path`, which may be there; one of both is left as `fresh` was. */
static int exchange(const char *fresh, const char *path, struct error *err)
{
    if (renameat2(AT_FDCWD, fresh, AT_FDCWD, path, RENAME_EXCHANGE) == 0 ||
        (errno == ENOENT && rename(fresh, path) == 0))
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return error_errno(err, "cannot replace %s", path);
    /* A file system that cannot exchange, such as NFS: for a moment there is none. */
    if (file_remove_tree(path, err) != 0)
        return -1;
    return rename(fresh, path) == 0 ? 0 : error_errno(err, "cannot replace %s", path);
}

int install_kernelspec(const struct install_options *options, char **ret_path, struct error *err)
{
    const char *name = options->name != NULL ? options->name : "skiff";
    AUTO_FREE char *prefix = NULL;
    AUTO_FREE char *companion = NULL;
    if (check_name(name, err) != 0 || find_prefix(options, &prefix, err) != 0 ||
        choose_companion(options->companion, prefix, &companion, err) != 0)
        return -1;
    AUTO_JSON json_t *spec = kernel_json(
        options->display_name != NULL ? options->display_name : "Skiff", companion, err);
    if (spec == NULL)
        return -1;
    AUTO_FREE char *data = prefix != NULL ? file_join(prefix, "share/jupyter") : lookup_user_dir();
    AUTO_FREE char *path = xasprintf("%s/kernels/%s", data, name);
    AUTO_FREE char *fresh = xasprintf("%s/kernels/.%s.%d", data, name, (int)getpid());
    int result = fill(fresh, spec, err) == 0 ? exchange(fresh, path, err) : -1;
    file_remove_tree(fresh, NULL);
    if (result != 0)
        return error_wrap(err, "installing the kernel");
    *ret_path = steal(&path);
    return 0;
}
