/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The inside of images.h: images.c (who waits for what, and what is kept of it), images_work.c (the course
 * of one image) and images_build.c (its builds). */

#include "submission/build_context.h"
#include "submission/engine.h"
#include "submission/engine_find.h"
#include "submission/images.h"
#include "submission/registry_auth.h"

struct images {
    uv_loop_t *loop;
    char *home;
    struct http *http;
    json_t *engines; /* their addresses and what they said of themselves */
    struct image_work *works;
    unsigned refs; /* works not freed yet, and the kernel's own */
};

struct image_call {
    struct image_work *work;
    struct image_callbacks callbacks;
    void *data;
    struct image_call *next;
};

/* One image being made ready. */
struct image_work {
    struct images *images;
    struct image_work *next;
    struct image_call *calls;
    uv_timer_t soon; /* the first step, from the loop; then the wait for another kernel's build */
    bool ended;      /* nobody waits any more, or all were told */

    char *hash; /* of the definition: the record's name */
    json_t *environment;
    char *given;   /* the engine that was asked for, or NULL */
    char *network; /* of builds, or NULL */

    struct engine_place place;
    struct engine *engine;
    struct engine_op *op;
    struct registry_auth_call *auth;
    int64_t began_us;

    const char *how;   /* what it took: "was there", "pulled", "built"; static */
    char *reference;   /* what is looked for, pulled or built */
    char *repository;  /* of a pulled one, to find its digest; NULL otherwise */
    char *digest;      /* of a pulled one */
    bool on_top;       /* the build under way is that of the packages */
    int lock;          /* held while it builds; -1 */
    struct pack *pack; /* the piece of work on the pool, or NULL */
    struct build_context *context;
    uint64_t layers_told[ENGINE_LAYERS_MAX / 64]; /* a bit for each */
};

/* Begins; ends with images_ended(). */
void image_work_begin(struct image_work *work);

/* Stops what is under way; nothing is reported any more. */
void image_work_stop(struct image_work *work);

/* --- images_work.c for images_build.c ---------------------------------------------------------------- */

/* The image that was looked for, pulled or built is there. */
void image_work_found(struct image_work *work, const json_t *inspected);

/* Looks for work->reference once more: it was just pulled or built. */
void image_work_inspect(struct image_work *work);

/* Credentials for a registry; `repository` for stores that tell them apart, or NULL. */
typedef void (*image_auth_fn)(const struct registry_auth *auth, const struct error *err,
                              void *work);
void image_work_find_auth(struct image_work *work, const char *host, const char *repository,
                          image_auth_fn done);

/* A line for the log. */
void image_work_say(struct image_work *work, const char *line);

/* --- images_build.c for images_work.c ---------------------------------------------------------------- */

/* Builds from the Dockerfile of the definition, or puts its packages on top of `base`, unless what they
 * make is there already; goes on with image_work_found(). */
void image_build_base(struct image_work *work);
void image_build_on_top(struct image_work *work, const json_t *base);
void image_build_stop(struct image_work *work);

/* --- what both report to images.c -------------------------------------------------------------------- */

void images_progress(struct image_work *work, const char *text);
void images_log(struct image_work *work, const char *bytes, size_t size);
void images_ended(struct image_work *work, const json_t *inspected, const struct error *err);
