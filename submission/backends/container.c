/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs in containers of an engine on this machine. A container is named after its run, so a second one
 * cannot be made; it is removed when its end is recorded. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "submission/backends/container_private.h"
#include "submission/engine_find.h"
#include "submission/run.h"
#include "submission/secret.h"
#include "submission/variables.h"

/* --- what would run, and may it --------------------------------------------------------------------- */

static const char *engine_given(const json_t *compute)
{
    return json_get_string(json_object_get(compute, "container"), "engine", NULL);
}

static bool takes(const struct backend_plan *plan)
{
    return json_object_get(plan->environment, "image") != NULL ||
           json_object_get(plan->environment, "build") != NULL;
}

static int check_password(const struct backend_plan *plan, struct error *err)
{
    AUTO_SECRET struct secret secret = SECRET_INIT;
    const char *reference =
        json_get_string(json_object_get(plan->environment, "registry"), "password", NULL);
    if (reference == NULL || strcmp(reference, "docker") == 0)
        return 0;
    if (secret_resolve(plan->home, reference, &secret, err) == 0)
        return 0;
    return error_wrap(err, "the registry's password");
}

static int check(const struct backend_plan *plan, struct notes *notes, struct error *err)
{
    (void)notes;
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    AUTO_FREE char *runner = process_runner_path(err);
    if (runner == NULL || engine_find(engine_given(plan->compute), &place, err) != 0 ||
        container_check_folders(plan->job, plan->compute, err) != 0 ||
        check_password(plan, err) != 0)
        return -1;
    return variables_check(plan->environment, plan->job, plan->home, err);
}

static int describe(const struct backend_plan *plan, json_t *plan_out, struct error *err)
{
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    AUTO_STRLIST struct strlist variables = STRLIST_INIT;
    struct container_engine unknown = {.podman = false};
    struct container_request request = {.run_id = "<id>",
                                        .experiment =
                                            json_get_string(plan->job, "experiment_name", ""),
                                        .job = plan->job,
                                        .environment = plan->environment,
                                        .compute = plan->compute,
                                        .engine = &unknown};
    const char *fallback;
    bool cached;
    if (engine_find(engine_given(plan->compute), &place, err) != 0 ||
        container_argv(plan->job, &argv, &fallback, err) != 0 ||
        container_variables(&request, NULL, &variables, err) != 0)
        return -1;
    AUTO_FREE char *image = images_describe(plan->home, plan->environment, &cached);
    AUTO_FREE char *text =
        xasprintf("%s; by the container engine %s (%s)", image, place.address, place.why);
    json_set_string(plan_out, "environment", text);
    json_object_set_new(plan_out, "command", json_strings(argv.items));
    json_object_set_new(plan_out, "environment_variables", variables_shown(&variables));
    return 0;
}

/* --- its life --------------------------------------------------------------------------------------- */

static struct container *container_of(struct backend_task *task)
{
    if (task->state == NULL) {
        struct container *container = xcalloc(1, sizeof *container);
        container->task = task;
        container->name = xasprintf("skiff-%s", task->run_id);
        uv_timer_init(task->loop, &container->later);
        container->later.data = container;
        task->state = container;
    }
    return task->state;
}

static void on_closed(uv_handle_t *handle)
{
    struct container *container = handle->data;
    free(container->image_id);
    free(container->name);
    free(container->why);
    json_decref(container->body);
    buf_done(&container->last_words);
    error_clear(&container->fault);
    free(container);
}

static void release(struct backend_task *task)
{
    struct container *container = task->state;
    task->state = NULL;
    if (container == NULL)
        return;
    container->task = NULL;
    image_release(container->image);
    engine_free(container->engine); /* and its operations */
    process_watch_close(container->files);
    uv_close((uv_handle_t *)&container->later, on_closed);
}

int container_open_engine(struct container *container, struct error *err)
{
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    if (container->engine != NULL)
        return 0;
    if (engine_find(engine_given(container->task->compute), &place, err) != 0)
        return -1;
    container->engine = engine_new(container->task->http, place.address, place.tls_dir, err);
    return container->engine != NULL ? 0 : -1;
}

/* --- preparing -------------------------------------------------------------------------------------- */

static void on_image_progress(const char *text, void *data)
{
    struct container *container = data;
    container->task->events->progress(container->task, text);
}

static void on_image_log(const char *bytes, size_t size, void *data)
{
    struct container *container = data;
    container->task->events->build_log(container->task, bytes, size);
}

/* Which image it was, for whoever looks at the run, and for running it again. */
static int keep_image(struct container *container, const json_t *image, struct error *err)
{
    struct backend_task *task = container->task;
    AUTO_FREE char *path = xasprintf("%s/" RUN_IMAGE, task->run_dir);
    const char *digest = json_get_string(image, "digest", NULL);
    AUTO_FREE char *text =
        xasprintf("the image %s, %s%.19s: %s", json_get_string(image, "reference", ""),
                  digest != NULL ? "digest " : "id ",
                  digest != NULL ? digest : json_get_string(image, "id", ""),
                  json_get_string(image, "how", ""));
    replace(&container->image_id, xstrdup(json_get_string(image, "id", "")));
    task->events->remark(task, text);
    return json_write(path, image, 0644, err);
}

static void on_image(const json_t *image, const struct error *err, void *data)
{
    struct container *container = data;
    AUTO_ERROR struct error fault = ERROR_INIT;
    container->image = NULL;
    if (err == NULL && keep_image(container, image, &fault) != 0)
        err = &fault;
    container->task->events->prepared(container->task, err);
}

static void prepare_image(struct container *container)
{
    static const struct image_callbacks callbacks = {
        .progress = on_image_progress, .log = on_image_log, .done = on_image};
    const json_t *compute = container->task->compute;
    const char *network = json_get_string(json_object_get(compute, "container"), "network", "");
    struct image_request request = {.environment = container->task->environment,
                                    .engine = engine_given(compute),
                                    /* a network that a build could not do without */
                                    .network = strcmp(network, "host") == 0 ? network : NULL};
    container->image = images_prepare(container->task->images, &request, &callbacks, container);
}

static void take_engine(struct container *container, const json_t *info)
{
    struct backend_task *task = container->task;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *connected =
        json_pack("{s:s, s:s}", "engine", engine_is_podman(container->engine) ? "Podman" : "Docker",
                  "version", json_get_string(info, "ServerVersion", ""));
    container_engine_read(connected, info, &container->can);
    if (container_check_gpus(task->compute, &container->can, &err) == 0)
        prepare_image(container);
    else
        task->events->prepared(task, &err);
}

static void on_engine_info(const json_t *answer, const struct error *err, void *data)
{
    struct container *container = data;
    struct backend_task *task = container->task;
    container->op = NULL;
    if (err != NULL) {
        task->events->prepared(task, err);
        return;
    }
    images_keep_engine_info(task->images, engine_where(container->engine), answer);
    take_engine(container, answer);
}

/* GPUs may have come since it was last asked. */
static void on_engine(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct container *container = data;
    struct backend_task *task = container->task;
    const json_t *gpus = json_object_get(json_object_get(task->compute, "container"), "gpus");
    const json_t *known = images_engine_info(task->images, engine_where(container->engine));
    container->op = NULL;
    if (err != NULL)
        task->events->prepared(task, err);
    else if (known != NULL && gpus == NULL)
        take_engine(container, known);
    else
        container->op = engine_info(container->engine, on_engine_info, container);
}

static int prepare(struct backend_task *task, struct error *err)
{
    struct container *container = container_of(task);
    if (container_open_engine(container, err) != 0)
        return -1;
    task->events->progress(task, "asking the container engine");
    container->op = engine_connect(container->engine, on_engine, container);
    return 0;
}

/* --- running, looking and stopping --------------------------------------------------------------------------- */

/* Adds what the engine has said to what the runner has written. */
static void add_what_engine_says(const struct container *container, struct process_status *status)
{
    if (container->gone && container->oom) {
        status->state = PROCESS_ENDED;
        status->signal = SIGKILL;
        status->oom = true;
        status->ended_us = clock_now();
    } else if (container->gone) {
        status->state = PROCESS_LOST;
        replace(&status->error, xstrdup(container->why));
    } else if (container->why != NULL) {
        status->state = PROCESS_UNKNOWN;
        replace(&status->error, xstrdup(container->why));
    }
}

static int find(struct backend_task *task, struct process_status *ret_status, struct error *err)
{
    if (process_status_read_remote(task->run_dir, ret_status, err) != 0)
        return -1;
    if (task->state != NULL && ret_status->state == PROCESS_RUNNING)
        add_what_engine_says(task->state, ret_status);
    return 0;
}

static void on_cancelled(uv_timer_t *timer)
{
    struct container *container = timer->data;
    AUTO_ERROR struct error err = ERROR_INIT;
    error_set(&err, ERROR_CANCELLED, "cancelled before it started");
    if (container->starting)
        container_started(container, &err);
    else
        container->task->events->prepared(container->task, &err);
}

static int cancel(struct backend_task *task, struct error *err)
{
    (void)err;
    struct container *container = container_of(task);
    bool preparing = !container->starting && !container->watching;
    bool waiting = container->starting && uv_is_active((uv_handle_t *)&container->later);
    if (preparing || waiting) {
        image_release(container->image);
        engine_cancel(container->op);
        container->image = NULL;
        container->op = NULL;
        uv_timer_start(&container->later, on_cancelled, 0, 0);
        return 0;
    }
    container->stop = true; /* told when it runs, or when the engine answers again */
    if (container->wait != NULL)
        container_tell_to_stop(container);
    return 0;
}

static int start(struct backend_task *task, struct error *err)
{
    return container_start(container_of(task), err);
}

static int watch(struct backend_task *task, struct error *err)
{
    (void)err;
    container_watch(container_of(task));
    return 0;
}

static void clean(struct backend_task *task)
{
    container_clean(container_of(task));
}

const struct backend backend_container = {
    .name = "container",
    .takes = takes,
    .check = check,
    .describe = describe,
    .prepare = prepare,
    .start = start,
    .find = find,
    .watch = watch,
    .cancel = cancel,
    .clean = clean,
    .release = release,
};
