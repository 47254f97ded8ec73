/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames <-> messages.
 *
 * Order is the invariant here: count, then shape, then signature, then (and only of the header)
 * JSON. Nothing is copied before the signature fits, and what follows the four parts is not signed:
 * the specification leaves buffers out of the HMAC. */
#include "protocol/wire.h"

#include <sodium.h>
#include <stdint.h>
#include <string.h>

/* The delimiter, the signature and the four parts. */
#define FRAMES_AFTER_IDENTITIES (2 + MESSAGE_PARTS)

/* The header comes back as the parent of every message we send about the request, so it is bounded
 * much lower than the whole; a real one has 300 bytes. */
#define HEADER_MAX (1024 * 1024)

void wire_sign(const unsigned char *key, size_t key_size, const struct frame parts[MESSAGE_PARTS],
               char ret_signature[WIRE_SIGNATURE_SIZE], size_t *ret_size)
{
    *ret_size = 0;
    if (key_size == 0)
        return;
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    char hex[WIRE_SIGNATURE_SIZE + 1];
    crypto_auth_hmacsha256_init(&state, key, key_size);
    for (size_t i = 0; i < MESSAGE_PARTS; i++)
        crypto_auth_hmacsha256_update(&state, (const unsigned char *)parts[i].data, parts[i].size);
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    memcpy(ret_signature, hex, WIRE_SIGNATURE_SIZE);
    *ret_size = WIRE_SIGNATURE_SIZE;
}

/* *ret_at is the number of frames before the delimiter; -1 when there is none. */
static int find_delimiter(const struct frame *frames, size_t count, size_t *ret_at)
{
    const size_t size = sizeof WIRE_DELIMITER - 1;
    for (size_t i = 0; i < count; i++)
        if (frames[i].size == size && memcmp(frames[i].data, WIRE_DELIMITER, size) == 0) {
            *ret_at = i;
            return 0;
        }
    return -1;
}

static int check_signature(const unsigned char *key, size_t key_size, const struct frame *signature,
                           const struct frame *parts, char ret_signature[WIRE_SIGNATURE_SIZE + 1],
                           struct error *err)
{
    char expected[WIRE_SIGNATURE_SIZE];
    size_t size;
    wire_sign(key, key_size, parts, expected, &size);
    if (size > 0 &&
        (signature->size != size || sodium_memcmp(signature->data, expected, size) != 0))
        return error_set(err, ERROR_DENIED, "a message whose signature does not fit");
    memcpy(ret_signature, expected, size);
    ret_signature[size] = '\0';
    return 0;
}

static struct blob copy_frame(const struct frame *frame)
{
    struct blob blob = {.data = xmalloc(frame->size + 1), .size = frame->size};
    if (frame->size > 0)
        memcpy(blob.data, frame->data, frame->size);
    blob.data[frame->size] = '\0';
    return blob;
}

static struct blob *copy_frames(const struct frame *frames, size_t count)
{
    if (count == 0)
        return NULL;
    struct blob *blobs = xcalloc(count, sizeof *blobs);
    for (size_t i = 0; i < count; i++)
        blobs[i] = copy_frame(&frames[i]);
    return blobs;
}

/* A header's string, or NULL with an error. One with a NUL inside would read as a shorter one, so
 * it is refused. */
static const char *header_string(const json_t *header, const char *field, struct error *err)
{
    const json_t *value = json_object_get(header, field);
    const char *text = json_string_value(value);
    if (text == NULL)
        error_set(err, ERROR_INVALID, "a message whose header has no string %s", field);
    else if (strlen(text) == json_string_length(value))
        return text;
    else
        error_set(err, ERROR_INVALID, "a message whose header has a NUL in %s", field);
    return NULL;
}

static int read_header(struct message *message, struct error *err)
{
    if (message->parts[MESSAGE_HEADER].size > HEADER_MAX)
        return error_set(err, ERROR_LIMIT, "a message whose header has more than %d bytes",
                         HEADER_MAX);
    message->header = message_part(message, MESSAGE_HEADER, err);
    if (message->header == NULL)
        return -1;
    message->msg_id = header_string(message->header, "msg_id", err);
    message->type = header_string(message->header, "msg_type", err);
    message->session = "";
    if (message->msg_id == NULL || message->type == NULL)
        return -1;
    if (message->msg_id[0] == '\0' || message->type[0] == '\0')
        return error_set(err, ERROR_INVALID, "a message whose header has an empty msg_%s",
                         message->type[0] == '\0' ? "type" : "id");
    if (json_object_get(message->header, "session") == NULL)
        return 0;
    message->session = header_string(message->header, "session", err);
    return message->session != NULL ? 0 : -1;
}

struct message *wire_decode(const unsigned char *key, size_t key_size, const struct frame *frames,
                            size_t count, char ret_signature[WIRE_SIGNATURE_SIZE + 1],
                            struct error *err)
{
    size_t at;
    if (count > WIRE_FRAMES_MAX) {
        error_set(err, ERROR_LIMIT, "a message of %zu frames; %d are taken at most", count,
                  WIRE_FRAMES_MAX);
        return NULL;
    }
    if (find_delimiter(frames, count, &at) != 0) {
        error_set(err, ERROR_INVALID, "a message without the delimiter " WIRE_DELIMITER);
        return NULL;
    }
    if (count - at < FRAMES_AFTER_IDENTITIES) {
        error_set(err, ERROR_INVALID,
                  "a message of only %zu frames from the delimiter on; %d make one", count - at,
                  FRAMES_AFTER_IDENTITIES);
        return NULL;
    }
    const struct frame *parts = &frames[at + 2];
    char signature[WIRE_SIGNATURE_SIZE + 1];
    if (check_signature(key, key_size, &frames[at + 1], parts, signature, err) != 0)
        return NULL;

    AUTO(message) struct message *message = xcalloc(1, sizeof *message);
    message->identity_count = at;
    message->identities = copy_frames(frames, at);
    for (size_t i = 0; i < MESSAGE_PARTS; i++)
        message->parts[i] = copy_frame(&parts[i]);
    message->buffer_count = count - at - FRAMES_AFTER_IDENTITIES;
    message->buffers = copy_frames(parts + MESSAGE_PARTS, message->buffer_count);
    if (read_header(message, err) != 0)
        return NULL;
    memcpy(ret_signature, signature, sizeof signature);
    return steal(&message);
}
