/* SPDX-License-Identifier: BSD-3-Clause */
/* The five sockets on the loop: their life, and what comes in.
 *
 * Every byte that comes in passes multipart_receive() (limits), wire_decode() (shape, signature,
 * header) and session_remember() (replays) before the owner sees it; what fails is dropped and
 * counted. The struct outlives channels_close() until the loop has closed `closer`, so a
 * callback may close the channels it is called from. */
#include "protocol/channels.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/utf8.h"
#include "protocol/channels_private.h"
#include "protocol/endpoint.h"
#include "protocol/wire.h"

/* Messages read from one socket before the others get their turn. */
#define READ_BURST 16

/* How long a queued message may hold up our end; a front end that is alive takes it in no time. */
#define LINGER_MS 1000

/* Jupyter's heartbeat is "ping"; a subscription is a topic. Nothing on these channels is large. */
#define SMALL_FRAME_MAX (64 * 1024)

const struct channels_dropped *channels_dropped(const struct channels *channels)
{
    return &channels->dropped;
}

static bool is_power_of_ten(uint64_t number)
{
    while (number > 0 && number % 10 == 0)
        number /= 10;
    return number == 1;
}

void channels_count_dropped(enum channel channel, uint64_t *counter, const char *what)
{
    const char *name = connection_channel_name(channel);
    ++*counter;
    if (is_power_of_ten(*counter))
        log_warning("%s: dropped %s (number %llu of its kind)", name, what,
                    (unsigned long long)*counter);
    else
        log_debug("%s: dropped %s", name, what);
}

/* Where a message that wire_decode() refused counts. */
static uint64_t *counter_of(struct channels *channels, enum error_code code)
{
    if (code == ERROR_DENIED)
        return &channels->dropped.forged;
    return code == ERROR_LIMIT ? &channels->dropped.oversized : &channels->dropped.malformed;
}

static void on_message(struct link *link)
{
    struct channels *channels = link->channels;
    const struct connection *connection = session_connection(channels->session);
    AUTO_ERROR struct error err = ERROR_INIT;
    char signature[WIRE_SIGNATURE_SIZE + 1];
    AUTO(message)
    struct message *message =
        wire_decode(connection->key, connection->key_size, channels->inbox.frames,
                    channels->inbox.count, signature, &err);
    if (message == NULL)
        channels_count_dropped(link->channel, counter_of(channels, err.code), err.text);
    else if (!session_remember(channels->session, signature))
        channels_count_dropped(link->channel, &channels->dropped.replayed,
                               "a message that came before");
    else
        channels->callbacks.message(link->channel, steal(&message), channels->data);
}

/* XPUB delivers a subscription as one frame: 1 and the topic. 0 is its end; anything else is noise.
 */
static void on_subscription(struct link *link)
{
    struct channels *channels = link->channels;
    const struct frame *frame = &channels->inbox.frames[0];
    if (channels->inbox.count != 1 || frame->size == 0 || frame->data[0] != 1)
        return;
    AUTO_FREE char *topic = xstrndup(frame->data + 1, frame->size - 1);
    AUTO_BUF struct buf clean = BUF_INIT;
    utf8_append_clean(&clean, topic, strlen(topic));
    if (strlen(topic) != frame->size - 1 || clean.size != frame->size - 1 ||
        memcmp(topic, clean.data != NULL ? clean.data : "", clean.size) != 0)
        log_debug("iopub: a subscription that is not text");
    else if (channels->callbacks.subscribed != NULL)
        channels->callbacks.subscribed(topic, channels->data);
}

/* The heartbeat: whatever came goes back to where it came from. */
static void on_heartbeat(struct link *link)
{
    const struct multipart *inbox = &link->channels->inbox;
    for (size_t i = 0; i < inbox->count; i++)
        if (!multipart_send(link->socket, inbox->frames[i].data, inbox->frames[i].size,
                            i + 1 < inbox->count))
            return;
}

static void on_readable(void *data)
{
    struct link *link = data;
    struct channels *channels = link->channels;
    for (int i = 0; i < READ_BURST && !channels->closed; i++) {
        switch (multipart_receive(&channels->inbox, link->socket, WIRE_MESSAGE_MAX)) {
        case MULTIPART_NONE:
            return;
        case MULTIPART_REFUSED:
            channels_count_dropped(link->channel, &channels->dropped.oversized,
                                   "a message of too many bytes or frames");
            continue;
        case MULTIPART_TAKEN:
            break;
        }
        if (link->channel == CHANNEL_HB)
            on_heartbeat(link);
        else if (link->channel == CHANNEL_IOPUB)
            on_subscription(link);
        else
            on_message(link);
        multipart_release(&channels->inbox);
    }
}

static void set_option(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0)
        log_warning("ZeroMQ option %d: %s", option, zmq_strerror(errno));
}

static void set_max_frame(void *socket, int64_t size)
{
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &size, sizeof size) != 0)
        log_warning("ZMQ_MAXMSGSIZE: %s", zmq_strerror(errno));
}

static int open_link(struct link *link, struct error *err)
{
    const struct channels *channels = link->channels;
    bool is_iopub = link->channel == CHANNEL_IOPUB;
    bool is_small = is_iopub || link->channel == CHANNEL_HB;
    link->socket = zmq_socket(channels->context, is_iopub ? ZMQ_XPUB : ZMQ_ROUTER);
    if (link->socket == NULL)
        return error_set(err, ERROR_IO, "cannot make the %s socket: %s",
                         connection_channel_name(link->channel), zmq_strerror(errno));
    set_max_frame(link->socket, is_small ? SMALL_FRAME_MAX : WIRE_MESSAGE_MAX);
    set_option(link->socket, ZMQ_LINGER, LINGER_MS);
    if (link->channel != CHANNEL_HB)
        backlog_init(&link->backlog, link->socket, is_iopub);
    if (link->channel == CHANNEL_STDIN) /* who is not there is not asked: parked.h */
        set_option(link->socket, ZMQ_ROUTER_MANDATORY, 1);
    if (is_iopub)
        set_option(link->socket, ZMQ_XPUB_VERBOSE, 1);
    else /* a front end that reconnects keeps its identity, and its replies must reach it */
        set_option(link->socket, ZMQ_ROUTER_HANDOVER, 1);
    if (endpoint_bind(link->socket, channels->connection, link->channel, err) != 0)
        return -1;
    link->bound = true;
    return 0;
}

/* Ends sockets and context: waits for what is queued, at most for the linger. */
static void close_sockets(struct channels *channels)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        const struct link *link = &channels->links[i];
        if (link->bound)
            endpoint_remove(channels->connection, link->channel);
        if (link->socket != NULL)
            zmq_close(link->socket);
    }
    if (channels->context == NULL)
        return;
    while (zmq_ctx_term(channels->context) != 0 && errno == EINTR)
        ;
}

static void channels_free(struct channels *channels)
{
    channels_send_done(channels);
    close_sockets(channels);
    outbox_done(&channels->outbox);
    free(channels);
}

static void on_closer_closed(uv_handle_t *handle)
{
    channels_free(handle->data);
}

void channels_close(struct channels *channels)
{
    if (channels == NULL || channels->closed)
        return;
    channels->closed = true;
    channels_send_done(channels);
    for (int i = 0; i < CHANNEL_COUNT; i++)
        zwatch_close(channels->links[i].watch);
    uv_close((uv_handle_t *)&channels->closer, on_closer_closed);
}

static int watch_links(struct channels *channels, uv_loop_t *loop, struct error *err)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        struct link *link = &channels->links[i];
        link->watch = zwatch_new(loop, link->socket, on_readable, link);
        if (link->watch == NULL)
            return error_set(err, ERROR_IO, "cannot watch the %s socket",
                             connection_channel_name(link->channel));
    }
    return 0;
}

int channels_open(uv_loop_t *loop, const struct connection *connection, struct session *session,
                  const struct channels_callbacks *callbacks, void *data,
                  struct channels **ret_channels, struct error *err)
{
    struct channels *channels = xcalloc(1, sizeof *channels);
    channels->loop = loop;
    channels->connection = connection;
    channels->session = session;
    channels->callbacks = *callbacks;
    channels->data = data;
    channels->context = zmq_ctx_new();
    int result = 0;
    if (channels->context == NULL)
        result = error_set(err, ERROR_IO, "cannot start ZeroMQ: %s", zmq_strerror(errno));
    for (int i = 0; i < CHANNEL_COUNT && result == 0; i++) {
        channels->links[i] = (struct link){.channels = channels, .channel = (enum channel)i};
        result = open_link(&channels->links[i], err);
    }
    if (result != 0) {
        channels_free(channels);
        return -1;
    }
    uv_idle_init(loop, &channels->closer);
    channels->closer.data = channels;
    if (watch_links(channels, loop, err) != 0) {
        channels_close(channels);
        return -1;
    }
    *ret_channels = channels;
    return 0;
}
