/* SPDX-License-Identifier: BSD-3-Clause */
/* Requests and their answers. A call is on http->calls from http_start() until it is finished (its
 * `done` was told) or released (it was cancelled); it is freed once its timer is closed. What libcurl
 * calls back from here only fills the call and asks the user; libcurl itself is driven in
 * http_loop.c. */
#include "submission/http.h"

#include <assert.h>
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/file.h"
#include "submission/http_private.h"

#define HEADERS_MAX (256 * 1024) /* bytes of one answer's headers; real ones stay below 16 kB */
#define QUIET_TURNS 4            /* of the idle timer, which is set to a quarter of the limit */

/* --- answers ---------------------------------------------------------------------------------- */

const char *http_header(const struct http_response *response, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < response->headers.count; i++) {
        const char *line = response->headers.items[i];
        if (strncasecmp(line, name, length) == 0 && line[length] == ':')
            return line + length + 1 + strspn(line + length + 1, " \t");
    }
    return NULL;
}

/* "HTTP/1.1 200 OK" begins an answer: an interim one (100, or a proxy's) may have come before. */
static void begin_answer(struct http_call *call, const char *line)
{
    const char *code = strchr(line, ' ');
    call->response.status = code != NULL ? (int)strtol(code, NULL, 10) : 0;
    strlist_done(&call->response.headers);
}

static void end_headers(struct http_call *call)
{
    if (call->response.status < 200)
        return;
    const struct http_request *request = &call->request;
    call->streaming = request->on_data != NULL && call->response.status < 300;
    if (request->headers_done != NULL && !call->cancelled)
        request->headers_done(&call->response, request->data);
}

static size_t on_header(char *bytes, size_t one, size_t size, void *data)
{
    (void)one;
    struct http_call *call = data;
    call->header_bytes += size;
    if (call->cancelled)
        return 0;
    if (call->header_bytes > HEADERS_MAX) {
        error_set(&call->fault, ERROR_LIMIT, "%s sends more than %d kB of headers", call->where,
                  HEADERS_MAX / 1024);
        return 0;
    }
    AUTO_FREE char *line = xstrndup(bytes, size);
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "HTTP/", 5) == 0)
        begin_answer(call, line);
    else if (line[0] == '\0')
        end_headers(call);
    else
        strlist_take(&call->response.headers, steal(&line));
    return call->cancelled ? 0 : size;
}

static bool collect(struct http_call *call, const char *bytes, size_t size)
{
    if (size > call->request.max_body - call->response.body.size) {
        AUTO_FREE char *limit = file_size_text(call->request.max_body);
        error_set(&call->fault, ERROR_LIMIT, "the answer of %s is longer than %s", call->where,
                  limit);
        return false;
    }
    buf_append(&call->response.body, bytes, size);
    return true;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *data)
{
    (void)one;
    struct http_call *call = data;
    if (call->cancelled)
        return 0;
    if (call->paused)
        return CURL_WRITEFUNC_PAUSE;
    if (!call->streaming)
        return collect(call, bytes, size) ? size : 0;
    if (call->request.on_data(bytes, size, &call->fault, call->request.data) != 0)
        return 0;
    return call->cancelled ? 0 : size;
}

static size_t on_pull(char *room, size_t one, size_t size, void *data)
{
    struct http_call *call = data;
    if (call->cancelled)
        return CURL_READFUNC_ABORT;
    ssize_t got = call->request.pull(room, one * size, &call->fault, call->request.data);
    call->waiting = got == HTTP_WAIT;
    if (call->waiting)
        return CURL_READFUNC_PAUSE;
    if (got < 0 || call->cancelled)
        return CURL_READFUNC_ABORT;
    assert((size_t)got <= one * size);
    return (size_t)got;
}

/* --- the end of a call ------------------------------------------------------------------------ */

static void on_idle_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void unlink_call(struct http_call *call)
{
    struct http *http = call->http;
    if (call->next != NULL)
        call->next->prev = call->prev;
    if (call->prev != NULL)
        call->prev->next = call->next;
    else
        http->calls = call->next;
    if (call->added)
        http->curl.multi_remove_handle(http->multi, call->easy);
    call->added = false;
}

static void free_call(struct http_call *call)
{
    struct http_library *curl = &call->http->curl;
    if (call->easy != NULL)
        curl->easy_cleanup(call->easy);
    if (call->headers != NULL)
        curl->slist_free_all(call->headers);
    free(call->where);
    /* What was sent may hold a credential. */
    if (call->body.data != NULL)
        explicit_bzero(call->body.data, call->body.size);
    buf_done(&call->body);
    buf_done(&call->response.body);
    strlist_done(&call->response.headers);
    error_clear(&call->fault);
    uv_close((uv_handle_t *)&call->idle, on_idle_closed);
}

void http_call_release(struct http_call *call)
{
    unlink_call(call);
    free_call(call);
}

void http_call_finish(struct http_call *call, CURLcode code)
{
    struct http *http = call->http;
    if (call->cancelled) {
        http_call_release(call);
        return;
    }
    if (!error_is_set(&call->fault))
        http_fault(call, code, &call->fault);
    unlink_call(call);
    bool before = http->calling;
    http->calling = true;
    call->request.done(&call->response, error_is_set(&call->fault) ? &call->fault : NULL,
                       call->request.data);
    http->calling = before;
    free_call(call);
}

/* --- time limits ------------------------------------------------------------------------------ */

static int64_t bytes_moved(const struct http_call *call)
{
    const struct http_library *curl = &call->http->curl;
    curl_off_t up = 0;
    curl_off_t down = 0;
    curl->easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    curl->easy_getinfo(call->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    return (int64_t)up + (int64_t)down + (int64_t)call->header_bytes;
}

static void on_idle(uv_timer_t *timer)
{
    struct http_call *call = timer->data;
    int64_t moved = bytes_moved(call);
    if (moved != call->seen || call->paused || call->waiting)
        call->quiet = 0;
    else
        call->quiet++;
    call->seen = moved;
    if (call->quiet < QUIET_TURNS)
        return;
    error_set(&call->fault, ERROR_LIMIT, "%s has been silent for %lld s", call->where,
              (long long)(call->request.idle_timeout_ms + 999) / 1000);
    http_call_finish(call, CURLE_OK);
}

static void on_early_fault(uv_timer_t *timer)
{
    http_call_finish(timer->data, CURLE_OK);
}

/* --- starting --------------------------------------------------------------------------------- */

struct http *http_new(uv_loop_t *loop)
{
    struct http *http = xcalloc(1, sizeof *http);
    http->loop = loop;
    uv_timer_init(loop, &http->timer);
    http->timer.data = http;
    return http;
}

void http_free(struct http *http)
{
    if (http == NULL)
        return;
    assert(!http->inside && !http->calling);
    while (http->calls != NULL)
        http_call_release(http->calls);
    http_loop_close(http);
}

/* Where the request goes, for people: the host with its port, nothing that follows. */
static char *where(const struct http_request *request)
{
    if (request->unix_socket != NULL)
        return xasprintf("the socket %s", request->unix_socket);
    const char *host = strstr(request->url, "://");
    host = host != NULL ? host + 3 : request->url;
    size_t length = strcspn(host, "/?#");
    const char *at = memrchr(host, '@', length);
    if (at != NULL) {
        length -= (size_t)(at + 1 - host);
        host = at + 1;
    }
    return xstrndup(host, length);
}

static bool has_scheme(const char *url)
{
    return strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
}

/* A line break in a header would begin another one. */
static bool is_header(const char *line)
{
    return line[strcspn(line, "\r\n")] == '\0' && strchr(line, ':') != NULL;
}

static int check(const struct http_call *call, const struct http_request *request,
                 struct error *err)
{
    if (!has_scheme(request->url))
        return error_set(err, ERROR_INVALID, "the address of %s is neither http:// nor https://",
                         call->where);
    if (request->unix_socket != NULL &&
        strlen(request->unix_socket) >= sizeof((struct sockaddr_un *)0)->sun_path) {
        error_set(err, ERROR_INVALID, "the path of %s is too long for the system (%zu bytes)",
                  call->where, sizeof((struct sockaddr_un *)0)->sun_path - 1);
        return error_hint(err, "give a shorter path, such as a symbolic link to its folder");
    }
    for (const char *const *line = request->headers; line != NULL && *line != NULL; line++)
        if (!is_header(*line)) /* not shown: it may be a credential */
            return error_set(err, ERROR_INVALID, "a header for %s is not one line", call->where);
    return 0;
}

static void add_header(struct http_call *call, const char *line)
{
    struct curl_slist *more = call->http->curl.slist_append(call->headers, line);
    if (more == NULL)
        abort();
    call->headers = more;
}

/* What libcurl would add by itself is not wanted: "Expect" costs a round trip or a second. */
static void set_headers(struct http_call *call, const struct http_request *request)
{
    bool typed = false;
    for (const char *const *line = request->headers; line != NULL && *line != NULL; line++) {
        typed = typed || strncasecmp(*line, "Content-Type:", 13) == 0;
        add_header(call, *line);
    }
    if (!typed)
        add_header(call, "Content-Type:");
    add_header(call, "Expect:");
    if (request->pull != NULL)
        add_header(call, "Transfer-Encoding: chunked");
    call->http->curl.easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static void set_body(struct http_call *call, const struct http_request *request)
{
    struct http_library *curl = &call->http->curl;
    CURL *easy = call->easy;
    if (request->pull != NULL) {
        curl->easy_setopt(easy, CURLOPT_POST, 1L);
        curl->easy_setopt(easy, CURLOPT_READFUNCTION, on_pull);
        curl->easy_setopt(easy, CURLOPT_READDATA, call);
        /* A kept connection may have died unnoticed, and a stream cannot be sent again. */
        curl->easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    } else if (call->body.size > 0 || strcmp(request->method, "POST") == 0) {
        curl->easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body.size);
        curl->easy_setopt(easy, CURLOPT_POSTFIELDS, call->body.data ? call->body.data : "");
    } else if (strcmp(request->method, "HEAD") == 0) {
        curl->easy_setopt(easy, CURLOPT_NOBODY, 1L);
    }
    curl->easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

/* libcurl's own sockets would be inherited by every program that is started. */
static curl_socket_t open_socket(void *data, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)data;
    (void)purpose;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void set_address(struct http_call *call, const struct http_request *request)
{
    struct http_library *curl = &call->http->curl;
    CURL *easy = call->easy;
    curl->easy_setopt(easy, CURLOPT_URL, request->url);
    curl->easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl->easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    if (request->unix_socket != NULL) {
        curl->easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request->unix_socket);
        curl->easy_setopt(easy, CURLOPT_PROXY, "");
    }
    if (request->ca_file != NULL)
        curl->easy_setopt(easy, CURLOPT_CAINFO, request->ca_file);
    if (request->cert_file != NULL) {
        curl->easy_setopt(easy, CURLOPT_SSLCERT, request->cert_file);
        curl->easy_setopt(easy, CURLOPT_SSLKEY, request->key_file);
    }
    /* libcurl takes 0 for its own limit of five minutes. */
    curl->easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                      request->connect_timeout_ms > 0 ? (long)request->connect_timeout_ms
                                                      : LONG_MAX / 2);
    curl->easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
}

static int prepare(struct http_call *call, const struct http_request *request, struct error *err)
{
    struct http *http = call->http;
    if (check(call, request, err) != 0 || http_loop_open(http, err) != 0)
        return -1;
    call->easy = http->curl.easy_init();
    if (call->easy == NULL)
        return error_set(err, ERROR_IO, "libcurl has no memory left");
    struct http_library *curl = &http->curl;
    CURL *easy = call->easy;
    curl->easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl->easy_setopt(easy, CURLOPT_ERRORBUFFER, call->reason);
    curl->easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl->easy_setopt(easy, CURLOPT_USERAGENT, "skiff/" SKIFF_VERSION);
    curl->easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl->easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl->easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl->easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl->easy_setopt(easy, CURLOPT_WRITEDATA, call);
    set_address(call, request);
    set_body(call, request);
    set_headers(call, request);
    return 0;
}

static void link_call(struct http *http, struct http_call *call)
{
    call->next = http->calls;
    if (call->next != NULL)
        call->next->prev = call;
    http->calls = call;
}

struct http_call *http_start(struct http *http, const struct http_request *request)
{
    assert(request->done != NULL && (request->body == NULL || request->pull == NULL));
    struct http_call *call = xcalloc(1, sizeof *call);
    call->http = http;
    call->where = where(request);
    call->local = request->unix_socket != NULL;
    call->request = *request;
    if (call->request.max_body == 0)
        call->request.max_body = HTTP_BODY_MAX;
    if (request->body != NULL) {
        call->body = *request->body;
        *request->body = (struct buf)BUF_INIT;
    }
    uv_timer_init(http->loop, &call->idle);
    call->idle.data = call;
    link_call(http, call);
    if (prepare(call, request, &call->fault) != 0) {
        uv_timer_start(&call->idle, on_early_fault, 0, 0);
        return call;
    }
    uint64_t quarter = (uint64_t)(request->idle_timeout_ms + QUIET_TURNS - 1) / QUIET_TURNS;
    if (quarter > 0)
        uv_timer_start(&call->idle, on_idle, quarter, quarter);
    http->dirty = true;
    http_loop_settle(http);
    return call;
}

/* --- changing its course ---------------------------------------------------------------------- */

void http_cancel(struct http_call *call)
{
    if (call == NULL)
        return;
    call->cancelled = true;
    call->http->dirty = true;
    http_loop_settle(call->http);
}

void http_pause(struct http_call *call)
{
    call->paused = true;
}

void http_resume(struct http_call *call)
{
    call->paused = false;
    call->resume = true;
    call->http->dirty = true;
    http_loop_settle(call->http);
}

void http_escape(struct buf *url, const char *text, const char *keep)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if ((c < 0x80 && isalnum(c)) || strchr("-._~", c) != NULL || strchr(keep, c) != NULL)
            buf_putc(url, (char)c);
        else
            buf_printf(url, "%%%02X", c);
    }
}
