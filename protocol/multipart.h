/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Multipart messages of ZeroMQ, received within the wire's limits and sent frame by frame. Never
 * blocks. The only header of ours that shows ZeroMQ's types; for protocol/ and tests only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <zmq.h>

#include "protocol/wire.h"

/* One received message. `frames` borrows from `messages`. Large: lives on the heap. `size`, of all
 * frames, is also that of one that was refused. */
struct multipart {
    zmq_msg_t messages[WIRE_FRAMES_MAX];
    struct frame frames[WIRE_FRAMES_MAX];
    size_t count;
    size_t size;
};

enum multipart_result {
    MULTIPART_NONE,    /* nothing there */
    MULTIPART_TAKEN,   /* to be given back with multipart_release() */
    MULTIPART_REFUSED, /* there was one, of too many frames or bytes: gone */
};

/* Takes one message of at most `size_max` bytes off the socket. What is refused is dropped frame by
 * frame, not held. */
MUST_CHECK enum multipart_result multipart_receive(struct multipart *multipart, void *socket,
                                                   size_t size_max);

/* Gives a taken message's memory back. */
void multipart_release(struct multipart *multipart);

/* Sends one frame; `more` says that another follows. True when ZeroMQ took it (whether or not the
 * peer is still there). */
bool multipart_send(void *socket, const void *data, size_t size, bool more);
