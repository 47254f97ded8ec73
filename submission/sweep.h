/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What Skiff has left in container engines, listed by its labels and removed one after the other:
 * images it built, containers of runs. Nothing else is ever touched. The engine refuses to remove an
 * image that a container uses; that is told as kept.
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "submission/http.h"

struct sweep;

struct sweep_request {
    struct http *http;
    const char *home;   /* whose: things of other homes are not seen */
    const char *engine; /* see engine_find(); NULL: the first that is found */
    bool containers;    /* else images */
    bool dry_run;       /* only tells */

    /* Why is it to be kept (a few words)? NULL: it is not. `item`: {"id", "name": of the container or
     * "skiff:..." of the image, "run": of a container, "environment": of an image, "size"}. Caller frees
     * what is returned. */
    char *(*keep)(const json_t *item, void *data);

    /* The end, once, from the loop: {"engine", "removed": [item...], "kept": [item with "why"...],
     * "freed": bytes}. Borrowed. */
    void (*done)(const json_t *result, const struct error *err, void *data);
    void *data;
};

/* NULL with an error: there is no engine. All in the request is copied but for the http. */
MUST_CHECK struct sweep *sweep_begin(const struct sweep_request *request, struct error *err);

/* No callback afterwards; what was removed is removed. NULL is allowed. */
void sweep_cancel(struct sweep *sweep);
