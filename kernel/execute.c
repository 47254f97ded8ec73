/* SPDX-License-Identifier: BSD-3-Clause */
/* Execute requests, one at a time and in order. A cell that failed aborts what was queued behind it when
 * it failed (unless it was sent with stop_on_error false); what comes later runs.
 *
 * What was queued includes what is still on its way: Run All sends everything at once, and a quick cell
 * fails before the rest was read. So the reply that tells of a failure is held back until no cell has
 * come for a moment: what was sent before it can be seen is aborted, what is sent after it runs.
 *
 * Each cell begins in a turn of its own, so that a chain of quick ones does not nest.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#execute */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "kernel/companion.h"
#include "kernel/history.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

/* Run All of the largest notebooks sends a few hundred cells; beyond this it is no notebook. */
#define QUEUE_MAX 5000

/* The moment: a server between us and the page passes the cells of a Run All on one by one, a few
 * milliseconds apart. Two ticks, because the first may come before the sockets were read. */
#define QUIET_TICK_MS 50
#define QUIET_TICKS 2

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
    request_begin(request);
    request_end(request, content_aborted());
}

/* Sends the reply of a failed cell that was held back. */
static void end_failed(struct server *server)
{
    uv_timer_stop(&server->quiet);
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
    /* As IPython: nothing is run, so nothing is numbered. */
    bool is_blank = options->code[strspn(options->code, " \t\n\r\f\v")] == '\0';
    options->store_history = options->store_history && !options->silent && !is_blank;
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
    int number = server->execution_count + 1;
    if (!options.silent)
        server_publish(server, request->message, "execute_input",
                       content_execute_input(options.code, number));
    if (options.store_history) {
        server->execution_count = number;
        history_add(server, number, options.code);
    }
    server->cell = cell_new(request, &options, number);
    const struct interpreter_slot *slot = cell_interpreter(server->cell);
    if (slot->self != server->companion && options.store_history)
        companion_note_cell(server->companion, number, options.code);
    slot->interpreter->execute(slot->self, server->cell);
}

static void on_next_cell(uv_idle_t *idle)
{
    struct server *server = idle->data;
    if (server->cell != NULL || server->failed != NULL || server->queue == NULL)
        uv_idle_stop(idle);
    else
        begin(pop(server));
}

static void schedule(struct server *server)
{
    if (!server->closed && server->queue != NULL)
        uv_idle_start(&server->next_cell, on_next_cell);
}

static void on_quiet_tick(uv_timer_t *timer)
{
    struct server *server = timer->data;
    if (++server->quiet_ticks >= QUIET_TICKS)
        execute_abort_queue(server);
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
    server->quiet_ticks = 0;
    schedule(server);
}

void execute_cell_ended(struct server *server, struct request *request, json_t *reply, bool failed)
{
    server->cell = NULL;
    if (failed && !server->stopping) {
        server->failed = request;
        server->failed_reply = reply;
        server->quiet_ticks = 0;
        uv_update_time(server->loop); /* the cell may have taken its time in this turn */
        uv_timer_start(&server->quiet, on_quiet_tick, QUIET_TICK_MS, QUIET_TICK_MS);
        return;
    }
    request_end(request, reply);
    schedule(server);
}

void execute_interrupt(struct server *server)
{
    if (server->cell == NULL) {
        companion_interrupt(server->companion);
        return;
    }
    const struct interpreter_slot *slot = cell_interpreter(server->cell);
    struct cell *cell = server->cell;
    cell_drop_input(cell);
    if (server->cell == cell) /* whoever asked may have ended the cell at once */
        slot->interpreter->interrupt(slot->self, cell);
}
