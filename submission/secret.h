/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Secrets by reference: env:NAME, file:PATH, secret:NAME. A reference travels; the value is
 * resolved as late as possible, lives in locked memory, and is wiped.
 *
 * Stored secrets are sealed with libsodium (XChaCha20-Poly1305, the name as additional data), one
 * file each under $SKIFF_HOME/secrets/, with a key in secrets/key (mode 0600, its folder 0700).
 * This keeps them from other users, from greps and from copies of single files; it does not protect
 * from the user's own processes or from who has a copy of the whole folder; docs/security.md says
 * so.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strlist.h"

#define SECRET_SIZE_MAX (64 * 1024) /* a service account's key file is about 2 kB */

struct secret {
    char *value; /* NUL-terminated, in sodium_malloc()ed memory */
    size_t size;
};

#define SECRET_INIT   \
    {                 \
        .value = NULL \
    }

void secret_done(struct secret *secret); /* wipes */
#define AUTO_SECRET __attribute__((cleanup(secret_done)))

/* Is this text a reference (one of the three forms, or "docker")? "file://..." is a URL. */
bool secret_is_reference(const char *text);

/* Checks the form of a reference without reading it: the error lists the forms. It does not show
 * the text, which may be the secret itself. */
int secret_check_reference(const char *text, struct error *err);

/* Resolves a reference; the caller wipes with secret_done(). Of a file, one newline at the end is
 * taken off. An empty value, and one that holds a NUL, is an error. "docker" is ERROR_UNSUPPORTED:
 * it is the container backend's. Errors name the reference, never a value. Blocks on the disk. */
int secret_resolve(const char *home, const char *reference, struct secret *ret_secret,
                   struct error *err);

/* Stores, lists (names only, sorted), removes. Names: letters, digits, '_' and '-', at most 64. */
int secret_store(const char *home, const char *name, const char *value, size_t size,
                 struct error *err);
int secret_list(const char *home, struct strlist *ret_names, struct error *err);
int secret_remove(const char *home, const char *name, struct error *err);
