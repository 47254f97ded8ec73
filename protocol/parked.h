/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A message for a peer of a ROUTER that is not connected yet: kept, until somebody connects. For
 * protocol/.
 */

#include <uv.h>

#include "protocol/message.h"

struct parked;

/* Called on the loop when a peer has connected, maybe the one; send again, and free the parked
 * message when that worked. */
typedef void (*parked_fn)(void *data);

/* Watches `router` for peers. `message` (its address in the identities) is taken. NULL when the socket
 * cannot be watched; the message is freed. What has connected before this returns is not told. */
struct parked *parked_new(uv_loop_t *loop, void *context, void *router, struct message *message,
                          parked_fn connected, void *data);

/* Borrowed. */
const struct message *parked_message(const struct parked *parked);

/* Frees the message and what watches for its peer. NULL is allowed. */
void parked_free(struct parked *parked);
