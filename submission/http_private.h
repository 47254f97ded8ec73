/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What http*.c share: the library's functions, the loop's side, one request. */

#include <curl/curl.h>

#include "submission/http.h"

/* The functions of libcurl that we use, found at first use. */
struct http_library {
    void *handle; /* NULL until loaded; never closed: OpenSSL does not survive being unloaded */
    __typeof__(&curl_global_init) global_init;
    __typeof__(&curl_easy_init) easy_init;
    __typeof__(&curl_easy_cleanup) easy_cleanup;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(&curl_easy_pause) easy_pause;
    __typeof__(&curl_easy_strerror) easy_strerror;
    __typeof__(&curl_slist_append) slist_append;
    __typeof__(&curl_slist_free_all) slist_free_all;
    __typeof__(&curl_multi_init) multi_init;
    __typeof__(&curl_multi_cleanup) multi_cleanup;
    __typeof__(curl_multi_setopt) *multi_setopt;
    __typeof__(&curl_multi_add_handle) multi_add_handle;
    __typeof__(&curl_multi_remove_handle) multi_remove_handle;
    __typeof__(&curl_multi_socket_action) multi_socket_action;
    __typeof__(&curl_multi_info_read) multi_info_read;
    __typeof__(&curl_multi_assign) multi_assign;
};

/* Loads libcurl. Once it is loaded, does nothing. */
int http_library_load(struct http_library *library, struct error *err);

struct http {
    uv_loop_t *loop;
    struct http_library curl;
    CURLM *multi;     /* NULL until the first request */
    uv_timer_t timer; /* libcurl's */
    struct http_call *calls;
    bool inside;  /* libcurl is on the stack: it may not be told to add or remove now */
    bool calling; /* a `done` is on the stack */
    bool dirty;   /* some call waits for http_loop_settle() */
};

struct http_call {
    struct http *http;
    struct http_call *prev;
    struct http_call *next;
    CURL *easy; /* NULL when it failed before there was one */
    struct curl_slist *headers;
    char *where; /* for people: "the socket /run/x.sock", "example.org:443" */
    char reason[CURL_ERROR_SIZE];
    struct http_request request; /* its pointers to text are not kept */
    struct buf body;             /* what is sent */
    struct http_response response;
    struct error fault; /* why a callback of ours ended it; told instead of libcurl's words */
    size_t header_bytes;
    bool local;      /* to a unix socket */
    bool added;      /* libcurl has it */
    bool cancelled;  /* to be released as soon as libcurl is off the stack */
    bool resume;     /* to be resumed then */
    bool paused;     /* by http_pause() */
    bool waiting;    /* its pull said HTTP_WAIT */
    bool streaming;  /* on_data takes the body */
    uv_timer_t idle; /* a quarter of idle_timeout_ms; or at once, to tell an early fault */
    int64_t seen;    /* bytes moved at its last turn */
    int quiet;       /* turns without any */
};

/* Makes `http->multi`. */
int http_loop_open(struct http *http, struct error *err);
void http_loop_close(struct http *http);

/* Does what had to wait until libcurl was off the stack: adds, resumes, releases. Nothing while it
 * is on the stack. */
void http_loop_settle(struct http *http);

/* Takes a call out of libcurl and of the list, tells `done` (with the call's fault first, else by
 * the code), and frees it. */
void http_call_finish(struct http_call *call, CURLcode code);

/* The same without telling anybody. */
void http_call_release(struct http_call *call);

/* libcurl's verdict in words. Sets nothing for CURLE_OK. */
void http_fault(const struct http_call *call, CURLcode code, struct error *err);
