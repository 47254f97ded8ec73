/* SPDX-License-Identifier: BSD-3-Clause */
/* Outlets: a reference to the request that output belongs to, kept as long as somebody may still write.
 * They know their server until it closes; after that they swallow what is written. */
#include "kernel/outlet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

struct outlet {
    struct server *server; /* NULL once it is closed */
    struct message *about; /* the header alone: what becomes the parent */
    bool silent;           /* a silent cell shows nothing */
    unsigned refs;
    struct outlet *next;
};

/* The part of a request that its output needs. */
static struct message *header_of(const struct message *message)
{
    struct message *copy = xcalloc(1, sizeof *copy);
    const struct blob *header = &message->parts[MESSAGE_HEADER];
    copy->parts[MESSAGE_HEADER] =
        (struct blob){.data = xmemdup(header->data, header->size + 1), .size = header->size};
    return copy;
}

struct outlet *outlet_new(struct server *server, const struct message *message, bool silent)
{
    struct outlet *outlet = xcalloc(1, sizeof *outlet);
    outlet->server = server;
    outlet->about = header_of(message);
    outlet->silent = silent;
    outlet->refs = 1;
    outlet->next = server->outlets;
    server->outlets = outlet;
    return outlet;
}

struct outlet *outlet_ref(struct outlet *outlet)
{
    outlet->refs++;
    return outlet;
}

void outlet_unref(struct outlet *outlet)
{
    if (outlet == NULL || --outlet->refs > 0)
        return;
    if (outlet->server != NULL) {
        struct outlet **at = &outlet->server->outlets;
        while (*at != outlet)
            at = &(*at)->next;
        *at = outlet->next;
    }
    message_free(outlet->about);
    free(outlet);
}

void outlet_server_closed(struct server *server)
{
    for (struct outlet *outlet = server->outlets; outlet != NULL; outlet = outlet->next)
        outlet->server = NULL;
    server->outlets = NULL;
}

const struct message *outlet_request(const struct outlet *outlet)
{
    return outlet->about;
}

static void publish(struct outlet *outlet, const char *type, json_t *content)
{
    if (outlet->server != NULL && !outlet->silent)
        server_publish(outlet->server, outlet->about, type, content);
    else
        json_decref(content);
}

void outlet_write(struct outlet *outlet, enum outlet_stream stream, const char *text, size_t size)
{
    if (size > 0)
        publish(outlet, "stream",
                content_stream(stream == OUTLET_STDERR ? "stderr" : "stdout", text, size));
}

void outlet_printf(struct outlet *outlet, enum outlet_stream stream, const char *fmt, ...)
{
    AUTO_FREE char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int length = vasprintf(&text, fmt, args);
    va_end(args);
    if (length < 0)
        abort();
    outlet_write(outlet, stream, text, (size_t)length);
}

void outlet_display(struct outlet *outlet, json_t *bundle, const char *display_id)
{
    publish(outlet, "display_data", content_display(bundle, NULL, display_id));
}

void outlet_update_display(struct outlet *outlet, json_t *bundle, const char *display_id)
{
    publish(outlet, "update_display_data", content_display(bundle, NULL, display_id));
}
