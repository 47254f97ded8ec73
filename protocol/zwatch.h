/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A ZeroMQ socket as a citizen of the libuv loop.
 *
 * ZMQ_FD is edge-triggered: it says that something may have changed, once. So ZMQ_EVENTS is looked
 * at again before every sleep of the loop (a prepare handle) and after every send (zwatch_kick),
 * and while anything is pending an idle handle keeps the loop from sleeping.
 */

#include <stdbool.h>
#include <uv.h>

struct zwatch;

/* Called on the loop while the socket is readable; may be called again at once, so read a bounded
 * number of messages and return. May close the zwatch. */
typedef void (*zwatch_fn)(void *data);

/* Watches `socket` for input; NULL when libuv cannot watch its descriptor. The socket stays the
 * caller's and may be closed only after zwatch_close(). */
struct zwatch *zwatch_new(uv_loop_t *loop, void *socket, zwatch_fn readable, void *data);

/* To be called after every send on the socket: a send may have eaten the edge of an input. */
void zwatch_kick(struct zwatch *watch);

/* Stops calling back at once and frees itself when libuv has closed the handles. NULL is allowed.
 */
void zwatch_close(struct zwatch *watch);
