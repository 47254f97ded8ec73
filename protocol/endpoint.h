/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Binding a ZeroMQ socket to a channel's address, with errors a person can use.
 */

#include "base/error.h"
#include "protocol/connection.h"

/* Binds `socket` to the channel's endpoint. A port or a socket file in use is an ERROR_BUSY naming
 * channel and endpoint. For ipc, ZeroMQ replaces whatever file is there, so one that is a living
 * process's socket, or no socket at all, is an error here before it can. */
int endpoint_bind(void *socket, const struct connection *connection, enum channel channel,
                  struct error *err);

/* Removes the socket file of a channel that endpoint_bind() has bound (ZeroMQ leaves it behind);
 * nothing to do for tcp. */
void endpoint_remove(const struct connection *connection, enum channel channel);
