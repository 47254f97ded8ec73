/* SPDX-License-Identifier: BSD-3-Clause */
/* The contents of our messages. Text that comes from elsewhere goes through text(), so that bytes
 * which are not UTF-8 cannot make a whole message fail. */
#include "protocol/content.h"

#include <string.h>

#include "base/json.h"
#include "base/mem.h"

static json_t *text(const char *string)
{
    return json_text_value(string, strlen(string));
}

static json_t *object_or_empty(json_t *value)
{
    return value != NULL ? value : json_object();
}

static json_t *array_or_empty(json_t *value)
{
    return value != NULL ? value : json_array();
}

json_t *content_status(const char *state)
{
    return json_pack("{s:s}", "execution_state", state);
}

json_t *content_iopub_welcome(const char *subscription)
{
    return json_pack("{s:o}", "subscription", text(subscription));
}

json_t *content_ok(void)
{
    return json_pack("{s:s}", "status", "ok");
}

json_t *content_error(const char *ename, const char *evalue, json_t *traceback)
{
    json_t *content = content_iopub_error(ename, evalue, traceback);
    json_object_set_new(content, "status", json_string("error"));
    return content;
}

json_t *content_aborted(void)
{
    return json_pack("{s:s}", "status", "aborted");
}

json_t *content_execute_ok(int execution_count, json_t *payload, json_t *user_expressions)
{
    return json_pack("{s:s, s:i, s:o, s:o}", "status", "ok", "execution_count", execution_count,
                     "payload", array_or_empty(payload), "user_expressions",
                     object_or_empty(user_expressions));
}

json_t *content_execute_error(int execution_count, json_t *error)
{
    json_object_set_new(error, "execution_count", json_integer(execution_count));
    return error;
}

/* What front ends draw as icons: one object for each match, in the same order. */
static json_t *typed_matches(const json_t *matches, const json_t *types, size_t start, size_t end)
{
    json_t *typed = json_array();
    size_t i;
    json_t *match;
    json_array_foreach (matches, i, match) {
        json_t *type = json_array_get(types, i);
        if (type == NULL)
            break;
        json_array_append_new(typed,
                              json_pack("{s:I, s:I, s:O, s:O}", "start", (json_int_t)start, "end",
                                        (json_int_t)end, "text", match, "type", type));
    }
    return typed;
}

json_t *content_complete(json_t *matches, json_t *types, size_t cursor_start, size_t cursor_end)
{
    AUTO_JSON json_t *owned_types = types;
    json_t *metadata = json_object();
    if (types != NULL)
        json_object_set_new(metadata, "_jupyter_types_experimental",
                            typed_matches(matches, types, cursor_start, cursor_end));
    return json_pack("{s:s, s:o, s:I, s:I, s:o}", "status", "ok", "matches",
                     array_or_empty(matches), "cursor_start", (json_int_t)cursor_start,
                     "cursor_end", (json_int_t)cursor_end, "metadata", metadata);
}

json_t *content_inspect(bool found, json_t *bundle)
{
    return json_pack("{s:s, s:b, s:o, s:{}}", "status", "ok", "found", found, "data",
                     object_or_empty(bundle), "metadata");
}

json_t *content_is_complete(const char *status, const char *indent)
{
    json_t *content = json_pack("{s:s}", "status", status);
    if (strcmp(status, "incomplete") == 0)
        json_object_set_new(content, "indent", text(indent != NULL ? indent : ""));
    return content;
}

json_t *content_history(json_t *history)
{
    return json_pack("{s:s, s:o}", "status", "ok", "history", array_or_empty(history));
}

json_t *content_comm_info(json_t *comms)
{
    return json_pack("{s:s, s:o}", "status", "ok", "comms", object_or_empty(comms));
}

json_t *content_shutdown(bool restart)
{
    return json_pack("{s:s, s:b}", "status", "ok", "restart", restart);
}

json_t *content_execute_input(const char *code, int execution_count)
{
    return json_pack("{s:o, s:i}", "code", text(code), "execution_count", execution_count);
}

json_t *content_stream(const char *name, const char *bytes, size_t size)
{
    return json_pack("{s:s, s:o}", "name", name, "text", json_text_value(bytes, size));
}

json_t *content_display(json_t *bundle, json_t *metadata, const char *display_id)
{
    json_t *transient = json_object();
    if (display_id != NULL)
        json_object_set_new(transient, "display_id", text(display_id));
    return json_pack("{s:o, s:o, s:o}", "data", object_or_empty(bundle), "metadata",
                     object_or_empty(metadata), "transient", transient);
}

json_t *content_iopub_error(const char *ename, const char *evalue, json_t *traceback)
{
    return json_pack("{s:o, s:o, s:o}", "ename", text(ename), "evalue", text(evalue), "traceback",
                     array_or_empty(traceback));
}

json_t *content_clear_output(bool wait)
{
    return json_pack("{s:b}", "wait", wait);
}

json_t *content_comm_open(const char *comm_id, const char *target, json_t *data)
{
    return json_pack("{s:o, s:o, s:o}", "comm_id", text(comm_id), "target_name", text(target),
                     "data", object_or_empty(data));
}

json_t *content_comm_msg(const char *comm_id, json_t *data)
{
    return json_pack("{s:o, s:o}", "comm_id", text(comm_id), "data", object_or_empty(data));
}

json_t *content_comm_close(const char *comm_id, json_t *data)
{
    return content_comm_msg(comm_id, data);
}

json_t *content_input_request(const char *prompt, bool password)
{
    return json_pack("{s:o, s:b}", "prompt", text(prompt), "password", password);
}
