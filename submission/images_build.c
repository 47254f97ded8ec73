/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds: the context is packed on the pool, its hash names what it makes, and the engine is asked for
 * that name before anything is built. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/image_recipe.h"
#include "submission/images_private.h"

#define TAG_DIGITS 24 /* of the hash of its contents: no two will share 96 bits */

/* A build that another kernel does is asked after: its end sends no event that we could wait for. */
#define OTHER_BUILD_MS 1000

/* --- packing -------------------------------------------------------------------------------------- */

/* The context, packed on the pool. It outlives the work when that is stopped. */
struct pack {
    uv_work_t request;
    struct image_work *work; /* NULL: stopped */
    char *folder;
    char *dockerfile;
    struct image_recipe recipe;
    char *temporary;
    struct build_context_progress progress;
    struct build_context *context;
    struct error err;
};

static void pack_free(struct pack *pack)
{
    free(pack->folder);
    free(pack->dockerfile);
    image_recipe_done(&pack->recipe);
    free(pack->temporary);
    build_context_free(pack->context);
    error_clear(&pack->err);
    free(pack);
}

static void pack_on_worker(uv_work_t *request)
{
    struct pack *pack = request->data;
    const struct buf *texts[] = {&pack->recipe.dockerfile, &pack->recipe.requirements,
                                 &pack->recipe.conda};
    static const char *const names[] = {"Dockerfile", IMAGE_RECIPE_REQUIREMENTS,
                                        IMAGE_RECIPE_CONDA};
    struct build_file files[ARRAY_SIZE(texts)];
    struct build_context_request wanted = {.folder = pack->folder,
                                           .dockerfile = pack->dockerfile,
                                           .files = files,
                                           .temporary_dir = pack->temporary};
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i]->size > 0)
            files[wanted.file_count++] =
                (struct build_file){names[i], texts[i]->data, texts[i]->size};
    build_context_pack(&wanted, &pack->progress, &pack->context, &pack->err);
}

/* --- building ------------------------------------------------------------------------------------- */

static void on_build_output(const struct engine_steps *steps, bool step_changed, const char *bytes,
                            size_t size, void *data)
{
    struct image_work *work = data;
    images_log(work, bytes, size);
    if (!step_changed || steps->instruction == NULL)
        return;
    AUTO_FREE char *text = xasprintf("building the environment: step %d of %d: %s", steps->step,
                                     steps->count, steps->instruction);
    images_progress(work, text);
}

static ssize_t on_context_wanted(char *room, size_t size, struct error *err, void *data)
{
    const struct image_work *work = data;
    return build_context_read(work->context, room, size, err);
}

static void on_built(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct image_work *work = data;
    work->op = NULL;
    mem_auto_close(&work->lock);
    work->lock = -1;
    work->how = "built";
    if (err != NULL)
        images_ended(work, NULL, err);
    else
        image_work_inspect(work);
}

static void send_build(struct image_work *work, const struct registry_auth *auth)
{
    const json_t *folder = json_object_get(json_object_get(work->environment, "build"), "path");
    AUTO_JSON json_t *labels =
        json_pack("{s:s, s:s}", IMAGE_LABEL_HOME, work->images->home, IMAGE_LABEL_ENVIRONMENT,
                  json_get_string(work->environment, "name", "(inline)"));
    struct engine_build_request request = {
        .tag = work->reference,
        .dockerfile = folder != NULL && !work->on_top
                          ? json_get_string(json_object_get(work->environment, "build"),
                                            "dockerfile_path", NULL)
                          : NULL,
        .labels = labels,
        .network = work->network,
        .auth = auth != NULL ? auth->config.value : NULL,
        .pull = on_context_wanted,
        .output = on_build_output,
        .done = on_built,
        .data = work};
    work->op = engine_build(work->engine, &request);
}

static void on_build_auth(const struct registry_auth *auth, const struct error *err, void *data)
{
    struct image_work *work = data;
    work->auth = NULL;
    if (err != NULL)
        images_ended(work, NULL, err);
    else
        send_build(work, auth);
}

/* The registry a build pulls from: the one that is named, else the first of the Dockerfile. */
static char *registry_of_build(const struct image_work *work)
{
    const json_t *registry = json_object_get(work->environment, "registry");
    const char *address = json_get_string(registry, "address", NULL);
    const json_t *build = json_object_get(work->environment, "build");
    const char *folder = json_get_string(build, "path", NULL);
    if (address != NULL)
        return xstrdup(address);
    if (folder == NULL)
        return image_recipe_registry(json_get_string(build, "dockerfile", ""));
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_FREE char *path = file_join(folder, json_get_string(build, "dockerfile_path", ""));
    bool read = file_read(path, FILE_SMALL_MAX, &text, NULL) == 0 && text.size > 0;
    return read ? image_recipe_registry(text.data) : NULL;
}

static void begin_build(struct image_work *work)
{
    AUTO_FREE char *host = work->on_top ? NULL : registry_of_build(work);
    images_progress(work, "building the environment");
    if (host != NULL)
        image_work_find_auth(work, host, NULL, on_build_auth);
    else
        send_build(work, NULL);
}

static void look_for_built(struct image_work *work);

static void on_other_built(uv_timer_t *timer)
{
    look_for_built(timer->data);
}

/* One kernel at a time builds an image; the others find it afterwards. */
static void lock_and_build(struct image_work *work)
{
    AUTO_FREE char *path =
        xasprintf("%s/images/%s.lock", work->images->home, strchr(work->reference, ':') + 1);
    work->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (work->lock >= 0 && flock(work->lock, LOCK_EX | LOCK_NB) != 0) {
        mem_auto_close(&work->lock);
        work->lock = -1;
        images_progress(work, "another kernel is building the environment");
        uv_timer_start(&work->soon, on_other_built, OTHER_BUILD_MS, 0);
        return;
    }
    begin_build(work);
}

static void on_built_looked_for(const json_t *answer, const struct error *err, void *data)
{
    struct image_work *work = data;
    work->op = NULL;
    if (err == NULL) {
        AUTO_FREE char *line = xasprintf("Using %s: it was built before, and nothing in its "
                                         "definition has changed",
                                         work->reference);
        image_work_say(work, line);
        image_work_found(work, answer);
    } else if (err->code == ERROR_NOT_FOUND) {
        lock_and_build(work);
    } else {
        images_ended(work, NULL, err);
    }
}

static void look_for_built(struct image_work *work)
{
    work->op = engine_image_inspect(work->engine, work->reference, on_built_looked_for, work);
}

/* --- the two builds ------------------------------------------------------------------------------- */

static void packed(struct image_work *work, struct pack *pack)
{
    build_context_free(work->context);
    work->context = steal(&pack->context);
    replace(&work->reference,
            xasprintf(IMAGE_BUILT_PREFIX "%.*s", TAG_DIGITS, build_context_hash(work->context)));
    look_for_built(work);
}

static void on_packed(uv_work_t *request, int status)
{
    (void)status; /* never cancelled */
    struct pack *pack = request->data;
    struct image_work *work = pack->work;
    if (work != NULL) {
        work->pack = NULL;
        if (error_is_set(&pack->err))
            images_ended(work, NULL, &pack->err);
        else
            packed(work, pack);
    }
    pack_free(pack);
}

/* Packs and goes on from on_packed(). Takes what is in the recipe. */
static void begin_pack(struct image_work *work, const char *folder, const char *dockerfile,
                       struct image_recipe *recipe)
{
    struct pack *pack = xcalloc(1, sizeof *pack);
    pack->work = work;
    pack->folder = xstrdup_or_null(folder);
    pack->dockerfile = xstrdup_or_null(dockerfile);
    pack->recipe = *recipe;
    *recipe = (struct image_recipe)IMAGE_RECIPE_INIT;
    pack->temporary = file_join(work->images->home, "images");
    pack->request.data = pack;
    work->pack = pack;
    images_progress(work, "reading what the image is built from");
    uv_queue_work(work->images->loop, &pack->request, pack_on_worker, on_packed);
}

void image_build_base(struct image_work *work)
{
    AUTO_IMAGE_RECIPE struct image_recipe recipe = IMAGE_RECIPE_INIT;
    const json_t *definition = json_object_get(work->environment, "build");
    const char *folder = json_get_string(definition, "path", NULL);
    if (folder == NULL)
        buf_puts(&recipe.dockerfile, json_get_string(definition, "dockerfile", ""));
    begin_pack(work, folder, json_get_string(definition, "dockerfile_path", NULL), &recipe);
}

/* Nothing that could be more than a name: it goes into a Dockerfile. */
static const char *user_of(const json_t *inspected)
{
    const char *user = json_get_string(json_object_get(inspected, "Config"), "User", "");
    return user[strcspn(user, " \t\r\n\\$#\"")] == '\0' ? user : "";
}

void image_build_on_top(struct image_work *work, const json_t *base)
{
    AUTO_IMAGE_RECIPE struct image_recipe recipe = IMAGE_RECIPE_INIT;
    const char *id = json_get_string(base, "Id", "");
    work->on_top = true;
    image_recipe_write(work->environment, strncmp(id, "sha256:", 7) == 0 ? id + 7 : id,
                       user_of(base), &recipe);
    begin_pack(work, NULL, NULL, &recipe);
}

void image_build_stop(struct image_work *work)
{
    uv_timer_stop(&work->soon);
    if (work->pack != NULL) {
        work->pack->progress.cancelled = true;
        work->pack->work = NULL;
    }
    work->pack = NULL;
    build_context_free(work->context);
    work->context = NULL;
    mem_auto_close(&work->lock);
    work->lock = -1;
}
