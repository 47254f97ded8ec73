/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The script's process. Between fork and exec only async-signal-safe calls are made; what fails
 * there is reported through a pipe that a successful exec closes.
 */
#include "runner/script.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define EXIT_NOT_FOUND 127 /* as shells do */
#define EXIT_NOT_EXECUTABLE 126

enum stage { STAGE_SETUP, STAGE_CWD, STAGE_EXEC, STAGE_INTERPRETER };

struct report {
    enum stage stage;
    int number; /* errno */
};

/* Reports and exits. The report is smaller than PIPE_BUF and the pipe is empty: it is written whole
 * or the runner is gone. */
static _Noreturn void fail(int report_fd, enum stage stage)
{
    struct report report = {stage, errno};
    ssize_t ignored = write(report_fd, &report, sizeof report);
    (void)ignored;
    _exit(stage != STAGE_CWD && report.number == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_EXECUTABLE);
}

/* By the system call: libc keeps its hands on the signals it uses itself (32 to 34), which some
 * parents leave ignored. All zeros means SIG_DFL whatever the architecture's structure. */
static void default_signals(void)
{
    static const unsigned long action[8];
    for (int number = 1; number < _NSIG; number++)
        syscall(SYS_rt_sigaction, number, action, NULL, _NSIG / 8); /* fails for KILL and STOP */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

struct child {
    pid_t runner;
    int wait; /* read end of the release pipe */
    int report;
    int output;
    int input;
};

/* Returns only when it cannot. */
static void execute(char *const *argv, char *const *fallback)
{
    execvp(argv[0], argv);
    if (errno == ENOENT && fallback != NULL)
        execvp(fallback[0], fallback);
}

static _Noreturn void be_script(const struct child *child, const char *cwd, char *const *argv,
                                char *const *fallback)
{
    char go;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setsid() < 0)
        fail(child->report, STAGE_SETUP);
    if (getppid() != child->runner || read(child->wait, &go, 1) != 1)
        _exit(EXIT_NOT_EXECUTABLE); /* the runner died before it recorded us */
    if (dup2(child->input, 0) < 0 || dup2(child->output, 1) < 0 || dup2(child->output, 2) < 0)
        fail(child->report, STAGE_SETUP);
    if (cwd != NULL && chdir(cwd) != 0)
        fail(child->report, STAGE_CWD);
    default_signals();
    execute(argv, fallback);
    int number = errno;
    bool interpreter =
        number == ENOENT && strchr(argv[0], '/') != NULL && access(argv[0], F_OK) == 0;
    errno = number;
    fail(child->report, interpreter ? STAGE_INTERPRETER : STAGE_EXEC);
}

static void close_pair(int pair[2])
{
    close(pair[0]);
    close(pair[1]);
}

int script_fork(struct script *script, const char *cwd, char *const *argv, char *const *fallback,
                int output)
{
    int release[2], report[2];
    int input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0 || pipe2(release, O_CLOEXEC) != 0)
        return -1;
    if (pipe2(report, O_CLOEXEC) != 0) {
        close_pair(release);
        return -1;
    }
    struct child child = {getpid(), release[0], report[1], output, input};
    pid_t pid = fork();
    if (pid == 0) {
        close(release[1]); /* else it would wait for itself when the runner dies */
        be_script(&child, cwd, argv, fallback);
    }
    close(input);
    close(release[0]);
    close(report[1]);
    if (pid < 0) {
        close(release[1]);
        close(report[0]);
        return -1;
    }
    *script = (struct script){pid, release[1], report[0]};
    return 0;
}

static void explain(const struct report *report, const char *cwd, const char *program, char *error,
                    size_t size)
{
    const char *why = strerror(report->number);
    switch (report->stage) {
    case STAGE_CWD:
        snprintf(error, size, "cannot enter the working folder %s: %s", cwd, why);
        break;
    case STAGE_INTERPRETER:
        snprintf(error, size,
                 "cannot execute %s: the interpreter that its first line names, or its"
                 " loader, is missing",
                 program);
        break;
    case STAGE_EXEC:
        if (report->number == ENOENT && strchr(program, '/') == NULL)
            snprintf(error, size, "cannot execute %s: there is no such program on PATH", program);
        else
            snprintf(error, size, "cannot execute %s: %s", program, why);
        break;
    case STAGE_SETUP:
        snprintf(error, size, "cannot prepare the script's process: %s", why);
        break;
    }
}

int script_release(struct script *script, const char *cwd, char *const *argv, char *error,
                   size_t error_size)
{
    struct report report;
    ssize_t put = write(script->release, "", 1);
    close(script->release);
    ssize_t got;
    do
        got = put == 1 ? read(script->report, &report, sizeof report) : 0;
    while (got < 0 && errno == EINTR);
    close(script->report);
    if (got != (ssize_t)sizeof report)
        return 0; /* executed, or killed before: then its end tells */
    explain(&report, cwd, argv[0], error, error_size);
    return -1;
}
