/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Puts a message on a socket: its parts as JSON text, the signature, the frames. For protocol/.
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "protocol/backlog.h"
#include "protocol/connection.h"
#include "protocol/wire.h"

/* The memory that JSON text is written to, used again by the next message. */
struct outbox {
    struct buf scratch;
};

void outbox_done(struct outbox *outbox);

/* One of the four parts: a value to be written, or else text as it came; neither is {}. Borrowed. */
struct part {
    const json_t *value;
    struct frame text;
};

/* A message before it is signed. All of it is borrowed. */
struct envelope {
    const struct blob *address; /* what goes before the delimiter */
    size_t address_count;
    struct part parts[MESSAGE_PARTS];
    const struct blob *buffers;
    size_t buffer_count;
};

/* Signs with the connection's key and sends all frames; never blocks. `backlog` counts what ZeroMQ
 * holds of it and may be NULL. False, with errno, when ZeroMQ did not take the message: all of it or
 * nothing. */
bool outbox_send(struct outbox *outbox, void *socket, const struct connection *connection,
                 const struct envelope *envelope, struct backlog *backlog);
