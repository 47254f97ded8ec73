/* SPDX-License-Identifier: BSD-3-Clause */
/* What the companion says, passed on to the front ends: as it came, in our session. Its busy and idle
 * are not: a request has ours. What it says about our own requests stays here. */
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "kernel/companion_private.h"

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
    if (strcmp(json_get_string(content, "execution_state", ""), "idle") == 0)
        forward_idle(companion, parent_id(message));
}

static void on_iopub(struct companion *companion, struct message *message)
{
    static const char *const ours[] = {"execute_input", "iopub_welcome", "shutdown_reply"};
    companion->heard = true;
    if (strcmp(message->type, "status") == 0) {
        on_status(companion, message);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
        if (strcmp(message->type, ours[i]) == 0)
            return;
    if (companion->server == NULL || is_about_our_own(companion, message))
        return;
    if (strncmp(message->type, "comm_", 5) == 0)
        comm_observe(companion->server, message);
    channels_send(companion->server->channels, CHANNEL_IOPUB,
                  &(struct outgoing){.relayed = message});
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
        break;
    case CHANNEL_STDIN:
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
