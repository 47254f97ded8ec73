/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What has been sent on a socket and not been taken yet: how many bytes that is, and what is to be
 * done when it is too much. For protocol/.
 *
 * ZeroMQ says neither how many bytes it holds nor for whom. The bytes are counted here: the last
 * frame of a message is handed over with a function that ZeroMQ calls when the last peer that is to
 * get it has taken it, or has gone.
 */

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where a front end is this far behind, output is left out. Any of them on this machine reads more
 * than that in a second; one that does not is stopped, or has forgotten to read. */
#define BACKLOG_OUTPUT_MAX (256u * 1024 * 1024)

/* Beyond this nothing is sent but states (busy, idle). One message counts as BACKLOG_OUTPUT_MAX at
 * most, so that a single huge one does not keep the small ones behind it from being sent. */
#define BACKLOG_MAX (2 * BACKLOG_OUTPUT_MAX)

/* A front end that has taken nothing for so long, while this much waits for it, does not read. A
 * server that is busy, or a debugger's pause, may last seconds. */
#define BACKLOG_PATIENCE_NS (10u * 1000u * 1000 * 1000ull)

struct backlog {
    _Atomic size_t held;       /* bytes sent and not yet taken by all who are to get them */
    _Atomic uint64_t taken_at; /* when some last were; as uv_hrtime() */
    void *socket;
    int queue_max;       /* messages one peer may leave unread; 0: no limit is watched */
    uint64_t high_since; /* since when half of what is allowed is held; 0: it is not */
    size_t written_off;  /* held for peers that were cut off */
    bool leaving_out;    /* output is left out, until half of what is allowed is held */
};

/* For a socket that loses nothing. `is_publisher`: an XPUB, several peers of which get the same
 * messages, and on which a peer that does not read can be cut off. */
void backlog_init(struct backlog *backlog, void *socket, bool is_publisher);

/* True when a message may be sent now; false: leave it out. */
enum backlog_class {
    BACKLOG_STATE,  /* busy and idle: small, and a front end waits for ever for one that is lost */
    BACKLOG_NEEDED, /* replies, errors, what opens and closes things */
    BACKLOG_OUTPUT,
};
bool backlog_admits(struct backlog *backlog, enum backlog_class class);

/* Sends the last frame of a message and counts `weight` bytes as held until it is taken. False, with
 * errno, when ZeroMQ did not take it. */
bool backlog_send_last(struct backlog *backlog, const void *data, size_t size, size_t weight);

/* ZeroMQ said EAGAIN to a message: some peer has left queue_max unread. Afterwards it may be sent
 * again, and is taken: either more may be left unread, or, when that peer does not read at all, the
 * message and all after it go to the others only, until it does. backlog_sent() must follow. */
void backlog_make_room(struct backlog *backlog);
void backlog_sent(struct backlog *backlog);
