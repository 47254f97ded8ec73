/* SPDX-License-Identifier: BSD-3-Clause */
/* Fuzzes the wire: the input is cut into frames at each byte 0xFE (which UTF-8 never holds) and
 * decoded as it is without a key and with one, then with the signature that fits, so that what lies
 * behind the check is reached. Every part is parsed. */

#include <assert.h>
#include <sodium.h>
#include <stdint.h>
#include <string.h>

#include "protocol/wire.h"

#define SEPARATOR 0xfe
#define KEY "fuzz"

static size_t split(const char *data, size_t size, struct frame *frames, size_t max)
{
    size_t count = 0;
    const char *end = data + size;
    for (const char *start = data; start <= end && count < max; count++) {
        const char *stop = memchr(start, SEPARATOR, (size_t)(end - start));
        if (stop == NULL)
            stop = end;
        frames[count] = (struct frame){.data = start, .size = (size_t)(stop - start)};
        start = stop + 1;
    }
    return count;
}

/* What wire_decode() promises of a message that it gives out. */
static void check(struct message *message, const struct frame *frames, size_t count)
{
    assert(message->identity_count + 2 + MESSAGE_PARTS + message->buffer_count == count);
    assert(json_is_object(message->header) && message->msg_id[0] != '\0');
    assert(message->type[0] != '\0' && message->session != NULL);
    for (size_t i = 0; i < MESSAGE_PARTS; i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        const struct frame *frame = &frames[message->identity_count + 2 + i];
        assert(message->parts[i].size == frame->size);
        const json_t *part = message_part(message, (enum message_part)i, &err);
        assert(part != NULL ? json_is_object(part) : err.text != NULL);
    }
}

static void decode(const char *key, const struct frame *frames, size_t count)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    char signature[WIRE_SIGNATURE_SIZE + 1];
    AUTO(message)
    struct message *message = wire_decode((const unsigned char *)key, key != NULL ? strlen(key) : 0,
                                          frames, count, signature, &err);
    if (message != NULL)
        check(message, frames, count);
    else
        assert(error_is_set(&err) && err.text != NULL);
}

/* Puts the right signature behind the first delimiter. */
static void sign(struct frame *frames, size_t count, char signature[WIRE_SIGNATURE_SIZE])
{
    for (size_t i = 0; i + 2 + MESSAGE_PARTS <= count; i++)
        if (frames[i].size == strlen(WIRE_DELIMITER) &&
            memcmp(frames[i].data, WIRE_DELIMITER, frames[i].size) == 0) {
            size_t size;
            wire_sign((const unsigned char *)KEY, strlen(KEY), &frames[i + 2], signature, &size);
            frames[i + 1] = (struct frame){.data = signature, .size = size};
            return;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frames[WIRE_FRAMES_MAX + 2];
    char signature[WIRE_SIGNATURE_SIZE];
    if (sodium_init() < 0)
        return 0;
    size_t count = split((const char *)data, size, frames, WIRE_FRAMES_MAX + 2);
    decode(NULL, frames, count);
    decode(KEY, frames, count);
    sign(frames, count, signature);
    decode(KEY, frames, count);
    return 0;
}
