/* SPDX-License-Identifier: BSD-3-Clause */
/* The comms that are open and the targets that may be opened. Comms are found by id, thousands of
 * them; targets are a short list.
 *
 * A message is read as far as it must be: the companion's to find its comm, and whole only on a
 * widget's. What is passed on goes as it came. */
#include "kernel/comm.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "kernel/companion_private.h"
#include "kernel/widgets.h"
#include "protocol/content.h"

/* A notebook with a hundred widgets has about a thousand; what opens more is broken. */
#define COMMS_MAX 100000

struct comm {
    struct server *server;
    char *id;
    char *target;
    bool remote;                        /* the companion's */
    struct widget *widget;              /* NULL: it is none, or none a front end would take */
    const struct comm_handler *handler; /* NULL until one is set */
    void *self;
};

struct comm_target {
    char *name;
    comm_target_fn opened;
    void *self;
    struct comm_target *next;
};

/* --- the table: id -> the address of the comm, as jansson has no other value for it ----------------- */

static struct comm *comm_of(const json_t *entry)
{
    return (struct comm *)(uintptr_t)json_integer_value(entry);
}

static struct comm *find_comm(struct server *server, const char *id)
{
    const json_t *entry = json_object_get(server->comms, id);
    return entry != NULL ? comm_of(entry) : NULL;
}

static bool is_full(const struct server *server)
{
    return json_object_size(server->comms) >= COMMS_MAX;
}

static struct comm *add_comm(struct server *server, const char *id, const char *target)
{
    struct comm *comm = xcalloc(1, sizeof *comm);
    *comm = (struct comm){.server = server, .id = xstrdup(id), .target = xstrdup(target)};
    json_object_set_new(server->comms, id, json_integer((json_int_t)(uintptr_t)comm));
    return comm;
}

static void free_comm(struct comm *comm)
{
    widget_close(comm->widget);
    free(comm->id);
    free(comm->target);
    free(comm);
}

static void remove_comm(struct comm *comm)
{
    json_object_del(comm->server->comms, comm->id);
    free_comm(comm);
}

/* Its state is what this comm_open says, also when it was open before. */
static void open_widget(struct comm *comm, const json_t *data, const struct blob *buffers,
                        size_t buffer_count)
{
    widget_close(steal(&comm->widget));
    if (strcmp(comm->target, COMM_WIDGET) == 0)
        comm->widget = widget_open(comm->server->widgets, comm->id, data, buffers, buffer_count);
}

void comm_init(struct server *server)
{
    server->comms = json_object();
    server->widgets = widgets_new(WIDGETS_BUFFERS_MAX);
    server->widget_sessions = json_object();
    widget_control_register(server);
}

void comm_free_all(struct server *server)
{
    const char *id;
    json_t *entry;
    json_object_foreach (server->comms, id, entry)
        free_comm(comm_of(entry));
    json_decref(steal(&server->comms));
    widgets_free(steal(&server->widgets));
    json_decref(steal(&server->widget_sessions));
    while (server->targets != NULL) {
        struct comm_target *target = server->targets;
        server->targets = target->next;
        free(target->name);
        free(target);
    }
}

/* --- ours ------------------------------------------------------------------------------------- */

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

/* `content` is taken; the message's data is in it. */
static void publish(struct server *server, const char *type, json_t *content,
                    const struct comm_message *message)
{
    channels_send(server->channels, CHANNEL_IOPUB,
                  &(struct outgoing){.type = type,
                                     .request = message->outlet != NULL
                                                    ? outlet_request(message->outlet)
                                                    : server->comm_request,
                                     .content = content,
                                     .metadata = message->metadata,
                                     .buffers = message->buffers,
                                     .buffer_count = message->buffer_count});
}

static const struct comm_message nothing = {.data = NULL};

/* The comm of that id, ours from now on, with the state that the data gives it. */
static struct comm *make_ours(struct server *server, const char *id, const char *target,
                              const struct comm_message *message)
{
    struct comm *comm = find_comm(server, id);
    if (comm == NULL)
        comm = add_comm(server, id, target);
    comm->remote = false;
    open_widget(comm, message->data, message->buffers, message->buffer_count);
    return comm;
}

struct comm *comm_open(struct server *server, const char *id, const char *target,
                       const struct comm_message *message)
{
    struct comm_message said = message != NULL ? *message : nothing;
    AUTO_JSON json_t *header = session_header(server->session, "comm_open");
    if (id == NULL)
        id = json_get_string(header, "msg_id", "");
    struct comm *comm = make_ours(server, id, target, &said);
    if (said.metadata == NULL && strcmp(target, COMM_WIDGET) == 0)
        said.metadata = json_pack("{s:s}", "version", WIDGETS_VERSION);
    publish(server, "comm_open", content_comm_open(id, target, said.data), &said);
    return comm;
}

struct comm *comm_restore(struct server *server, const char *id, const char *target, json_t *data)
{
    struct comm *comm = make_ours(server, id, target, &(struct comm_message){.data = data});
    json_decref(data);
    return comm;
}

void comm_send(struct comm *comm, const struct comm_message *message)
{
    if (comm->widget != NULL)
        widget_update(comm->widget, message->data, message->buffers, message->buffer_count, false);
    publish(comm->server, "comm_msg", content_comm_msg(comm->id, message->data), message);
}

void comm_close(struct comm *comm, const struct comm_message *message)
{
    if (message == NULL)
        message = &nothing;
    publish(comm->server, "comm_close", content_comm_close(comm->id, message->data), message);
    remove_comm(comm);
}

/* --- what front ends send: no replies, so what is wrong is only logged ------------------------------- */

/* Whether it may know comms: it has run something, or what it starts with may have. One that was never
 * needed is not started to be asked. */
static bool companion_may_know(const struct server *server)
{
    return server->companion != NULL && (server->companion->state == COMPANION_STARTING ||
                                         server->companion->state == COMPANION_READY);
}

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

/* No comm of ours. What we cannot read, such as half a surrogate pair, Python may. */
static void pass_on_unread(struct request *request, const json_t *content)
{
    if (content == NULL && companion_may_know(request->server))
        companion_handle(request);
    else
        request_end(request, NULL);
}

static struct comm_target *find_target(struct server *server, const char *name)
{
    struct comm_target *target = server->targets;
    while (target != NULL && strcmp(target->name, name) != 0)
        target = target->next;
    return target;
}

static void open_ours(struct request *request, const struct comm_target *target, const char *id,
                      const json_t *content)
{
    struct server *server = request->server;
    struct comm *comm = add_comm(server, id, target->name);
    server->comm_request = request->message;
    target->opened(comm, json_object_get(content, "data"), target->self);
    comm = find_comm(server, id); /* the target may have closed it */
    if (comm != NULL && comm->handler == NULL)
        comm_close(comm, NULL);
    server->comm_request = NULL;
}

void comm_handle_open(struct request *request)
{
    struct server *server = request->server;
    struct message *message = request->message;
    json_t *content;
    const char *id = read_id(request, &content);
    const char *name = json_get_string(content, "target_name", "");
    const struct comm_target *target = find_target(server, name);
    if (id == NULL || find_comm(server, id) != NULL) {
        pass_on_unread(request, content);
        return;
    }
    if (target == NULL && companion_may_know(server) && !is_full(server)) {
        struct comm *comm = add_comm(server, id, name);
        comm->remote = true;
        open_widget(comm, json_object_get(content, "data"), message->buffers,
                    message->buffer_count);
        companion_handle(request);
        return;
    }
    if (target != NULL && !is_full(server))
        open_ours(request, target, id, content);
    else
        server_publish(server, message, "comm_close", content_comm_close(id, NULL));
    request_end(request, NULL);
}

/* A page asks a widget only when nobody answered on the control comm. The answer is here, and the
 * companion's would come when its cell has ended. */
static void answer_state(struct request *request, const struct comm *comm)
{
    AUTO_FREE struct blob *buffers = NULL;
    size_t count = 0;
    json_t *data = widget_state(comm->widget, &buffers, &count);
    channels_send(request->server->channels, CHANNEL_IOPUB,
                  &(struct outgoing){.type = "comm_msg",
                                     .request = request->message,
                                     .content = content_comm_msg(comm->id, data),
                                     .buffers = buffers,
                                     .buffer_count = count});
    request_end(request, NULL);
}

void comm_handle_msg(struct request *request)
{
    struct server *server = request->server;
    struct message *message = request->message;
    json_t *content;
    const char *id = read_id(request, &content);
    json_t *data = json_object_get(content, "data");
    struct comm *comm = id != NULL ? find_comm(server, id) : NULL;
    if (comm == NULL) {
        pass_on_unread(request, content);
        return;
    }
    if (comm->widget != NULL && strcmp(json_get_string(data, "method", ""), "request_state") == 0) {
        answer_state(request, comm);
        return;
    }
    if (comm->remote) {
        /* It may say so itself (echo_update) or not, and not before its cell has ended. */
        if (comm->widget != NULL)
            widget_update(comm->widget, data, message->buffers, message->buffer_count, true);
        companion_handle(request);
        return;
    }
    server->comm_request = message;
    if (comm->handler != NULL)
        comm->handler->message(comm, data, comm->self);
    server->comm_request = NULL;
    request_end(request, NULL);
}

void comm_handle_close(struct request *request)
{
    struct server *server = request->server;
    json_t *content;
    const char *id = read_id(request, &content);
    struct comm *comm = id != NULL ? find_comm(server, id) : NULL;
    if (comm == NULL) {
        pass_on_unread(request, content);
        return;
    }
    bool remote = comm->remote;
    server->comm_request = request->message;
    if (comm->handler != NULL && comm->handler->closed != NULL)
        comm->handler->closed(comm, json_object_get(content, "data"), comm->self);
    server->comm_request = NULL;
    remove_comm(comm);
    if (remote)
        companion_handle(request);
    else
        request_end(request, NULL);
}

/* https://jupyter-client.readthedocs.io/en/stable/messaging.html#comm-info */
void comm_handle_info(struct request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *wanted;
    const char *id;
    json_t *entry;
    json_t *content = request_content(request);
    if (content == NULL)
        return;
    if (field_string(content, "target_name", "", &wanted, &err) != 0) {
        request_fail(request, &err);
        return;
    }
    if (strcmp(wanted, COMM_WIDGET) == 0)
        widget_control_asked(request->server, request->message);
    json_t *comms = json_object();
    json_object_foreach (request->server->comms, id, entry) {
        const char *target = comm_of(entry)->target;
        if (wanted[0] == '\0' || strcmp(wanted, target) == 0)
            json_object_set_new(comms, id, json_pack("{s:s}", "target_name", target));
    }
    request_end(request, content_comm_info(comms));
}

/* --- the companion's ------------------------------------------------------------------------- */

/* ipykernel's topic is "comm-ID": most messages need not be read to know their comm. The caller frees
 * it; NULL when the message does not say. */
static char *observed_id(struct message *message)
{
    static const char prefix[] = "comm-";
    const size_t size = sizeof prefix - 1;
    if (message->identity_count > 0) {
        const struct blob *topic = &message->identities[message->identity_count - 1];
        if (topic->size > size && memcmp(topic->data, prefix, size) == 0)
            return xstrndup(topic->data + size, topic->size - size);
    }
    const json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
    return xstrdup_or_null(json_get_string(content, "comm_id", NULL));
}

static void observe_open(struct server *server, const char *id, struct message *message)
{
    /* Without it the comm is still routed, and asked for by no target. */
    const json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
    struct comm *comm = find_comm(server, id);
    if (comm == NULL && is_full(server))
        return;
    if (comm == NULL) {
        comm = add_comm(server, id, json_get_string(content, "target_name", ""));
        comm->remote = true;
    }
    if (comm->remote)
        open_widget(comm, json_object_get(content, "data"), message->buffers,
                    message->buffer_count);
}

void comm_observe(struct server *server, struct message *message)
{
    AUTO_FREE char *id = observed_id(message);
    struct comm *comm = id != NULL ? find_comm(server, id) : NULL;
    if (id != NULL && strcmp(message->type, "comm_open") == 0)
        observe_open(server, id, message);
    else if (comm == NULL || !comm->remote)
        return;
    else if (strcmp(message->type, "comm_close") == 0)
        remove_comm(comm);
    else if (comm->widget != NULL)
        widget_update(comm->widget,
                      json_object_get(message_part(message, MESSAGE_CONTENT, NULL), "data"),
                      message->buffers, message->buffer_count, false);
}

void comm_companion_gone(struct server *server)
{
    const char *id;
    json_t *entry;
    void *next;
    json_object_foreach_safe(server->comms, next, id, entry) if (comm_of(entry)->remote)
        comm_close(comm_of(entry), NULL);
}
