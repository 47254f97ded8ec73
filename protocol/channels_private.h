/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of the channels share: channels.c is their life and what comes in, channels_send.c
 * what goes out. */

#include "protocol/backlog.h"
#include "protocol/channels.h"
#include "protocol/multipart.h"
#include "protocol/outbox.h"
#include "protocol/parked.h"
#include "protocol/zwatch.h"

struct link {
    struct channels *channels;
    enum channel channel;
    void *socket;
    struct zwatch *watch;
    struct backlog backlog;
    bool bound;
};

/* Output that was left out and not told of yet. */
struct left_out {
    size_t count;          /* of messages */
    size_t size;           /* of their content, in bytes */
    struct message *about; /* the header of the request the last one belonged to; NULL: of none */
};

struct channels {
    uv_loop_t *loop;
    const struct connection *connection;
    struct session *session;
    struct channels_callbacks callbacks;
    void *data;
    void *context;
    struct link links[CHANNEL_COUNT];
    struct multipart inbox;
    struct outbox outbox;
    struct channels_dropped dropped;
    struct left_out left_out;
    struct parked *question; /* on stdin, for a front end that is not connected yet; or NULL */
    uv_idle_t closer;        /* never started: its close callback is where the sockets end */
    bool closed;
};

/* --- channels.c ------------------------------------------------------------------------------- */

/* Counts one of the counters of `dropped`, and says so: as a warning the first time, the tenth, the
 * hundredth, so that a flood of them does not flood the log. */
void channels_count_dropped(enum channel channel, uint64_t *counter, const char *what);

/* --- channels_send.c -------------------------------------------------------------------------- */

/* Frees what waits to be sent. */
void channels_send_done(struct channels *channels);
