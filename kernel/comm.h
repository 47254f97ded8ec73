/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Comms: the open ones, the targets front ends may open, and where messages for each go.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#custom-messages
 *
 * A comm_open for a target nobody registered is answered with comm_close; a message for a comm that
 * is not open is ignored quietly.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct server;
struct comm;

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

/* Opens one from our side (an id is made when `id` is NULL), sends on it, closes it. `data` and
 * `metadata` are taken; NULL means {}. */
struct comm *comm_open(struct server *server, const char *id, const char *target, json_t *data,
                       json_t *metadata);
void comm_send(struct comm *comm, json_t *data);
void comm_close(struct comm *comm, json_t *data);
