/* SPDX-License-Identifier: BSD-3-Clause */
/* A running cell: what an interpreter sees of an execute request, and the question it may have open on
 * stdin. Invariant: the cell lives from cell_new() to its finishing function, which frees it and hands
 * the request back to execute.c; a pending question is dropped before. */
#include "kernel/cell.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "kernel/companion.h"
#include "kernel/outlet.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

struct cell {
    struct server *server;
    struct request *request;
    struct outlet *outlet;
    const struct interpreter_slot *slot;
    struct cell_options options; /* its code is ours: */
    char *code;
    int number;
    json_t *payload;
    /* an open question */
    cell_answer_fn answered; /* NULL: none of ours */
    void *data;
    bool companion_asks;
};

static const struct interpreter_slot *choose(const struct server *server, const char *code)
{
    size_t last = server->options.interpreter_count - 1;
    for (size_t i = 0; i < last; i++) {
        const struct interpreter_slot *slot = &server->interpreters[i];
        if (slot->interpreter->claims(slot->self, code))
            return slot;
    }
    return &server->interpreters[last];
}

struct cell *cell_new(struct request *request, const struct cell_options *options, int number)
{
    struct cell *cell = xcalloc(1, sizeof *cell);
    cell->server = request->server;
    cell->request = request;
    cell->options = *options;
    cell->options.code = cell->code = xstrdup(options->code);
    cell->number = number;
    cell->outlet = outlet_new(request->server, request->message, options->silent);
    cell->slot = choose(request->server, options->code);
    cell->payload = json_array();
    return cell;
}

const struct interpreter_slot *cell_interpreter(const struct cell *cell)
{
    return cell->slot;
}

void cell_hand_on(struct cell *cell)
{
    const struct server *server = cell->server;
    cell->slot = &server->interpreters[server->options.interpreter_count - 1];
    cell->slot->interpreter->execute(cell->slot->self, cell);
}

const struct message *cell_message(const struct cell *cell)
{
    return cell->request->message;
}

int cell_number(const struct cell *cell)
{
    return cell->number;
}

const char *cell_code(const struct cell *cell)
{
    return cell->options.code;
}

bool cell_silent(const struct cell *cell)
{
    return cell->options.silent;
}

bool cell_allow_stdin(const struct cell *cell)
{
    return cell->options.allow_stdin;
}

bool cell_draws_widgets(const struct cell *cell)
{
    return widget_control_draws(cell->server, cell->request->message);
}

struct outlet *cell_outlet(struct cell *cell)
{
    return cell->outlet;
}

void cell_page(struct cell *cell, json_t *bundle)
{
    json_array_append_new(
        cell->payload, json_pack("{s:s, s:o, s:i}", "source", "page", "data", bundle, "start", 0));
}

/* --- asking ---------------------------------------------------------------------------------------- */

int cell_ask(struct cell *cell, const char *prompt, bool password, cell_answer_fn answered,
             void *data)
{
    if (!cell->options.allow_stdin || cell->server->closed)
        return -1;
    cell->answered = answered;
    cell->data = data;
    channels_send(cell->server->channels, CHANNEL_STDIN,
                  &(struct outgoing){.type = "input_request",
                                     .request = cell->request->message,
                                     .content = content_input_request(prompt, password)});
    return 0;
}

void cell_relay_question(struct cell *cell, const struct message *message)
{
    cell->companion_asks = cell->options.allow_stdin;
    if (cell->companion_asks)
        channels_send(cell->server->channels, CHANNEL_STDIN,
                      &(struct outgoing){.request = cell->request->message, .relayed = message});
}

static void answer(struct cell *cell, const char *text)
{
    cell_answer_fn answered = cell->answered;
    cell->answered = NULL;
    if (answered != NULL)
        answered(cell, text, cell->data);
}

void cell_drop_input(struct cell *cell)
{
    answer(cell, NULL);
}

static bool same_identities(const struct message *one, const struct message *other)
{
    if (one->identity_count != other->identity_count)
        return false;
    for (size_t i = 0; i < one->identity_count; i++)
        if (one->identities[i].size != other->identities[i].size ||
            memcmp(one->identities[i].data, other->identities[i].data, one->identities[i].size) !=
                0)
            return false;
    return true;
}

/* Only the front end that was asked may answer: another one's reply would put words into its mouth. A
 * session is what a message says of itself; the identity is the connection it came by. */
static bool is_asked(const struct cell *cell, const struct message *message)
{
    const struct message *asked = cell->request->message;
    return (cell->answered != NULL || cell->companion_asks) && same_identities(message, asked) &&
           strcmp(message->session, asked->session) == 0;
}

/* The answer may be a password: every copy we can reach is wiped. */
static void wipe(struct message *message, json_t *value)
{
    struct blob *content = &message->parts[MESSAGE_CONTENT];
    if (json_is_string(value)) {
        /* jansson has no call for it; the value is ours alone and freed next. */
        void *bytes = (void *)(uintptr_t)json_string_value(value);
        sodium_memzero(bytes, json_string_length(value));
    }
    sodium_memzero(content->data, content->size);
}

/* https://jupyter-client.readthedocs.io/en/stable/messaging.html#messages-on-the-stdin-router-dealer-channel */
void execute_input_reply(struct request *request)
{
    struct server *server = request->server;
    struct message *message = request->message;
    struct cell *cell = server->cell;
    json_t *content = message_part(message, MESSAGE_CONTENT, NULL);
    json_t *value = json_object_get(content, "value");
    if (strcmp(message->type, "input_reply") != 0 || cell == NULL || !is_asked(cell, message))
        log_debug("stdin: dropped a %s nobody waits for", message->type);
    else if (cell->companion_asks)
        companion_input_reply(server->companion, message);
    else
        answer(cell, json_is_string(value) ? json_string_value(value) : "");
    wipe(message, value);
    message_free(message);
    free(request);
}

/* --- the end --------------------------------------------------------------------------------------- */

/* What user_expressions ask is Python's to answer, and there is no Python here. */
static json_t *answer_expressions(const struct cell *cell)
{
    json_t *content = message_part(cell->request->message, MESSAGE_CONTENT, NULL);
    json_t *answers = json_object();
    const char *name;
    json_t *value;
    json_object_foreach (json_object_get(content, "user_expressions"), name, value) {
        json_object_set_new(answers, name,
                            content_error("NotImplementedError",
                                          "a Skiff cell has no expressions to evaluate",
                                          json_array()));
    }
    return answers;
}

static void finish(struct cell *cell, json_t *reply, bool failed)
{
    struct server *server = cell->server;
    struct request *request = cell->request;
    bool stop = failed && cell->options.stop_on_error;
    cell->answered = NULL;
    outlet_unref(cell->outlet);
    json_decref(cell->payload);
    free(cell->code);
    free(cell);
    execute_cell_ended(server, request, reply, stop);
}

void cell_abandon(struct cell *cell)
{
    static const char *const traceback[] = {"the kernel is going"};
    if (cell != NULL)
        cell_finish_error(cell, "KernelStopped", traceback[0], traceback, 1);
}

void cell_finish_ok(struct cell *cell)
{
    finish(cell,
           content_execute_ok(cell->server->execution_count, json_incref(cell->payload),
                              answer_expressions(cell)),
           false);
}

void cell_finish_relayed(struct cell *cell, struct message *reply)
{
    const json_t *content = message_part(reply, MESSAGE_CONTENT, NULL);
    bool failed = strcmp(json_get_string(content, "status", "error"), "ok") != 0;
    cell->request->relayed = reply;
    finish(cell, NULL, failed);
}

void cell_finish_error(struct cell *cell, const char *ename, const char *evalue,
                       const char *const *traceback, size_t line_count)
{
    json_t *lines = json_array();
    for (size_t i = 0; i < line_count; i++)
        json_array_append_new(lines, json_text_value(traceback[i], strlen(traceback[i])));
    if (!cell->options.silent)
        server_publish(cell->server, cell->request->message, "error",
                       content_iopub_error(ename, evalue, json_incref(lines)));
    finish(
        cell,
        content_execute_error(cell->server->execution_count, content_error(ename, evalue, lines)),
        true);
}
