/* SPDX-License-Identifier: BSD-3-Clause */
/* The kernel process of a test. Reaped by its pid, waited for through its pidfd. */
#include "tests/frontend_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/strlist.h"
#include "tests/frontend.h"
#include "tests/unit.h"

#define LOG_MAX (64 * 1024 * 1024)

struct frontend_process {
    pid_t pid;
    int pidfd;
    bool reaped;
    int status;
    char *log_path;
};

static bool same_name(const char *one, const char *other)
{
    size_t length = strcspn(one, "=");
    return strncmp(one, other, length) == 0 && other[length] == '=';
}

/* Of several values for one name the last counts. */
static void add_unless_replaced(struct strlist *list, const char *entry, const char *const *later)
{
    for (size_t i = 0; later != NULL && later[i] != NULL; i++)
        if (same_name(later[i], entry))
            return;
    strlist_add(list, entry);
}

static void build_environment(struct strlist *list, const char *const *added)
{
    for (char **entry = environ; *entry != NULL; entry++)
        add_unless_replaced(list, *entry, added);
    for (size_t i = 0; added != NULL && added[i] != NULL; i++)
        add_unless_replaced(list, added[i], &added[i + 1]);
}

struct frontend_process *frontend_process_new(const char *const *argv, const char *const *env,
                                              const char *log_path)
{
    AUTO_STRLIST struct strlist arguments = STRLIST_INIT;
    AUTO_STRLIST struct strlist environment = STRLIST_INIT;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    struct frontend_process *process = xcalloc(1, sizeof *process);
    for (size_t i = 0; argv[i] != NULL; i++)
        strlist_add(&arguments, argv[i]);
    build_environment(&environment, env);
    process->log_path = xstrdup(log_path);

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, log_path,
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&actions, STDOUT_FILENO, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    int failed = posix_spawnp(&process->pid, argv[0], &actions, &attributes, arguments.items,
                              environment.items);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (failed != 0)
        fail_msg("cannot start %s: %s", argv[0], strerror(failed));
    process->pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    assert_true(process->pidfd >= 0);
    return process;
}

void frontend_process_free(struct frontend_process *process)
{
    if (process == NULL)
        return;
    if (!process->reaped) {
        frontend_process_kill(process, SIGKILL);
        frontend_process_wait(process);
    }
    close(process->pidfd);
    free(process->log_path);
    free(process);
}

pid_t frontend_process_pid(const struct frontend_process *process)
{
    return process->pid;
}

int frontend_process_fd(const struct frontend_process *process)
{
    return process->pidfd;
}

void frontend_process_kill(struct frontend_process *process, int signal)
{
    if (!process->reaped)
        kill(process->pid, signal);
}

int frontend_process_wait(struct frontend_process *process)
{
    struct pollfd item = {.fd = process->pidfd, .events = POLLIN};
    if (process->reaped)
        return process->status;
    int ready;
    do
        ready = poll(&item, 1, FRONTEND_WAIT_MS);
    while (ready < 0 && errno == EINTR);
    if (ready != 1)
        fail_msg("process %d has not ended", (int)process->pid);
    assert_int_equal(waitpid(process->pid, &process->status, 0), process->pid);
    process->reaped = true;
    return process->status;
}

char *frontend_process_log(const struct frontend_process *process)
{
    AUTO_BUF struct buf text = BUF_INIT;
    if (file_read(process->log_path, LOG_MAX, &text, NULL) != 0)
        return xstrdup("");
    return buf_steal(&text);
}
