/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Credentials for a registry, as the values of the headers that a container engine takes them by.
 *
 * A definition's `registry:` with a password by reference comes first, when it is for that
 * registry. Else the stores of `docker login` and `podman login`, in this order:
 * $REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json (~/.docker/config.json),
 * $XDG_RUNTIME_DIR/containers/auth.json, ~/.config/containers/auth.json; of each its credential
 * helper for that registry, its helper for all, and what it holds itself. A store that is there
 * and malformed, or a helper that fails, is an error: an anonymous request would be refused with
 * less to go by.
 *
 * Passwords are in locked memory and wiped (jansson's copies, while a file is read, are not); no
 * error holds anything of a store's content or of what a helper said.
 */

#include <jansson.h>
#include <uv.h>

#include "base/error.h"
#include "submission/secret.h"

struct registry_auth {
    struct secret header; /* of X-Registry-Auth; its value NULL: none found, go anonymously */
    struct secret config; /* of X-Registry-Config, for builds; NULL with it */
    const char *source;   /* for people: "env:REGISTRY_PASSWORD", "~/.docker/config.json",
                             "docker-credential-pass", "none" */
};

/* All is copied. */
struct registry_auth_request {
    uv_loop_t *loop;
    const char *home;       /* for secret_resolve() */
    const json_t *registry; /* {"address", "username", "password": a reference or "docker"} of a
                               definition, or NULL; one for another host does not count */
    const char *host;       /* the registry of the image: "docker.io", "localhost:5000" */
    const char *repository; /* "team/train", for stores that tell them apart; or NULL */

    /* The end: once, from the loop. Either is NULL; both are borrowed for the call. */
    void (*done)(const struct registry_auth *auth, const struct error *err, void *data);
    void *data;
};

struct registry_auth_call; /* valid until `done` returns or it is cancelled */

/* Looks for credentials; never NULL, and never calls back before it returns. Files are read from
 * the loop, which blocks on the disk for a moment; helpers are processes. ERROR_NOT_FOUND: the
 * definition says `password: docker` and no store has any, or a reference or a helper is not
 * there; ERROR_INVALID: a malformed file or host; ERROR_FAILED: a helper failed; ERROR_LIMIT: it
 * took too long or said too much. */
struct registry_auth_call *registry_auth_find(const struct registry_auth_request *request);

/* No callback afterwards. The loop has to run for the handles to be closed, and for a helper that
 * was killed to be reaped. Not from the call's own `done`. NULL is allowed. */
void registry_auth_cancel(struct registry_auth_call *call);
