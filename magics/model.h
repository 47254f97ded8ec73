/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * One ipywidgets model of ours: its state, what of it the pages do not know yet, and what they say
 * about it. A model is made, its keys are set, it is opened (or brought back), and what is set from
 * then on goes out with model_flush().
 * https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/jupyterwidgetmodels.latest.md
 *
 * Keys that are not set have ipywidgets' defaults. Ids are the caller's and stay the same for ever:
 * a page that was loaded before this kernel was started finds its models again by them.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "kernel/comm.h"
#include "kernel/outlet.h"

/* The stock widgets that we use. */
enum model_kind {
    MODEL_HTML,
    MODEL_BUTTON,
    MODEL_PROGRESS, /* FloatProgress */
    MODEL_TEXT,
    MODEL_DROPDOWN,
    MODEL_BOX,
    MODEL_HBOX,
    MODEL_VBOX,
    MODEL_LAYOUT, /* not drawn itself: what a widget's "layout" refers to */
    MODEL_BUTTON_STYLE,
};

struct model;

struct model_events {
    void (*clicked)(struct model *model, void *data); /* a button */
    /* The user has changed this key to a value of the same type; the model has it already. May be NULL. */
    void (*changed)(struct model *model, const char *key, const json_t *value, void *data);
};

/* `id` is copied. `events` may be NULL, and is borrowed otherwise. */
MUST_CHECK struct model *model_new(enum model_kind kind, const char *id,
                                   const struct model_events *events, void *data);

/* Pages keep what they show, and hear no more of it. NULL is allowed. */
void model_free(struct model *model);

const char *model_id(const struct model *model);

/* Sets a key (the value is taken). Nothing is sent when it is what the model has. */
void model_set(struct model *model, const char *key, json_t *value);
void model_set_text(struct model *model, const char *key, const char *bytes, size_t size);
void model_set_model(struct model *model, const char *key, const struct model *other);
/* "children"; models that are NULL are left out. All must be open before this one is. */
void model_set_children(struct model *model, struct model *const *children, size_t count);

/* Announces the model with its whole state, also when it is open: a page may have lost it. The
 * message is about the request of `outlet`. */
void model_open(struct model *model, struct server *server, const struct outlet *outlet);

/* Makes the model known to pages that ask, and to nobody else. */
void model_restore(struct model *model, struct server *server);

/* The same with other values (borrowed) for some keys, which the model itself does not take: what pages are
 * shown until the next update of these keys. The next flush sends these keys. */
void model_restore_with(struct model *model, struct server *server, json_t *values);

/* Sends what was set since. Returns about how many bytes that is, 0 for nothing. */
size_t model_flush(struct model *model);

/* The next flush sends again all that was sent since the model was opened or restored: a page that was
 * still making its models has missed it. */
void model_repeat(struct model *model);

/* False before model_open() or model_restore(), and when a page has closed it. */
bool model_is_open(const struct model *model);

/* What displays the model: a MIME bundle's entry for it is added to `bundle`. */
void model_view(const struct model *model, json_t *bundle);
