/* SPDX-License-Identifier: BSD-3-Clause */
/* Daemonising with an answer: the process that started us learns whether the run has begun. */
#include "runner/detach.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef SYS_close_range /* the same number on every architecture */
#define SYS_close_range 436
#endif

#define ANSWER_MAX 2048 /* a status byte and a line; below PIPE_BUF, so it is written whole */

/* Before Linux 5.9, and in containers that forbid the call, the open descriptors are listed. */
static void close_listed(void)
{
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        int fd = (int)strtol(entry->d_name, NULL, 10);
        if (fd > 2 && fd != dirfd(dir))
            close(fd);
    }
    closedir(dir);
}

void detach_close_inherited(void)
{
    if (syscall(SYS_close_range, 3U, ~0U, 0U) != 0)
        close_listed();
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= 2);
    if (fd > 2)
        close(fd);
}

/* The first process: waits for the answer and passes it on. */
static _Noreturn void wait_for_answer(int pipe, pid_t child, int lost_status)
{
    char answer[ANSWER_MAX + 1];
    size_t size = 0;
    ssize_t got;
    while ((got = read(pipe, answer + size, ANSWER_MAX - size)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        size += got > 0 ? (size_t)got : 0;
    }
    waitpid(child, NULL, 0);
    answer[size] = '\0';
    if (size == 0)
        fprintf(stderr, "skiff-runner: the runner was killed before it could start the script\n");
    else if (size > 1)
        fprintf(stderr, "skiff-runner: %s\n", answer + 1);
    fflush(stderr);
    _exit(size > 0 ? (unsigned char)answer[0] : lost_status);
}

static void leave_terminal(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; null >= 0 && fd <= 2; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
}

int detach(int lost_status)
{
    int answer[2];
    if (pipe2(answer, O_CLOEXEC) != 0)
        return -1;
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child > 0) {
        close(answer[1]);
        wait_for_answer(answer[0], child, lost_status);
    }
    close(answer[0]);
    setsid();
    /* Once more: a session leader could be given a terminal, and our parent is to be init. */
    child = fork();
    if (child < 0) {
        detach_tell(answer[1], lost_status, "cannot fork");
        _exit(lost_status);
    }
    if (child > 0)
        _exit(0);
    leave_terminal();
    return answer[1];
}

void detach_tell(int pipe, int status, const char *line)
{
    char answer[ANSWER_MAX];
    int length = snprintf(answer, sizeof answer, "%c%s", status, line != NULL ? line : "");
    if (length >= (int)sizeof answer)
        length = (int)sizeof answer - 1;
    ssize_t ignored = write(pipe, answer, (size_t)length);
    (void)ignored;
    close(pipe);
}
