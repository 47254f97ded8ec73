/* SPDX-License-Identifier: BSD-3-Clause */
/* Four sockets to one kernel on the loop. As in channels.c, the struct outlives client_close() until
 * the loop has closed `closer`, so that a callback may close the client it is called from. */
#include "protocol/client.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/json.h"
#include "base/log.h"
#include "protocol/multipart.h"
#include "protocol/outbox.h"
#include "protocol/session.h"
#include "protocol/zwatch.h"

/* Messages read from one socket before the others get their turn. */
#define READ_BURST 16

/* Neither side's queue is bounded by a count: a kernel's output is lost where its queue is full, and
 * what is read here is passed on at once. */
#define QUEUE_MAX 0

/* How soon ZeroMQ looks again for a kernel that has not bound its sockets yet; its own 100 ms would
 * be added to the first cell. */
#define RECONNECT_MS 10

struct link {
    struct client *client;
    enum channel channel;
    void *socket;
    struct zwatch *watch;
};

struct client {
    const struct connection *connection;
    struct session *session;
    client_message_fn message;
    client_refused_fn refused; /* may be NULL */
    void *data;
    void *context;
    struct link links[CHANNEL_COUNT]; /* the heartbeat's has no socket */
    struct multipart inbox;
    struct outbox outbox;
    uv_idle_t closer; /* never started: its close callback is where the sockets end */
    bool closed;
};

static void on_message(struct link *link)
{
    struct client *client = link->client;
    AUTO_ERROR struct error err = ERROR_INIT;
    char signature[WIRE_SIGNATURE_SIZE + 1];
    struct message *message =
        wire_decode(client->connection->key, client->connection->key_size, client->inbox.frames,
                    client->inbox.count, signature, &err);
    if (message == NULL)
        log_warning("from the companion's %s: dropped %s", connection_channel_name(link->channel),
                    err.text);
    else
        client->message(link->channel, message, client->data);
}

static void on_readable(void *data)
{
    struct link *link = data;
    struct client *client = link->client;
    for (int i = 0; i < READ_BURST && !client->closed; i++) {
        switch (multipart_receive(&client->inbox, link->socket, CLIENT_MESSAGE_MAX)) {
        case MULTIPART_NONE:
            return;
        case MULTIPART_REFUSED:
            log_warning("from the companion's %s: dropped a message of %zu bytes",
                        connection_channel_name(link->channel), client->inbox.size);
            if (client->refused != NULL)
                client->refused(link->channel, client->inbox.size, client->data);
            continue;
        case MULTIPART_TAKEN:
            break;
        }
        on_message(link);
        multipart_release(&client->inbox);
    }
}

static void set_option(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0)
        log_warning("ZeroMQ option %d: %s", option, zmq_strerror(errno));
}

static int open_link(struct link *link, struct error *err)
{
    const struct client *client = link->client;
    const char *name = connection_channel_name(link->channel);
    bool is_iopub = link->channel == CHANNEL_IOPUB;
    link->socket = zmq_socket(client->context, is_iopub ? ZMQ_SUB : ZMQ_DEALER);
    if (link->socket == NULL)
        return error_set(err, ERROR_IO, "cannot make the %s socket: %s", name, zmq_strerror(errno));
    const char *id = session_id(client->session);
    set_option(link->socket, ZMQ_LINGER, 0);
    set_option(link->socket, ZMQ_SNDHWM, QUEUE_MAX);
    set_option(link->socket, ZMQ_RCVHWM, QUEUE_MAX);
    set_option(link->socket, ZMQ_RECONNECT_IVL, RECONNECT_MS);
    if (is_iopub)
        zmq_setsockopt(link->socket, ZMQ_SUBSCRIBE, "", 0);
    else
        zmq_setsockopt(link->socket, ZMQ_ROUTING_ID, id, strlen(id));
    AUTO_FREE char *endpoint = connection_endpoint(client->connection, link->channel);
    if (zmq_connect(link->socket, endpoint) != 0)
        return error_set(err, ERROR_IO, "cannot connect the %s socket to %s: %s", name, endpoint,
                         zmq_strerror(errno));
    return 0;
}

static void client_free(struct client *client)
{
    for (int i = 0; i < CHANNEL_COUNT; i++)
        if (client->links[i].socket != NULL)
            zmq_close(client->links[i].socket);
    while (client->context != NULL && zmq_ctx_term(client->context) != 0 && errno == EINTR)
        ;
    outbox_done(&client->outbox);
    session_free(client->session);
    free(client);
}

static void on_closer_closed(uv_handle_t *handle)
{
    client_free(handle->data);
}

void client_close(struct client *client)
{
    if (client == NULL || client->closed)
        return;
    client->closed = true;
    for (int i = 0; i < CHANNEL_COUNT; i++)
        zwatch_close(client->links[i].watch);
    uv_close((uv_handle_t *)&client->closer, on_closer_closed);
}

static int watch_links(struct client *client, uv_loop_t *loop, struct error *err)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        struct link *link = &client->links[i];
        if (link->socket == NULL)
            continue;
        link->watch = zwatch_new(loop, link->socket, on_readable, link);
        if (link->watch == NULL)
            return error_set(err, ERROR_IO, "cannot watch the %s socket",
                             connection_channel_name(link->channel));
    }
    return 0;
}

int client_open(uv_loop_t *loop, const struct connection *connection, client_message_fn message,
                void *data, struct client **ret_client, struct error *err)
{
    struct client *client = xcalloc(1, sizeof *client);
    client->connection = connection;
    client->message = message;
    client->data = data;
    client->session = session_new(connection);
    client->context = zmq_ctx_new();
    int result = 0;
    if (client->context == NULL)
        result = error_set(err, ERROR_IO, "cannot start ZeroMQ: %s", zmq_strerror(errno));
    for (int i = 0; i < CHANNEL_COUNT && result == 0; i++) {
        client->links[i] = (struct link){.client = client, .channel = (enum channel)i};
        if (i != CHANNEL_HB)
            result = open_link(&client->links[i], err);
    }
    if (result != 0) {
        client_free(client);
        return -1;
    }
    uv_idle_init(loop, &client->closer);
    client->closer.data = client;
    if (watch_links(client, loop, err) != 0) {
        client_close(client);
        return -1;
    }
    *ret_client = client;
    return 0;
}

void client_on_refused(struct client *client, client_refused_fn refused)
{
    client->refused = refused;
}

const char *client_session(const struct client *client)
{
    return session_id(client->session);
}

static void send_envelope(struct client *client, enum channel channel,
                          const struct envelope *envelope)
{
    struct link *link = &client->links[channel];
    assert(channel == CHANNEL_SHELL || channel == CHANNEL_CONTROL || channel == CHANNEL_STDIN);
    if (client->closed)
        return;
    if (!outbox_send(&client->outbox, link->socket, client->connection, envelope, NULL))
        log_warning("to the companion's %s: not sent: %s", connection_channel_name(channel),
                    zmq_strerror(errno));
    zwatch_kick(link->watch);
}

char *client_send(struct client *client, enum channel channel, const char *type, json_t *content)
{
    AUTO_JSON json_t *body = content;
    AUTO_JSON json_t *header = session_header(client->session, type);
    const struct envelope envelope = {
        .parts = {[MESSAGE_HEADER] = {.value = header}, [MESSAGE_CONTENT] = {.value = body}}};
    send_envelope(client, channel, &envelope);
    return xstrdup(json_get_string(header, "msg_id", ""));
}

void client_relay(struct client *client, enum channel channel, const struct message *message)
{
    struct envelope envelope = {.buffers = message->buffers, .buffer_count = message->buffer_count};
    for (int i = 0; i < MESSAGE_PARTS; i++)
        envelope.parts[i].text =
            (struct frame){.data = message->parts[i].data, .size = message->parts[i].size};
    send_envelope(client, channel, &envelope);
}
