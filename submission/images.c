/* SPDX-License-Identifier: BSD-3-Clause */
/* Who waits for which image. Calls that ask for the same thing of the same engine share one piece of
 * work; it ends with the last of them. What was made ready is recorded for lists. */
#include "submission/images.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "submission/image_name.h"
#include "submission/image_recipe.h"
#include "submission/images_private.h"
#include "submission/spec.h"

/* --- records ---------------------------------------------------------------------------------------- */

static char *record_path(const char *home, const char *hash)
{
    return xasprintf("%s/images/%s.json", home, hash);
}

json_t *images_record(const char *home, const json_t *environment)
{
    char hash[65];
    spec_hash(environment, hash);
    AUTO_FREE char *path = record_path(home, hash);
    return file_exists(path) ? json_read(path, NULL) : NULL;
}

void images_forget(const char *home, const json_t *environment)
{
    char hash[65];
    spec_hash(environment, hash);
    AUTO_FREE char *path = record_path(home, hash);
    unlink(path);
}

/* What is asked for, before anything is known of it. */
static char *wanted_text(const json_t *environment)
{
    const char *image = json_get_string(environment, "image", NULL);
    const json_t *build = json_object_get(environment, "build");
    const char *more = image_recipe_needed(environment) ? ", with its packages on top" : "";
    if (image != NULL)
        return xasprintf("the image %s%s", image, more);
    if (json_object_get(build, "path") != NULL)
        return xasprintf("an image built from %s/%s", json_get_string(build, "path", ""),
                         json_get_string(build, "dockerfile_path", "Dockerfile"));
    return xstrdup("an image built from the Dockerfile");
}

char *images_describe(const char *home, const json_t *environment, bool *ret_cached)
{
    AUTO_FREE char *wanted = wanted_text(environment);
    AUTO_JSON json_t *record = images_record(home, environment);
    *ret_cached = record != NULL;
    if (record == NULL)
        return xasprintf("%s; made ready by the first run", wanted);
    AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(record, "size", 0));
    return xasprintf("%s; ready: %.19s, %s", wanted, json_get_string(record, "id", ""), size);
}

/* --- life ------------------------------------------------------------------------------------------- */

struct images *images_new(uv_loop_t *loop, const char *home, struct http *http)
{
    struct images *images = xcalloc(1, sizeof *images);
    *images = (struct images){
        .loop = loop, .home = xstrdup(home), .http = http, .engines = json_object(), .refs = 1};
    return images;
}

static void images_unref(struct images *images)
{
    if (--images->refs > 0)
        return;
    json_decref(images->engines);
    free(images->home);
    free(images);
}

static void on_closed(uv_handle_t *handle)
{
    struct image_work *work = handle->data;
    struct images *images = work->images;
    free(work->hash);
    json_decref(work->environment);
    free(work->given);
    free(work->network);
    engine_place_done(&work->place);
    free(work->reference);
    free(work->repository);
    free(work->digest);
    free(work);
    images_unref(images);
}

static void unlink_work(struct image_work *work)
{
    for (struct image_work **at = &work->images->works; *at != NULL; at = &(*at)->next)
        if (*at == work) {
            *at = work->next;
            return;
        }
}

/* Nobody waits for it any more. */
static void end(struct image_work *work)
{
    if (work->ended)
        return;
    work->ended = true;
    unlink_work(work);
    image_work_stop(work);
    uv_close((uv_handle_t *)&work->soon, on_closed);
}

void images_free(struct images *images)
{
    if (images == NULL)
        return;
    while (images->works != NULL) {
        struct image_work *work = images->works;
        while (work->calls != NULL) {
            struct image_call *call = work->calls;
            work->calls = call->next;
            free(call);
        }
        end(work);
    }
    images_unref(images);
}

const json_t *images_engine_info(const struct images *images, const char *engine)
{
    return json_object_get(images->engines, engine);
}

void images_keep_engine_info(struct images *images, const char *engine, const json_t *info)
{
    json_object_set_new(images->engines, engine, json_deep_copy(info));
}

/* --- calls ------------------------------------------------------------------------------------------ */

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static struct image_work *find_work(const struct images *images,
                                    const struct image_request *request, const char *hash)
{
    struct image_work *work = images->works;
    while (work != NULL && !(strcmp(work->hash, hash) == 0 && same(work->given, request->engine) &&
                             same(work->network, request->network)))
        work = work->next;
    return work;
}

static void on_soon(uv_timer_t *timer)
{
    image_work_begin(timer->data);
}

static struct image_work *new_work(struct images *images, const struct image_request *request,
                                   const char *hash)
{
    struct image_work *work = xcalloc(1, sizeof *work);
    *work = (struct image_work){.images = images,
                                .next = images->works,
                                .hash = xstrdup(hash),
                                .environment = json_deep_copy(request->environment),
                                .given = xstrdup_or_null(request->engine),
                                .network = xstrdup_or_null(request->network),
                                .began_us = clock_now(),
                                .how = "was there",
                                .lock = -1};
    images->works = work;
    images->refs++;
    uv_timer_init(images->loop, &work->soon);
    work->soon.data = work;
    uv_timer_start(&work->soon, on_soon, 0, 0);
    return work;
}

struct image_call *images_prepare(struct images *images, const struct image_request *request,
                                  const struct image_callbacks *callbacks, void *data)
{
    char hash[65];
    spec_hash(request->environment, hash);
    struct image_work *work = find_work(images, request, hash);
    if (work == NULL)
        work = new_work(images, request, hash);
    struct image_call *call = xcalloc(1, sizeof *call);
    *call = (struct image_call){
        .work = work, .callbacks = *callbacks, .data = data, .next = work->calls};
    work->calls = call;
    return call;
}

void image_release(struct image_call *call)
{
    if (call == NULL)
        return;
    struct image_work *work = call->work;
    for (struct image_call **at = &work->calls; *at != NULL; at = &(*at)->next)
        if (*at == call) {
            *at = call->next;
            break;
        }
    free(call);
    if (work->calls == NULL)
        end(work);
}

/* --- reports ---------------------------------------------------------------------------------------- */

void images_progress(struct image_work *work, const char *text)
{
    struct image_call *next;
    for (struct image_call *call = work->calls; call != NULL; call = next) {
        next = call->next;
        call->callbacks.progress(text, call->data);
    }
}

void images_log(struct image_work *work, const char *bytes, size_t size)
{
    struct image_call *next;
    for (struct image_call *call = work->calls; call != NULL; call = next) {
        next = call->next;
        call->callbacks.log(bytes, size, call->data);
    }
}

static char *how_text(const struct image_work *work)
{
    AUTO_FREE char *took = clock_duration(clock_now() - work->began_us);
    if (strcmp(work->how, "was there") != 0)
        return xasprintf("%s in %s", work->how, took);
    return xstrdup(work->repository != NULL && !work->on_top
                       ? "the engine had it under that name"
                       : "built before, and nothing in it has changed");
}

static json_t *new_record(const struct image_work *work, const json_t *inspected)
{
    AUTO_FREE char *how = how_text(work);
    json_t *record =
        json_pack("{s:s, s:s, s:s?, s:I, s:s, s:s, s:s}", "id",
                  json_get_string(inspected, "Id", ""), "reference", work->reference, "digest",
                  work->digest, "size", (json_int_t)json_get_int(inspected, "Size", 0),
                  "created_at", json_get_string(inspected, "Created", ""), "engine",
                  engine_where(work->engine), "how", how);
    json_set_time(record, "ready_at", clock_now());
    return record;
}

static void keep_record(const struct image_work *work, const json_t *record)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *dir = file_join(work->images->home, "images");
    AUTO_FREE char *path = record_path(work->images->home, work->hash);
    if (file_make_dirs(dir, &err) != 0 || json_write(path, record, 0644, &err) != 0)
        log_warning("the record of an image: %s", err.text);
}

void images_ended(struct image_work *work, const json_t *inspected, const struct error *err)
{
    AUTO_JSON json_t *record = err == NULL ? new_record(work, inspected) : NULL;
    if (record != NULL)
        keep_record(work, record);
    unlink_work(work); /* what is asked for from now on is looked at afresh */
    while (work->calls != NULL) {
        struct image_call *call = work->calls;
        work->calls = call->next;
        call->callbacks.done(record, err, call->data);
        free(call);
    }
    end(work);
}
