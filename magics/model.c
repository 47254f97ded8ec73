/* SPDX-License-Identifier: BSD-3-Clause */
/* Models over comms. Invariant: `state` is what the user is to see, `unsent` the part of it that pages
 * may not have. A value is never changed in place once it is in the state: the kernel remembers it by
 * reference (kernel/widgets.h). */
#include "magics/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"

/* Of the packages in the front end: any of ipywidgets 8. */
#define BASE "@jupyter-widgets/base"
#define CONTROLS "@jupyter-widgets/controls"
#define VERSION "2.0.0"

struct model {
    char *id;
    json_t *state;
    json_t *unsent;    /* keys as an object's; values do not count */
    json_t *sent;      /* likewise: since it was opened or restored */
    struct comm *comm; /* NULL until it is open, and when a page has closed it */
    const struct model_events *events;
    void *data;
};

static const struct {
    const char *module, *model, *view;
} kinds[] = {
    [MODEL_HTML] = {CONTROLS, "HTMLModel", "HTMLView"},
    [MODEL_BUTTON] = {CONTROLS, "ButtonModel", "ButtonView"},
    [MODEL_PROGRESS] = {CONTROLS, "FloatProgressModel", "ProgressView"},
    [MODEL_TEXT] = {CONTROLS, "TextModel", "TextView"},
    [MODEL_DROPDOWN] = {CONTROLS, "DropdownModel", "DropdownView"},
    [MODEL_BOX] = {CONTROLS, "BoxModel", "BoxView"},
    [MODEL_HBOX] = {CONTROLS, "HBoxModel", "HBoxView"},
    [MODEL_VBOX] = {CONTROLS, "VBoxModel", "VBoxView"},
    [MODEL_LAYOUT] = {BASE, "LayoutModel", "LayoutView"},
    [MODEL_BUTTON_STYLE] = {CONTROLS, "ButtonStyleModel", "StyleView"},
};

struct model *model_new(enum model_kind kind, const char *id, const struct model_events *events,
                        void *data)
{
    /* A style is a model of the controls whose view is of the base. */
    const char *view_module = kind == MODEL_BUTTON_STYLE ? BASE : kinds[kind].module;
    struct model *model = xcalloc(1, sizeof *model);
    *model = (struct model){.id = xstrdup(id), .events = events, .data = data};
    model->unsent = json_object();
    model->sent = json_object();
    model->state = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "_model_module", kinds[kind].module,
                             "_model_module_version", VERSION, "_model_name", kinds[kind].model,
                             "_view_module", view_module, "_view_module_version", VERSION,
                             "_view_name", kinds[kind].view);
    return model;
}

/* The comm stays with the server: closing it would empty the output on every page. */
void model_free(struct model *model)
{
    if (model == NULL)
        return;
    if (model->comm != NULL)
        comm_set_handler(model->comm, NULL, NULL);
    json_decref(model->state);
    json_decref(model->unsent);
    json_decref(model->sent);
    free(model->id);
    free(model);
}

const char *model_id(const struct model *model)
{
    return model->id;
}

/* --- the state -------------------------------------------------------------------------------- */

void model_set(struct model *model, const char *key, json_t *value)
{
    const json_t *old = json_object_get(model->state, key);
    if (old != NULL && json_equal(old, value)) {
        json_decref(value);
        return;
    }
    json_object_set_new(model->state, key, value);
    json_object_set_new(model->unsent, key, json_null());
}

void model_set_text(struct model *model, const char *key, const char *bytes, size_t size)
{
    model_set(model, key, json_text_value(bytes != NULL ? bytes : "", size));
}

static json_t *reference(const struct model *model)
{
    return json_sprintf("IPY_MODEL_%s", model->id);
}

void model_set_model(struct model *model, const char *key, const struct model *other)
{
    model_set(model, key, reference(other));
}

void model_set_children(struct model *model, struct model *const *children, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        if (children[i] != NULL)
            json_array_append_new(list, reference(children[i]));
    model_set(model, "children", list);
}

/* --- what pages say --------------------------------------------------------------------------- */

/* Other pages that show the widget are told. */
static void echo(struct model *model, const char *key, json_t *value)
{
    json_t *data = json_pack("{s:s, s:{s:O}, s:[]}", "method", "echo_update", "state", key, value,
                             "buffer_paths");
    comm_send(model->comm, &(struct comm_message){.data = data});
}

/* A choice is one of those there are. */
static bool may_be(const struct model *model, const char *key, const json_t *value)
{
    const json_t *labels = json_object_get(model->state, "_options_labels");
    json_int_t index = json_integer_value(value);
    return labels == NULL || strcmp(key, "index") != 0 ||
           (index >= 0 && index < (json_int_t)json_array_size(labels));
}

/* Anybody may send anything: only a key that was set, and a value of its type, is taken. */
static void take_update(struct model *model, json_t *state)
{
    const char *key;
    json_t *value;
    json_object_foreach (state, key, value) {
        const json_t *old = json_object_get(model->state, key);
        if (old == NULL || json_typeof(old) != json_typeof(value) || key[0] == '_' ||
            !may_be(model, key, value))
            continue;
        json_object_set(model->state, key, value);
        echo(model, key, value);
        if (model->events->changed != NULL)
            model->events->changed(model, key, value, model->data);
    }
}

static void on_message(struct comm *comm, json_t *data, void *self)
{
    struct model *model = self;
    const char *method = json_get_string(data, "method", "");
    (void)comm;
    if (model->events == NULL)
        return;
    if (strcmp(method, "update") == 0)
        take_update(model, json_object_get(data, "state"));
    else if (strcmp(method, "custom") == 0 && model->events->clicked != NULL &&
             strcmp(json_get_string(json_object_get(data, "content"), "event", ""), "click") == 0)
        model->events->clicked(model, model->data);
}

static void on_closed(struct comm *comm, json_t *data, void *self)
{
    struct model *model = self;
    (void)comm;
    (void)data;
    model->comm = NULL;
}

static void listen(struct model *model, struct comm *comm)
{
    static const struct comm_handler handler = {.message = on_message, .closed = on_closed};
    model->comm = comm;
    comm_set_handler(comm, &handler, model);
}

/* --- what they are told ----------------------------------------------------------------------- */

/* A copy: the kernel keeps what it is given, and the state goes on. */
static json_t *whole_state(const struct model *model, json_t *values)
{
    json_t *state = json_copy(model->state);
    json_object_update(state, values);
    return json_pack("{s:o, s:[]}", "state", state, "buffer_paths");
}

/* Pages get the whole state now. */
static void forget(struct model *model)
{
    json_object_clear(model->unsent);
    json_object_clear(model->sent);
}

void model_open(struct model *model, struct server *server, const struct outlet *outlet)
{
    struct comm_message message = {.data = whole_state(model, NULL), .outlet = outlet};
    forget(model);
    listen(model, comm_open(server, model->id, COMM_WIDGET, &message));
}

void model_restore(struct model *model, struct server *server)
{
    forget(model);
    listen(model, comm_restore(server, model->id, COMM_WIDGET, whole_state(model, NULL)));
}

void model_restore_with(struct model *model, struct server *server, json_t *values)
{
    const char *key;
    json_t *value;
    forget(model);
    listen(model, comm_restore(server, model->id, COMM_WIDGET, whole_state(model, values)));
    json_object_foreach (values, key, value)
        json_object_set_new(model->unsent, key, json_null());
}

size_t model_flush(struct model *model)
{
    const char *key;
    json_t *value;
    if (model->comm == NULL || json_object_size(model->unsent) == 0)
        return 0;
    json_t *state = json_object();
    size_t size = 0;
    json_object_foreach (model->unsent, key, value) {
        json_t *now = json_object_get(model->state, key);
        json_object_set(state, key, now);
        size += strlen(key) + json_string_length(now);
    }
    json_object_update(model->sent, model->unsent);
    json_object_clear(model->unsent);
    json_t *data =
        json_pack("{s:s, s:o, s:[]}", "method", "update", "state", state, "buffer_paths");
    comm_send(model->comm, &(struct comm_message){.data = data});
    return size;
}

void model_repeat(struct model *model)
{
    json_object_update(model->unsent, model->sent);
}

bool model_is_open(const struct model *model)
{
    return model->comm != NULL;
}

void model_view(const struct model *model, json_t *bundle)
{
    json_object_set_new(bundle, "application/vnd.jupyter.widget-view+json",
                        json_pack("{s:i, s:i, s:s}", "version_major", 2, "version_minor", 0,
                                  "model_id", model->id));
}
