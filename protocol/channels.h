/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The five sockets of a kernel on the loop: bound, watched, signed, verified. No policy: a message
 * that passes the wire's checks goes to the owner, what does not is dropped and logged at debug.
 *
 * shell, control and stdin are ROUTERs, IOPub an XPUB (verbose, so that every subscriber of a topic
 * is seen: JEP 65), the heartbeat echoes by itself.
 */

#include <uv.h>

#include "base/error.h"
#include "protocol/connection.h"
#include "protocol/message.h"
#include "protocol/session.h"

struct channels;

struct channels_callbacks {
    /* A verified message from shell, control or stdin. `message` is taken over by the callee. */
    void (*message)(enum channel channel, struct message *message, void *data);
    /* A front end has subscribed to IOPub; `topic` is NUL-terminated and may be "". */
    void (*subscribed)(const char *topic, void *data);
};

/* Binds all five. A port that is taken is an ERROR_BUSY naming channel and endpoint; nothing stays
 * bound on failure. For ipc, a socket file left behind by a dead kernel is replaced, one of a
 * living process is an error. `connection` and `session` must outlive the channels. */
int channels_open(uv_loop_t *loop, const struct connection *connection, struct session *session,
                  const struct channels_callbacks *callbacks, void *data,
                  struct channels **ret_channels, struct error *err);

/* Sends one message; never blocks. A peer that has gone is ignored. content and metadata are taken.
 */
void channels_send(struct channels *channels, enum channel channel, const struct outgoing *message);

/* Sends what is queued (bounded by a linger of one second), unbinds, removes ipc files, and frees
 * once the loop has closed the handles: the loop must still run until it is empty. NULL is allowed.
 * No callback is made after this call. */
void channels_close(struct channels *channels);
