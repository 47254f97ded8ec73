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
#include "kernel/cell.h"
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
    struct cell *cell;             /* NULL: it is none */
    bool is_question;
    bool is_code, is_silent, has_begun; /* what an interrupt is for */
    bool is_comm;
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

/* What an interrupt is for: the first that runs, or the first at all. */
static struct forward *find_code(const struct companion *companion, bool begun)
{
    struct forward *forward = companion->forwards;
    while (forward != NULL && !(forward->is_code && forward->has_begun >= begun))
        forward = forward->next;
    return forward;
}

/* Takes it out of the list and tells its owner. */
static void end(struct companion *companion, struct forward *forward)
{
    take_out(companion, forward);
    if (find_code(companion, false) == NULL)
        companion->interrupted = false;
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
        if (forward->cell != NULL)
            companion_catch_up(companion, cell_number(forward->cell));
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
    /* What a button starts may take as long as a cell. */
    forward->is_comm = strncmp(message->type, "comm_", 5) == 0 && !forward->needs_reply;
    forward->is_code = forward->is_silent = forward->is_comm;
    return forward;
}

void forward_message(struct companion *companion, enum channel channel,
                     const struct message *message, forward_fn done, void *data)
{
    begin(companion, add_message(companion, channel, message, done, data));
}

void forward_cell(struct companion *companion, struct cell *cell, forward_fn done)
{
    struct forward *forward = add_message(companion, CHANNEL_SHELL, cell_message(cell), done, cell);
    forward->cell = cell;
    forward->is_code = true;
    forward->is_silent = cell_silent(cell);
    begin(companion, forward);
}

static bool cell_is_running(const struct companion *companion)
{
    const struct forward *forward = companion->forwards;
    while (forward != NULL && !(forward->cell != NULL && forward->sent))
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
    bool is_first =
        companion->state == COMPANION_STARTING && strcmp(type, "kernel_info_request") == 0;
    bool is_control =
        strcmp(type, "interrupt_request") == 0 || strcmp(type, "shutdown_request") == 0;
    struct forward *forward =
        add(companion, is_control ? CHANNEL_CONTROL : CHANNEL_SHELL, type, done, data);
    forward->content = content;
    forward->needs_idle = !is_first;
    forward->is_code = forward->is_silent = done != NULL && strcmp(type, "execute_request") == 0;
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

void forward_reply_lost(struct companion *companion, enum channel channel)
{
    struct forward *forward = companion->forwards;
    while (forward != NULL &&
           !(forward->channel == channel && forward->sent && forward->needs_reply))
        forward = forward->next;
    if (forward == NULL)
        return;
    forward->needs_reply = false;
    end_if_whole(companion, forward);
}

void forward_began(struct companion *companion, const char *msg_id, bool shown)
{
    struct forward *forward = find(companion, msg_id);
    if (forward == NULL || !forward->is_code || forward->is_silent == shown)
        return;
    forward->has_begun = true;
    companion_begun(companion);
}

enum forward_code forward_code(const struct companion *companion)
{
    if (find_code(companion, true) != NULL)
        return FORWARD_CODE_RUNS;
    return find_code(companion, false) != NULL ? FORWARD_CODE_WAITS : FORWARD_NO_CODE;
}

/* The answer to what was asked later: replies come in order, so if there is none yet, none will come. */
static void on_later_reply(struct companion *companion, struct message *reply, void *data)
{
    AUTO_FREE char *msg_id = data;
    struct forward *forward = reply != NULL ? find(companion, msg_id) : NULL;
    message_free(reply);
    if (forward == NULL)
        return;
    forward->needs_reply = false;
    end_if_whole(companion, forward);
}

void forward_interrupted(struct companion *companion)
{
    const struct forward *forward = find_code(companion, true);
    if (forward != NULL && forward->msg_id != NULL)
        forward_own(companion, "kernel_info_request", json_object(), on_later_reply,
                    xstrdup(forward->msg_id));
}

/* ipykernel handles comm messages beside a cell that awaits, and says neither busy nor idle then. So
 * they end with the idle of what was asked after them. */
static void end_comms_before(struct companion *companion, const struct forward *last)
{
    for (struct forward *forward = companion->forwards, *next; forward != last; forward = next) {
        next = forward->next;
        if (forward->is_comm && forward->sent)
            end(companion, forward);
    }
}

static bool comms_wait_after(const struct forward *forward)
{
    while (forward != NULL && !(forward->is_comm && forward->sent))
        forward = forward->next;
    return forward != NULL;
}

void forward_idle(struct companion *companion, const char *msg_id)
{
    struct forward *forward = find(companion, msg_id);
    if (forward == NULL)
        return;
    forward->needs_idle = false;
    if (forward->channel == CHANNEL_SHELL)
        end_comms_before(companion, forward);
    if (forward->cell != NULL && comms_wait_after(forward))
        forward_own(companion, "kernel_info_request", json_object(), NULL, NULL);
    end_if_whole(companion, forward);
}
