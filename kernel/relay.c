/* SPDX-License-Identifier: BSD-3-Clause */
/* What the companion says, passed on to the front ends: as it came, in our session. Its busy and idle
 * are not: a request has ours. What it says about our own requests stays here. */
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "kernel/cell.h"
#include "kernel/companion_private.h"
#include "kernel/outlet.h"
#include "protocol/content.h"

/* A cell that flushes line by line sends a message a line. A notebook server drops what is faster than
 * 1,000 messages a second, and a page redraws for each. So a stream that comes within a moment of the
 * last one waits, and goes out with what comes until the moment is over. */
#define STREAM_INTERVAL_MS 20

/* More than this is sent at once: held text is memory. */
#define STREAM_HELD_MAX (1024 * 1024)

static const char *parent_id(struct message *message)
{
    return json_get_string(message_part(message, MESSAGE_PARENT, NULL), "msg_id", "");
}

/* Our own requests to the companion carry the client's session; looked for in the text, so that the
 * parent of what is only passed on is not parsed. */
static bool is_about_our_own(const struct companion *companion, const struct message *message)
{
    const struct blob *parent = &message->parts[MESSAGE_PARENT];
    const char *session = client_session(companion->client);
    return memmem(parent->data, parent->size, session, strlen(session)) != NULL;
}

static void on_status(struct companion *companion, struct message *message)
{
    const json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
    if (strcmp(json_get_string(content, "execution_state", ""), "idle") != 0) {
        forward_began(companion, parent_id(message), false);
        return;
    }
    relay_flush(companion); /* all output before its idle */
    forward_idle(companion, parent_id(message));
}

/* --- streams ---------------------------------------------------------------------------------- */

static void publish(struct companion *companion, const struct message *message, json_t *content)
{
    if (companion->server != NULL)
        channels_send(companion->server->channels, CHANNEL_IOPUB,
                      &(struct outgoing){.relayed = message, .content = content});
    else
        json_decref(content);
}

void relay_flush(struct companion *companion)
{
    AUTO(message) struct message *held = steal(&companion->held);
    struct buf *text = &companion->held_text;
    if (held == NULL)
        return;
    uv_timer_stop(&companion->held_timer);
    companion->streamed_at = uv_now(companion->loop);
    const char *name = json_get_string(message_part(held, MESSAGE_CONTENT, NULL), "name", "");
    publish(companion, held, content_stream(name, text->data, text->size));
    if (text->capacity > STREAM_HELD_MAX)
        buf_done(text);
    else
        buf_clear(text);
}

static void on_held_long_enough(uv_timer_t *timer)
{
    relay_flush(timer->data);
}

static bool same_stream(struct message *one, struct message *other)
{
    const struct blob *parent = &one->parts[MESSAGE_PARENT];
    const struct blob *other_parent = &other->parts[MESSAGE_PARENT];
    json_t *name = json_object_get(message_part(one, MESSAGE_CONTENT, NULL), "name");
    json_t *other_name = json_object_get(message_part(other, MESSAGE_CONTENT, NULL), "name");
    return json_equal(name, other_name) && parent->size == other_parent->size &&
           memcmp(parent->data, other_parent->data, parent->size) == 0;
}

static void hold(struct companion *companion, struct message *message)
{
    json_t *text = json_object_get(message_part(message, MESSAGE_CONTENT, NULL), "text");
    buf_append(&companion->held_text, json_string_value(text), json_string_length(text));
    if (companion->held == NULL) {
        companion->held = message;
        uv_timer_start(&companion->held_timer, on_held_long_enough, STREAM_INTERVAL_MS, 0);
    } else {
        message_free(message);
    }
    if (companion->held_text.size > STREAM_HELD_MAX)
        relay_flush(companion);
}

/* Takes the message over. */
static void on_stream(struct companion *companion, struct message *message)
{
    uint64_t now = uv_now(companion->loop);
    if (companion->held != NULL && !same_stream(companion->held, message))
        relay_flush(companion);
    bool at_once = companion->held == NULL && now - companion->streamed_at >= STREAM_INTERVAL_MS;
    json_t *content = at_once ? NULL : message_part(message, MESSAGE_CONTENT, NULL);
    if (json_is_string(json_object_get(content, "text"))) {
        hold(companion, message);
        return;
    }
    companion->streamed_at = now;
    publish(companion, message, NULL);
    message_free(message);
}

/* --- what comes ------------------------------------------------------------------------------- */

/* Takes the message over. */
static void on_iopub(struct companion *companion, struct message *message)
{
    static const char *const ours[] = {"execute_input", "iopub_welcome", "shutdown_reply"};
    /* A widget is the page's, whoever's code changed it. */
    bool is_comm = strncmp(message->type, "comm_", 5) == 0;
    bool is_relayed =
        companion->server != NULL && (is_comm || !is_about_our_own(companion, message));
    companion->heard = true;
    if (strcmp(message->type, "execute_input") == 0)
        forward_began(companion, parent_id(message), true);
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        is_relayed = is_relayed && strcmp(message->type, ours[i]) != 0;
    if (is_relayed && strcmp(message->type, "stream") == 0) {
        on_stream(companion, message);
        return;
    }
    if (strcmp(message->type, "status") == 0) {
        on_status(companion, message);
    } else if (is_relayed) {
        relay_flush(companion); /* what was printed before stays before */
        if (is_comm)
            comm_observe(companion->server, message);
        publish(companion, message, NULL);
    }
    message_free(message);
}

/* Only the cell that runs may ask, and only whoever sent it is asked. */
static void on_stdin(struct companion *companion, struct message *message)
{
    struct cell *cell = companion->server != NULL ? companion->server->cell : NULL;
    if (cell == NULL || strcmp(message->type, "input_request") != 0 ||
        strcmp(cell_message(cell)->msg_id, parent_id(message)) != 0)
        log_debug("the companion: dropped a %s on stdin", message->type);
    else
        cell_relay_question(cell, message);
}

void relay_message(enum channel channel, struct message *message, void *data)
{
    struct companion *companion = data;
    switch (channel) {
    case CHANNEL_IOPUB:
        on_iopub(companion, message);
        return;
    case CHANNEL_STDIN:
        relay_flush(companion); /* what the prompt is about */
        on_stdin(companion, message);
        break;
    case CHANNEL_SHELL:
    case CHANNEL_CONTROL:
        forward_replied(companion, message);
        return;
    case CHANNEL_HB:
        break;
    }
    message_free(message);
}

void relay_refused(enum channel channel, size_t size, void *data)
{
    struct companion *companion = data;
    struct cell *cell = companion->server != NULL ? companion->server->cell : NULL;
    relay_flush(companion);
    if (cell != NULL)
        outlet_printf(cell_outlet(cell), OUTLET_STDERR,
                      "[an output of %zu MB is not shown: the limit is %u MB]\n", size >> 20,
                      CLIENT_MESSAGE_MAX >> 20);
    if (channel == CHANNEL_SHELL || channel == CHANNEL_CONTROL)
        forward_reply_lost(companion, channel);
}
