/* SPDX-License-Identifier: BSD-3-Clause */
/* libcurl's verdicts in words for people: who did not answer, why, and what to do. */
#include <errno.h>
#include <string.h>

#include "submission/http_private.h"

/* A socket that is not there, not ours to open, or that nobody listens on. */
static void no_connection(const struct http_call *call, struct error *err)
{
    long number = 0;
    call->http->curl.easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &number);
    /* Over TCP libcurl's words tell whether it was the host or the proxy on the way to it. */
    bool local = call->local && number != 0;
    const char *why = local ? strerror((int)number) : call->reason;
    enum error_code code = number == ENOENT                      ? ERROR_NOT_FOUND
                           : number == EACCES || number == EPERM ? ERROR_DENIED
                                                                 : ERROR_BUSY;
    error_set(err, code, "cannot connect to %s: %s", call->where, why);
    if (number == ECONNREFUSED)
        error_hint(err, "nothing listens there: is the service running%s?",
                   local ? "" : ", and the proxy right (HTTPS_PROXY, HTTP_PROXY)");
    else if (code == ERROR_DENIED)
        error_hint(err, "your account may not open it: ask for the group that may");
}

/* Which of the limits it was: libcurl has one code for all of them. */
static void timed_out(const struct http_call *call, struct error *err)
{
    curl_off_t connected_us = 0;
    call->http->curl.easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    if (connected_us > 0) {
        error_set(err, ERROR_LIMIT, "%s did not finish its answer within %lld s", call->where,
                  (long long)(call->request.timeout_ms + 999) / 1000);
        return;
    }
    error_set(err, ERROR_BUSY, "%s does not answer", call->where);
    error_hint(err, "check the network and, where one is needed, the proxy (HTTPS_PROXY)");
}

static void not_trusted(const struct http_call *call, struct error *err)
{
    error_set(err, ERROR_DENIED, "the certificate of %s is not trusted: %s", call->where,
              call->reason);
    error_hint(err, "add the authority that signed it to the system's (update-ca-certificates)");
}

static void other(const struct http_call *call, CURLcode code, struct error *err)
{
    const char *reason =
        call->reason[0] != '\0' ? call->reason : call->http->curl.easy_strerror(code);
    error_set(err, ERROR_BUSY, "the request to %s failed: %s", call->where, reason);
}

void http_fault(const struct http_call *call, CURLcode code, struct error *err)
{
    switch (code) {
    case CURLE_OK:
        return;
    case CURLE_COULDNT_CONNECT:
        no_connection(call, err);
        return;
    case CURLE_COULDNT_RESOLVE_HOST:
        error_set(err, ERROR_NOT_FOUND, "no host of this name is known: %s", call->where);
        error_hint(err, "check its spelling, and whether this machine is on the network");
        return;
    case CURLE_COULDNT_RESOLVE_PROXY:
        error_set(err, ERROR_NOT_FOUND, "the proxy on the way to %s is not known", call->where);
        error_hint(err, "check HTTPS_PROXY, HTTP_PROXY and NO_PROXY");
        return;
    case CURLE_OPERATION_TIMEDOUT:
        timed_out(call, err);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
        not_trusted(call, err);
        return;
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CONNECT_ERROR:
        error_set(err, ERROR_DENIED, "no secure connection to %s: %s", call->where, call->reason);
        return;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        error_set(err, ERROR_BUSY, "%s closed the connection in the middle: %s", call->where,
                  call->reason);
        return;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING:
        error_set(err, ERROR_CORRUPT, "what %s answers is not HTTP: %s", call->where, call->reason);
        return;
    default:
        other(call, code, err);
    }
}
