/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Frames <-> messages: pure functions, no sockets, fuzzed.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#the-wire-protocol
 *
 *     identity... <IDS|MSG> signature header parent_header metadata content buffer...
 *
 * The signature is HMAC-SHA256, in lower-case hex, over the four JSON parts and nothing else. It is
 * checked in constant time before a byte of JSON is parsed.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "protocol/message.h"

/* What is taken of a front end. One with widgets sends images and arrays as buffers; Jupyter's
 * practice is a few MB. 64 MB bounds what one message can make us hold. Whoever takes messages off a
 * socket sees to it: here they have been received. */
#define WIRE_MESSAGE_MAX (64u * 1024 * 1024)
#define WIRE_FRAMES_MAX 1024

#define WIRE_DELIMITER "<IDS|MSG>"

/* Borrowed bytes of one ZeroMQ frame. */
struct frame {
    const char *data;
    size_t size;
};

#define WIRE_SIGNATURE_SIZE 64 /* hex digits, no NUL */

/* Signs four parts with a key of any length. sodium_init() is the caller's (connection_read() and
 * session_new() do it). An empty key gives an empty signature: *ret_size is 0 or 64. */
void wire_sign(const unsigned char *key, size_t key_size, const struct frame parts[MESSAGE_PARTS],
               char ret_signature[WIRE_SIGNATURE_SIZE], size_t *ret_size);

/* Takes a multipart message apart. Copies what it keeps. *ret_signature receives the signature as
 * received (64 hex digits and a NUL; empty without a key), for the caller's replay check.
 * Errors: ERROR_DENIED for a signature that does not fit, ERROR_LIMIT, ERROR_INVALID for the rest
 * (no delimiter, too few frames, a header that is not an object with msg_id and msg_type). */
MUST_CHECK struct message *wire_decode(const unsigned char *key, size_t key_size,
                                       const struct frame *frames, size_t count,
                                       char ret_signature[WIRE_SIGNATURE_SIZE + 1],
                                       struct error *err);
