/* SPDX-License-Identifier: BSD-3-Clause */
/* The comm on which a page that is loaded asks for the widgets there are: once, for both sides, and
 * never passed on to the companion, which may be busy or not there. Who asks can draw widgets. */
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "kernel/comm.h"
#include "kernel/server_private.h"
#include "kernel/widgets.h"

/* Of the protocol on this comm; the widgets' own is another. */
#define CONTROL_VERSION_MAJOR "1."

/* Each load of a page is a session. When there are more, all are forgotten: the next load is known
 * again. */
#define SESSIONS_MAX 1000

/* VS Code asks only once it has drawn one. Its cells can be told by their names. */
#define VS_CODE_CELL "vscode-notebook-cell"

void widget_control_asked(struct server *server, const struct message *message)
{
    if (json_object_size(server->widget_sessions) >= SESSIONS_MAX)
        json_object_clear(server->widget_sessions);
    json_object_set_new(server->widget_sessions, message->session, json_true());
    for (size_t i = 0; i < server->options.interpreter_count; i++) {
        const struct interpreter_slot *slot = &server->interpreters[i];
        if (slot->interpreter->restore != NULL)
            slot->interpreter->restore(slot->self);
    }
}

bool widget_control_draws(const struct server *server, struct message *message)
{
    const char *cell = json_get_string(message_part(message, MESSAGE_METADATA, NULL), "cellId", "");
    return json_object_get(server->widget_sessions, message->session) != NULL ||
           strncmp(cell, VS_CODE_CELL, strlen(VS_CODE_CELL)) == 0;
}

static void on_message(struct comm *comm, json_t *data, void *self)
{
    struct server *server = self;
    AUTO_FREE struct blob *buffers = NULL;
    size_t count = 0;
    if (strcmp(json_get_string(data, "method", ""), "request_states") != 0) {
        log_debug("%s: no answer to \"%s\"", COMM_WIDGET_CONTROL,
                  json_get_string(data, "method", ""));
        return;
    }
    widget_control_asked(server, server->comm_request);
    json_t *states = widgets_all_states(server->widgets, &buffers, &count);
    comm_send(comm,
              &(struct comm_message){.data = states, .buffers = buffers, .buffer_count = count});
}

/* One that speaks another protocol is closed, as ipywidgets does: the page then asks each widget. */
static void on_opened(struct comm *comm, json_t *data, void *self)
{
    static const struct comm_handler handler = {.message = on_message};
    struct server *server = self;
    json_t *metadata = message_part(server->comm_request, MESSAGE_METADATA, NULL);
    const char *version = json_get_string(metadata, "version", "");
    (void)data;
    if (strncmp(version, CONTROL_VERSION_MAJOR, strlen(CONTROL_VERSION_MAJOR)) == 0)
        comm_set_handler(comm, &handler, server);
}

void widget_control_register(struct server *server)
{
    comm_register_target(server, COMM_WIDGET_CONTROL, on_opened, server);
}
