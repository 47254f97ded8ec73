/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Where a cell's output goes. An outlet remembers which request the output belongs to and may be
 * kept after the cell has ended: front ends append what comes later to that cell for as long as
 * their page lives (and drop it silently afterwards; nothing of value may exist only there).
 */

#include <jansson.h>
#include <stddef.h>

#include "base/mem.h"

struct cell;
struct outlet;

/* The outlet of a running cell. Borrowed: take a reference to keep it past the cell's end. */
struct outlet *cell_outlet(struct cell *cell);

struct outlet *outlet_ref(struct outlet *outlet);
void outlet_unref(struct outlet *outlet); /* NULL is allowed; after the server is gone, too */

enum outlet_stream { OUTLET_STDOUT, OUTLET_STDERR };

/* A stream message. Bytes that are not UTF-8 become U+FFFD; nothing is sent for size 0. All of
 * these do nothing once the server is closed. */
void outlet_write(struct outlet *outlet, enum outlet_stream stream, const char *text, size_t size);
void outlet_printf(struct outlet *outlet, enum outlet_stream stream, const char *fmt, ...)
    PRINTF(3, 4);

/* display_data with a MIME bundle (taken), and update_display_data for the same id. display_id may
 * be NULL for a display that is never updated. */
void outlet_display(struct outlet *outlet, json_t *bundle, const char *display_id);
void outlet_update_display(struct outlet *outlet, json_t *bundle, const char *display_id);
