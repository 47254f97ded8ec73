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
#include "kernelspec/logos.h"

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

/* $JUPYTER_DATA_DIR, else Jupyter's folder below the XDG data folder. */
static char *user_dir(void)
{
    const char *jupyter = getenv("JUPYTER_DATA_DIR");
    const char *data = getenv("XDG_DATA_HOME");
    if (jupyter != NULL && jupyter[0] != '\0')
        return xstrdup(jupyter);
    if (data != NULL && data[0] == '/')
        return file_join(data, "jupyter");
    return file_expand_home("~/.local/share/jupyter");
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

static char *data_dir(const struct install_options *options, struct error *err)
{
    if (options->where == INSTALL_USER)
        return user_dir();
    if (options->where == INSTALL_PREFIX && options->prefix[0] == '\0') {
        error_set(err, ERROR_INVALID, "--prefix takes a folder, and this one has no name");
        return NULL;
    }
    AUTO_FREE char *prefix =
        options->where == INSTALL_PREFIX ? file_expand_home(options->prefix) : sys_prefix(err);
    return prefix != NULL ? file_join(prefix, "share/jupyter") : NULL;
}

static json_t *kernel_json(const struct install_options *options, struct error *err)
{
    AUTO_FREE char *program = file_real("/proc/self/exe", err);
    if (program == NULL)
        return NULL;
    return json_pack("{s:[s, s, s, s], s:s, s:s, s:s, s:{s:b}}", "argv", program, "kernel", "-f",
                     "{connection_file}", "display_name",
                     options->display_name != NULL ? options->display_name : "Skiff", "language",
                     "python", "interrupt_mode", "message", "metadata", "debugger", 0);
}

static int fill(const char *dir, const struct install_options *options, struct error *err)
{
    AUTO_FREE char *path = file_join(dir, "kernel.json");
    AUTO_JSON json_t *spec = kernel_json(options, err);
    size_t count;
    const struct logo *all = logos(&count);
    if (spec == NULL || file_make_dirs(dir, err) != 0 || json_write(path, spec, 0644, err) != 0)
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
    AUTO_FREE char *data = NULL;
    if (check_name(name, err) != 0 || (data = data_dir(options, err)) == NULL)
        return -1;
    AUTO_FREE char *path = xasprintf("%s/kernels/%s", data, name);
    AUTO_FREE char *fresh = xasprintf("%s/kernels/.%s.%d", data, name, (int)getpid());
    int result = fill(fresh, options, err) == 0 ? exchange(fresh, path, err) : -1;
    file_remove_tree(fresh, NULL);
    if (result != 0)
        return error_wrap(err, "installing the kernel");
    *ret_path = steal(&path);
    return 0;
}
