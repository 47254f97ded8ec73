/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What Docker's and Podman's own commands keep in a user's folders. The files may hold passwords:
 * what is read is wiped, and no error shows anything of it. All of it blocks on the disk, briefly.
 */

#include <jansson.h>

#include "base/error.h"

/* $DOCKER_CONFIG, else ~/.docker. The caller frees it. */
MUST_CHECK char *engine_config_dir(void);

/* $XDG_RUNTIME_DIR, else what it would be: a Jupyter that runs as a service does not have it set.
 * The caller frees it. */
MUST_CHECK char *engine_config_runtime_dir(void);

/* Reads a file that holds one JSON object. Returns 0 with *ret_config NULL when there is no such
 * file; the caller owns the reference. ERROR_INVALID with the place when it is malformed. */
int engine_config_read(const char *path, json_t **ret_config, struct error *err);
