/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A server on a unix socket, on the test's own loop, that plays scripted answers: whole, cut into
 * pieces, hostile, or none at all. It notes what it was sent. */

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/file.h"

/* What is answered to a request whose first line begins with `match`. The first that fits. */
struct fake_route {
    const char *match;
    const char *answer; /* the raw bytes; NULL: silence */
    size_t size;        /* of the answer; 0: up to its NUL */
    size_t cut;         /* bytes a write; 0: all at once */
    size_t repeat;      /* the answer's tail from `repeat_from` is sent so often more */
    size_t repeat_from;
    bool closes; /* the connection, after the answer */
};

struct fake_http {
    uv_loop_t *loop;
    uv_pipe_t listener;
    const struct fake_route *routes;
    size_t count;
    struct buf seen; /* all requests, one after another */
    int connections;
    char dir[64];
    char path[96];
};

struct fake_peer {
    uv_pipe_t pipe;
    uv_idle_t next; /* sends the next piece */
    struct fake_http *fake;
    struct buf request;
    const struct fake_route *route;
    size_t sent;
    size_t rounds;
    bool writing;
    int open;
    char room[65536];
};

static inline void fake_peer_closed(uv_handle_t *handle)
{
    struct fake_peer *peer = handle->data;
    if (--peer->open > 0)
        return;
    buf_done(&peer->request);
    free(peer);
}

static inline void fake_peer_close(struct fake_peer *peer)
{
    if (uv_is_closing((uv_handle_t *)&peer->pipe))
        return;
    uv_close((uv_handle_t *)&peer->pipe, fake_peer_closed);
    uv_close((uv_handle_t *)&peer->next, fake_peer_closed);
}

static inline void fake_send(uv_idle_t *idle);

static inline void fake_written(uv_write_t *write, int status)
{
    struct fake_peer *peer = write->data;
    free(write);
    peer->writing = false;
    if (status != 0)
        fake_peer_close(peer);
}

static inline void fake_answered(struct fake_peer *peer)
{
    uv_idle_stop(&peer->next);
    buf_clear(&peer->request);
    bool closes = peer->route->closes;
    peer->route = NULL;
    if (closes)
        fake_peer_close(peer);
}

static inline void fake_send(uv_idle_t *idle)
{
    struct fake_peer *peer = idle->data;
    const struct fake_route *route = peer->route;
    if (peer->writing)
        return;
    size_t total = route->size > 0 ? route->size : strlen(route->answer);
    if (peer->sent == total && peer->rounds < route->repeat) {
        peer->sent = route->repeat_from;
        peer->rounds++;
    }
    if (peer->sent == total) {
        fake_answered(peer);
        return;
    }
    size_t size = total - peer->sent;
    if (route->cut > 0 && size > route->cut)
        size = route->cut;
    uv_buf_t bytes = uv_buf_init((char *)(uintptr_t)(route->answer + peer->sent), (unsigned)size);
    uv_write_t *write = xcalloc(1, sizeof *write);
    write->data = peer;
    peer->sent += size;
    peer->writing = true;
    uv_write(write, (uv_stream_t *)&peer->pipe, &bytes, 1, fake_written);
}

/* Whole: its headers, and the body that they tell of. */
static inline bool fake_is_whole(const struct buf *request)
{
    const char *end = request->size > 0 ? strstr(request->data, "\r\n\r\n") : NULL;
    if (end == NULL)
        return false;
    const char *length = strcasestr(request->data, "\r\nContent-Length: ");
    const char *chunked = strcasestr(request->data, "\r\nTransfer-Encoding: chunked");
    size_t body = request->size - (size_t)(end + 4 - request->data);
    if (length != NULL && length < end)
        return body >= strtoul(length + 18, NULL, 10);
    if (chunked != NULL && chunked < end)
        return memmem(end + 2, body + 2, "\r\n0\r\n\r\n", 7) != NULL;
    return true;
}

static inline void fake_choose(struct fake_peer *peer)
{
    struct fake_http *fake = peer->fake;
    if (uv_is_closing((uv_handle_t *)&fake->listener))
        return;
    buf_append(&fake->seen, peer->request.data, peer->request.size);
    for (size_t i = 0; i < fake->count && peer->route == NULL; i++)
        if (strncmp(peer->request.data, fake->routes[i].match, strlen(fake->routes[i].match)) == 0)
            peer->route = &fake->routes[i];
    if (peer->route == NULL) {
        fake_peer_close(peer);
        return;
    }
    peer->sent = peer->rounds = 0;
    if (peer->route->answer != NULL)
        uv_idle_start(&peer->next, fake_send);
}

static inline void fake_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)size;
    struct fake_peer *peer = handle->data;
    *buf = uv_buf_init(peer->room, sizeof peer->room);
}

static inline void fake_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct fake_peer *peer = stream->data;
    if (size < 0) {
        fake_peer_close(peer);
        return;
    }
    buf_append(&peer->request, buf->base, (size_t)size);
    if (peer->route == NULL && fake_is_whole(&peer->request))
        fake_choose(peer);
}

static inline void fake_accept(uv_stream_t *listener, int status)
{
    if (status != 0)
        return;
    struct fake_http *fake = listener->data;
    struct fake_peer *peer = xcalloc(1, sizeof *peer);
    peer->fake = fake;
    peer->open = 2;
    fake->connections++;
    uv_pipe_init(fake->loop, &peer->pipe, 0);
    uv_idle_init(fake->loop, &peer->next);
    uv_unref((uv_handle_t *)&peer->next);
    peer->pipe.data = peer->next.data = peer;
    uv_accept(listener, (uv_stream_t *)&peer->pipe);
    uv_read_start((uv_stream_t *)&peer->pipe, fake_room, fake_read);
}

static inline void fake_open(struct fake_http *fake, uv_loop_t *loop,
                             const struct fake_route *routes, size_t count)
{
    signal(SIGPIPE, SIG_IGN);
    *fake = (struct fake_http){.loop = loop, .routes = routes, .count = count};
    snprintf(fake->dir, sizeof fake->dir, "/tmp/fake-http-XXXXXX");
    assert_non_null(mkdtemp(fake->dir));
    snprintf(fake->path, sizeof fake->path, "%s/x.sock", fake->dir);
    uv_pipe_init(loop, &fake->listener, 0);
    fake->listener.data = fake;
    assert_int_equal(uv_pipe_bind(&fake->listener, fake->path), 0);
    assert_int_equal(uv_listen((uv_stream_t *)&fake->listener, 16, fake_accept), 0);
}

/* Stops listening; the peers end when the other side closes its connections. */
static inline void fake_close(struct fake_http *fake)
{
    uv_close((uv_handle_t *)&fake->listener, NULL);
    unlink(fake->path);
    rmdir(fake->dir);
    buf_done(&fake->seen);
}

/* Runs the loop until *flag, at most 30 s. */
static inline void fake_timed_out(uv_timer_t *timer)
{
    fail_msg("%s", (const char *)timer->data);
}

static inline void fake_run_until(uv_loop_t *loop, const bool *flag)
{
    static uv_timer_t bound;
    uv_timer_init(loop, &bound);
    bound.data = (void *)(uintptr_t) "nothing happened for 30 s";
    uv_timer_start(&bound, fake_timed_out, 30000, 0);
    while (!*flag)
        uv_run(loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&bound, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}
