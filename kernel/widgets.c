/* SPDX-License-Identifier: BSD-3-Clause */
/* Widgets' states, merged from what is said on their comms.
 *
 * Invariant: the path of each binary value leads through objects and lists that its widget's state
 * has, so that a front end can put the value in; ipywidgets' own rule is that an object lacks the key
 * and a list has null in its place. A key that is set again takes the binary values below it with it. */
#include "kernel/widgets.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* A binary value of a widget. */
struct binary {
    json_t *path; /* from the state on: ["value"], ["layers", 0, "data"] */
    struct blob bytes;
    uint64_t age; /* the lower, the older */
    struct binary *next;
};

struct widget {
    struct widgets *widgets;
    char *id;
    json_t *state;           /* without the binary values */
    struct binary *binaries; /* newest first */
    struct widget *previous, *next;
};

struct widgets {
    struct widget *first, *last; /* in the order they were opened: children come before parents */
    size_t buffers_max;
    size_t size; /* of all binary values */
    uint64_t age;
};

/* --- binary values ---------------------------------------------------------------------------- */

static void free_binary(struct widget *widget, struct binary **at)
{
    struct binary *binary = *at;
    *at = binary->next;
    widget->widgets->size -= binary->bytes.size;
    json_decref(binary->path);
    free(binary->bytes.data);
    free(binary);
}

static const char *key_of(const struct binary *binary)
{
    return json_string_value(json_array_get(binary->path, 0));
}

/* Forgets the binary values below a key of the state. */
static void drop_binaries(struct widget *widget, const char *key)
{
    struct binary **at = &widget->binaries;
    while (*at != NULL)
        if (strcmp(key_of(*at), key) == 0)
            free_binary(widget, at);
        else
            at = &(*at)->next;
}

static struct binary **find_oldest(struct widgets *widgets, struct widget **ret_widget)
{
    struct binary **oldest = NULL;
    for (struct widget *widget = widgets->first; widget != NULL; widget = widget->next)
        for (struct binary **at = &widget->binaries; *at != NULL; at = &(*at)->next)
            if (oldest == NULL || (*at)->age < (*oldest)->age) {
                oldest = at;
                *ret_widget = widget;
            }
    return oldest;
}

/* What a step of a path leads to, or NULL. */
static json_t *step(const json_t *container, const json_t *name)
{
    if (json_is_object(container) && json_is_string(name))
        return json_object_get(container, json_string_value(name));
    if (json_is_array(container) && json_is_integer(name) && json_integer_value(name) >= 0)
        return json_array_get(container, (size_t)json_integer_value(name));
    return NULL;
}

/* Whether a front end could put a value there: all but the last step exist, and the last may. */
static bool leads_somewhere(const json_t *state, const json_t *path)
{
    size_t length = json_array_size(path);
    if (length == 0 || !json_is_string(json_array_get(path, 0)))
        return false;
    for (size_t i = 0; i + 1 < length && state != NULL; i++)
        state = step(state, json_array_get(path, i));
    const json_t *last = json_array_get(path, length - 1);
    return json_is_object(state) ? json_is_string(last) : step(state, last) != NULL;
}

static void keep_binary(struct widget *widget, json_t *path, const struct blob *bytes)
{
    struct widgets *widgets = widget->widgets;
    if (json_array_size(path) == 1) { /* the state has no such key then, or has it no more */
        const char *key = json_string_value(json_array_get(path, 0));
        drop_binaries(widget, key);
        json_object_del(widget->state, key);
    }
    struct binary *binary = xcalloc(1, sizeof *binary);
    *binary =
        (struct binary){.path = json_incref(path),
                        .bytes = {.data = xmemdup(bytes->data, bytes->size), .size = bytes->size},
                        .age = widgets->age++,
                        .next = widget->binaries};
    widget->binaries = binary;
    widgets->size += bytes->size;
    while (widgets->size > widgets->buffers_max) {
        struct widget *owner = NULL;
        struct binary **oldest = find_oldest(widgets, &owner);
        free_binary(owner, oldest);
    }
}

/* --- the state -------------------------------------------------------------------------------- */

static bool has_key(const struct widget *widget, const char *key)
{
    if (json_object_get(widget->state, key) != NULL)
        return true;
    for (const struct binary *binary = widget->binaries; binary != NULL; binary = binary->next)
        if (strcmp(key_of(binary), key) == 0)
            return true;
    return false;
}

static void merge(struct widget *widget, const json_t *data, const struct blob *buffers,
                  size_t buffer_count, bool known_only)
{
    json_t *state = json_object_get(data, "state");
    const json_t *paths = json_object_get(data, "buffer_paths");
    const char *key;
    json_t *value;
    json_object_foreach (state, key, value) {
        if (known_only && !has_key(widget, key))
            continue;
        drop_binaries(widget, key);
        json_object_set(widget->state, key, value);
    }
    for (size_t i = 0; i < json_array_size(paths) && i < buffer_count; i++) {
        json_t *path = json_array_get(paths, i);
        if (leads_somewhere(widget->state, path) &&
            (!known_only || has_key(widget, json_string_value(json_array_get(path, 0)))))
            keep_binary(widget, path, &buffers[i]);
    }
}

struct widget *widget_open(struct widgets *widgets, const char *id, const json_t *data,
                           const struct blob *buffers, size_t buffer_count)
{
    static const char *const needed[] = {"_model_name", "_model_module", "_model_module_version"};
    const json_t *state = json_object_get(data, "state");
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (!json_is_string(json_object_get(state, needed[i])))
            return NULL;
    struct widget *widget = xcalloc(1, sizeof *widget);
    *widget = (struct widget){
        .widgets = widgets, .id = xstrdup(id), .state = json_object(), .previous = widgets->last};
    *(widgets->last != NULL ? &widgets->last->next : &widgets->first) = widget;
    widgets->last = widget;
    merge(widget, data, buffers, buffer_count, false);
    return widget;
}

void widget_update(struct widget *widget, const json_t *data, const struct blob *buffers,
                   size_t buffer_count, bool known_only)
{
    const char *method = json_get_string(data, "method", "");
    if (strcmp(method, "update") == 0 || strcmp(method, "echo_update") == 0)
        merge(widget, data, buffers, buffer_count, known_only);
}

void widget_close(struct widget *widget)
{
    if (widget == NULL)
        return;
    struct widgets *widgets = widget->widgets;
    *(widget->previous != NULL ? &widget->previous->next : &widgets->first) = widget->next;
    *(widget->next != NULL ? &widget->next->previous : &widgets->last) = widget->previous;
    while (widget->binaries != NULL)
        free_binary(widget, &widget->binaries);
    json_decref(widget->state);
    free(widget->id);
    free(widget);
}

struct widgets *widgets_new(size_t buffers_max)
{
    struct widgets *widgets = xcalloc(1, sizeof *widgets);
    widgets->buffers_max = buffers_max;
    return widgets;
}

void widgets_free(struct widgets *widgets)
{
    while (widgets != NULL && widgets->first != NULL)
        widget_close(widgets->first);
    free(widgets);
}

/* --- answers ---------------------------------------------------------------------------------- */

/* What goes out beside the states. */
struct attachment {
    json_t *paths;
    struct blob *buffers;
    size_t count, capacity;
};

/* Adds a widget's binary values; `prefix` is what comes before their paths, and may be NULL. */
static void attach(struct attachment *attachment, const struct widget *widget, json_t *prefix)
{
    for (const struct binary *at = widget->binaries; at != NULL; at = at->next) {
        json_t *path = json_array();
        json_array_extend(path, prefix);
        json_array_extend(path, at->path);
        json_array_append_new(attachment->paths, path);
        grow(&attachment->buffers, &attachment->capacity, attachment->count + 1,
             sizeof *attachment->buffers);
        attachment->buffers[attachment->count++] = at->bytes;
    }
}

/* As ipywidgets 8 says it, with "state" in the paths (its written specification differs). */
json_t *widgets_all_states(const struct widgets *widgets, struct blob **ret_buffers,
                           size_t *ret_count)
{
    struct attachment attachment = {.paths = json_array()};
    json_t *states = json_object();
    for (const struct widget *at = widgets->first; at != NULL; at = at->next) {
        AUTO_JSON json_t *prefix = json_pack("[s, s]", at->id, "state");
        json_object_set_new(
            states, at->id,
            json_pack("{s:O, s:O, s:O, s:O}", "model_name",
                      json_object_get(at->state, "_model_name"), "model_module",
                      json_object_get(at->state, "_model_module"), "model_module_version",
                      json_object_get(at->state, "_model_module_version"), "state", at->state));
        attach(&attachment, at, prefix);
    }
    *ret_buffers = attachment.buffers;
    *ret_count = attachment.count;
    return json_pack("{s:s, s:o, s:o}", "method", "update_states", "states", states, "buffer_paths",
                     attachment.paths);
}

json_t *widget_state(const struct widget *widget, struct blob **ret_buffers, size_t *ret_count)
{
    struct attachment attachment = {.paths = json_array()};
    attach(&attachment, widget, NULL);
    *ret_buffers = attachment.buffers;
    *ret_count = attachment.count;
    return json_pack("{s:s, s:O, s:o}", "method", "update", "state", widget->state, "buffer_paths",
                     attachment.paths);
}
