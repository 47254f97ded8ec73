/* SPDX-License-Identifier: BSD-3-Clause */
/* What was asked of the companion and is not answered yet.
 *
 * A request ends when its reply and its idle are both here: they come by two sockets, in any order,
 * and the idle comes after all of its output. What comes after that (a reply to a question that was
 * given up) finds nothing and is dropped. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "kernel/companion_private.h"

/* Completion while a cell runs: the companion answers when the cell ends, which may be an hour; a
 * front end that waits shows nothing else meanwhile. A quick cell is worth a moment. */
#define PATIENCE_MS 1000

struct forward {
    struct forward *next;
    enum channel channel;
    const struct message *message; /* what is passed on; NULL: our own */
    const char *type;              /* our own; static */
    json_t *content;               /* our own, until it is sent */
    char *msg_id;                  /* NULL: our own, not sent yet */
    int number;                    /* a cell's, or 0 */
    bool is_cell, is_question;
    bool needs_reply, needs_idle; /* still */
    bool sent;
    struct message *reply;
    forward_fn done;
    void *data;
};

static struct forward *add(struct companion *companion, enum channel channel, const char *type,
                           forward_fn done, void *data)
{
    struct forward *forward = xcalloc(1, sizeof *forward);
    struct forward **end = &companion->forwards;
    size_t length = strlen(type);
    *forward = (struct forward){.channel = channel, .type = type, .done = done, .data = data};
    forward->needs_reply = length > 8 && strcmp(type + length - 8, "_request") == 0;
    forward->needs_idle = true;
    while (*end != NULL)
        end = &(*end)->next;
    *end = forward;
    return forward;
}

static void take_out(struct companion *companion, struct forward *forward)
{
    struct forward **at = &companion->forwards;
    while (*at != forward)
        at = &(*at)->next;
    *at = forward->next;
}

static void forward_free(struct forward *forward)
{
    message_free(forward->reply);
    json_decref(forward->content);
    free(forward->msg_id);
    free(forward);
}

/* Takes it out of the list and tells its owner. */
static void end(struct companion *companion, struct forward *forward)
{
    take_out(companion, forward);
    if (forward->done != NULL)
        forward->done(companion, steal(&forward->reply), forward->data);
    forward_free(forward);
}

static void end_if_whole(struct companion *companion, struct forward *forward)
{
    if (!forward->needs_reply && !forward->needs_idle)
        end(companion, forward);
}

static void send_out(struct companion *companion, struct forward *forward)
{
    forward->sent = true;
    if (forward->message != NULL) {
        if (forward->is_cell)
            companion_catch_up(companion, forward->number);
        client_relay(companion->client, forward->channel, forward->message);
    } else {
        replace(&forward->msg_id, client_send(companion->client, forward->channel, forward->type,
                                              steal(&forward->content)));
    }
}

/* Sends it, or lets it wait for the companion, which is started for it. */
static void begin(struct companion *companion, struct forward *forward)
{
    if (companion->state == COMPANION_READY)
        send_out(companion, forward);
    else if (!companion_wake(companion))
        end(companion, forward);
}

static struct forward *add_message(struct companion *companion, enum channel channel,
                                   const struct message *message, forward_fn done, void *data)
{
    struct forward *forward = add(companion, channel, message->type, done, data);
    forward->message = message;
    forward->msg_id = xstrdup(message->msg_id);
    return forward;
}

void forward_message(struct companion *companion, enum channel channel,
                     const struct message *message, forward_fn done, void *data)
{
    begin(companion, add_message(companion, channel, message, done, data));
}

void forward_cell(struct companion *companion, const struct message *message, int number,
                  forward_fn done, void *data)
{
    struct forward *forward = add_message(companion, CHANNEL_SHELL, message, done, data);
    forward->is_cell = true;
    forward->number = number;
    begin(companion, forward);
}

static bool cell_is_running(const struct companion *companion)
{
    const struct forward *forward = companion->forwards;
    while (forward != NULL && !(forward->is_cell && forward->sent))
        forward = forward->next;
    return forward != NULL;
}

static void on_patience(uv_timer_t *timer)
{
    struct companion *companion = timer->data;
    for (struct forward *forward = companion->forwards, *next; forward != NULL; forward = next) {
        next = forward->next;
        if (forward->is_question)
            end(companion, forward);
    }
}

void forward_question(struct companion *companion, const struct message *message, forward_fn done,
                      void *data)
{
    bool behind_a_cell = cell_is_running(companion);
    struct forward *forward = add_message(companion, CHANNEL_SHELL, message, done, data);
    forward->is_question = true;
    if (behind_a_cell && !uv_is_active((uv_handle_t *)&companion->patience))
        uv_timer_start(&companion->patience, on_patience, PATIENCE_MS, 0);
    begin(companion, forward);
}

void forward_own(struct companion *companion, const char *type, json_t *content, forward_fn done,
                 void *data)
{
    bool is_first = strcmp(type, "kernel_info_request") == 0;
    bool is_control =
        strcmp(type, "interrupt_request") == 0 || strcmp(type, "shutdown_request") == 0;
    struct forward *forward =
        add(companion, is_control ? CHANNEL_CONTROL : CHANNEL_SHELL, type, done, data);
    forward->content = content;
    forward->needs_idle = !is_first;
    if (is_first)
        send_out(companion, forward);
    else
        begin(companion, forward);
}

void forward_send_waiting(struct companion *companion)
{
    for (struct forward *forward = companion->forwards; forward != NULL; forward = forward->next)
        if (!forward->sent)
            send_out(companion, forward);
}

bool forward_forget(struct companion *companion, const void *data)
{
    for (struct forward *forward = companion->forwards; forward != NULL; forward = forward->next)
        if (forward->data == data && !forward->sent) {
            take_out(companion, forward);
            forward_free(forward);
            return true;
        }
    return false;
}

void forward_end_all(struct companion *companion)
{
    struct forward *last = companion->forwards;
    while (last != NULL && last->next != NULL)
        last = last->next;
    /* What an end adds comes after `last`: it is for the next companion. */
    for (bool more = last != NULL; more;) {
        struct forward *forward = companion->forwards;
        more = forward != last;
        message_free(steal(&forward->reply)); /* half an answer is none */
        end(companion, forward);
    }
}

static struct forward *find(struct companion *companion, const char *msg_id)
{
    struct forward *forward = companion->forwards;
    while (forward != NULL && (forward->msg_id == NULL || strcmp(forward->msg_id, msg_id) != 0))
        forward = forward->next;
    return forward;
}

void forward_replied(struct companion *companion, struct message *reply)
{
    json_t *parent = message_part(reply, MESSAGE_PARENT, NULL);
    struct forward *forward = find(companion, json_get_string(parent, "msg_id", ""));
    if (forward == NULL || !forward->needs_reply) {
        log_debug("the companion: dropped a %s nobody waits for", reply->type);
        message_free(reply);
        return;
    }
    forward->reply = reply;
    forward->needs_reply = false;
    end_if_whole(companion, forward);
}

void forward_idle(struct companion *companion, const char *msg_id)
{
    struct forward *forward = find(companion, msg_id);
    if (forward == NULL)
        return;
    forward->needs_idle = false;
    end_if_whole(companion, forward);
}
