/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The process tree from /proc. A look is a snapshot that ages at once: those who need "none left"
 * look again, or ask the kernel whether any child is left.
 */
#include "runner/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SYS_pidfd_open /* the same number on every architecture */
#define SYS_pidfd_open 434
#endif
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

static bool parse_stat(const char *stat, struct tree_process *process)
{
    unsigned long long user, system, start_time;
    long long child_user, child_system, rss_pages;
    /* The name in parentheses may hold anything, so count from the last one. */
    const char *rest = strrchr(stat, ')');
    if (rest == NULL || sscanf(rest,
                               ") %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %lld %lld "
                               "%*d %*d %d %*d %llu %*u %lld",
                               &process->state, &process->parent, &user, &system, &child_user,
                               &child_system, &process->threads, &start_time, &rss_pages) != 9)
        return false;
    process->start_time = start_time;
    process->cpu_ticks = user + system + (uint64_t)child_user + (uint64_t)child_system;
    process->rss_bytes = (uint64_t)rss_pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

bool tree_look(pid_t pid, struct tree_process *ret_process)
{
    char path[64];
    char stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, stat, sizeof stat - 1);
    close(fd);
    if (got <= 0)
        return false;
    stat[got] = '\0';
    struct tree_process process = {.pid = pid};
    if (!parse_stat(stat, &process))
        return false;
    *ret_process = process;
    return true;
}

static void add(struct tree *tree, const struct tree_process *process)
{
    if (tree->count == tree->capacity) {
        size_t capacity = tree->capacity > 0 ? tree->capacity * 2 : 256;
        struct tree_process *items = realloc(tree->items, capacity * sizeof *items);
        if (items == NULL)
            return; /* the next look may have more luck */
        tree->items = items;
        tree->capacity = capacity;
    }
    tree->items[tree->count++] = *process;
}

static int by_pid(const void *left, const void *right)
{
    const struct tree_process *a = left, *b = right;
    return (a->pid > b->pid) - (a->pid < b->pid);
}

/* Spreads `ours` from parents to children until nothing changes: pids wrap around, so a child may
 * come before its parent. */
static void mark(struct tree *tree, pid_t except)
{
    pid_t self = getpid();
    bool changed = true;
    while (changed) {
        changed = false;
        for (size_t i = 0; i < tree->count; i++) {
            struct tree_process *process = &tree->items[i];
            struct tree_process key = {.pid = process->parent};
            if (process->ours || process->pid == except)
                continue;
            const struct tree_process *parent =
                bsearch(&key, tree->items, tree->count, sizeof key, by_pid);
            process->ours = process->parent == self || (parent != NULL && parent->ours);
            changed |= process->ours;
        }
    }
}

void tree_scan(struct tree *tree, pid_t except)
{
    tree->count = 0;
    DIR *proc = opendir("/proc");
    if (proc == NULL)
        return;
    const struct dirent *entry;
    while ((entry = readdir(proc)) != NULL) {
        struct tree_process process;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid > 0 && tree_look(pid, &process))
            add(tree, &process);
    }
    closedir(proc);
    if (tree->count == 0)
        return;
    qsort(tree->items, tree->count, sizeof tree->items[0], by_pid);
    mark(tree, except);
    size_t kept = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const struct tree_process *process = &tree->items[i];
        if (process->ours && process->state != 'Z' && process->state != 'X')
            tree->items[kept++] = *process;
    }
    tree->count = kept;
}

static void signal_one(const struct tree_process *process, int signal)
{
    struct tree_process now;
    int fd = (int)syscall(SYS_pidfd_open, process->pid, 0);
    if (fd < 0 && errno == ESRCH)
        return;
    if (tree_look(process->pid, &now) && now.start_time == process->start_time) {
        if (fd >= 0)
            syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
        else /* a kernel before 5.3, or a container that forbids the call */
            kill(process->pid, signal);
    }
    if (fd >= 0)
        close(fd);
}

void tree_signal(const struct tree *tree, int signal)
{
    for (size_t i = 0; i < tree->count; i++)
        signal_one(&tree->items[i], signal);
}

void tree_kill_children(pid_t except)
{
    char path[64];
    char list[4096]; /* some 600 children; the others are in the next read */
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, list, sizeof list - 1) : -1;
    if (fd >= 0)
        close(fd);
    list[got > 0 ? got : 0] = '\0';
    char *rest = list;
    /* A number without a space after it may be cut. A child that we have not reaped keeps its pid,
     * so here a bare pid is safe. */
    for (char *end = strchr(rest, ' '); end != NULL; rest = end + 1, end = strchr(rest, ' ')) {
        pid_t pid = (pid_t)strtol(rest, NULL, 10);
        if (pid > 0 && pid != except)
            kill(pid, SIGKILL);
    }
}
