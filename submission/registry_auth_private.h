/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What registry_auth*.c share: credentials before they are headers, one store, one helper. */

#include <stdbool.h>
#include <stdint.h>

#include "submission/registry_auth.h"

/* --- credentials: registry_auth_header.c ------------------------------------------------------ */

struct registry_auth_credentials {
    char *username;         /* NULL for a token */
    struct secret password; /* or an identity token; its value NULL: there are none */
};

#define REGISTRY_AUTH_CREDENTIALS_INIT \
    {                                  \
        .username = NULL               \
    }

void registry_auth_credentials_done(struct registry_auth_credentials *credentials);
#define AUTO_CREDENTIALS __attribute__((cleanup(registry_auth_credentials_done)))

/* Protected memory for `size` bytes and a NUL; its size is 0. */
int registry_auth_room(size_t size, struct secret *ret_room, struct error *err);

/* A copy in protected memory. ERROR_LIMIT past SECRET_SIZE_MAX, which every password here obeys. */
int registry_auth_copy(const char *text, size_t size, struct secret *ret_copy, struct error *err);

/* What Docker files a registry under: the host, but a URL for Docker Hub. Borrowed. */
const char *registry_auth_server(const char *host);

/* The values of both headers, for the caller to wipe; `source` is not set. */
int registry_auth_encode(const char *host, const struct registry_auth_credentials *credentials,
                         struct registry_auth *ret_auth, struct error *err);

/* --- stores: registry_auth_store.c ------------------------------------------------------------ */

/* What one store has to say on a registry: helpers to ask, in this order, then its own. */
struct registry_auth_plan {
    char *helpers[2]; /* "docker-credential-pass": the registry's own, then the one for all */
    size_t helper_count;
    struct registry_auth_credentials stored;
};

void registry_auth_plan_done(struct registry_auth_plan *plan);

/* The host that an address or a store's key means: without scheme and path, and "docker.io" for all
 * names of Docker Hub. The caller frees it. */
MUST_CHECK char *registry_auth_host(const char *address);

/* Reads a store; 1 when there is no such file. `repository` may be NULL. */
int registry_auth_plan(const char *path, const char *host, const char *repository,
                       struct registry_auth_plan *ret_plan, struct error *err);

/* --- helpers: registry_auth_helper.c ---------------------------------------------------------- */

/* A helper that waits for a passphrase which nobody can type would wait for ever. */
#define REGISTRY_AUTH_HELPER_MS 30000

struct registry_auth_helper; /* valid until `done` returns or it is cancelled */

/* Borrowed; `credentials` has no password when the helper knows none. */
typedef void (*registry_auth_helper_fn)(const struct registry_auth_credentials *credentials,
                                        const struct error *err, void *data);

/* Asks a helper, looked up on $PATH, for a server's credentials. Never NULL; `done` is called once,
 * from the loop. After `limit_ms` it is killed with all it has started. */
struct registry_auth_helper *registry_auth_helper_start(uv_loop_t *loop, const char *name,
                                                        const char *server, uint64_t limit_ms,
                                                        registry_auth_helper_fn done, void *data);

/* Kills it; `done` is not called. */
void registry_auth_helper_cancel(struct registry_auth_helper *helper);
