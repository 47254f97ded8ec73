/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The engines' error messages, told apart. Docker (20.10 to the newest) and Podman pass on what a
 * registry, a runtime or the system said, in words that change from version to version; a table of
 * them gives the code, what it means, and what to do. Pure.
 */

#include <stddef.h>

#include "base/error.h"

/* Whose words a message may pass on. Registries say the same of a wrong password as of none. */
enum engine_asked {
    ENGINE_ASKED_ALONE,
    ENGINE_ASKED_REGISTRY,      /* without a password, or with one for some other registry */
    ENGINE_ASKED_WITH_PASSWORD, /* a registry, with a password for it */
};

/* Sets the error for an answer of HTTP status `status` (200: the stream's own error) and its
 * message. The engine's words stay in the text.
 *
 *   ERROR_NOT_FOUND    no such image or container
 *   ERROR_DENIED       wrong password, none given, no access
 *   ERROR_LIMIT        the registry's rate limit
 *   ERROR_BUSY         registry or engine not to be reached or overloaded, an object in use: may pass
 *   ERROR_IO           the engine's disk is full
 *   ERROR_EXISTS       the name is taken
 *   ERROR_INVALID      a malformed reference or request
 *   ERROR_UNSUPPORTED  no image for this machine, no GPU support, not in this version
 *   ERROR_FAILED       anything else
 * Returns -1. */
int engine_fault(struct error *err, int status, const char *message, enum engine_asked asked);

/* The message in the body of an answer that is no 2xx: {"message": ...} (Podman adds "cause"), or
 * plain text. Never empty. Caller frees. */
MUST_CHECK char *engine_fault_message(int status, const char *body, size_t size);
