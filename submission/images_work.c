/* SPDX-License-Identifier: BSD-3-Clause */
/* The course of one image: connect; look for the base, an image by its name or a build by its contents;
 * pull or build what is not there; then the same for the packages on top. At any time at most one thing
 * is under way: an operation of the engine, a search for credentials, a piece of work on the pool, or the
 * wait for another kernel's build. Its answer leads to the next. Building is in images_build.c. */
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/image_name.h"
#include "submission/image_recipe.h"
#include "submission/images_private.h"

#define LAYERS_SHOWN 3 /* one by one; engines pull three at a time by default */

void image_work_say(struct image_work *work, const char *line)
{
    AUTO_FREE char *text = xasprintf("%s\n", line);
    images_log(work, text, strlen(text));
}

/* --- what is there ---------------------------------------------------------------------------------- */

/* The digest the registry knows it by: "repository@sha256:..." among several. */
static char *digest_of(const json_t *inspected, const char *repository)
{
    size_t i;
    json_t *entry;
    json_array_foreach (json_object_get(inspected, "RepoDigests"), i, entry) {
        const char *text = json_is_string(entry) ? json_string_value(entry) : "";
        AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
        if (image_name_parse(text, &name, NULL) != 0 || name.digest == NULL)
            continue;
        AUTO_FREE char *of = image_name_repository(&name);
        if (strcmp(of, repository) == 0)
            return xstrdup(name.digest);
    }
    return NULL;
}

/* An image is there: the base, or what was built on top of it. */
void image_work_found(struct image_work *work, const json_t *inspected)
{
    if (work->repository != NULL && !work->on_top && work->digest == NULL)
        work->digest = digest_of(inspected, work->repository);
    if (!work->on_top && image_recipe_needed(work->environment))
        image_build_on_top(work, inspected);
    else
        images_ended(work, inspected, NULL);
}

static void on_inspected(const json_t *answer, const struct error *err, void *data)
{
    struct image_work *work = data;
    work->op = NULL;
    if (err != NULL)
        images_ended(work, NULL, err);
    else
        image_work_found(work, answer);
}

void image_work_inspect(struct image_work *work)
{
    work->op = engine_image_inspect(work->engine, work->reference, on_inspected, work);
}

/* --- pulling ---------------------------------------------------------------------------------------- */

/* Podman tells of no unpacking: what it has downloaded is done. */
static bool is_done(const struct image_work *work, const struct engine_layer *layer)
{
    return layer->state >= ENGINE_LAYER_DONE ||
           (layer->state == ENGINE_LAYER_DOWNLOADED && engine_is_podman(work->engine));
}

/* A line in the log for each layer that is there. */
static void tell_layers(struct image_work *work, const struct engine_pull *pull)
{
    for (int i = 0; i < pull->layer_count; i++) {
        const struct engine_layer *layer = &pull->layers[i];
        if (!is_done(work, layer) || (work->layers_told[i / 64] >> (i % 64) & 1) != 0)
            continue;
        work->layers_told[i / 64] |= (uint64_t)1 << (i % 64);
        AUTO_FREE char *size = file_size_text((unsigned long long)layer->size);
        AUTO_FREE char *line = layer->state == ENGINE_LAYER_PRESENT
                                   ? xasprintf("%s: was there", layer->id)
                                   : xasprintf("%s: pulled, %s", layer->id, size);
        image_work_say(work, line);
    }
}

/* The layers under way, the first few of them. */
static void add_layers(const struct engine_pull *pull, struct buf *text)
{
    int shown = 0;
    for (int i = 0; i < pull->layer_count && shown < LAYERS_SHOWN; i++) {
        const struct engine_layer *layer = &pull->layers[i];
        if (layer->state != ENGINE_LAYER_DOWNLOADING && layer->state != ENGINE_LAYER_UNPACKING)
            continue;
        int64_t bytes =
            layer->state == ENGINE_LAYER_UNPACKING ? layer->unpacked : layer->downloaded;
        AUTO_FREE char *done = file_size_text((unsigned long long)bytes);
        AUTO_FREE char *size = file_size_text((unsigned long long)layer->size);
        buf_printf(text, "%s %s: %s", shown == 0 ? " \xc2\xb7" : ",", layer->id,
                   engine_layer_state_name(layer->state));
        if (layer->size > 0 && bytes > 0)
            buf_printf(text, ", %s of %s", done, size);
        shown++;
    }
}

static void on_pull_progress(const struct engine_pull *pull, void *data)
{
    struct image_work *work = data;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_FREE char *all = engine_pull_text(pull);
    buf_printf(&text, "pulling %s: %s", work->reference, all);
    add_layers(pull, &text);
    tell_layers(work, pull);
    images_progress(work, text.data);
}

static void on_pulled(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct image_work *work = data;
    work->op = NULL;
    work->how = "pulled";
    if (err != NULL)
        images_ended(work, NULL, err);
    else
        image_work_inspect(work);
}

static void pull(struct image_work *work, const struct registry_auth *auth)
{
    struct engine_pull_request request = {.image = work->reference,
                                          .auth = auth->header.value,
                                          .progress = on_pull_progress,
                                          .done = on_pulled,
                                          .data = work};
    AUTO_FREE char *line = xasprintf("Pulling %s (credentials: %s)", work->reference, auth->source);
    image_work_say(work, line);
    work->op = engine_pull(work->engine, &request);
}

static void on_pull_auth(const struct registry_auth *auth, const struct error *err, void *data)
{
    struct image_work *work = data;
    work->auth = NULL;
    if (err != NULL)
        images_ended(work, NULL, err);
    else
        pull(work, auth);
}

void image_work_find_auth(struct image_work *work, const char *host, const char *repository,
                          image_auth_fn done)
{
    struct registry_auth_request request = {.loop = work->images->loop,
                                            .home = work->images->home,
                                            .registry =
                                                json_object_get(work->environment, "registry"),
                                            .host = host,
                                            .repository = repository,
                                            .done = done,
                                            .data = work};
    work->auth = registry_auth_find(&request);
}

static void on_image_looked_for(const json_t *answer, const struct error *err, void *data)
{
    struct image_work *work = data;
    AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
    work->op = NULL;
    if (err == NULL)
        image_work_found(work, answer);
    else if (err->code != ERROR_NOT_FOUND)
        images_ended(work, NULL, err);
    else if (image_name_parse(work->reference, &name, NULL) == 0)
        image_work_find_auth(work, name.registry, name.repository, on_pull_auth);
}

static int look_for_image(struct image_work *work, struct error *err)
{
    AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
    if (image_name_parse(json_get_string(work->environment, "image", ""), &name, err) != 0)
        return -1;
    work->reference = image_name_pulled(&name);
    work->repository = image_name_repository(&name);
    work->digest = xstrdup_or_null(name.digest);
    work->op = engine_image_inspect(work->engine, work->reference, on_image_looked_for, work);
    return 0;
}

/* --- the beginning and the end ---------------------------------------------------------------------- */

static int look_for_base(struct image_work *work, struct error *err)
{
    if (json_object_get(work->environment, "image") != NULL)
        return look_for_image(work, err);
    image_build_base(work);
    return 0;
}

static void on_connected(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct image_work *work = data;
    AUTO_ERROR struct error fault = ERROR_INIT;
    work->op = NULL;
    if (err != NULL)
        images_ended(work, NULL, err);
    else if (look_for_base(work, &fault) != 0)
        images_ended(work, NULL, &fault);
}

static int connect_engine(struct image_work *work, struct error *err)
{
    AUTO_FREE char *dir = file_join(work->images->home, "images");
    if (file_make_dirs(dir, err) != 0 || engine_find(work->given, &work->place, err) != 0)
        return -1;
    work->engine = engine_new(work->images->http, work->place.address, work->place.tls_dir, err);
    return work->engine != NULL ? 0 : -1;
}

void image_work_begin(struct image_work *work)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (connect_engine(work, &err) == 0)
        work->op = engine_connect(work->engine, on_connected, work);
    else
        images_ended(work, NULL, &err);
}

void image_work_stop(struct image_work *work)
{
    registry_auth_cancel(work->auth);
    work->auth = NULL;
    engine_free(work->engine); /* and its operations */
    work->engine = NULL;
    work->op = NULL;
    image_build_stop(work);
}
