/* SPDX-License-Identifier: BSD-3-Clause */
/* Multipart messages: ZeroMQ delivers one as a whole or not at all, so once the first frame is here
 * the others are too, and a message that is refused halfway must be read to its end. */
#include "protocol/multipart.h"

#include <errno.h>

static int receive_frame(zmq_msg_t *frame, void *socket)
{
    int size;
    do
        size = zmq_msg_recv(frame, socket, ZMQ_DONTWAIT);
    while (size < 0 && errno == EINTR);
    return size;
}

/* Reads the rest of a message that is refused. */
static void drop_rest(struct multipart *multipart, void *socket, bool more)
{
    zmq_msg_t frame;
    while (more) {
        zmq_msg_init(&frame);
        more = receive_frame(&frame, socket) >= 0 && zmq_msg_more(&frame);
        multipart->size += zmq_msg_size(&frame);
        zmq_msg_close(&frame);
    }
}

enum multipart_result multipart_receive(struct multipart *multipart, void *socket, size_t size_max)
{
    bool more = true;
    multipart->count = 0;
    multipart->size = 0;
    while (more && multipart->count < WIRE_FRAMES_MAX && multipart->size <= size_max) {
        zmq_msg_t *frame = &multipart->messages[multipart->count];
        zmq_msg_init(frame);
        if (receive_frame(frame, socket) < 0) {
            zmq_msg_close(frame);
            multipart_release(multipart);
            return MULTIPART_NONE;
        }
        multipart->frames[multipart->count++] =
            (struct frame){.data = zmq_msg_data(frame), .size = zmq_msg_size(frame)};
        multipart->size += zmq_msg_size(frame);
        more = zmq_msg_more(frame);
    }
    if (!more && multipart->size <= size_max)
        return MULTIPART_TAKEN;
    multipart_release(multipart);
    drop_rest(multipart, socket, more);
    return MULTIPART_REFUSED;
}

void multipart_release(struct multipart *multipart)
{
    for (size_t i = 0; i < multipart->count; i++)
        zmq_msg_close(&multipart->messages[i]);
    multipart->count = 0;
}

bool multipart_send(void *socket, const void *data, size_t size, bool more)
{
    int sent;
    do
        sent = zmq_send(socket, data, size, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0));
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}
