/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What engine*.c share: one operation and how it is sent. */

#include "submission/engine.h"
#include "submission/engine_fault.h"

/* How long an operation may take. Engines answer looks at once, but start, stop and remove wait for
 * disks, and a registry's silence is the engine's to end (it tries five times). */
#define ENGINE_CONNECT_MS 10000
#define ENGINE_LOOK_MS 60000
#define ENGINE_CHANGE_MS 300000
#define ENGINE_SILENT_MS 900000 /* of a pull */

struct engine {
    struct http *http;
    char *where;       /* for people */
    char *unix_socket; /* NULL: over TCP */
    char *base;        /* "http://localhost" */
    char *ca_file;     /* NULL without TLS, and the two below */
    char *cert_file;
    char *key_file;
    char api[16]; /* "1.41"; "" until connected */
    bool podman;
    struct engine_op *ops;
};

struct engine_op {
    struct engine *engine;
    struct engine_op *prev;
    struct engine_op *next;
    struct http_call *call;
    engine_done_fn done;
    void *data;
    char *doing;             /* "pulling x": before an error; NULL: nothing */
    enum engine_asked asked; /* for its errors */
    bool busy;               /* one of its callbacks is on the stack: freed only after it */
    bool cancelled;

    /* Operations that stream. */
    struct engine_stream stream;
    engine_object_fn object; /* what is done with an object; its data is the op */
    struct engine_frames frames;
    engine_output_fn output;
    bool tty;
    struct error fault; /* the stream's own */
    union {
        engine_event_fn event;
        struct {
            struct engine_pull *state;
            void (*progress)(const struct engine_pull *pull, void *data);
        } pull;
        struct {
            struct engine_steps *steps;
            char *image_id; /* NULL until told */
            ssize_t (*pull)(char *room, size_t size, struct error *err, void *data);
            void (*output)(const struct engine_steps *steps, bool step_changed, const char *bytes,
                           size_t size, void *data);
        } build;
    } of;
    void (*release)(struct engine_op *op); /* frees what is in `of`; NULL: nothing */
    /* The answer of an operation that ended well; NULL: what was collected. New reference. */
    json_t *(*answer)(struct engine_op *op, const struct http_response *response,
                      struct error *err);
};

/* A new operation on the engine's list. `doing` is taken. */
struct engine_op *engine_op_new(struct engine *engine, engine_done_fn done, void *data,
                                char *doing);

/* What is sent. */
struct engine_call {
    const char *method;
    const char *path;           /* "/containers/json?all=1"; the version is put before it */
    bool unversioned;           /* it is not */
    const json_t *json;         /* the body, or NULL */
    const char *const *headers; /* more of them; NULL: none */
    bool streams;               /* op->object, op->output or neither takes what comes */
    bool pulls;                 /* the body comes from op->of.build.pull */
    int64_t idle_timeout_ms;
    int64_t timeout_ms;
};
struct engine_op *engine_send(struct engine_op *op, const struct engine_call *call);

/* Appends "?name=value" or "&name=value", escaped; nothing when the value is NULL. */
void engine_query(struct buf *path, const char *name, const char *value);

/* The same with the filter that both engines read: {"label": ["..."]} and, for events, the type. */
void engine_query_label(struct buf *path, const char *label, bool containers_only);
