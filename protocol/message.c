/* SPDX-License-Identifier: BSD-3-Clause */
/* One message: its memory, and its JSON parts parsed when somebody asks.
 *
 * A part is scanned for its depth before it is parsed, because jansson recurses as deep as the
 * text tells it to. The text is hostile even when it is signed: a front end may send anything. */
#include "protocol/message.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/json.h"

static void blobs_free(struct blob *blobs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(blobs[i].data);
    free(blobs);
}

void message_free(struct message *message)
{
    if (message == NULL)
        return;
    blobs_free(message->identities, message->identity_count);
    blobs_free(message->buffers, message->buffer_count);
    for (size_t i = 0; i < MESSAGE_PARTS; i++) {
        free(message->parts[i].data);
        json_decref(message->parsed[i]);
    }
    free(message);
}

/* True when brackets outside strings nest deeper than MESSAGE_DEPTH_MAX. Text that is not JSON
 * gives an answer too; the parser then refuses it. */
static bool too_deep(const struct blob *text)
{
    size_t depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text->size; i++) {
        char c = text->data[i];
        if (in_string && c == '\\')
            i++; /* whatever is escaped does not end the string */
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '[' || c == '{') && ++depth > MESSAGE_DEPTH_MAX)
            return true;
        else if (!in_string && (c == ']' || c == '}') && depth > 0)
            depth--;
    }
    return false;
}

json_t *message_part(struct message *message, enum message_part part, struct error *err)
{
    static const char *const names[MESSAGE_PARTS] = {"header", "parent_header", "metadata",
                                                     "content"};
    const struct blob *text = &message->parts[part];
    if (message->parsed[part] != NULL)
        return message->parsed[part];
    if (too_deep(text)) {
        error_set(err, ERROR_LIMIT, "the message's %s is nested deeper than %d levels", names[part],
                  MESSAGE_DEPTH_MAX);
        return NULL;
    }
    json_error_t fault;
    AUTO_JSON json_t *value = json_loadb(text->data, text->size, JSON_ALLOW_NUL, &fault);
    if (value == NULL) {
        error_set(err, ERROR_INVALID, "the message's %s cannot be read as JSON (line %d: %s)",
                  names[part], fault.line, fault.text);
        return NULL;
    }
    if (!json_is_object(value)) {
        error_set(err, ERROR_INVALID, "the message's %s is not a JSON object", names[part]);
        return NULL;
    }
    message->parsed[part] = steal(&value);
    return message->parsed[part];
}
