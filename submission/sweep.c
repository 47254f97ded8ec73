/* SPDX-License-Identifier: BSD-3-Clause */
/* One pass over what bears our labels. Invariant: `items` from `at` on are not decided yet; one operation
 * of the engine is under way at a time. */
#include "submission/sweep.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "submission/container.h"
#include "submission/engine.h"
#include "submission/engine_find.h"
#include "submission/images.h"

struct sweep {
    struct sweep_request request;
    char *home;
    struct engine *engine;
    json_t *items;
    size_t at;
    json_t *result;
};

static void sweep_free(struct sweep *sweep)
{
    engine_free(sweep->engine);
    json_decref(sweep->items);
    json_decref(sweep->result);
    free(sweep->home);
    free(sweep);
}

void sweep_cancel(struct sweep *sweep)
{
    if (sweep != NULL)
        sweep_free(sweep);
}

static void end(struct sweep *sweep, const struct error *err)
{
    sweep->request.done(err == NULL ? sweep->result : NULL, err, sweep->request.data);
    sweep_free(sweep);
}

/* --- what there is ---------------------------------------------------------------------------------- */

static const char *label_of(const json_t *listed, const char *label)
{
    return json_get_string(json_object_get(listed, "Labels"), label, "");
}

static json_t *container_item(const json_t *listed)
{
    const char *name = json_string_value(json_array_get(json_object_get(listed, "Names"), 0));
    const char *shown = name != NULL ? name + (name[0] == '/') : "";
    return json_pack("{s:s, s:s, s:s, s:s, s:i}", "id", json_get_string(listed, "Id", ""), "name",
                     shown, "run", label_of(listed, CONTAINER_LABEL_RUN), "state",
                     json_get_string(listed, "State", ""), "size", 0);
}

/* An image we built has one tag, ours; another one that somebody gave it keeps it. */
static json_t *image_item(const json_t *listed)
{
    const json_t *tags = json_object_get(listed, "RepoTags");
    const char *tag = json_string_value(json_array_get(tags, 0));
    const char *id = json_get_string(listed, "Id", "");
    return json_pack("{s:s, s:s, s:s, s:b, s:I}", "id", id, "name", tag != NULL ? tag : id,
                     "environment", label_of(listed, IMAGE_LABEL_ENVIRONMENT), "tagged_twice",
                     json_array_size(tags) > 1, "size",
                     (json_int_t)json_get_int(listed, "Size", 0));
}

/* --- one after the other ---------------------------------------------------------------------------- */

static void next(struct sweep *sweep);

static void keep(struct sweep *sweep, json_t *item, const char *why)
{
    json_set_string(item, "why", why);
    json_array_append(json_object_get(sweep->result, "kept"), item);
    sweep->at++;
}

static void note_removed(struct sweep *sweep, json_t *item)
{
    json_int_t freed = json_get_int(sweep->result, "freed", 0) + json_get_int(item, "size", 0);
    json_array_append(json_object_get(sweep->result, "removed"), item);
    json_object_set_new(sweep->result, "freed", json_integer(freed));
    sweep->at++;
}

static void on_removed(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct sweep *sweep = data;
    json_t *item = json_array_get(sweep->items, sweep->at);
    if (err == NULL || err->code == ERROR_NOT_FOUND)
        note_removed(sweep, item);
    else
        keep(sweep, item, err->text);
    next(sweep);
}

static void remove_item(struct sweep *sweep, const json_t *item)
{
    const char *id = json_get_string(item, "id", "");
    if (sweep->request.containers)
        engine_remove(sweep->engine, id, on_removed, sweep);
    else
        engine_image_remove(sweep->engine, json_get_string(item, "name", id), on_removed, sweep);
}

static void next(struct sweep *sweep)
{
    for (;;) {
        json_t *item = json_array_get(sweep->items, sweep->at);
        if (item == NULL) {
            end(sweep, NULL);
            return;
        }
        AUTO_FREE char *why = json_get_bool(item, "tagged_twice", false)
                                  ? xstrdup("it has a name that Skiff did not give")
                                  : sweep->request.keep(item, sweep->request.data);
        if (why != NULL) {
            keep(sweep, item, why);
        } else if (sweep->request.dry_run) {
            note_removed(sweep, item);
        } else {
            remove_item(sweep, item);
            return;
        }
    }
}

static void on_listed(const json_t *answer, const struct error *err, void *data)
{
    struct sweep *sweep = data;
    size_t i;
    json_t *listed;
    if (err != NULL) {
        end(sweep, err);
        return;
    }
    json_array_foreach (answer, i, listed)
        json_array_append_new(sweep->items, sweep->request.containers ? container_item(listed)
                                                                      : image_item(listed));
    next(sweep);
}

static void on_connected(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct sweep *sweep = data;
    AUTO_FREE char *label = xasprintf(IMAGE_LABEL_HOME "=%s", sweep->home);
    if (err != NULL)
        end(sweep, err);
    else if (sweep->request.containers)
        engine_list(sweep->engine, label, on_listed, sweep);
    else
        engine_image_list(sweep->engine, label, on_listed, sweep);
}

struct sweep *sweep_begin(const struct sweep_request *request, struct error *err)
{
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    if (engine_find(request->engine, &place, err) != 0)
        return NULL;
    struct engine *engine = engine_new(request->http, place.address, place.tls_dir, err);
    if (engine == NULL)
        return NULL;
    struct sweep *sweep = xcalloc(1, sizeof *sweep);
    *sweep =
        (struct sweep){.request = *request,
                       .home = xstrdup(request->home),
                       .engine = engine,
                       .items = json_array(),
                       .result = json_pack("{s:s, s:[], s:[], s:i}", "engine", engine_where(engine),
                                           "removed", "kept", "freed", 0)};
    sweep->request.home = sweep->home;
    sweep->request.engine = NULL;
    engine_connect(engine, on_connected, sweep);
    return sweep;
}
