/* SPDX-License-Identifier: BSD-3-Clause */
/* A parked message, and the monitor of its socket.
 *
 * A front end sends a cell and connects its stdin socket at the same time, so the cell may ask before
 * there is anybody to be asked; a ROUTER drops such a message without a word, unless it is told to
 * refuse it (ZMQ_ROUTER_MANDATORY). libzmq tells of a handshake after it has put the new peer before
 * the socket, so the event is not too early. */
#include "protocol/parked.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/log.h"
#include "protocol/zwatch.h"

struct parked {
    struct message *message;
    void *router;
    void *monitor; /* a PAIR */
    struct zwatch *watch;
    parked_fn connected;
    void *data;
};

/* Brings to the socket's notice who has connected: a send does not look at all that has come. */
static void notice(void *router)
{
    int events;
    size_t size = sizeof events;
    zmq_getsockopt(router, ZMQ_EVENTS, &events, &size);
}

/* An event is two frames; only that there was one counts. */
static void on_event(void *data)
{
    struct parked *parked = data;
    zmq_msg_t frame;
    zmq_msg_init(&frame);
    while (zmq_msg_recv(&frame, parked->monitor, ZMQ_DONTWAIT) >= 0 || errno == EINTR)
        ;
    zmq_msg_close(&frame);
    notice(parked->router);
    parked->connected(parked->data); /* may free it */
}

struct parked *parked_new(uv_loop_t *loop, void *context, void *router, struct message *message,
                          parked_fn connected, void *data)
{
    struct parked *parked = xcalloc(1, sizeof *parked);
    *parked =
        (struct parked){.message = message, .router = router, .connected = connected, .data = data};
    /* A name of its own: that of a monitor before it may not be free yet. */
    AUTO_FREE char *endpoint = xasprintf("inproc://parked-%llu", (unsigned long long)uv_hrtime());
    if (zmq_socket_monitor(router, endpoint, ZMQ_EVENT_HANDSHAKE_SUCCEEDED) == 0)
        parked->monitor = zmq_socket(context, ZMQ_PAIR);
    if (parked->monitor != NULL && zmq_connect(parked->monitor, endpoint) == 0)
        parked->watch = zwatch_new(loop, parked->monitor, on_event, parked);
    if (parked->watch != NULL) {
        notice(router);
        return parked;
    }
    log_warning("cannot watch for a front end to connect: %s", zmq_strerror(errno));
    parked_free(parked);
    return NULL;
}

const struct message *parked_message(const struct parked *parked)
{
    return parked->message;
}

void parked_free(struct parked *parked)
{
    if (parked == NULL)
        return;
    zwatch_close(parked->watch);
    zmq_socket_monitor(parked->router, NULL, 0);
    if (parked->monitor != NULL)
        zmq_close(parked->monitor);
    message_free(parked->message);
    free(parked);
}
