/* SPDX-License-Identifier: BSD-3-Clause */
/* One table from message type and channel to handler. Busy is said here; idle by request_end(), which
 * every handler reaches. Execute requests are the exception: they say busy when their turn comes.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

#define ON(channel) (1u << (channel))
#define SHELL ON(CHANNEL_SHELL)
#define EITHER (ON(CHANNEL_SHELL) | ON(CHANNEL_CONTROL)) /* ipykernel takes these on control too */

static void handle_interrupt(struct request *request)
{
    execute_interrupt(request->server);
    request_end(request, content_ok());
}

static void handle_shutdown(struct request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct server *server = request->server;
    bool restart = false;
    /* A shutdown that is badly spelt is still one: nobody wants a kernel that stays. */
    json_t *content = message_part(request->message, MESSAGE_CONTENT, &err);
    if (content == NULL || field_bool(content, "restart", false, &restart, &err) != 0)
        log_debug("shutdown_request: %s", err.text);
    server_publish(server, request->message, "shutdown_reply", content_shutdown(restart));
    request_end(request, content_shutdown(restart));
    server_stop(server, restart);
}

/* Nobody is required to answer what it does not know; silence is what front ends expect. */
static void handle_unknown(struct request *request)
{
    log_debug("no answer to a %s", request->message->type);
    request_end(request, NULL);
}

static const struct handler {
    const char *type;
    unsigned channels;
    bool queued; /* begins when its turn comes */
    request_fn handle;
} handlers[] = {
    {"comm_close", SHELL, false, comm_handle_close},
    {"comm_info_request", EITHER, false, comm_handle_info},
    {"comm_msg", EITHER, false, comm_handle_msg},
    {"comm_open", SHELL, false, comm_handle_open},
    {"complete_request", EITHER, false, question_handle_complete},
    {"connect_request", EITHER, false, info_handle_connect},
    {"debug_request", EITHER, false, companion_handle},
    {"execute_request", SHELL, true, execute_enqueue},
    {"history_request", EITHER, false, history_handle},
    {"inspect_request", EITHER, false, question_handle_inspect},
    {"interrupt_request", EITHER, false, handle_interrupt},
    {"is_complete_request", EITHER, false, question_handle_is_complete},
    {"kernel_info_request", EITHER, false, info_handle_kernel},
    {"shutdown_request", EITHER, false, handle_shutdown},
    {"usage_request", EITHER, false, info_handle_usage},
};

static const struct handler unknown = {"", 0, false, handle_unknown};

static const struct handler *find_handler(enum channel channel, const char *type)
{
    for (size_t i = 0; i < ARRAY_SIZE(handlers); i++)
        if (strcmp(handlers[i].type, type) == 0 && (handlers[i].channels & ON(channel)) != 0)
            return &handlers[i];
    return &unknown;
}

void dispatch(struct server *server, enum channel channel, struct message *message)
{
    struct request *request = xcalloc(1, sizeof *request);
    *request = (struct request){.server = server, .channel = channel, .message = message};
    if (channel == CHANNEL_STDIN) {
        execute_input_reply(request);
        return;
    }
    const struct handler *handler = find_handler(channel, message->type);
    if (!handler->queued)
        request_begin(request);
    handler->handle(request);
}
