/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The five sockets of a kernel on the loop: bound, watched, signed, verified. No policy: a message
 * that passes the wire's checks goes to the owner, what does not is dropped and counted.
 *
 * shell, control and stdin are ROUTERs, IOPub an XPUB (verbose, so that every subscriber of a topic
 * is seen: JEP 65), the heartbeat echoes by itself.
 */

#include <stdint.h>
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

/* What was dropped, by reason; since the channels were opened. Of each, the first, the tenth, the
 * hundredth ... is logged as a warning. */
struct channels_dropped {
    uint64_t forged;    /* the signature does not fit */
    uint64_t malformed; /* no message: frames missing, a header that is none */
    uint64_t oversized; /* too many bytes or frames */
    uint64_t replayed;  /* a signature seen before */
    uint64_t unread;    /* ours: not sent, because front ends do not read what was sent before */
};

/* Borrowed; counts on. */
const struct channels_dropped *channels_dropped(const struct channels *channels);

/* Sends one message; never blocks. content and metadata are taken.
 *
 * A peer that has gone is ignored, but for a question on stdin: it waits for its front end to
 * connect, until the request it belongs to is idle.
 *
 * Output on IOPub is left out while front ends are far behind (BACKLOG_OUTPUT_MAX), and a stream
 * message in its place says so; busy, idle and replies are not. A front end that reads nothing at
 * all is cut off, and gets later messages when it reads again. */
void channels_send(struct channels *channels, enum channel channel, const struct outgoing *message);

/* Sends what is queued (bounded by a linger of one second), unbinds, removes ipc files, and frees
 * once the loop has closed the handles: the loop must still run until it is empty. NULL is allowed.
 * No callback is made after this call. */
void channels_close(struct channels *channels);
