/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A shadow of the state of every widget that front ends know, whoever owns it. A page that is loaded
 * asks for all of it, and gives up after four seconds: a companion that runs a cell cannot answer, so
 * we do, for both sides, at once and always.
 * https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/messages.md
 *
 * State is what was said on IOPub, merged key by key, and what front ends have set. Binary values are
 * cut out of it, as on the wire, and kept beside it with their paths.
 *
 * What is not binary has no limit of its own: it is a copy of what the owner holds, and the number of
 * comms and the size of a message are limited. A message that jansson cannot hold (an integer of more
 * than 64 bits, half a surrogate pair) changes nothing here.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "protocol/message.h"

/* The version of the widgets' protocol; front ends take any 2.x. */
#define WIDGETS_VERSION "2.1.0"

/* All binary values together: pictures and arrays, of which a notebook shows some tens of MB. What
 * is beyond it is forgotten, the oldest first, and its widget is answered without that value: the
 * page draws the widget with that value empty until Python sends it again. */
#define WIDGETS_BUFFERS_MAX (256u * 1024 * 1024)

struct widgets;
struct widget;

/* `buffers_max` is WIDGETS_BUFFERS_MAX, or less in a test. */
MUST_CHECK struct widgets *widgets_new(size_t buffers_max);
void widgets_free(struct widgets *widgets); /* and all of them; NULL is allowed */

/* A comm_open's data and buffers, borrowed; values of `data` are kept by reference, so that nobody may
 * change them. NULL when it is not a widget's: without the keys that name its model no front end takes
 * it. */
struct widget *widget_open(struct widgets *widgets, const char *id, const json_t *data,
                           const struct blob *buffers, size_t buffer_count);

/* A comm_msg's data; does nothing when it is no update of the state. `known_only` leaves out keys the
 * widget does not have: a front end cannot add one. */
void widget_update(struct widget *widget, const json_t *data, const struct blob *buffers,
                   size_t buffer_count, bool known_only);

void widget_close(struct widget *widget); /* NULL is allowed */

/* The data of the answer to "request_states" on the control comm and to "request_state" on a widget's.
 * New reference. *ret_buffers is an array that the caller frees; its bytes are borrowed until the next
 * call that changes a widget. */
MUST_CHECK json_t *widgets_all_states(const struct widgets *widgets, struct blob **ret_buffers,
                                      size_t *ret_count);
MUST_CHECK json_t *widget_state(const struct widget *widget, struct blob **ret_buffers,
                                size_t *ret_count);
