/* SPDX-License-Identifier: BSD-3-Clause */
/* The comms that are open and the targets that may be opened. Both are short lists. */
#include "kernel/comm.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

/* A notebook with a hundred widgets has about a thousand; what opens more is broken. */
#define COMMS_MAX 100000

struct comm {
    struct server *server;
    char *id;
    char *target;
    bool remote;                        /* the companion's */
    const struct comm_handler *handler; /* NULL until one is set */
    void *self;
    struct comm *next;
};

struct comm_target {
    char *name;
    comm_target_fn opened;
    void *self;
    struct comm_target *next;
};

static struct comm *find_comm(struct server *server, const char *id)
{
    struct comm *comm = server->comms;
    while (comm != NULL && strcmp(comm->id, id) != 0)
        comm = comm->next;
    return comm;
}

static struct comm *add_comm(struct server *server, const char *id, const char *target)
{
    struct comm *comm = xcalloc(1, sizeof *comm);
    comm->server = server;
    comm->id = xstrdup(id);
    comm->target = xstrdup(target);
    comm->next = server->comms;
    server->comms = comm;
    server->comm_count++;
    return comm;
}

static void remove_comm(struct comm *comm)
{
    struct comm **at = &comm->server->comms;
    while (*at != comm)
        at = &(*at)->next;
    *at = comm->next;
    comm->server->comm_count--;
    free(comm->id);
    free(comm->target);
    free(comm);
}

void comm_register_target(struct server *server, const char *target, comm_target_fn opened,
                          void *self)
{
    struct comm_target *entry = xcalloc(1, sizeof *entry);
    *entry = (struct comm_target){
        .name = xstrdup(target), .opened = opened, .self = self, .next = server->targets};
    server->targets = entry;
}

void comm_set_handler(struct comm *comm, const struct comm_handler *handler, void *self)
{
    comm->handler = handler;
    comm->self = self;
}

const char *comm_id(const struct comm *comm)
{
    return comm->id;
}

static void publish(struct server *server, const char *type, json_t *content, json_t *metadata)
{
    channels_send(server->channels, CHANNEL_IOPUB,
                  &(struct outgoing){.type = type, .content = content, .metadata = metadata});
}

struct comm *comm_open(struct server *server, const char *id, const char *target, json_t *data,
                       json_t *metadata)
{
    AUTO_JSON json_t *header = session_header(server->session, "comm_open");
    struct comm *comm =
        add_comm(server, id != NULL ? id : json_get_string(header, "msg_id", ""), target);
    publish(server, "comm_open", content_comm_open(comm->id, target, data), metadata);
    return comm;
}

void comm_send(struct comm *comm, json_t *data)
{
    publish(comm->server, "comm_msg", content_comm_msg(comm->id, data), NULL);
}

void comm_close(struct comm *comm, json_t *data)
{
    publish(comm->server, "comm_close", content_comm_close(comm->id, data), NULL);
    remove_comm(comm);
}

void comm_free_all(struct server *server)
{
    while (server->comms != NULL)
        remove_comm(server->comms);
    while (server->targets != NULL) {
        struct comm_target *target = server->targets;
        server->targets = target->next;
        free(target->name);
        free(target);
    }
}

/* --- what front ends send: no replies, so what is wrong is only logged ------------------------------- */

/* The comm_id of a message, or NULL when it has none. */
static const char *read_id(struct request *request, json_t **ret_content)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *id = NULL;
    *ret_content = message_part(request->message, MESSAGE_CONTENT, &err);
    if (*ret_content == NULL || field_string(*ret_content, "comm_id", NULL, &id, &err) != 0)
        log_debug("%s: %s", request->message->type, err.text);
    return id;
}

static struct comm_target *find_target(struct server *server, const char *name)
{
    struct comm_target *target = server->targets;
    while (target != NULL && strcmp(target->name, name) != 0)
        target = target->next;
    return target;
}

void comm_handle_open(struct request *request)
{
    struct server *server = request->server;
    json_t *content;
    const char *id = read_id(request, &content);
    const char *name = json_get_string(content, "target_name", "");
    const struct comm_target *target = find_target(server, name);
    if (id == NULL || find_comm(server, id) != NULL) {
        request_end(request, NULL);
        return;
    }
    if (target == NULL && server->companion != NULL && server->comm_count < COMMS_MAX) {
        add_comm(server, id, name)->remote = true;
        companion_handle(request);
        return;
    }
    if (target != NULL && server->comm_count < COMMS_MAX) {
        struct comm *comm = add_comm(server, id, name);
        target->opened(comm, json_object_get(content, "data"), target->self);
        comm = find_comm(server, id); /* the target may have closed it */
        if (comm != NULL && comm->handler == NULL)
            comm_close(comm, NULL);
    } else {
        server_publish(server, request->message, "comm_close", content_comm_close(id, NULL));
    }
    request_end(request, NULL);
}

void comm_handle_msg(struct request *request)
{
    json_t *content;
    const char *id = read_id(request, &content);
    struct comm *comm = id != NULL ? find_comm(request->server, id) : NULL;
    if (comm != NULL && comm->remote) {
        companion_handle(request);
        return;
    }
    if (comm != NULL && comm->handler != NULL)
        comm->handler->message(comm, json_object_get(content, "data"), comm->self);
    request_end(request, NULL);
}

void comm_handle_close(struct request *request)
{
    json_t *content;
    const char *id = read_id(request, &content);
    struct comm *comm = id != NULL ? find_comm(request->server, id) : NULL;
    bool remote = comm != NULL && comm->remote;
    if (comm != NULL) {
        if (comm->handler != NULL && comm->handler->closed != NULL)
            comm->handler->closed(comm, json_object_get(content, "data"), comm->self);
        remove_comm(comm);
    }
    if (remote)
        companion_handle(request);
    else
        request_end(request, NULL);
}

/* --- the companion's ------------------------------------------------------------------------- */

void comm_observe(struct server *server, struct message *message)
{
    const json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
    const char *id = json_get_string(content, "comm_id", NULL);
    struct comm *comm = id != NULL ? find_comm(server, id) : NULL;
    if (id == NULL)
        return;
    if (strcmp(message->type, "comm_open") == 0 && comm == NULL && server->comm_count < COMMS_MAX)
        add_comm(server, id, json_get_string(content, "target_name", ""))->remote = true;
    else if (strcmp(message->type, "comm_close") == 0 && comm != NULL && comm->remote)
        remove_comm(comm);
}

void comm_companion_gone(struct server *server)
{
    for (struct comm *comm = server->comms, *next; comm != NULL; comm = next) {
        next = comm->next;
        if (comm->remote)
            comm_close(comm, NULL);
    }
}

/* https://jupyter-client.readthedocs.io/en/stable/messaging.html#comm-info */
void comm_handle_info(struct request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *wanted;
    json_t *content = request_content(request);
    if (content == NULL)
        return;
    if (field_string(content, "target_name", "", &wanted, &err) != 0) {
        request_fail(request, &err);
        return;
    }
    json_t *comms = json_object();
    for (const struct comm *comm = request->server->comms; comm != NULL; comm = comm->next)
        if (wanted[0] == '\0' || strcmp(wanted, comm->target) == 0)
            json_object_set_new(comms, comm->id, json_pack("{s:s}", "target_name", comm->target));
    request_end(request, content_comm_info(comms));
}
