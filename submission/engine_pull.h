/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * How far a pull has come, from the messages of both engines. Pure.
 *
 * An engine names the size of a layer only when it begins to download it: until `sizes_known`
 * bytes_total is what is known so far.
 */

#include <stdint.h>

#include "submission/engine_stream.h"

/* An image may have at most 127 layers (overlayfs, both engines), its configuration beside them. */
#define ENGINE_LAYERS_MAX 256

enum engine_layer_state {
    ENGINE_LAYER_WAITING,
    ENGINE_LAYER_DOWNLOADING,
    ENGINE_LAYER_DOWNLOADED, /* being checked, or waiting to be unpacked */
    ENGINE_LAYER_UNPACKING,
    ENGINE_LAYER_DONE,
    ENGINE_LAYER_PRESENT, /* was there before */
};

struct engine_layer {
    char id[16]; /* the first 12 digits of its digest */
    enum engine_layer_state state;
    int64_t downloaded; /* bytes */
    int64_t size;       /* 0: not known yet */
    int64_t unpacked;
};

struct engine_pull {
    struct engine_layer layers[ENGINE_LAYERS_MAX]; /* in the order they were named */
    int layer_count;
    int layers_done;     /* present ones too */
    int64_t bytes_done;  /* downloaded */
    int64_t bytes_total; /* of the layers to be downloaded whose size is known */
    bool sizes_known;    /* of all of them */
    double rate;         /* bytes a second over the last seconds; 0: not known yet */
    int64_t left_us;     /* until all is downloaded; -1: not known */
    char digest[80];     /* "sha256:..." of what was pulled; "" until told */
    bool up_to_date;     /* the newest was there */

    int64_t rate_since_us; /* private: the window of `rate` */
    int64_t rate_bytes;
};

/* Notes a message that came at `now_us`. True when it has changed what is to be shown. */
bool engine_pull_note(struct engine_pull *pull, const struct engine_message *message,
                      int64_t now_us);

/* "3 of 9 layers, 412 MB of 1.2 GB (34 %), 38 MB/s, 21 s left". Caller frees. */
MUST_CHECK char *engine_pull_text(const struct engine_pull *pull);

/* The state as a word: "downloading". Static. */
const char *engine_layer_state_name(enum engine_layer_state state);
