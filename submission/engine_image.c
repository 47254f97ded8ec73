/* SPDX-License-Identifier: BSD-3-Clause */
/* Operations on images. A pull and a build answer with status 200 and then stream: whether they went
 * well is known only from an object of the stream, and from how it ends. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "submission/engine_fault.h"
#include "submission/engine_private.h"

/* --- looks and changes ------------------------------------------------------------------------ */

/* "/images/NAME" and what follows; slashes in the name stay, as the engines route them. */
static char *image_path(const char *image, const char *rest)
{
    AUTO_BUF struct buf path = BUF_INIT;
    buf_puts(&path, "/images/");
    http_escape(&path, image, "/:@");
    buf_puts(&path, rest);
    return buf_steal(&path);
}

struct engine_op *engine_image_inspect(struct engine *engine, const char *image,
                                       engine_done_fn done, void *data)
{
    AUTO_FREE char *path = image_path(image, "/json");
    struct engine_op *op = engine_op_new(engine, done, data, NULL);
    const struct engine_call call = {.method = "GET", .path = path, .timeout_ms = ENGINE_LOOK_MS};
    return engine_send(op, &call);
}

struct engine_op *engine_image_tag(struct engine *engine, const char *image, const char *repository,
                                   const char *tag, engine_done_fn done, void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    AUTO_FREE char *start = image_path(image, "/tag");
    buf_puts(&path, start);
    engine_query(&path, "repo", repository);
    engine_query(&path, "tag", tag);
    struct engine_op *op =
        engine_op_new(engine, done, data, xasprintf("naming the image %s", image));
    const struct engine_call call = {
        .method = "POST", .path = path.data, .timeout_ms = ENGINE_CHANGE_MS};
    return engine_send(op, &call);
}

struct engine_op *engine_image_remove(struct engine *engine, const char *image, engine_done_fn done,
                                      void *data)
{
    AUTO_FREE char *path = image_path(image, "");
    struct engine_op *op =
        engine_op_new(engine, done, data, xasprintf("removing the image %s", image));
    const struct engine_call call = {
        .method = "DELETE", .path = path, .timeout_ms = ENGINE_CHANGE_MS};
    return engine_send(op, &call);
}

struct engine_op *engine_image_list(struct engine *engine, const char *label, engine_done_fn done,
                                    void *data)
{
    AUTO_BUF struct buf path = BUF_INIT;
    buf_puts(&path, "/images/json");
    engine_query_label(&path, label, false);
    struct engine_op *op = engine_op_new(engine, done, data, NULL);
    const struct engine_call call = {
        .method = "GET", .path = path.data, .timeout_ms = ENGINE_LOOK_MS};
    return engine_send(op, &call);
}

/* --- pull ------------------------------------------------------------------------------------- */

static int on_pull_object(const json_t *object, struct error *err, void *data)
{
    (void)err;
    struct engine_op *op = data;
    struct engine_message message;
    engine_message_read(object, &message);
    if (message.error != NULL)
        engine_fault(&op->fault, 200, message.error, op->asked);
    else if (engine_pull_note(op->of.pull.state, &message, clock_now()) &&
             op->of.pull.progress != NULL)
        op->of.pull.progress(op->of.pull.state, op->data);
    return 0;
}

static json_t *pulled(struct engine_op *op, const struct http_response *response, struct error *err)
{
    (void)response;
    (void)err;
    json_t *answer = json_object();
    json_set_string(answer, "digest", op->of.pull.state->digest);
    json_object_set_new(answer, "up_to_date", json_boolean(op->of.pull.state->up_to_date));
    return answer;
}

static void release_pull(struct engine_op *op)
{
    free(op->of.pull.state);
}

/* Without a tag or digest Docker would pull every tag there is. */
static bool has_tag(const char *image)
{
    const char *slash = strrchr(image, '/');
    return strpbrk(slash != NULL ? slash : image, ":@") != NULL;
}

struct engine_op *engine_pull(struct engine *engine, const struct engine_pull_request *request)
{
    AUTO_BUF struct buf path = BUF_INIT;
    buf_puts(&path, "/images/create");
    engine_query(&path, "fromImage", request->image);
    if (!has_tag(request->image))
        engine_query(&path, "tag", "latest");
    engine_query(&path, "platform", request->platform);
    AUTO_FREE char *auth = NULL;
    if (request->auth != NULL)
        auth = xasprintf("X-Registry-Auth: %s", request->auth);
    const char *const headers[] = {auth, NULL};
    struct engine_op *op = engine_op_new(engine, request->done, request->data,
                                         xasprintf("pulling %s", request->image));
    op->asked = request->auth != NULL ? ENGINE_ASKED_WITH_PASSWORD : ENGINE_ASKED_REGISTRY;
    op->object = on_pull_object;
    op->of.pull.state = xcalloc(1, sizeof *op->of.pull.state);
    op->of.pull.progress = request->progress;
    op->release = release_pull;
    op->answer = pulled;
    const struct engine_call call = {.method = "POST",
                                     .path = path.data,
                                     .headers = headers,
                                     .streams = true,
                                     .idle_timeout_ms = ENGINE_SILENT_MS};
    engine_send(op, &call);
    if (auth != NULL)
        explicit_bzero(auth, strlen(auth));
    return op;
}

/* --- build ------------------------------------------------------------------------------------ */

/* Which step failed, and what it said last. */
static void explain_step(struct engine_op *op)
{
    const struct engine_steps *steps = op->of.build.steps;
    if (steps->step == 0)
        return;
    AUTO_FREE char *tail = engine_steps_tail(steps);
    size_t length = strlen(tail);
    if (length > 0)
        tail[length - 1] = '\0';
    AUTO_FREE char *words = xstrdup(op->fault.text);
    AUTO_FREE char *hint = xstrdup_or_null(op->fault.hint);
    error_set(&op->fault, op->fault.code, "step %d of %d (%s): %s%s%s", steps->step, steps->count,
              steps->instruction, words, length > 0 ? "\n" : "", tail);
    if (hint != NULL)
        error_hint(&op->fault, "%s", hint);
}

static int on_build_object(const json_t *object, struct error *err, void *data)
{
    (void)err;
    struct engine_op *op = data;
    struct engine_message message;
    engine_message_read(object, &message);
    if (message.error != NULL) {
        engine_fault(&op->fault, 200, message.error, op->asked);
        explain_step(op);
    }
    if (message.aux_id != NULL)
        replace(&op->of.build.image_id, xstrdup(message.aux_id));
    if (message.text_size == 0)
        return 0;
    bool changed = engine_steps_feed(op->of.build.steps, message.text, message.text_size);
    if (op->of.build.output != NULL)
        op->of.build.output(op->of.build.steps, changed, message.text, message.text_size, op->data);
    return 0;
}

static json_t *built(struct engine_op *op, const struct http_response *response, struct error *err)
{
    (void)response;
    const char *id =
        op->of.build.image_id != NULL ? op->of.build.image_id : op->of.build.steps->image_id;
    if (id == NULL) {
        error_set(err, ERROR_BUSY, "the engine ended the build without an image");
        return NULL;
    }
    json_t *answer = json_object();
    json_set_string(answer, "id", id);
    return answer;
}

static void release_build(struct engine_op *op)
{
    engine_steps_done(op->of.build.steps);
    free(op->of.build.steps);
    free(op->of.build.image_id);
}

static void query_json(struct buf *path, const char *name, const json_t *value)
{
    if (value == NULL)
        return;
    AUTO_FREE char *text = json_text(value);
    engine_query(path, name, text);
}

static void build_path(struct buf *path, const struct engine_build_request *request)
{
    buf_puts(path, "/build?version=1&rm=1&forcerm=1");
    engine_query(path, "t", request->tag);
    engine_query(path, "dockerfile", request->dockerfile);
    query_json(path, "labels", request->labels);
    query_json(path, "buildargs", request->build_args);
    engine_query(path, "platform", request->platform);
    engine_query(path, "networkmode", request->network);
}

struct engine_op *engine_build(struct engine *engine, const struct engine_build_request *request)
{
    AUTO_BUF struct buf path = BUF_INIT;
    build_path(&path, request);
    AUTO_FREE char *auth = NULL;
    if (request->auth != NULL)
        auth = xasprintf("X-Registry-Config: %s", request->auth);
    const char *const headers[] = {"Content-Type: application/x-tar", auth, NULL};
    struct engine_op *op =
        engine_op_new(engine, request->done, request->data, xasprintf("building %s", request->tag));
    op->asked = ENGINE_ASKED_REGISTRY;
    op->object = on_build_object;
    op->of.build.steps = xcalloc(1, sizeof *op->of.build.steps);
    op->of.build.pull = request->pull;
    op->of.build.output = request->output;
    op->release = release_build;
    op->answer = built;
    const struct engine_call call = {
        .method = "POST", .path = path.data, .headers = headers, .streams = true, .pulls = true};
    engine_send(op, &call);
    if (auth != NULL)
        explicit_bzero(auth, strlen(auth));
    return op;
}
