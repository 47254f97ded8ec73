/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The Dockerfile that puts an environment's packages on top of an image, as Azure ML does: a conda file
 * becomes an environment of its own, pip's requirements go into a virtual environment that still sees
 * the image's packages, and both come first on PATH. Pure.
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

#define IMAGE_RECIPE_REQUIREMENTS "requirements.txt" /* its files */
#define IMAGE_RECIPE_CONDA "environment.yml"

struct image_recipe {
    struct buf dockerfile;
    struct buf requirements; /* empty: there are none */
    struct buf conda;        /* likewise */
};

#define IMAGE_RECIPE_INIT      \
    {                          \
        .dockerfile = BUF_INIT \
    }
void image_recipe_done(struct image_recipe *recipe);
#define AUTO_IMAGE_RECIPE __attribute__((cleanup(image_recipe_done)))

/* Does the definition ask for packages on top of its image? */
bool image_recipe_needed(const json_t *environment);

/* `base` is the id of the image, `user` its own user ("" for root). */
void image_recipe_write(const json_t *environment, const char *base, const char *user,
                        struct image_recipe *ret_recipe);

/* The first registry a Dockerfile begins FROM, or NULL when its FROM names none that can be read (a
 * variable, an earlier stage). Caller frees. */
MUST_CHECK char *image_recipe_registry(const char *dockerfile);
