/* SPDX-License-Identifier: BSD-3-Clause */
/* A pull's progress. The engines' words for one thing differ, and they drop messages when we are slow:
 * so each message sets its layer's state, whatever came before, and the sums are made anew. */
#include "submission/engine_pull.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/file.h"

#define RATE_WINDOW_US 1000000 /* long enough to be steady, short enough to follow */
#define RATE_WEIGHT 0.3        /* of the newest window */

static const struct {
    const char *status;
    enum engine_layer_state state;
} words[] = {
    {"Pulling fs layer", ENGINE_LAYER_WAITING},     {"Waiting", ENGINE_LAYER_WAITING},
    {"Retrying in", ENGINE_LAYER_WAITING}, /* "... 5 seconds" */
    {"Downloading", ENGINE_LAYER_DOWNLOADING},      {"Verifying Checksum", ENGINE_LAYER_DOWNLOADED},
    {"Download complete", ENGINE_LAYER_DOWNLOADED}, {"Extracting", ENGINE_LAYER_UNPACKING},
    {"Pull complete", ENGINE_LAYER_DONE},           {"Already exists", ENGINE_LAYER_PRESENT},
};

const char *engine_layer_state_name(enum engine_layer_state state)
{
    static const char *const names[] = {
        [ENGINE_LAYER_WAITING] = "waiting",
        [ENGINE_LAYER_DOWNLOADING] = "downloading",
        [ENGINE_LAYER_DOWNLOADED] = "downloaded",
        [ENGINE_LAYER_UNPACKING] = "unpacking",
        [ENGINE_LAYER_DONE] = "done",
        [ENGINE_LAYER_PRESENT] = "present",
    };
    return names[state];
}

static struct engine_layer *find_layer(struct engine_pull *pull, const char *id)
{
    for (int i = 0; i < pull->layer_count; i++)
        if (strcmp(pull->layers[i].id, id) == 0)
            return &pull->layers[i];
    return NULL;
}

/* "Pull complete" for an id that was never begun is Podman's name of the image, no layer. */
static struct engine_layer *layer_of(struct engine_pull *pull, const char *id,
                                     enum engine_layer_state state)
{
    struct engine_layer *layer = find_layer(pull, id);
    if (layer != NULL || state == ENGINE_LAYER_DONE || strlen(id) >= sizeof layer->id ||
        pull->layer_count == ENGINE_LAYERS_MAX)
        return layer;
    layer = &pull->layers[pull->layer_count++];
    snprintf(layer->id, sizeof layer->id, "%s", id);
    return layer;
}

static void note_layer(struct engine_layer *layer, enum engine_layer_state state,
                       const struct engine_message *message)
{
    layer->state = state;
    if (state == ENGINE_LAYER_DOWNLOADING) {
        layer->downloaded = message->current;
        layer->size = message->total >= message->current ? message->total : 0;
    } else if (state == ENGINE_LAYER_UNPACKING) {
        layer->unpacked = message->current;
    }
    if (state == ENGINE_LAYER_DOWNLOADED || state == ENGINE_LAYER_UNPACKING ||
        state == ENGINE_LAYER_DONE)
        layer->downloaded = layer->size;
}

static void add_up(struct engine_pull *pull)
{
    pull->layers_done = 0;
    pull->bytes_done = pull->bytes_total = 0;
    pull->sizes_known = true;
    for (int i = 0; i < pull->layer_count; i++) {
        const struct engine_layer *layer = &pull->layers[i];
        pull->layers_done += layer->state >= ENGINE_LAYER_DONE;
        if (layer->state <= ENGINE_LAYER_DOWNLOADING && layer->size == 0)
            pull->sizes_known = false;
        /* Sizes are the engine's word: no sum of them overflows. */
        if (__builtin_add_overflow(pull->bytes_total, layer->size, &pull->bytes_total) ||
            __builtin_add_overflow(pull->bytes_done, layer->downloaded, &pull->bytes_done))
            pull->bytes_total = pull->bytes_done = INT64_MAX;
    }
}

static void measure(struct engine_pull *pull, int64_t now_us)
{
    int64_t elapsed = now_us - pull->rate_since_us;
    if (pull->rate_since_us == 0 || pull->bytes_done < pull->rate_bytes) {
        pull->rate_since_us = now_us;
        pull->rate_bytes = pull->bytes_done;
    } else if (elapsed >= RATE_WINDOW_US) {
        double rate = (double)(pull->bytes_done - pull->rate_bytes) * 1e6 / (double)elapsed;
        pull->rate = pull->rate > 0 ? pull->rate + RATE_WEIGHT * (rate - pull->rate) : rate;
        pull->rate_since_us = now_us;
        pull->rate_bytes = pull->bytes_done;
    }
    double left =
        pull->rate >= 1 ? (double)(pull->bytes_total - pull->bytes_done) / pull->rate : -1;
    bool sane = pull->sizes_known && left >= 0 && left < 1e9; /* thirty years */
    pull->left_us = sane ? (int64_t)(left * 1e6) : -1;
}

/* Messages about the image, not a layer. */
static bool note_image(struct engine_pull *pull, const char *status)
{
    if (strncmp(status, "Digest: ", 8) == 0 && strlen(status + 8) < sizeof pull->digest) {
        snprintf(pull->digest, sizeof pull->digest, "%s", status + 8);
        return true;
    }
    if (strncmp(status, "Status: Image is up to date", 27) == 0) {
        pull->up_to_date = true;
        return true;
    }
    return false;
}

bool engine_pull_note(struct engine_pull *pull, const struct engine_message *message,
                      int64_t now_us)
{
    if (message->status == NULL)
        return false;
    if (message->id == NULL)
        return note_image(pull, message->status);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strncmp(message->status, words[i].status, strlen(words[i].status)) != 0)
            continue;
        struct engine_layer *layer = layer_of(pull, message->id, words[i].state);
        if (layer == NULL)
            return false;
        note_layer(layer, words[i].state, message);
        add_up(pull);
        measure(pull, now_us);
        return true;
    }
    return false; /* "Pulling from library/debian", its id being the tag */
}

char *engine_pull_text(const struct engine_pull *pull)
{
    AUTO_BUF struct buf text = BUF_INIT;
    buf_printf(&text, "%d of %d layer%s", pull->layers_done, pull->layer_count,
               pull->layer_count == 1 ? "" : "s");
    if (pull->bytes_total > 0) {
        AUTO_FREE char *done = file_size_text((unsigned long long)pull->bytes_done);
        AUTO_FREE char *total = file_size_text((unsigned long long)pull->bytes_total);
        buf_printf(&text, ", %s of %s%s", done, pull->sizes_known ? "" : "at least ", total);
        double share = (double)pull->bytes_done / (double)pull->bytes_total;
        if (pull->sizes_known && share <= 1) /* the engine's word: it may be any */
            buf_printf(&text, " (%d %%)", (int)(100 * share));
    }
    if (pull->rate >= 1 && pull->bytes_done < pull->bytes_total) {
        AUTO_FREE char *rate = file_size_text((unsigned long long)pull->rate);
        buf_printf(&text, ", %s/s", rate);
    }
    if (pull->left_us > 0) {
        AUTO_FREE char *left = clock_duration(pull->left_us);
        buf_printf(&text, ", %s left", left);
    }
    return buf_steal(&text);
}
