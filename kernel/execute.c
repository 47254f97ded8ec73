/* SPDX-License-Identifier: BSD-3-Clause */
/* Execute requests, one at a time and in order. A cell that failed aborts what was queued behind it when
 * it failed (unless it was sent with stop_on_error false); what comes later runs.
 *
 * What was queued includes what the sockets still hold: Run All sends everything at once, and a quick
 * cell fails before the rest was read. So the reply that tells of a failure is held back until the loop
 * has turned without a message: what was sent before it can be seen is aborted, what is sent after it
 * runs.
 * Each cell begins in a turn of its own, so that a chain of quick ones does not nest.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "kernel/history.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

/* Run All of the largest notebooks sends a few hundred cells; beyond this it is no notebook. */
#define QUEUE_MAX 20000

/* A turn that began before the sockets were read proves nothing; the one after it does. */
#define QUIET_TURNS 2

static struct request *pop(struct server *server)
{
    struct request *request = server->queue;
    if (request != NULL) {
        server->queue = request->next;
        server->queue_size--;
        request->next = NULL;
    }
    return request;
}

static void abort_request(struct request *request)
{
    int count = request->server->execution_count;
    request_begin(request);
    request_end(request, content_execute_aborted(count));
}

/* Sends the reply of a failed cell that was held back. */
static void end_failed(struct server *server)
{
    server->aborting = 0;
    if (server->failed != NULL)
        request_end(steal(&server->failed), steal(&server->failed_reply));
}

void execute_abort_queue(struct server *server)
{
    struct request *request;
    end_failed(server);
    while ((request = pop(server)) != NULL)
        abort_request(request);
}

static int read_options(const json_t *content, struct cell_options *options, struct error *err)
{
    const json_t *expressions = json_object_get(content, "user_expressions");
    if (field_string(content, "code", NULL, &options->code, err) != 0 ||
        field_bool(content, "silent", false, &options->silent, err) != 0 ||
        field_bool(content, "store_history", !options->silent, &options->store_history, err) != 0 ||
        field_bool(content, "allow_stdin", false, &options->allow_stdin, err) != 0 ||
        field_bool(content, "stop_on_error", true, &options->stop_on_error, err) != 0)
        return -1;
    if (expressions != NULL && !json_is_object(expressions) && !json_is_null(expressions))
        return error_set(err, ERROR_INVALID,
                         "the field user_expressions of the request must be an "
                         "object");
    options->store_history = options->store_history && !options->silent;
    return 0;
}

static void begin(struct request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct server *server = request->server;
    struct cell_options options;
    request_begin(request);
    json_t *content = request_content(request);
    if (content == NULL)
        return;
    if (read_options(content, &options, &err) != 0) {
        request_fail(request, &err);
        return;
    }
    if (options.store_history)
        server->execution_count++;
    if (!options.silent)
        server_publish(server, request->message, "execute_input",
                       content_execute_input(options.code, server->execution_count));
    if (options.store_history)
        history_add(server, server->execution_count, options.code);
    server->cell = cell_new(request, &options, server->execution_count);
    const struct interpreter_slot *slot = cell_interpreter(server->cell);
    slot->interpreter->execute(slot->self, server->cell);
}

/* True while what was sent before the failure may still be on its way in. */
static bool still_aborting(struct server *server)
{
    if (server->aborting == 0)
        return false;
    if (server->dispatched != server->dispatched_before)
        server->aborting = QUIET_TURNS;
    else
        server->aborting--;
    server->dispatched_before = server->dispatched;
    return server->aborting > 0;
}

static void on_next_cell(uv_idle_t *idle)
{
    struct server *server = idle->data;
    if (still_aborting(server))
        return;
    if (server->failed != NULL)
        execute_abort_queue(server);
    if (server->cell != NULL || server->queue == NULL)
        uv_idle_stop(idle);
    else
        begin(pop(server));
}

static void schedule(struct server *server)
{
    if (!server->closed && server->cell == NULL && server->queue != NULL)
        uv_idle_start(&server->next_cell, on_next_cell);
}

void execute_enqueue(struct request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct server *server = request->server;
    struct request **end = &server->queue;
    if (server->stopping) {
        abort_request(request);
        return;
    }
    if (server->queue_size >= QUEUE_MAX) {
        request_begin(request);
        error_set(&err, ERROR_LIMIT, "%d cells are waiting already", QUEUE_MAX);
        request_fail(request, &err);
        return;
    }
    while (*end != NULL)
        end = &(*end)->next;
    *end = request;
    server->queue_size++;
    schedule(server);
}

void execute_cell_ended(struct server *server, struct request *request, json_t *reply, bool failed)
{
    server->cell = NULL;
    if (failed && !server->stopping) {
        server->failed = request;
        server->failed_reply = reply;
        server->aborting = QUIET_TURNS;
        server->dispatched_before = server->dispatched;
        uv_idle_start(&server->next_cell, on_next_cell);
        return;
    }
    request_end(request, reply);
    schedule(server);
}

void execute_interrupt(struct server *server)
{
    if (server->cell == NULL)
        return;
    const struct interpreter_slot *slot = cell_interpreter(server->cell);
    struct cell *cell = server->cell;
    cell_drop_input(cell);
    if (server->cell == cell) /* whoever asked may have ended the cell at once */
        slot->interpreter->interrupt(slot->self, cell);
}
