/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * References to images, as Docker reads them: [REGISTRY/]REPOSITORY[:TAG][@DIGEST]. Short names are
 * expanded here, because the engines do not agree on it: `python` is docker.io/library/python:latest.
 */

#include "base/error.h"

struct image_name {
    char *registry;   /* "docker.io", "localhost:5000": a host, with a port when one is given */
    char *repository; /* "library/python" */
    char *tag;        /* "latest" when neither tag nor digest is given; NULL with a digest alone */
    char *digest;     /* "sha256:..."; NULL when none is given */
};

#define IMAGE_NAME_INIT  \
    {                    \
        .registry = NULL \
    }

void image_name_done(struct image_name *name);
#define AUTO_IMAGE_NAME __attribute__((cleanup(image_name_done)))

/* ERROR_INVALID says what is wrong, with what to write instead; the place is the caller's. On an error
 * *ret_name is empty. */
int image_name_parse(const char *text, struct image_name *ret_name, struct error *err);

/* All of it: "docker.io/library/python:3.11@sha256:...". Caller frees. */
MUST_CHECK char *image_name_text(const struct image_name *name);

/* What engines are asked for: with a digest without the tag, which would only repeat it. Caller frees. */
MUST_CHECK char *image_name_pulled(const struct image_name *name);

/* "docker.io/library/python", without tag and digest. Caller frees. */
MUST_CHECK char *image_name_repository(const struct image_name *name);
