/* SPDX-License-Identifier: BSD-3-Clause */
/* What the channels send: signed with our session, never blocking, and bounded by what front ends leave
 * unread (backlog.c). What is left out of a cell's output is said in it, at the latest before the
 * cell's idle, so that a notebook that was run without a page has it too. */
#include "protocol/channels.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "base/json.h"
#include "base/log.h"
#include "protocol/channels_private.h"
#include "protocol/content.h"

/* What goes before the delimiter: the request's identities on a ROUTER, the topic on IOPub. NULL when
 * there is none. */
static const struct blob *address_of(enum channel channel, const struct outgoing *message,
                                     struct blob *topic, size_t *ret_count)
{
    const struct message *relayed = message->relayed;
    *ret_count = 1;
    if (channel != CHANNEL_IOPUB) {
        *ret_count = message->request != NULL ? message->request->identity_count : 0;
        return *ret_count > 0 ? message->request->identities : NULL;
    }
    if (message->topic == NULL && relayed != NULL && relayed->identity_count == 1)
        return relayed->identities;
    const char *text = message->topic != NULL ? message->topic : message->type;
    *topic = (struct blob){.data = (char *)(uintptr_t)text, .size = strlen(text)};
    return topic;
}

static struct part text_part(const struct message *message, enum message_part part)
{
    const struct blob *text = &message->parts[part];
    return (struct part){.text = {.data = text->data, .size = text->size}};
}

/* A relayed message's own header (id, date, user), in our session: a front end drops what comes from
 * another one. */
static json_t *header_of(struct session *session, const struct outgoing *message)
{
    if (message->relayed == NULL)
        return session_header(session, message->type);
    json_t *header = json_copy(message->relayed->header);
    json_object_set_new(header, "session", json_string(session_id(session)));
    return header;
}

/* The message as it is signed and sent. It borrows from the other arguments. */
static struct envelope envelope_of(const struct outgoing *message, const json_t *header,
                                   const struct blob *address, size_t address_count)
{
    const struct message *relayed = message->relayed;
    struct envelope envelope = {
        .address = address,
        .address_count = address_count,
        .parts = {{.value = header},
                  {.value = NULL},
                  {.value = message->metadata},
                  {.value = message->content}},
        .buffers = relayed != NULL ? relayed->buffers : message->buffers,
        .buffer_count = relayed != NULL ? relayed->buffer_count : message->buffer_count,
    };
    if (message->request != NULL)
        envelope.parts[MESSAGE_PARENT] = text_part(message->request, MESSAGE_HEADER);
    else if (relayed != NULL)
        envelope.parts[MESSAGE_PARENT] = text_part(relayed, MESSAGE_PARENT);
    if (relayed != NULL && message->metadata == NULL)
        envelope.parts[MESSAGE_METADATA] = text_part(relayed, MESSAGE_METADATA);
    if (relayed != NULL && message->content == NULL)
        envelope.parts[MESSAGE_CONTENT] = text_part(relayed, MESSAGE_CONTENT);
    return envelope;
}

static bool send_envelope(struct link *link, const struct envelope *envelope)
{
    struct channels *channels = link->channels;
    const struct connection *connection = session_connection(channels->session);
    bool sent = outbox_send(&channels->outbox, link->socket, connection, envelope, &link->backlog);
    if (!sent && errno == EAGAIN) {
        backlog_make_room(&link->backlog);
        sent = outbox_send(&channels->outbox, link->socket, connection, envelope, &link->backlog);
        backlog_sent(&link->backlog);
    }
    return sent;
}

/* --- a question nobody is there for yet ---------------------------------------------------------- */

static struct blob copy_blob(const void *data, size_t size)
{
    struct blob blob = {.data = xmalloc(size + 1), .size = size};
    if (size > 0)
        memcpy(blob.data, data, size);
    blob.data[size] = '\0';
    return blob;
}

static struct blob *copy_blobs(const struct blob *blobs, size_t count)
{
    struct blob *copies = xcalloc(count + 1, sizeof *copies);
    for (size_t i = 0; i < count; i++)
        copies[i] = copy_blob(blobs[i].data, blobs[i].size);
    return copies;
}

static struct blob copy_part(const struct part *part)
{
    if (part->value == NULL)
        return copy_blob(part->text.data, part->text.size);
    AUTO_FREE char *text = json_text(part->value);
    return copy_blob(text, strlen(text));
}

static struct message *copy_envelope(const struct envelope *envelope)
{
    struct message *copy = xcalloc(1, sizeof *copy);
    copy->identities = copy_blobs(envelope->address, envelope->address_count);
    copy->identity_count = envelope->address_count;
    for (int i = 0; i < MESSAGE_PARTS; i++)
        copy->parts[i] = copy_part(&envelope->parts[i]);
    copy->buffers = copy_blobs(envelope->buffers, envelope->buffer_count);
    copy->buffer_count = envelope->buffer_count;
    return copy;
}

static void on_connected(void *data)
{
    struct channels *channels = data;
    struct link *link = &channels->links[CHANNEL_STDIN];
    const struct message *message = parked_message(channels->question);
    struct envelope envelope = {
        .address = message->identities,
        .address_count = message->identity_count,
        .buffers = message->buffers,
        .buffer_count = message->buffer_count,
    };
    for (int i = 0; i < MESSAGE_PARTS; i++)
        if (message->parts[i].size > 0)
            envelope.parts[i] = text_part(message, (enum message_part)i);
    if (send_envelope(link, &envelope))
        parked_free(steal(&channels->question));
    zwatch_kick(link->watch);
}

/* Keeps it until its front end has connected. There is one running cell, so one question: a new one
 * takes the place of an old one. */
static void park(struct channels *channels, const struct envelope *envelope)
{
    struct link *link = &channels->links[CHANNEL_STDIN];
    parked_free(steal(&channels->question));
    channels->question = parked_new(channels->loop, channels->context, link->socket,
                                    copy_envelope(envelope), on_connected, channels);
    if (channels->question != NULL) /* it may have come just before it was watched for */
        on_connected(channels);
}

static bool same_text(const struct blob *one, const struct blob *other)
{
    return one->size == other->size && memcmp(one->data, other->data, one->size) == 0;
}

/* A question ends with the request it belongs to, whose idle this is. */
static void drop_question_of(struct channels *channels, const struct message *request)
{
    if (channels->question == NULL || request == NULL)
        return;
    const struct message *question = parked_message(channels->question);
    if (!same_text(&question->parts[MESSAGE_PARENT], &request->parts[MESSAGE_HEADER]))
        return;
    log_warning("stdin: the front end that sent the cell never connected to be asked");
    parked_free(steal(&channels->question));
}

void channels_send_done(struct channels *channels)
{
    parked_free(steal(&channels->question));
    message_free(steal(&channels->left_out.about));
}

/* --- output that is left out --------------------------------------------------------------------- */

static enum backlog_class class_of(enum channel channel, const char *type)
{
    static const char *const output[] = {"stream",         "display_data", "update_display_data",
                                         "execute_result", "comm_msg",     "debug_event"};
    if (channel != CHANNEL_IOPUB)
        return BACKLOG_NEEDED;
    if (strcmp(type, "status") == 0)
        return BACKLOG_STATE;
    for (size_t i = 0; i < ARRAY_SIZE(output); i++)
        if (strcmp(type, output[i]) == 0)
            return BACKLOG_OUTPUT;
    return BACKLOG_NEEDED;
}

static size_t size_of(const struct envelope *envelope)
{
    const struct part *content = &envelope->parts[MESSAGE_CONTENT];
    size_t size = content->value != NULL ? json_dumpb(content->value, NULL, 0, JSON_COMPACT)
                                         : content->text.size;
    for (size_t i = 0; i < envelope->buffer_count; i++)
        size += envelope->buffers[i].size;
    return size;
}

static void leave_out(struct channels *channels, enum channel channel,
                      const struct envelope *envelope)
{
    struct left_out *left_out = &channels->left_out;
    const struct part *parent = &envelope->parts[MESSAGE_PARENT];
    channels_count_dropped(channel, &channels->dropped.unread, "what front ends do not read");
    if (channel != CHANNEL_IOPUB)
        return;
    left_out->count++;
    left_out->size += size_of(envelope);
    message_free(left_out->about);
    left_out->about = NULL;
    if (parent->text.size > 0) {
        left_out->about = xcalloc(1, sizeof *left_out->about);
        left_out->about->parts[MESSAGE_HEADER] = copy_part(parent);
    }
}

/* Where the output would be. */
static void tell_what_is_left_out(struct channels *channels)
{
    struct left_out left_out = channels->left_out;
    channels->left_out = (struct left_out){.count = 0};
    AUTO_FREE char *text = xasprintf(
        "[%zu messages of output, %.1f MB, are not shown: a front end that is connected to this "
        "kernel reads too slowly, or not at all]\n",
        left_out.count, (double)left_out.size / 1e6);
    const struct outgoing notice = {.type = "stream",
                                    .request = left_out.about,
                                    .content = content_stream("stderr", text, strlen(text))};
    AUTO_JSON json_t *content = notice.content;
    AUTO_JSON json_t *header = session_header(channels->session, notice.type);
    const struct blob topic = {.data = (char *)(uintptr_t)notice.type, .size = strlen(notice.type)};
    struct envelope envelope = envelope_of(&notice, header, &topic, 1);
    send_envelope(&channels->links[CHANNEL_IOPUB], &envelope);
    message_free(left_out.about);
}

/* --- sending ------------------------------------------------------------------------------------- */

static void deliver(struct link *link, const char *type, const struct envelope *envelope)
{
    struct channels *channels = link->channels;
    enum backlog_class class = class_of(link->channel, type);
    bool admitted = backlog_admits(&link->backlog, class);
    if (channels->left_out.count > 0 && link->channel == CHANNEL_IOPUB &&
        (class == BACKLOG_STATE || (admitted && class == BACKLOG_OUTPUT)))
        tell_what_is_left_out(channels);
    if (!admitted)
        leave_out(channels, link->channel, envelope);
    else if (send_envelope(link, envelope))
        return;
    else if (link->channel == CHANNEL_STDIN && errno == EHOSTUNREACH)
        park(channels, envelope);
    else
        log_warning("%s: a %s was not sent: %s", connection_channel_name(link->channel), type,
                    zmq_strerror(errno));
}

void channels_send(struct channels *channels, enum channel channel, const struct outgoing *message)
{
    struct link *link = &channels->links[channel];
    AUTO_JSON json_t *content = message->content;
    AUTO_JSON json_t *metadata = message->metadata;
    struct blob topic;
    size_t address_count;
    assert(channel != CHANNEL_HB);
    if (channels->closed)
        return;
    const struct blob *address = address_of(channel, message, &topic, &address_count);
    const char *type = message->relayed != NULL ? message->relayed->type : message->type;
    if (address == NULL) {
        log_debug("%s: a %s without an address", connection_channel_name(channel), type);
        return;
    }
    AUTO_JSON json_t *header = header_of(channels->session, message);
    struct envelope envelope = envelope_of(message, header, address, address_count);
    deliver(link, type, &envelope);
    if (strcmp(type, "status") == 0 &&
        strcmp(json_get_string(content, "execution_state", ""), "idle") == 0)
        drop_question_of(channels, message->request);
    zwatch_kick(link->watch);
}
