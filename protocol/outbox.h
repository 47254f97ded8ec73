/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Puts a message on a socket: its parts as JSON text, the signature, the frames. For protocol/.
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
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

/* Signs with the connection's key and sends all frames; never blocks. False, with errno, when
 * ZeroMQ did not take them. `address` is what goes before the delimiter. */
bool outbox_send(struct outbox *outbox, void *socket, const struct connection *connection,
                 const struct blob *address, size_t address_count,
                 const struct part parts[MESSAGE_PARTS], const struct blob *buffers,
                 size_t buffer_count);
