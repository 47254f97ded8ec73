/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * HTTP on the loop: a container engine's unix socket, Azure's REST. Nothing here blocks.
 *
 * libcurl does the work and is loaded at the first request, so that a kernel that never makes one
 * does not pay for it. Redirects are not followed, proxies are taken from the environment (never
 * for a unix socket), certificates are checked. An answer of any status is a success here: the
 * caller knows what a 404 means.
 *
 * Errors name the host or the socket, never a path, a query or a header: those may hold secrets.
 * ERROR_BUSY: not to be reached, or gone in the middle; may pass. ERROR_NOT_FOUND: no such socket
 * or host. ERROR_DENIED: the socket may not be opened, or TLS does not trust the other side.
 * ERROR_LIMIT: a time or size limit given here. ERROR_UNSUPPORTED: no libcurl on this machine.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <uv.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/strlist.h"

/* What is collected of an answer when the request names no limit: lists of images and containers
 * are a few hundred kB on the busiest machines. */
#define HTTP_BODY_MAX (16 * 1024 * 1024)

struct http;
struct http_call; /* one request under way: valid until `done` returns or http_cancel() */

struct http_response {
    int status;             /* 0: there was no answer */
    struct strlist headers; /* "Name: value" as they came */
    struct buf body;        /* collected: see http_request.data */
};

/* The value of the first header of that name (in any case), or NULL. Borrowed. */
const char *http_header(const struct http_response *response, const char *name);

#define HTTP_WAIT (-2) /* what a pull answers when it has nothing yet: see http_resume() */

struct http_request {
    const char *method;         /* "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE" */
    const char *url;            /* http:// or https://, without a user and password in it */
    const char *unix_socket;    /* connect there, not to the URL's host; NULL: to the host */
    const char *const *headers; /* "Name: value", NULL-terminated; or NULL */
    struct buf *body;           /* its bytes are taken (it is empty afterwards); NULL: none */
    const char *ca_file;        /* who signs the other side; NULL: whom the system trusts */
    const char *cert_file;      /* our own certificate and its key, both or neither */
    const char *key_file;
    int64_t connect_timeout_ms; /* 0: none; so for the next two */
    int64_t idle_timeout_ms;    /* no byte either way for so long (a quarter more at most); time
                                   that either side here has paused does not count */
    int64_t timeout_ms;         /* the whole request */
    size_t max_body;            /* of what is collected; 0: HTTP_BODY_MAX */

    /* Instead of `body`, a body of unknown length: fills at most `size` bytes and answers how many,
     * 0 at the end, HTTP_WAIT for nothing yet, -1 with an error, which ends the request. May be
     * called from inside http_resume(). */
    ssize_t (*pull)(char *room, size_t size, struct error *err, void *data);

    /* The status and the headers are there. May be NULL. */
    void (*headers_done)(const struct http_response *response, void *data);

    /* The next bytes of a 2xx answer (any other is collected, as is every answer without this).
     * -1 with an error ends the request. */
    int (*on_data)(const char *bytes, size_t size, struct error *err, void *data);

    /* The end: exactly once, from the loop, unless cancelled. `err` is NULL when the answer is
     * whole, whatever its status. Both are borrowed for the call. */
    void (*done)(const struct http_response *response, const struct error *err, void *data);
    void *data; /* for the four above */
};

/* Never NULL, loads nothing. */
MUST_CHECK struct http *http_new(uv_loop_t *loop);

/* Cancels what is under way and closes every connection; the loop then has to run for the handles
 * to be closed. Not from inside a callback of a request. NULL is allowed. */
void http_free(struct http *http);

/* Starts a request; what it points to is copied, but for `body`, which is taken. Never NULL, and
 * never calls back before it returns: what fails at once (no libcurl, a URL that is none) is told
 * through `done` as well. May be called from any callback. */
struct http_call *http_start(struct http *http, const struct http_request *request);

/* Ends a request; none of its callbacks is called any more. From any callback, its own too, but for
 * its `done`. NULL is allowed. */
void http_cancel(struct http_call *call);

/* No on_data from now on (one more may be under way inside this very callback) until http_resume(),
 * which also has the pull that said HTTP_WAIT asked again. */
void http_pause(struct http_call *call);
void http_resume(struct http_call *call);

/* Appends text for a URL: letters, digits, -._~ and the bytes in `keep` as they are, the rest as
 * %XX. */
void http_escape(struct buf *url, const char *text, const char *keep);
