/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The kernel's server: channels in, one dispatch table, replies out. It brackets every request with
 * busy and idle in one place and sends exactly one reply and one idle for each, whatever happens.
 *
 * Execute requests run one at a time in order (execute.c); control is answered while a cell runs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/error.h"
#include "kernel/interpreter.h"
#include "protocol/connection.h"

struct companion;
struct server;

/* All of it is borrowed, strings included, and must outlive the server. */
struct server_options {
    const struct connection *connection;         /* must outlive the server */
    const struct interpreter_slot *interpreters; /* tried in order; the last claims everything */
    size_t interpreter_count;
    struct companion *companion; /* one of the interpreters' state, too; NULL: none */
    const char *implementation;  /* kernel_info: "skiff" and its version */
    const char *version;
    const char *banner;
    const char
        *history_path; /* the SQLite file; NULL keeps history in memory only. A file that cannot
                          be opened is a warning in the log, never a failure to start. */
    pid_t parent_pid;  /* the kernel goes when this process is gone; 0 means stay */

    /* Called once when the server is asked to go (shutdown_request, SIGTERM, parent gone), after
     * the running cell was told to stop. The owner closes what it has and calls server_close(). */
    void (*stopping)(bool restart, void *data);
    void *data;
};

/* Binds, watches, and answers from the next turn of the loop on. SIGINT interrupts the running
 * cell; SIGTERM stops the server. */
int server_open(uv_loop_t *loop, const struct server_options *options, struct server **ret_server,
                struct error *err);

/* Ends the running cell with an error and aborts what is queued (each with its reply and idle), closes
 * channels and handles, and frees once the loop has run dry. The interpreters must not touch a cell or
 * question afterwards. NULL is allowed. */
void server_close(struct server *server);
