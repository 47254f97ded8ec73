/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * One Jupyter message, received or to be sent.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html#general-message-format
 *
 * A received message keeps its four JSON parts as bytes: the header is parsed when the message is
 * accepted, the others when somebody asks. What is only passed on is never parsed.
 */

#include <jansson.h>
#include <stddef.h>

#include "base/error.h"
#include "base/mem.h"

struct blob {
    char *data; /* owned by whoever owns the blob; followed by a NUL that is not counted */
    size_t size;
};

enum message_part {
    MESSAGE_HEADER,
    MESSAGE_PARENT,
    MESSAGE_METADATA,
    MESSAGE_CONTENT,
};
#define MESSAGE_PARTS 4

struct message {
    struct blob *identities; /* the ROUTER envelope; for IOPub the topic */
    size_t identity_count;
    struct blob parts[MESSAGE_PARTS]; /* JSON text, as received */
    struct blob *buffers;
    size_t buffer_count;

    json_t *header;      /* parsed[MESSAGE_HEADER]; the fields below borrow from it */
    const char *msg_id;  /* never NULL or empty */
    const char *type;    /* header.msg_type; never NULL or empty */
    const char *session; /* never NULL; may be empty */

    json_t *parsed[MESSAGE_PARTS]; /* filled by message_part(); NULL until then */
};

/* Frees the message and all it holds. NULL is allowed. */
void message_free(struct message *message);
DEFINE_AUTO(message)

/* The part as a JSON object, parsed at the first call. Accepts what Python's json writes as far as
 * jansson can hold it (NUL escapes); NULL with an error that names the part when it is not JSON,
 * not an object, nested deeper than MESSAGE_DEPTH_MAX, or holds what jansson cannot represent.
 * Borrowed from the message. */
json_t *message_part(struct message *message, enum message_part part, struct error *err);

/* Front ends nest a few levels; jansson's parser and ours recurse, so the depth is bounded well
 * below what the stack can take. */
#define MESSAGE_DEPTH_MAX 512

/* A message to be sent. All of it is borrowed for the call that sends it, except what is marked
 * taken. */
struct outgoing {
    const char *type;              /* header.msg_type; NULL when one is relayed */
    const struct message *request; /* its header becomes the parent, its identities the address on a
                                      ROUTER channel; NULL means an empty parent */
    const char *topic;             /* IOPub: the topic frame; NULL means the type */
    json_t *content;               /* taken; NULL means {} */
    json_t *metadata;              /* taken; NULL means {} */
    const struct blob *buffers;
    size_t buffer_count;

    /* A message received from another kernel, passed on: its header with our session, and as bytes
     * whatever is not given above (on IOPub its topic, too). Its buffers always. */
    const struct message *relayed;
};
