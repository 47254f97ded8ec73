/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the tests of the runner and of submission/process.c share: run folders, waiting for events
 * with a generous bound, and a mount namespace in which file systems can be filled up.
 */

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/procid.h"
#include "tests/unit.h"

#define EVENT_MS 30000 /* nothing waited for takes a second; this is for machines under load */
#define READ_MAX (64 * 1024 * 1024)

/* A folder of its own for each test, removed after it. `*state` holds its path. */
static inline int fixture_setup(void **state)
{
    char *dir = xstrdup("/tmp/skiff-runner-XXXXXX");
    assert_non_null(mkdtemp(dir));
    *state = dir;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    umount2(*state, MNT_DETACH); /* only some tests mounted something there */
    file_remove_tree(*state, NULL);
    free(*state);
    return 0;
}

static inline void write_text(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* The file's content; "" when there is none. The caller frees it. */
static inline char *read_text(const char *dir, const char *name, size_t *ret_size)
{
    AUTO_FREE char *path = file_join(dir, name);
    struct buf buf = BUF_INIT;
    file_read(path, READ_MAX, &buf, NULL);
    if (ret_size != NULL)
        *ret_size = buf.size;
    return buf_steal(&buf);
}

static inline void assert_text(const char *dir, const char *name, const char *expected)
{
    AUTO_FREE char *text = read_text(dir, name, NULL);
    assert_string_equal(text, expected);
}

/* Waits until the file in `dir` holds `text`, by events of the folder. */
static inline void wait_for_text(const char *dir, const char *name, const char *text)
{
    AUTO_CLOSE int events = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    assert_true(inotify_add_watch(events, dir, IN_MODIFY | IN_MOVED_TO | IN_CREATE) >= 0);
    for (;;) {
        AUTO_FREE char *now = read_text(dir, name, NULL);
        if (strstr(now, text) != NULL)
            return;
        struct pollfd fd = {.fd = events, .events = POLLIN};
        if (poll(&fd, 1, EVENT_MS) != 1)
            fail_msg("%s/%s never said %s, but: %s", dir, name, text, now);
        char ignored[4096];
        while (read(events, ignored, sizeof ignored) > 0)
            continue;
    }
}

/* The number after `word` and a space in the file. */
static inline pid_t number_after(const char *dir, const char *name, const char *word)
{
    AUTO_FREE char *text = read_text(dir, name, NULL);
    const char *at = strstr(text, word);
    assert_non_null(at);
    return (pid_t)strtol(at + strlen(word), NULL, 10);
}

static inline json_t *read_status(const char *dir)
{
    AUTO_FREE char *path = file_join(dir, "status.json");
    AUTO_ERROR struct error err = ERROR_INIT;
    json_t *status = json_read(path, &err);
    if (status == NULL)
        fail_msg("%s", err.text);
    return status;
}

static inline bool is_alive(pid_t pid)
{
    struct procid id;
    return procid_of(pid, &id);
}

/* Waits until the process is gone (a zombie counts); one that never was counts too. */
static inline void wait_gone(pid_t pid)
{
    AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    if (fd >= 0)
        poll(&poll_fd, 1, EVENT_MS);
    /* Without descriptors for processes (valgrind has none) there is only looking. */
    for (int i = 0; fd < 0 && is_alive(pid) && i < EVENT_MS / 10; i++)
        poll(NULL, 0, 10);
    if (is_alive(pid))
        fail_msg("process %d is still there", (int)pid);
}

static inline void write_map(const char *path, const char *map)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, map, strlen(map)) < 0)
        perror(path);
    close(fd);
}

/* A mount namespace of our own (with a user namespace where we are not root), and orphans of what
 * we start come to us, so that their end can be waited for. Called first in main(). */
static inline void fixture_isolate(void)
{
    AUTO_FREE char *uids = xasprintf("0 %d 1", (int)getuid());
    AUTO_FREE char *gids = xasprintf("0 %d 1", (int)getgid());
    bool root = getuid() == 0;
    if (unshare(root ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0)
        perror("unshare");
    if (!root) {
        write_map("/proc/self/setgroups", "deny");
        write_map("/proc/self/uid_map", uids);
        write_map("/proc/self/gid_map", gids);
    }
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) != 0)
        perror("mount");
    prctl(PR_SET_CHILD_SUBREAPER, 1);
}

static inline const char *build_dir(void)
{
    const char *build = getenv("SKIFF_BUILD");
    if (build == NULL) {
        fprintf(stderr, "SKIFF_BUILD is not set: run the tests with make\n");
        exit(1);
    }
    return build;
}
