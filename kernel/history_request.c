/* SPDX-License-Identifier: BSD-3-Clause */
/* history_request, and the inputs that execute.c adds.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#history */
#include <string.h>

#include "base/json.h"
#include "kernel/history.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

static struct history *history_of(struct server *server)
{
    if (server->history == NULL)
        server->history = history_open(server->options.history_path);
    return server->history;
}

void history_add(struct server *server, int line, const char *input)
{
    history_append(history_of(server), line, input);
}

static int read_access(const char *name, struct history_query *query, struct error *err)
{
    static const char *const names[] = {
        [HISTORY_TAIL] = "tail", [HISTORY_RANGE] = "range", [HISTORY_SEARCH] = "search"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i], name) == 0) {
            *query = (struct history_query){.access = (int)i};
            return 0;
        }
    return error_set(
        err, ERROR_INVALID,
        "the field hist_access_type of the request is \"%s\"; tail, range and search are "
        "allowed",
        name);
}

static int read_query(const json_t *content, struct history_query *query, struct error *err)
{
    const char *access;
    if (field_string(content, "hist_access_type", "tail", &access, err) != 0 ||
        read_access(access, query, err) != 0 ||
        field_bool(content, "output", false, &query->output, err) != 0 ||
        field_bool(content, "unique", false, &query->unique, err) != 0 ||
        field_int(content, "n", 0, &query->n, err) != 0 ||
        field_int(content, "session", 0, &query->session, err) != 0 ||
        field_int(content, "start", 0, &query->start, err) != 0 ||
        field_int(content, "stop", 0, &query->stop, err) != 0)
        return -1;
    return field_string(content, "pattern", "*", &query->pattern, err);
}

void history_handle(struct request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct history_query query;
    json_t *content = request_content(request);
    if (content == NULL)
        return;
    if (read_query(content, &query, &err) != 0)
        request_fail(request, &err);
    else
        request_end(request, content_history(history_find(history_of(request->server), &query)));
}
