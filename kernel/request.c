/* SPDX-License-Identifier: BSD-3-Clause */
/* A request between its busy and its idle. request_end() is the one place that replies and says idle, so
 * every request that has begun gets exactly one of each, whatever its handler found. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

void server_publish(struct server *server, const struct message *about, const char *type,
                    json_t *content)
{
    channels_send(server->channels, CHANNEL_IOPUB,
                  &(struct outgoing){.type = type, .request = about, .content = content});
}

void request_begin(struct request *request)
{
    request->server->busy_count++;
    server_publish(request->server, request->message, "status", content_status("busy"));
}

/* "execute_request" is answered by "execute_reply". */
static char *reply_type(const char *type)
{
    size_t length = strlen(type);
    size_t suffix = sizeof "_request" - 1;
    if (length <= suffix || strcmp(type + length - suffix, "_request") != 0)
        return NULL;
    return xasprintf("%.*s_reply", (int)(length - suffix), type);
}

void request_end(struct request *request, json_t *reply)
{
    struct server *server = request->server;
    AUTO_FREE char *type = reply_type(request->message->type);
    if (request->relayed != NULL)
        channels_send(server->channels, request->channel,
                      &(struct outgoing){.request = request->message, .relayed = request->relayed});
    else if (reply != NULL && type != NULL)
        channels_send(
            server->channels, request->channel,
            &(struct outgoing){.type = type, .request = request->message, .content = reply});
    else
        json_decref(reply);
    server_publish(server, request->message, "status", content_status("idle"));
    server->busy_count--;
    message_free(request->relayed);
    message_free(request->message);
    free(request);
}

void request_fail(struct request *request, const struct error *err)
{
    AUTO_FREE char *line = error_format(err);
    AUTO_FREE char *name = xasprintf("%sError", error_name(err->code));
    json_t *traceback = json_array();
    json_array_append_new(traceback, json_text_value(line, strlen(line)));
    json_t *reply = content_error(name, line, traceback);
    if (strcmp(request->message->type, "execute_request") == 0)
        reply = content_execute_error(request->server->execution_count, reply);
    request_end(request, reply);
}

json_t *request_content(struct request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    json_t *content = message_part(request->message, MESSAGE_CONTENT, &err);
    if (content == NULL)
        request_fail(request, &err);
    return content;
}

/* --- fields ---------------------------------------------------------------------------------------- */

static const char *type_name(const json_t *value)
{
    static const char *const names[] = {
        [JSON_OBJECT] = "an object",   [JSON_ARRAY] = "a list", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "an integer", [JSON_REAL] = "a real",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",        [JSON_NULL] = "null",
    };
    return names[json_typeof(value)];
}

static int wrong_type(const json_t *value, const char *name, const char *wanted, struct error *err)
{
    return error_set(err, ERROR_INVALID, "the field %s of the request must be %s, not %s", name,
                     wanted, type_name(value));
}

static bool is_missing(const json_t *value)
{
    return value == NULL || json_is_null(value);
}

int field_string(const json_t *content, const char *name, const char *fallback, const char **ret,
                 struct error *err)
{
    const json_t *value = json_object_get(content, name);
    if (is_missing(value) && fallback == NULL)
        return error_set(err, ERROR_INVALID, "the field %s of the request is missing", name);
    if (!is_missing(value) && !json_is_string(value))
        return wrong_type(value, name, "a string", err);
    if (!is_missing(value) && strlen(json_string_value(value)) != json_string_length(value))
        return error_set(err, ERROR_INVALID, "the field %s of the request holds a NUL character",
                         name);
    *ret = is_missing(value) ? fallback : json_string_value(value);
    return 0;
}

int field_bool(const json_t *content, const char *name, bool fallback, bool *ret, struct error *err)
{
    const json_t *value = json_object_get(content, name);
    if (!is_missing(value) && !json_is_boolean(value))
        return wrong_type(value, name, "true or false", err);
    *ret = is_missing(value) ? fallback : json_is_true(value);
    return 0;
}

int field_int(const json_t *content, const char *name, int64_t fallback, int64_t *ret,
              struct error *err)
{
    const json_t *value = json_object_get(content, name);
    if (!is_missing(value) && !json_is_integer(value))
        return wrong_type(value, name, "an integer", err);
    *ret = is_missing(value) ? fallback : (int64_t)json_integer_value(value);
    return 0;
}
