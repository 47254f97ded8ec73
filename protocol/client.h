/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The other side of channels.h: connected to a kernel, as a front end is. shell, control and stdin
 * are DEALERs of one identity (a kernel asks on stdin whoever sent the cell), IOPub a SUB of
 * everything. The heartbeat is not used: whoever starts a kernel sees its process end.
 */

#include <uv.h>

#include "base/error.h"
#include "protocol/connection.h"
#include "protocol/message.h"

struct client;

/* A message that passed the wire's checks, from shell, control, stdin or IOPub; taken over by the
 * callee. It may close the client. */
typedef void (*client_message_fn)(enum channel channel, struct message *message, void *data);

/* The largest message taken from a kernel of ours. It runs with our user's rights and may use all of
 * the machine's memory anyway, so this bounds no attack but an accident (displaying an array that was
 * meant to be saved), where what holds it three times over (here, towards front ends, in their
 * server) would bring the machine down. A notebook of this size cannot be opened. */
#define CLIENT_MESSAGE_MAX (1024u * 1024 * 1024)

/* A message of `size` bytes was over that and is gone. It may close the client. */
typedef void (*client_refused_fn)(enum channel channel, size_t size, void *data);

/* Connects; the kernel need not be there yet, what is sent waits for it. `connection` is borrowed
 * and must outlive the client. */
int client_open(uv_loop_t *loop, const struct connection *connection, client_message_fn message,
                void *data, struct client **ret_client, struct error *err);

/* Who is told of messages that are refused, with the client's data; nobody when it is not called. */
void client_on_refused(struct client *client, client_refused_fn refused);

/* The session id of the client's own messages: in the parent of every answer to them. Borrowed. */
const char *client_session(const struct client *client);

/* Sends a message of the client's own. `content` is taken. Returns its msg_id; the caller frees
 * it. */
MUST_CHECK char *client_send(struct client *client, enum channel channel, const char *type,
                             json_t *content);

/* Passes a message on, all of it as bytes: header, parent, metadata, content, buffers. */
void client_relay(struct client *client, enum channel channel, const struct message *message);

/* Drops what is queued, disconnects, and frees once the loop has closed the handles. NULL is
 * allowed. No callback is made after this call. */
void client_close(struct client *client);
