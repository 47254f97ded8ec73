/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A real engine (DOCKER_HOST), its operations one at a time, and images of one static program. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/engine.h"

#define LABEL "org.skiff.test"

struct place {
    uv_loop_t loop;
    struct http *http;
    struct engine *engine;
    /* of the last operation */
    bool done;
    bool heard; /* an event that was waited for */
    json_t *answer;
    struct error err;
    /* what it streamed */
    struct buf text;
    struct buf errors;
    int changes;
    int cached;
    int layers;
    /* the context that is sent */
    struct buf context;
    size_t context_sent;
};

static inline void place_done(const json_t *answer, const struct error *err, void *data)
{
    struct place *place = data;
    place->done = true;
    place->answer = json_deep_copy(answer);
    if (err == NULL)
        return;
    error_set(&place->err, err->code, "%s", err->text);
    if (err->hint != NULL)
        error_hint(&place->err, "%s", err->hint);
}

static inline void place_timed_out(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("the engine has not answered for 60 s");
}

static inline void place_forget(struct place *place)
{
    json_decref(place->answer);
    place->answer = NULL;
    error_clear(&place->err);
    place->done = false;
}

/* Runs the loop until *flag, one of the place's. */
static inline void place_wait(struct place *place, const bool *flag)
{
    static uv_timer_t bound;
    uv_timer_init(&place->loop, &bound);
    uv_timer_start(&bound, place_timed_out, 60000, 0);
    while (!*flag)
        uv_run(&place->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&bound, NULL);
    uv_run(&place->loop, UV_RUN_NOWAIT);
}

/* The next operation: DO(&place, engine_info(place.engine, ON)). */
#define ON place_done, place
#define DO(place, operation)               \
    do {                                   \
        place_forget(place);               \
        (void)(operation);                 \
        place_wait(place, &(place)->done); \
    } while (0)
#define SUCCEEDS(place)                        \
    do {                                       \
        if (error_is_set(&(place)->err))       \
            fail_msg("%s", (place)->err.text); \
    } while (0)

static inline int place_setup(void **state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *address = getenv("DOCKER_HOST");
    struct place *place = xcalloc(1, sizeof *place);
    assert_non_null(address); /* run me through tests/engine/with-docker */
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&place->loop);
    place->http = http_new(&place->loop);
    place->engine = engine_new(place->http, address, NULL, &err);
    assert_non_null(place->engine);
    DO(place, engine_connect(place->engine, ON));
    SUCCEEDS(place);
    *state = place;
    return 0;
}

static inline int place_teardown(void **state)
{
    struct place *place = *state;
    place_forget(place);
    engine_free(place->engine);
    http_free(place->http);
    uv_run(&place->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&place->loop), 0);
    buf_done(&place->text);
    buf_done(&place->errors);
    buf_done(&place->context);
    free(place);
    return 0;
}

/* --- contexts and builds ---------------------------------------------------------------------- */

/* One file of a tar archive. */
static inline void tar_add(struct buf *tar, const char *name, const char *bytes, size_t size)
{
    char header[512] = {0};
    unsigned sum = 0;
    snprintf(header, 100, "%s", name);
    snprintf(header + 100, 8, "%07o", 0755U);
    snprintf(header + 108, 8, "%07o", 0U);
    snprintf(header + 116, 8, "%07o", 0U);
    snprintf(header + 124, 12, "%011o", (unsigned)size);
    snprintf(header + 136, 12, "%011o", 0U);
    memcpy(header + 148, "        ", 8);
    header[156] = '0';
    memcpy(header + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof header; i++)
        sum += (unsigned char)header[i];
    snprintf(header + 148, 8, "%06o", sum);
    buf_append(tar, header, sizeof header);
    buf_append(tar, bytes, size);
    static const char zeros[512];
    buf_append(tar, zeros, (512 - size % 512) % 512);
}

static inline ssize_t place_context(char *room, size_t size, struct error *err, void *data)
{
    (void)err;
    struct place *place = data;
    size_t left = place->context.size - place->context_sent;
    size_t length = left < size ? left : size;
    memcpy(room, place->context.data + place->context_sent, length);
    place->context_sent += length;
    return (ssize_t)length;
}

static inline void place_output(const struct engine_steps *steps, bool step_changed,
                                const char *bytes, size_t size, void *data)
{
    struct place *place = data;
    place->changes += step_changed;
    place->cached = steps->cached_count;
    buf_append(&place->text, bytes, size);
}

/* Builds `tag` from the text of a Dockerfile, beside which lies "tiny". */
static inline void place_build(struct place *place, const char *tag, const char *dockerfile)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_BUF struct buf program = BUF_INIT;
    AUTO_FREE char *path = file_join(getenv("SKIFF_BUILD"), "tests/engine/tiny");
    AUTO_JSON json_t *labels = json_pack("{s:s}", LABEL, "yes");
    assert_int_equal(file_read(path, FILE_SMALL_MAX, &program, &err), 0);
    buf_clear(&place->context);
    buf_clear(&place->text);
    place->context_sent = 0;
    place->changes = place->cached = 0;
    tar_add(&place->context, "Dockerfile", dockerfile, strlen(dockerfile));
    tar_add(&place->context, "tiny", program.data, program.size);
    static const char end[1024];
    buf_append(&place->context, end, sizeof end);
    struct engine_build_request request = {.tag = tag,
                                           .labels = labels,
                                           .network = "none",
                                           .pull = place_context,
                                           .output = place_output,
                                           .done = place_done,
                                           .data = place};
    DO(place, engine_build(place->engine, &request));
}

/* --- containers ------------------------------------------------------------------------------- */

/* A container of the image with a command, without a network. */
static inline void place_create(struct place *place, const char *name, const char *image,
                                json_t *command)
{
    AUTO_JSON json_t *body = json_pack("{s:s,s:o,s:{s:s},s:{s:s}}", "Image", image, "Cmd", command,
                                       "Labels", LABEL, name, "HostConfig", "NetworkMode", "none");
    assert_non_null(body);
    DO(place, engine_create(place->engine, name, body, ON));
}

static inline void place_log(int stream, const char *bytes, size_t size, void *data)
{
    struct place *place = data;
    buf_append(stream == 2 ? &place->errors : &place->text, bytes, size);
}
