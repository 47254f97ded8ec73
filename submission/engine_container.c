/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on containers, and the events that tell of them. */
#include <string.h>

#include "base/json.h"
#include "submission/engine_private.h"

/* "/containers/NAME" and what follows. */
static void container_path(struct buf *path, const char *container, const char *rest)
{
    buf_puts(path, "/containers/");
    http_escape(path, container, "");
    buf_puts(path, rest);
}

/* An operation that sends nothing and is answered at once. */
static struct engine_op *plain(struct engine *engine, const char *method, const char *path,
                               char *doing, engine_done_fn done, void *data)
{
    struct engine_op *op = engine_op_new(engine, done, data, doing);
    const struct engine_call call = {.method = method,
                                     .path = path,
                                     .timeout_ms = strcmp(method, "GET") == 0 ? ENGINE_LOOK_MS
                                                                              : ENGINE_CHANGE_MS};
    return engine_send(op, &call);
}

struct engine_op *engine_create(struct engine *engine, const char *name, const json_t *body,
                                engine_done_fn done, void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    buf_puts(&path, "/containers/create");
    engine_query(&path, "name", name);
    struct engine_op *op =
        engine_op_new(engine, done, data, xasprintf("making the container %s", name));
    const struct engine_call call = {
        .method = "POST", .path = path.data, .json = body, .timeout_ms = ENGINE_CHANGE_MS};
    return engine_send(op, &call);
}

struct engine_op *engine_start(struct engine *engine, const char *container, engine_done_fn done,
                               void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    container_path(&path, container, "/start");
    return plain(engine, "POST", path.data, xasprintf("starting the container %s", container), done,
                 data);
}

struct engine_op *engine_stop(struct engine *engine, const char *container, int grace_seconds,
                              engine_done_fn done, void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    container_path(&path, container, "/stop");
    AUTO_FREE char *grace = xasprintf("%d", grace_seconds);
    engine_query(&path, "t", grace);
    struct engine_op *op =
        engine_op_new(engine, done, data, xasprintf("stopping the container %s", container));
    const struct engine_call call = {.method = "POST",
                                     .path = path.data,
                                     .timeout_ms =
                                         ENGINE_CHANGE_MS + (int64_t)grace_seconds * 1000};
    return engine_send(op, &call);
}

struct engine_op *engine_kill(struct engine *engine, const char *container, const char *signal,
                              engine_done_fn done, void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    container_path(&path, container, "/kill");
    engine_query(&path, "signal", signal);
    return plain(engine, "POST", path.data,
                 xasprintf("sending %s to the container %s", signal, container), done, data);
}

struct engine_op *engine_remove(struct engine *engine, const char *container, engine_done_fn done,
                                void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    container_path(&path, container, "?force=1&v=1"); /* with the volumes nobody has named */
    return plain(engine, "DELETE", path.data, xasprintf("removing the container %s", container),
                 done, data);
}

struct engine_op *engine_inspect(struct engine *engine, const char *container, engine_done_fn done,
                                 void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    container_path(&path, container, "/json");
    return plain(engine, "GET", path.data, NULL, done, data);
}

struct engine_op *engine_list(struct engine *engine, const char *label, engine_done_fn done,
                              void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    buf_puts(&path, "/containers/json?all=1");
    engine_query_label(&path, label, false);
    return plain(engine, "GET", path.data, NULL, done, data);
}

struct engine_op *engine_wait(struct engine *engine, const char *container, engine_done_fn done,
                              void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    container_path(&path, container, "/wait");
    struct engine_op *op =
        engine_op_new(engine, done, data, xasprintf("waiting for the container %s", container));
    const struct engine_call call = {.method = "POST", .path = path.data}; /* may take days */
    return engine_send(op, &call);
}

/* --- streams ---------------------------------------------------------------------------------- */

/* What was streamed is told; there is no more to say. */
static json_t *nothing(struct engine_op *op, const struct http_response *response,
                       struct error *err)
{
    (void)op;
    (void)response;
    (void)err;
    return NULL;
}

static json_t *cut_frame(struct engine_op *op, const struct http_response *response,
                         struct error *err)
{
    (void)response;
    if (op->frames.header_size > 0 || op->frames.left > 0)
        error_set(err, ERROR_BUSY, "the engine's answer ends in the middle");
    return NULL;
}

struct engine_op *engine_logs(struct engine *engine, const char *container, bool tty, bool follow,
                              engine_output_fn output, engine_done_fn done, void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    container_path(&path, container, "/logs?stdout=1&stderr=1");
    engine_query(&path, "follow", follow ? "1" : NULL);
    struct engine_op *op = engine_op_new(
        engine, done, data, xasprintf("reading the output of the container %s", container));
    op->output = output;
    op->tty = tty;
    op->answer = tty ? nothing : cut_frame;
    const struct engine_call call = {.method = "GET",
                                     .path = path.data,
                                     .streams = true,
                                     .timeout_ms = follow ? 0 : ENGINE_CHANGE_MS};
    return engine_send(op, &call);
}

static int on_event_object(const json_t *object, struct error *err, void *data)
{
    (void)err;
    struct engine_op *op = data;
    op->of.event(object, op->data);
    return 0;
}

static json_t *events_ended(struct engine_op *op, const struct http_response *response,
                            struct error *err)
{
    (void)op;
    (void)response;
    error_set(err, ERROR_BUSY, "the engine has ended it: it may be stopping");
    return NULL;
}

struct engine_op *engine_events(struct engine *engine, const char *label, int64_t since_s,
                                engine_event_fn event, engine_done_fn done, void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    AUTO_FREE char *since = since_s > 0 ? xasprintf("%lld", (long long)since_s) : NULL;
    buf_puts(&path, "/events");
    engine_query_label(&path, label, true);
    engine_query(&path, "since", since);
    struct engine_op *op =
        engine_op_new(engine, done, data, xstrdup("listening to the container engine"));
    op->object = on_event_object;
    op->of.event = event;
    op->answer = events_ended;
    const struct engine_call call = {.method = "GET", .path = path.data, .streams = true};
    return engine_send(op, &call);
}
