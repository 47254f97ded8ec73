/* SPDX-License-Identifier: BSD-3-Clause */
/* libcurl's multi interface on the loop: it says which sockets and which instant it waits for, we
 * watch them and tell it. While it is on the stack (its callbacks run our users' callbacks) it must
 * not be called again; what they ask for then is noted in the calls and done in
 * http_loop_settle(). */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "submission/http_private.h"

#define DESCRIPTORS_MAX 8 /* that curl_multi_init() opens, or that lie between: two, as of 8.x */

struct watched {
    uv_poll_t poll;
    struct http *http;
    curl_socket_t fd;
};

static void act(struct http *http, curl_socket_t fd, int events)
{
    int running = 0;
    http->inside = true;
    http->curl.multi_socket_action(http->multi, fd, events, &running);
    http->inside = false;
    http_loop_settle(http);
    CURLMsg *message;
    int left = 0;
    while ((message = http->curl.multi_info_read(http->multi, &left)) != NULL) {
        struct http_call *call = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        http->curl.easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &call);
        http_call_finish(call, code);
        http_loop_settle(http);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watched *watched = poll->data;
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    flags |= events & UV_READABLE ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    act(watched->http, watched->fd, flags);
}

static void on_timer(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_watched_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void unwatch(struct http *http, curl_socket_t fd, struct watched *watched)
{
    if (watched == NULL)
        return;
    http->curl.multi_assign(http->multi, fd, NULL);
    uv_close((uv_handle_t *)&watched->poll, on_watched_closed);
}

static struct watched *watch(struct http *http, curl_socket_t fd)
{
    struct watched *watched = xcalloc(1, sizeof *watched);
    watched->http = http;
    watched->fd = fd;
    watched->poll.data = watched;
    if (uv_poll_init(http->loop, &watched->poll, fd) != 0) {
        free(watched);
        return NULL;
    }
    http->curl.multi_assign(http->multi, fd, watched);
    return watched;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *data, void *assigned)
{
    (void)easy;
    struct http *http = data;
    struct watched *watched = assigned;
    if (what == CURL_POLL_REMOVE) {
        unwatch(http, fd, watched);
        return 0;
    }
    if (watched == NULL)
        watched = watch(http, fd);
    if (watched == NULL)
        return -1;
    int events = what & CURL_POLL_IN ? UV_READABLE : 0;
    events |= what & CURL_POLL_OUT ? UV_WRITABLE : 0;
    if (events == 0)
        uv_poll_stop(&watched->poll);
    else
        uv_poll_start(&watched->poll, events, on_poll);
    return 0;
}

static int on_timeout_wanted(CURLM *multi, long milliseconds, void *data)
{
    (void)multi;
    struct http *http = data;
    if (milliseconds < 0)
        uv_timer_stop(&http->timer);
    else
        uv_timer_start(&http->timer, on_timer, (uint64_t)milliseconds, 0);
    return 0;
}

/* libcurl's wake-up pair, which it makes inheritable, gets the lowest numbers that are free. */
static CURLM *make_multi(struct http *http)
{
    int lowest = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (lowest >= 0)
        close(lowest);
    CURLM *multi = http->curl.multi_init();
    for (int fd = lowest; lowest >= 0 && fd < lowest + DESCRIPTORS_MAX; fd++) {
        int flags = fcntl(fd, F_GETFD);
        if (flags >= 0)
            fcntl(fd, F_SETFD, flags | FD_CLOEXEC);
    }
    return multi;
}

int http_loop_open(struct http *http, struct error *err)
{
    if (http->multi != NULL)
        return 0;
    if (http_library_load(&http->curl, err) != 0)
        return -1;
    http->multi = make_multi(http);
    if (http->multi == NULL)
        return error_set(err, ERROR_IO, "libcurl has no memory left");
    http->curl.multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    http->curl.multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http);
    http->curl.multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_timeout_wanted);
    http->curl.multi_setopt(http->multi, CURLMOPT_TIMERDATA, http);
    return 0;
}

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void http_loop_close(struct http *http)
{
    if (http->multi != NULL)
        http->curl.multi_cleanup(http->multi);
    uv_close((uv_handle_t *)&http->timer, on_timer_closed);
}

static void on_refused(uv_timer_t *timer)
{
    http_call_finish(timer->data, CURLE_OUT_OF_MEMORY);
}

static void settle_call(struct http_call *call)
{
    struct http *http = call->http;
    if (call->cancelled) {
        http_call_release(call);
    } else if (!call->added && call->easy != NULL) {
        call->added = true;
        if (http->curl.multi_add_handle(http->multi, call->easy) != CURLM_OK)
            uv_timer_start(&call->idle, on_refused, 0, 0);
    } else if (call->resume && call->added) {
        call->resume = call->waiting = false;
        http->inside = true; /* what it had kept back is delivered from here */
        http->curl.easy_pause(call->easy, CURLPAUSE_CONT);
        http->inside = false;
    }
}

void http_loop_settle(struct http *http)
{
    while (!http->inside && http->dirty) {
        http->dirty = false;
        struct http_call *next;
        for (struct http_call *call = http->calls; call != NULL; call = next) {
            next = call->next;
            settle_call(call);
        }
    }
}
