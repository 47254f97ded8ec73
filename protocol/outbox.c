/* SPDX-License-Identifier: BSD-3-Clause */
/* All JSON text of a message is written into one buffer before a frame points into it, because the
 * buffer may move while it grows. */
#include "protocol/outbox.h"

#include "base/log.h"
#include "protocol/multipart.h"

/* Most parts fit, so that they are written in one go. */
#define PART_GUESS 4096

/* The largest text kept for the next message: bigger ones are rare, and idle memory is not free. */
#define SCRATCH_MAX (256 * 1024)

static const struct frame empty_object = {.data = "{}", .size = 2};

void outbox_done(struct outbox *outbox)
{
    buf_done(&outbox->scratch);
}

/* Appends the value's JSON text to the scratch and returns its size; 0 when it cannot be written. */
static size_t write_value(struct buf *scratch, const json_t *value)
{
    char *end = buf_reserve(scratch, PART_GUESS);
    size_t size = json_dumpb(value, end, PART_GUESS, JSON_COMPACT);
    if (size > PART_GUESS) {
        end = buf_reserve(scratch, size);
        size = json_dumpb(value, end, size, JSON_COMPACT);
    }
    if (size == 0) /* our own mistake, but an empty reply is better than none */
        log_error("a part that cannot be written as JSON was sent empty");
    scratch->size += size;
    scratch->data[scratch->size] = '\0';
    return size;
}

static void make_frames(struct buf *scratch, const struct part parts[MESSAGE_PARTS],
                        struct frame frames[MESSAGE_PARTS])
{
    buf_clear(scratch);
    for (int i = 0; i < MESSAGE_PARTS; i++)
        frames[i].size = parts[i].value != NULL ? write_value(scratch, parts[i].value) : 0;
    const char *at = scratch->data; /* only now: the scratch has its place */
    for (int i = 0; i < MESSAGE_PARTS; i++) {
        frames[i].data = at;
        if (frames[i].size > 0)
            at += frames[i].size;
        else
            frames[i] = parts[i].text.data != NULL ? parts[i].text : empty_object;
    }
}

bool outbox_send(struct outbox *outbox, void *socket, const struct connection *connection,
                 const struct blob *address, size_t address_count,
                 const struct part parts[MESSAGE_PARTS], const struct blob *buffers,
                 size_t buffer_count)
{
    struct frame frames[MESSAGE_PARTS];
    char signature[WIRE_SIGNATURE_SIZE];
    size_t size;
    bool sent = true;
    make_frames(&outbox->scratch, parts, frames);
    wire_sign(connection->key, connection->key_size, frames, signature, &size);
    for (size_t i = 0; i < address_count && sent; i++)
        sent = multipart_send(socket, address[i].data, address[i].size, true);
    sent = sent && multipart_send(socket, WIRE_DELIMITER, sizeof WIRE_DELIMITER - 1, true) &&
           multipart_send(socket, signature, size, true);
    for (size_t i = 0; i < MESSAGE_PARTS && sent; i++)
        sent = multipart_send(socket, frames[i].data, frames[i].size,
                              i + 1 < MESSAGE_PARTS || buffer_count > 0);
    for (size_t i = 0; i < buffer_count && sent; i++)
        sent = multipart_send(socket, buffers[i].data, buffers[i].size, i + 1 < buffer_count);
    if (outbox->scratch.capacity > SCRATCH_MAX)
        buf_done(&outbox->scratch);
    return sent;
}
