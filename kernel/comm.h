/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Comms: the open ones, the targets front ends may open, and where messages for each go.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages
 *
 * A comm is ours or the companion's. A comm_open for a target nobody can have registered is answered
 * with comm_close; a message for a comm that is not open is ignored quietly.
 *
 * Widgets are comms of the target COMM_WIDGET. Their state is remembered (widgets.h), whoever owns
 * them, and a front end that asks for it is answered from there: the owner of such a comm gets no
 * "request_state".
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "protocol/message.h"

#define COMM_WIDGET "jupyter.widget"
#define COMM_WIDGET_CONTROL "jupyter.widget.control"

struct server;
struct comm;
struct outlet;

/* What is said on a comm. `data` and `metadata` are taken, NULL means {}; the rest is borrowed for
 * the call. A message is about the request of `outlet`: what counts for clients that keep only what
 * is about the running cell, such as nbclient. NULL: about the message a handler is called for, or
 * about nothing. */
struct comm_message {
    json_t *data;
    json_t *metadata;
    const struct outlet *outlet;
    const struct blob *buffers;
    size_t buffer_count;
};

struct comm_handler {
    /* A message from the front end; `data` is borrowed. */
    void (*message)(struct comm *comm, json_t *data, void *self);
    /* The front end closed it; the comm is gone after this call. Optional. */
    void (*closed)(struct comm *comm, json_t *data, void *self);
};

/* Called when a front end opens a comm of a registered target: install a handler with
 * comm_set_handler(), or leave it to be closed again. */
typedef void (*comm_target_fn)(struct comm *comm, json_t *data, void *self);

/* Registers a target by name (copied). `self` is passed to the function. */
void comm_register_target(struct server *server, const char *target, comm_target_fn opened,
                          void *self);

void comm_set_handler(struct comm *comm, const struct comm_handler *handler, void *self);
const char *comm_id(const struct comm *comm);

/* Opens one from our side (an id is made when `id` is NULL), sends on it, closes it. `message` may be
 * NULL: nothing to say. An id that is open already is announced again, which a page that lost its models
 * needs: it is the same comm, with the same handler. A widget gets its metadata (the version of the
 * widgets' protocol) here when it has none. */
struct comm *comm_open(struct server *server, const char *id, const char *target,
                       const struct comm_message *message);
void comm_send(struct comm *comm, const struct comm_message *message);

/* Brings back a widget that pages may know from before, without a word to them: they learn its state when
 * they ask for it, and what is sent on it from then on. As comm_open() otherwise; `data` is taken, and
 * buffers cannot be in it. Of one that is open already the remembered state alone is changed. */
struct comm *comm_restore(struct server *server, const char *id, const char *target, json_t *data);
void comm_close(struct comm *comm, const struct comm_message *message);
