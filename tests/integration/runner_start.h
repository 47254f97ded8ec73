/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Starts the runner as a program, in a run folder, and waits for what it does. */

#include <signal.h>

#include "base/strlist.h"
#include "tests/integration/runner_fixture.h"

#define LOG "log"

static const char *const plain_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};

struct how {
    const char *const *options; /* before RUN_DIR; NULL: none */
    const char *const *env;     /* NULL: plain_env */
    const char *program;        /* NULL: the runner that is installed */
    bool foreground;
    bool errors; /* stderr goes to RUN_DIR/errors */
};

static inline const char *runner_path(void)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/skiff-runner", build_dir());
    return path;
}

/* Starts the runner with a script's argv and returns the pid of the first process. */
static inline pid_t spawn(const char *dir, const struct how *how, const char *const *argv)
{
    AUTO_STRLIST struct strlist args = STRLIST_INIT;
    strlist_add(&args, how->program != NULL ? how->program : runner_path());
    strlist_add(&args, "--log=" LOG);
    if (how->foreground)
        strlist_add(&args, "--foreground");
    for (const char *const *option = how->options; option != NULL && *option != NULL; option++)
        strlist_add(&args, *option);
    strlist_add(&args, dir);
    strlist_add(&args, "--");
    for (; *argv != NULL; argv++)
        strlist_add(&args, *argv);
    AUTO_FREE char *errors = file_join(dir, "errors");
    const char *const *env = how->env != NULL ? how->env : plain_env;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = how->errors ? open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0644) : 2;
        if (fd != 2)
            dup2(fd, 2);
        execve(args.items[0], args.items, (char **)(uintptr_t)env);
        _exit(99);
    }
    assert_true(pid > 0);
    return pid;
}

static inline int wait_status(pid_t pid)
{
    int status;
    wait_gone(pid);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static inline int start_with(const char *dir, const struct how *how, const char *const *argv)
{
    return wait_status(spawn(dir, how, argv));
}

static inline int start_sh(const char *dir, const char *const *options, const char *text)
{
    return start_with(dir, &(struct how){.options = options},
                      (const char *const[]){"sh", "-c", text, NULL});
}

static inline pid_t pid_in(const char *dir, const char *who)
{
    AUTO_JSON json_t *status = read_status(dir);
    return (pid_t)json_get_int(json_object_get(status, who), "pid", 0);
}

/* The last record, once the runner has gone. New reference. */
static inline json_t *finished(const char *dir)
{
    wait_status(pid_in(dir, "runner"));
    json_t *status = read_status(dir);
    assert_string_equal(json_get_string(status, "state", ""), "exited");
    return status;
}

static inline void cancel(const char *dir)
{
    assert_int_equal(kill(pid_in(dir, "runner"), SIGTERM), 0);
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)
