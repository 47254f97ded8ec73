/* SPDX-License-Identifier: BSD-3-Clause */
/* The server's life: channels, signals, the parent. Everything it does between is in dispatch.c and
 * below. An idle kernel runs no timer: it wakes for nothing but a message. */
#include "kernel/server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/procid.h"
#include "kernel/history.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

/* --- what the channels tell ---------------------------------------------------------------------- */

static void on_message(enum channel channel, struct message *message, void *data)
{
    dispatch(data, channel, message);
}

/* JEP 65; and then the present state, without which jupyter_server waits half a second before it lets
 * anything through to a page (measured). */
static void on_subscribed(const char *topic, void *data)
{
    struct server *server = data;
    channels_send(server->channels, CHANNEL_IOPUB,
                  &(struct outgoing){.type = "iopub_welcome",
                                     .topic = topic, /* so that it reaches who subscribed */
                                     .content = content_iopub_welcome(topic)});
    server_publish(server, NULL, "status",
                   content_status(server->busy_count > 0 ? "busy" : "idle"));
}

/* --- stopping ---------------------------------------------------------------------------------------- */

void server_stop(struct server *server, bool restart)
{
    if (server->stopping)
        return;
    server->stopping = true;
    execute_abort_queue(server);
    execute_interrupt(server);
    server->options.stopping(restart, server->options.data);
}

static void on_sigint(uv_signal_t *handle, int number)
{
    (void)number;
    execute_interrupt(handle->data);
}

static void on_sigterm(uv_signal_t *handle, int number)
{
    (void)number;
    server_stop(handle->data, false);
}

static void on_parent_gone(uv_poll_t *handle, int status, int events)
{
    (void)status;
    (void)events;
    uv_poll_stop(handle);
    log_info("the parent process is gone");
    server_stop(handle->data, false);
}

/* --- opening and closing ----------------------------------------------------------------------------- */

static void watch_parent(struct server *server)
{
    struct procid parent;
    if (server->options.parent_pid <= 0 || !procid_of(server->options.parent_pid, &parent))
        return;
    server->parent_fd = procid_open(&parent);
    if (server->parent_fd < 0)
        return;
    uv_poll_init(server->loop, &server->parent, server->parent_fd);
    server->parent.data = server;
    uv_poll_start(&server->parent, UV_READABLE, on_parent_gone);
    server->open_handles++;
}

static void open_handles(struct server *server)
{
    uv_signal_init(server->loop, &server->sigint);
    uv_signal_init(server->loop, &server->sigterm);
    uv_idle_init(server->loop, &server->next_cell);
    uv_timer_init(server->loop, &server->quiet);
    server->sigint.data = server->sigterm.data = server->next_cell.data = server->quiet.data =
        server;
    server->open_handles = 4;
    uv_signal_start(&server->sigint, on_sigint, SIGINT);
    uv_signal_start(&server->sigterm, on_sigterm, SIGTERM);
    watch_parent(server);
}

int server_open(uv_loop_t *loop, const struct server_options *options, struct server **ret_server,
                struct error *err)
{
    static const struct channels_callbacks callbacks = {.message = on_message,
                                                        .subscribed = on_subscribed};
    struct server *server = xcalloc(1, sizeof *server);
    server->loop = loop;
    server->options = *options;
    server->parent_fd = -1;
    server->session = session_new(options->connection);
    if (channels_open(loop, options->connection, server->session, &callbacks, server,
                      &server->channels, err) != 0) {
        session_free(server->session);
        free(server);
        return -1;
    }
    server->interpreters =
        xmemdup(options->interpreters, options->interpreter_count * sizeof *options->interpreters);
    comm_init(server);
    open_handles(server);
    server->companion = options->companion;
    companion_attach(server->companion, server);
    for (size_t i = 0; i < options->interpreter_count; i++)
        if (server->interpreters[i].interpreter->opened != NULL)
            server->interpreters[i].interpreter->opened(server->interpreters[i].self, server);
    *ret_server = server;
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct server *server = handle->data;
    if (--server->open_handles > 0)
        return;
    if (server->parent_fd >= 0)
        close(server->parent_fd);
    session_free(server->session);
    free(server->interpreters);
    free(server);
}

void server_close(struct server *server)
{
    if (server == NULL || server->closed)
        return;
    server->stopping = true;
    execute_abort_queue(server);
    cell_abandon(server->cell);
    question_abort_all(server);
    server->closed = true;
    outlet_server_closed(server);
    comm_free_all(server);
    history_close(server->history);
    channels_close(server->channels);
    uv_close((uv_handle_t *)&server->sigint, on_handle_closed);
    uv_close((uv_handle_t *)&server->sigterm, on_handle_closed);
    uv_close((uv_handle_t *)&server->next_cell, on_handle_closed);
    uv_close((uv_handle_t *)&server->quiet, on_handle_closed);
    if (server->parent_fd >= 0)
        uv_close((uv_handle_t *)&server->parent, on_handle_closed);
}
