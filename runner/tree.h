/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The processes below this one, from /proc. The runner is a subreaper, so whatever a script starts
 * stays below it, however it forks and whatever sessions it makes: links to the parent find all.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct tree_process {
    pid_t pid;
    pid_t parent;
    char state; /* as in proc(5); 'Z' and 'X' are gone */
    bool ours;
    int threads;
    uint64_t start_time; /* clock ticks after boot */
    uint64_t cpu_ticks;  /* its own and that of its children that it has waited for */
    uint64_t rss_bytes;
};

/* Grows to what one look at the machine needs and is used again for the next. */
struct tree {
    struct tree_process *items; /* owned */
    size_t count;
    size_t capacity;
};

/* One process; false when there is none. */
bool tree_look(pid_t pid, struct tree_process *ret_process);

/* Finds the living descendants of this process, except `except` and what is below it (0: none). */
void tree_scan(struct tree *tree, pid_t except);

/* Sends the signal to all that were found. Each is checked again, so that a pid given to another
 * process in between is not hit. */
void tree_signal(const struct tree *tree, int signal);

/* Kills the direct children, except one, by a single read of /proc: quick enough for processes that
 * fork and exit all the time, whose orphans become our children. May do nothing on kernels without
 * the list; then only tree_signal() works. */
void tree_kill_children(pid_t except);
