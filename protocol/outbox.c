/* SPDX-License-Identifier: BSD-3-Clause */
/* All JSON text of a message is written into one buffer before a frame points into it, because the
 * buffer may move while it grows. */
#include "protocol/outbox.h"

#include <errno.h>
#include <string.h>

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

/* What a message costs ZeroMQ beyond its bytes: frames, and the memory they are in. */
#define WEIGHT_OF_FRAMES 1024

static size_t add_blobs(struct frame *frames, size_t count, const struct blob *blobs, size_t more)
{
    for (size_t i = 0; i < more; i++)
        frames[count + i] = (struct frame){.data = blobs[i].data, .size = blobs[i].size};
    return count + more;
}

static bool send_frames(void *socket, const struct frame *frames, size_t count,
                        struct backlog *backlog)
{
    size_t weight = WEIGHT_OF_FRAMES;
    for (size_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        weight += frames[i].size;
        if (is_last && backlog != NULL)
            return backlog_send_last(backlog, frames[i].data, frames[i].size, weight);
        if (!multipart_send(socket, frames[i].data, frames[i].size, !is_last))
            return false;
    }
    return true;
}

bool outbox_send(struct outbox *outbox, void *socket, const struct connection *connection,
                 const struct envelope *envelope, struct backlog *backlog)
{
    struct frame parts[MESSAGE_PARTS];
    char signature[WIRE_SIGNATURE_SIZE];
    size_t size;
    size_t count = envelope->address_count;
    AUTO_FREE struct frame *frames =
        xcalloc(count + 2 + MESSAGE_PARTS + envelope->buffer_count, sizeof *frames);
    make_frames(&outbox->scratch, envelope->parts, parts);
    wire_sign(connection->key, connection->key_size, parts, signature, &size);
    add_blobs(frames, 0, envelope->address, count);
    frames[count++] = (struct frame){.data = WIRE_DELIMITER, .size = sizeof WIRE_DELIMITER - 1};
    frames[count++] = (struct frame){.data = signature, .size = size};
    memcpy(&frames[count], parts, sizeof parts);
    count = add_blobs(frames, count + MESSAGE_PARTS, envelope->buffers, envelope->buffer_count);
    bool sent = send_frames(socket, frames, count, backlog);
    int fault = errno;
    if (outbox->scratch.capacity > SCRATCH_MAX)
        buf_done(&outbox->scratch);
    errno = fault;
    return sent;
}
