/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which container engine. The first of these that says anything:
 *
 *   1. what the compute names
 *   2. $DOCKER_HOST, with $DOCKER_TLS_VERIFY and $DOCKER_CERT_PATH for tcp://
 *   3. Docker's context: $DOCKER_CONTEXT, else the current one of `docker context use`
 *   4. $CONTAINER_HOST
 *   5. the usual sockets: rootless Docker's, Docker's, rootless Podman's, Podman's
 *
 * What is named in 1 to 4 is used or is an error; a usual socket that the user may not open is
 * passed over for the next. Nothing is connected to: an engine that has died is
 * engine_connect()'s to tell.
 */

#include "base/error.h"

struct engine_place {
    char *address; /* unix:///path or tcp://host:port, as engine_new() takes it */
    char *tls_dir; /* or NULL */
    char *why;     /* for people: "DOCKER_HOST", "the docker context colima", "CONTAINER_HOST",
                      "found at /run/docker.sock" */
};

#define ENGINE_PLACE_INIT \
    {                     \
        .address = NULL   \
    }

void engine_place_done(struct engine_place *place);
#define AUTO_ENGINE_PLACE __attribute__((cleanup(engine_place_done)))

/* `given`: what the compute names (an address, or "docker" or "podman" to look only for that
 * one), or NULL. ERROR_NOT_FOUND: there is none, and the error lists where it was looked for, or
 * the one that was named is not there. ERROR_DENIED: it may not be opened. ERROR_UNSUPPORTED:
 * ssh://, with the way around. ERROR_INVALID: a name, an address or a file that is malformed.
 * Reads small files. */
int engine_find(const char *given, struct engine_place *ret_place, struct error *err);

/* engine_find() with the system's own sockets looked for under the folder `root`: "" is the system,
 * anything else is a test. */
int engine_find_under(const char *root, const char *given, struct engine_place *ret_place,
                      struct error *err);
