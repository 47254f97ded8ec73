/* SPDX-License-Identifier: BSD-3-Clause */
/* A ZeroMQ socket on the libuv loop.
 *
 * Three handles: the poll wakes the loop when ZMQ_FD says that something may have changed; the
 * prepare looks at ZMQ_EVENTS before every sleep and is the only place that calls the owner; the
 * idle, active while input is known to be pending, keeps the loop from sleeping. The invariant:
 * when the loop sleeps, ZMQ_EVENTS was looked at after the last operation on the socket and had no
 * ZMQ_POLLIN. libzmq then signals the next input with an edge. */
#include "protocol/zwatch.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/mem.h"

#define HANDLES 3

struct zwatch {
    void *socket;
    zwatch_fn readable;
    void *data;
    uv_poll_t poll;
    uv_prepare_t prepare;
    uv_idle_t idle;
    bool closed;
    int open_handles;
};

static bool has_input(const struct zwatch *watch)
{
    int events = 0;
    size_t size = sizeof events;
    int result;
    do
        result = zmq_getsockopt(watch->socket, ZMQ_EVENTS, &events, &size);
    while (result != 0 && errno == EINTR);
    return result == 0 && (events & ZMQ_POLLIN) != 0;
}

/* The wake-up is all there is to it: the prepare of the next turn looks at the socket. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)poll;
    (void)status;
    (void)events;
}

static void on_idle(uv_idle_t *idle)
{
    (void)idle;
}

static void on_prepare(uv_prepare_t *prepare)
{
    struct zwatch *watch = prepare->data;
    bool pending = has_input(watch); /* a system call: asked again only after a read */
    if (pending) {
        watch->readable(watch->data);
        if (watch->closed)
            return;
        pending = has_input(watch);
    }
    if (pending)
        uv_idle_start(&watch->idle, on_idle);
    else
        uv_idle_stop(&watch->idle);
}

struct zwatch *zwatch_new(uv_loop_t *loop, void *socket, zwatch_fn readable, void *data)
{
    int fd = -1;
    size_t size = sizeof fd;
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0)
        return NULL;
    struct zwatch *watch = xcalloc(1, sizeof *watch);
    *watch = (struct zwatch){.socket = socket, .readable = readable, .data = data};
    if (uv_poll_init(loop, &watch->poll, fd) != 0) {
        free(watch);
        return NULL;
    }
    uv_prepare_init(loop, &watch->prepare);
    uv_idle_init(loop, &watch->idle);
    watch->open_handles = HANDLES;
    watch->poll.data = watch->prepare.data = watch->idle.data = watch;
    uv_poll_start(&watch->poll, UV_READABLE, on_poll);
    uv_prepare_start(&watch->prepare, on_prepare);
    return watch;
}

void zwatch_kick(struct zwatch *watch)
{
    if (!watch->closed && has_input(watch))
        uv_idle_start(&watch->idle, on_idle);
}

static void on_closed(uv_handle_t *handle)
{
    struct zwatch *watch = handle->data;
    if (--watch->open_handles == 0)
        free(watch);
}

void zwatch_close(struct zwatch *watch)
{
    if (watch == NULL || watch->closed)
        return;
    watch->closed = true;
    uv_close((uv_handle_t *)&watch->poll, on_closed);
    uv_close((uv_handle_t *)&watch->prepare, on_closed);
    uv_close((uv_handle_t *)&watch->idle, on_closed);
}
