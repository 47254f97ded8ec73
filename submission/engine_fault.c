/* SPDX-License-Identifier: BSD-3-Clause */
/* Tables of the engines' wordings. The first entry that is found in a message decides, so the more
 * telling ones stand first: a rate limit talks of authentication, a full disk of what was not found.
 * What no entry knows is classed by the HTTP status and shown as it is. */
#include "submission/engine_fault.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/utf8.h"

#define MESSAGE_MAX 4096 /* longer ones are a page of HTML from a proxy */

struct wording {
    const char *part; /* of the message, in any case of its letters */
    enum error_code code;
    const char *means; /* before the engine's words; NULL: they suffice */
    const char *hint;
};

#define DISK "the engine's disk is full"
#define DISK_HINT "free space there: %environments --prune removes images that Skiff made"
#define RATE "the registry's rate limit is reached"
#define RATE_HINT                                                                             \
    "wait for it to pass, or give an account with registry: {username: ..., password: ...}: " \
    "accounts have higher limits"
#define TRUST "the registry's certificate is not trusted by the engine"
#define TRUST_HINT                                                                \
    "put the authority that signed it into /etc/docker/certs.d/HOST:PORT/ca.crt " \
    "(Podman: /etc/containers/certs.d) on the engine's machine"
#define PLAIN "the registry speaks plain HTTP, which the engine refuses"
#define PLAIN_HINT                                                               \
    "serve it with TLS, or add it to the engine's insecure registries (Docker: " \
    "insecure-registries in daemon.json; Podman: insecure=true in registries.conf)"
#define PLATFORM "the image is not made for this kind of machine"
#define PLATFORM_HINT "choose a tag that is built for the engine's architecture"
#define GPU "the engine cannot give GPUs to a container"
#define GPU_HINT                                                                             \
    "install the NVIDIA container toolkit on the engine's machine, or take gpus out of the " \
    "%%compute cell"
#define NO_IMAGE "there is no such image, or it needs a password"
#define NO_IMAGE_HINT                                                             \
    "check the name and tag; for a private image give registry: {username: ..., " \
    "password: ...}"
#define UNKNOWN "there is no such image"
#define UNKNOWN_HINT "check the registry, the name and the tag"
#define PASSWORD "the registry refuses the user name or password"
#define PASSWORD_HINT "check registry: {username: ..., password: ...}; a token may have expired"
#define NO_PASSWORD_HINT                                                           \
    "give registry: {address: ..., username: ..., password: \"env:NAME\"} in the " \
    "%%environment cell"
#define ACCESS "this account has no access to the image"
#define ACCESS_HINT "check the image's name, and that the account may pull it"
#define HOST "there is no such registry host"
#define HOST_HINT \
    "check the spelling of the registry, and that the engine's machine is on the network"
#define REACH "the registry cannot be reached"
#define REACH_HINT \
    "check the network of the engine's machine and its proxy settings, then try again"
#define REFERENCE_HINT "write it as [registry/]name[:tag] or name@sha256:..., in small letters"
#define RLIMIT_HINT \
    "the engine may not raise limits on this machine: set ulimits in the %%compute cell"
#define TAKEN_HINT "it may be a leftover: %computes --clean removes those of runs that ended"

/* Registries say so too when the one that was given is wrong. */
static const char no_password[] = "the registry wants a user name and password";

/* What an engine says by itself. */
static const struct wording of_engines[] = {
    /* A command of a Dockerfile, whose text follows: it may hold any of the words below. */
    {"returned a non-zero code", ERROR_FAILED, NULL, NULL},
    {"while running runtime", ERROR_FAILED, NULL, NULL},

    {"no space left on device", ERROR_IO, DISK, DISK_HINT},
    {"disk quota exceeded", ERROR_IO, DISK, DISK_HINT},
    {"could not select device driver", ERROR_UNSUPPORTED, GPU, GPU_HINT},
    {"unresolvable CDI devices", ERROR_UNSUPPORTED, GPU, GPU_HINT},
    {"nvidia-container-cli", ERROR_UNSUPPORTED, GPU, GPU_HINT},
    {"setting rlimit", ERROR_DENIED, NULL, RLIMIT_HINT},
    {"error setting rlimits", ERROR_DENIED, NULL, RLIMIT_HINT},
    {"setrlimit", ERROR_DENIED, NULL, RLIMIT_HINT},
    {"invalid reference format", ERROR_INVALID, "this is no image's name", REFERENCE_HINT},
    {"could not parse reference", ERROR_INVALID, "this is no image's name", REFERENCE_HINT},
    {"invalid repository name", ERROR_INVALID, "this is no image's name", REFERENCE_HINT},
    {"no such image", ERROR_NOT_FOUND, UNKNOWN, UNKNOWN_HINT},
    {"image not known", ERROR_NOT_FOUND, UNKNOWN, UNKNOWN_HINT},
    {"is already in use by", ERROR_EXISTS, NULL, TAKEN_HINT},
    {"name is already in use", ERROR_EXISTS, NULL, TAKEN_HINT},
    {"image is being used by", ERROR_BUSY, NULL, "remove the containers that use it first"},
    {"image is in use by", ERROR_BUSY, NULL, "remove the containers that use it first"},
    {"is using its referenced image", ERROR_BUSY, NULL, "remove the containers that use it first"},
    {"is already in progress", ERROR_BUSY, NULL, NULL},
};

/* What it passes on from a registry and from the way there. */
static const struct wording of_registries[] = {
    {"toomanyrequests", ERROR_LIMIT, RATE, RATE_HINT},
    {"too many requests", ERROR_LIMIT, RATE, RATE_HINT},
    {"pull rate limit", ERROR_LIMIT, RATE, RATE_HINT},
    {"status code 429", ERROR_LIMIT, RATE, RATE_HINT},
    {"x509:", ERROR_DENIED, TRUST, TRUST_HINT},
    {"failed to verify certificate", ERROR_DENIED, TRUST, TRUST_HINT},
    {"server gave HTTP response to HTTPS client", ERROR_FAILED, PLAIN, PLAIN_HINT},
    {"no matching manifest for", ERROR_UNSUPPORTED, PLATFORM, PLATFORM_HINT},
    {"no match for platform in manifest", ERROR_UNSUPPORTED, PLATFORM, PLATFORM_HINT},
    {"no image found in manifest list", ERROR_UNSUPPORTED, PLATFORM, PLATFORM_HINT},
    {"no image found in image index", ERROR_UNSUPPORTED, PLATFORM, PLATFORM_HINT},
    {"does not match the specified platform", ERROR_UNSUPPORTED, PLATFORM, PLATFORM_HINT},
    {"incorrect username or password", ERROR_DENIED, PASSWORD, PASSWORD_HINT},
    {"invalid username/password", ERROR_DENIED, PASSWORD, PASSWORD_HINT},
    {"authorization token has expired", ERROR_DENIED, PASSWORD, PASSWORD_HINT},
    {"invalid credentials", ERROR_DENIED, PASSWORD, PASSWORD_HINT},
    {"failed to fetch oauth token", ERROR_DENIED, PASSWORD, PASSWORD_HINT},
    {"no basic auth credentials", ERROR_DENIED, no_password, NO_PASSWORD_HINT},
    {"repository does not exist or may require", ERROR_NOT_FOUND, NO_IMAGE, NO_IMAGE_HINT},
    {"manifest unknown", ERROR_NOT_FOUND, UNKNOWN, UNKNOWN_HINT},
    {"manifest_unknown", ERROR_NOT_FOUND, UNKNOWN, UNKNOWN_HINT},
    {"name unknown", ERROR_NOT_FOUND, UNKNOWN, UNKNOWN_HINT},
    {"name_unknown", ERROR_NOT_FOUND, UNKNOWN, UNKNOWN_HINT},
    {"repository name not known to registry", ERROR_NOT_FOUND, UNKNOWN, UNKNOWN_HINT},
    {"authentication required", ERROR_DENIED, no_password, NO_PASSWORD_HINT},
    {"401 Unauthorized", ERROR_DENIED, no_password, NO_PASSWORD_HINT},
    {"unauthorized:", ERROR_DENIED, ACCESS, ACCESS_HINT},
    {"insufficient_scope", ERROR_DENIED, ACCESS, ACCESS_HINT},
    {"denied: ", ERROR_DENIED, ACCESS, ACCESS_HINT},
    {"requested access to the resource is denied", ERROR_DENIED, ACCESS, ACCESS_HINT},
    {"403 Forbidden", ERROR_DENIED, ACCESS, ACCESS_HINT},
    {"403 (Forbidden)", ERROR_DENIED, ACCESS, ACCESS_HINT},
    {"HTTP 403 response", ERROR_DENIED, ACCESS, ACCESS_HINT},
    {"no such host", ERROR_BUSY, HOST, HOST_HINT},
    {"name resolution", ERROR_BUSY, HOST, HOST_HINT},
    {"server misbehaving", ERROR_BUSY, HOST, HOST_HINT},
    {"connection refused", ERROR_BUSY, REACH, REACH_HINT},
    {"connection reset by peer", ERROR_BUSY, REACH, REACH_HINT},
    {"i/o timeout", ERROR_BUSY, REACH, REACH_HINT},
    {"network is unreachable", ERROR_BUSY, REACH, REACH_HINT},
    {"no route to host", ERROR_BUSY, REACH, REACH_HINT},
    {"TLS handshake timeout", ERROR_BUSY, REACH, REACH_HINT},
    {"Client.Timeout exceeded", ERROR_BUSY, REACH, REACH_HINT},
    {"awaiting headers", ERROR_BUSY, REACH, REACH_HINT},
    {"context deadline exceeded", ERROR_BUSY, REACH, REACH_HINT},
    {"unexpected EOF", ERROR_BUSY, REACH, REACH_HINT},
    {"500 Internal Server Error", ERROR_BUSY, REACH, REACH_HINT},
    {"502 Bad Gateway", ERROR_BUSY, REACH, REACH_HINT},
    {"503 Service Unavailable", ERROR_BUSY, REACH, REACH_HINT},
    {"504 Gateway", ERROR_BUSY, REACH, REACH_HINT},
};

static enum error_code code_of_status(int status)
{
    switch (status) {
    case 400:
        return ERROR_INVALID;
    case 401:
    case 403:
        return ERROR_DENIED;
    case 404:
        return ERROR_NOT_FOUND;
    case 409:
    case 503:
        return ERROR_BUSY;
    case 429:
        return ERROR_LIMIT;
    case 501:
        return ERROR_UNSUPPORTED;
    default:
        return ERROR_FAILED;
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static const struct wording *find_registry(const char *message)
{
    static const struct wording eof = {": EOF", ERROR_BUSY, REACH, REACH_HINT};
    static const struct wording gone = {": not found", ERROR_NOT_FOUND, UNKNOWN, UNKNOWN_HINT};
    for (size_t i = 0; i < ARRAY_SIZE(of_registries); i++)
        if (strcasestr(message, of_registries[i].part) != NULL)
            return &of_registries[i];
    if (ends_with(message, eof.part)) /* Get "https://...": EOF */
        return &eof;
    if (ends_with(message,
                  gone.part)) /* containerd's resolver: "... localhost:5000/x:1: not found" */
        return &gone;
    return NULL;
}

static const struct wording *find(const char *message, enum engine_asked asked)
{
    for (size_t i = 0; i < ARRAY_SIZE(of_engines); i++)
        if (strcasestr(message, of_engines[i].part) != NULL)
            return &of_engines[i];
    return asked != ENGINE_ASKED_ALONE ? find_registry(message) : NULL;
}

int engine_fault(struct error *err, int status, const char *message, enum engine_asked asked)
{
    const struct wording *known = find(message, asked);
    if (known == NULL)
        return error_set(err, code_of_status(status), "%s", message);
    bool refused = asked == ENGINE_ASKED_WITH_PASSWORD && known->means == no_password;
    const char *means = refused ? PASSWORD : known->means;
    const char *hint = refused ? PASSWORD_HINT : known->hint;
    if (means != NULL)
        error_set(err, known->code, "%s: %s", means, message);
    else
        error_set(err, known->code, "%s", message);
    return hint != NULL ? error_hint(err, "%s", hint) : -1;
}

/* One line of clean text, without the spaces around it. */
static char *tidy(const char *text, size_t size)
{
    AUTO_BUF struct buf clean = BUF_INIT;
    utf8_append_clean(&clean, text, size < MESSAGE_MAX ? size : MESSAGE_MAX);
    buf_putc(&clean, '\0');
    char *start = clean.data + strspn(clean.data, " \r\n\t");
    size_t length = strlen(start);
    while (length > 0 && strchr(" \r\n\t", start[length - 1]) != NULL)
        length--;
    return xstrndup(start, length);
}

char *engine_fault_message(int status, const char *body, size_t size)
{
    AUTO_FREE char *text = NULL;
    AUTO_JSON json_t *root = size > 0 ? json_loadb(body, size, 0, NULL) : NULL;
    const char *message = json_get_string(root, "message", "");
    /* A message that wraps another one: what an engine behind an engine said. */
    AUTO_JSON json_t *inner = message[0] == '{' ? json_loads(message, 0, NULL) : NULL;
    message = json_get_string(inner, "message", message);
    if (message[0] == '\0')
        message = json_get_string(root, "cause", "");
    text =
        message[0] != '\0' ? tidy(message, strlen(message)) : tidy(body != NULL ? body : "", size);
    if (text[0] == '\0')
        return xasprintf("the engine answers with HTTP status %d and no reason", status);
    return steal(&text);
}
