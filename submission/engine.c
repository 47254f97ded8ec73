/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine and its operations' common course: sent, streamed, ended, each exactly once. An operation
 * is on its engine's list until it ends; a callback of its own may cancel it, and then it is freed when
 * that callback has returned (`busy`). */
#include "submission/engine.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/engine_fault.h"
#include "submission/engine_private.h"

/* We send nothing that is newer than 1.41 and read nothing that changed up to 1.44; Docker 29 first
 * refused less than 1.44. Before 1.40 (Docker 19.03) there are no device requests. */
#define API_MAJOR 1
#define API_MINOR_MIN 40
#define API_MINOR_MAX 44

/* --- the engine ------------------------------------------------------------------------------- */

/* Neither is to be shown of user:password@host. */
static const char *without_user(const char *address)
{
    const char *host = strstr(address, "://");
    host = host != NULL ? host + 3 : address;
    const char *at = strrchr(host, '@');
    return at != NULL ? at + 1 : host;
}

static int refuse_ssh(const char *address, struct error *err)
{
    const char *host = without_user(address);
    error_set(err, ERROR_UNSUPPORTED, "the container engine at ssh://%s is not reached over ssh",
              host);
    return error_hint(err,
                      "forward its socket in a terminal: ssh -nNT -L "
                      "/tmp/engine.sock:/var/run/docker.sock USER@%.*s; then set "
                      "DOCKER_HOST=unix:///tmp/engine.sock",
                      (int)strcspn(host, ":/"), host);
}

static void set_tcp(struct engine *engine, const char *host, const char *tls_dir)
{
    engine->where = xasprintf("tcp://%s", without_user(host));
    engine->base = xasprintf("%s://%s", tls_dir != NULL ? "https" : "http", host);
    size_t length = strlen(engine->base);
    while (length > 0 && engine->base[length - 1] == '/')
        engine->base[--length] = '\0';
    if (tls_dir == NULL)
        return;
    engine->ca_file = file_join(tls_dir, "ca.pem");
    engine->cert_file = file_join(tls_dir, "cert.pem");
    engine->key_file = file_join(tls_dir, "key.pem");
}

static int check_tls_files(const struct engine *engine, struct error *err)
{
    const char *const files[] = {engine->ca_file, engine->cert_file, engine->key_file};
    for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
        if (files[i] == NULL || file_exists(files[i]))
            continue;
        error_set(err, ERROR_NOT_FOUND, "the container engine's TLS file %s is not there",
                  files[i]);
        return error_hint(err, "DOCKER_CERT_PATH names the folder of ca.pem, cert.pem and key.pem");
    }
    return 0;
}

static int set_address(struct engine *engine, const char *address, const char *tls_dir,
                       struct error *err)
{
    if (strncmp(address, "unix:///", 8) == 0)
        address += 7;
    if (address[0] == '/') {
        engine->unix_socket = xstrdup(address);
        engine->where = xasprintf("unix://%s", address);
        engine->base = xstrdup("http://localhost");
        return 0;
    }
    if (strncmp(address, "tcp://", 6) == 0 && address[6] != '\0') {
        set_tcp(engine, address + 6, tls_dir);
        return check_tls_files(engine, err);
    }
    if (strncmp(address, "ssh://", 6) == 0)
        return refuse_ssh(address, err);
    error_set(err, ERROR_INVALID, "this is no container engine's address: %s",
              without_user(address));
    return error_hint(err, "write it as unix:///path/of/the.sock or tcp://host:port");
}

struct engine *engine_new(struct http *http, const char *address, const char *tls_dir,
                          struct error *err)
{
    struct engine *engine = xcalloc(1, sizeof *engine);
    engine->http = http;
    if (set_address(engine, address, tls_dir, err) == 0)
        return engine;
    engine_free(engine);
    return NULL;
}

void engine_free(struct engine *engine)
{
    if (engine == NULL)
        return;
    while (engine->ops != NULL)
        engine_cancel(engine->ops);
    free(engine->where);
    free(engine->unix_socket);
    free(engine->base);
    free(engine->ca_file);
    free(engine->cert_file);
    free(engine->key_file);
    free(engine);
}

bool engine_is_podman(const struct engine *engine)
{
    return engine->podman;
}

const char *engine_api(const struct engine *engine)
{
    return engine->api;
}

const char *engine_where(const struct engine *engine)
{
    return engine->where;
}

/* --- an operation's life ---------------------------------------------------------------------- */

struct engine_op *engine_op_new(struct engine *engine, engine_done_fn done, void *data, char *doing)
{
    struct engine_op *op = xcalloc(1, sizeof *op);
    op->engine = engine;
    op->done = done;
    op->data = data;
    op->doing = doing;
    op->next = engine->ops;
    if (op->next != NULL)
        op->next->prev = op;
    engine->ops = op;
    return op;
}

static void unlink_op(struct engine_op *op)
{
    if (op->next != NULL)
        op->next->prev = op->prev;
    if (op->prev != NULL)
        op->prev->next = op->next;
    else
        op->engine->ops = op->next;
    op->engine = NULL;
}

static void free_op(struct engine_op *op)
{
    if (op->release != NULL)
        op->release(op);
    engine_stream_done(&op->stream);
    error_clear(&op->fault);
    free(op->doing);
    free(op);
}

void engine_cancel(struct engine_op *op)
{
    if (op == NULL || op->cancelled)
        return;
    op->cancelled = true;
    unlink_op(op);
    http_cancel(op->call);
    op->call = NULL;
    if (!op->busy)
        free_op(op);
}

void engine_resume(struct engine_op *op)
{
    http_resume(op->call);
}

/* --- what comes ------------------------------------------------------------------------------- */

static int on_object(const json_t *object, struct error *err, void *data)
{
    struct engine_op *op = data;
    return op->cancelled ? -1 : op->object(object, err, op);
}

static void on_output(int stream, const char *bytes, size_t size, void *data)
{
    struct engine_op *op = data;
    if (!op->cancelled)
        op->output(stream, bytes, size, op->data);
}

static int take(struct engine_op *op, const char *bytes, size_t size, struct error *err)
{
    if (op->object != NULL)
        return engine_stream_feed(&op->stream, bytes, size, on_object, op, err);
    if (!op->tty)
        return engine_frames_feed(&op->frames, bytes, size, on_output, op, err);
    on_output(1, bytes, size, op);
    return 0;
}

static int on_data(const char *bytes, size_t size, struct error *err, void *data)
{
    struct engine_op *op = data;
    op->busy = true;
    int result = take(op, bytes, size, err);
    op->busy = false;
    if (!op->cancelled)
        return result;
    free_op(op);
    return -1;
}

static ssize_t on_pull(char *room, size_t size, struct error *err, void *data)
{
    struct engine_op *op = data;
    op->busy = true;
    ssize_t got = op->of.build.pull(room, size, err, op->data);
    op->busy = false;
    if (!op->cancelled)
        return got;
    free_op(op);
    return -1;
}

/* The answer that goes with success, when that is in its body. */
static json_t *collected(const struct http_response *response, struct error *err)
{
    const struct buf *body = &response->body;
    if (body->size == 0)
        return NULL;
    json_t *root = json_loadb(body->data, body->size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (root == NULL)
        error_set(err, ERROR_CORRUPT, "the engine's answer is no JSON");
    return root;
}

static json_t *judge(struct engine_op *op, const struct http_response *response,
                     const struct error *fault, struct error *err)
{
    if (fault != NULL) {
        error_set(err, fault->code, "%s", fault->text);
        if (fault->hint != NULL)
            error_hint(err, "%s", fault->hint);
        return NULL;
    }
    if (response->status >= 300 && response->status != 304) { /* 304: it is so already */
        AUTO_FREE char *message =
            engine_fault_message(response->status, response->body.data, response->body.size);
        engine_fault(err, response->status, message, op->asked);
        return NULL;
    }
    if (error_is_set(&op->fault)) {
        error_move(err, &op->fault);
        return NULL;
    }
    if (op->object != NULL && engine_stream_end(&op->stream, err) != 0)
        return NULL;
    return op->answer != NULL ? op->answer(op, response, err) : collected(response, err);
}

static void on_done(const struct http_response *response, const struct error *fault, void *data)
{
    struct engine_op *op = data;
    AUTO_ERROR struct error err = ERROR_INIT;
    op->call = NULL;
    AUTO_JSON json_t *answer = judge(op, response, fault, &err);
    if (op->doing != NULL)
        error_wrap(&err, "%s", op->doing);
    unlink_op(op);
    op->busy = op->cancelled = true; /* a cancel from inside `done` finds it ended */
    op->done(answer, error_is_set(&err) ? &err : NULL, op->data);
    free_op(op);
}

/* --- sending ---------------------------------------------------------------------------------- */

void engine_query(struct buf *path, const char *name, const char *value)
{
    if (value == NULL)
        return;
    bool first = path->data == NULL || strchr(path->data, '?') == NULL;
    buf_printf(path, "%c%s=", first ? '?' : '&', name);
    http_escape(path, value, "");
}

void engine_query_label(struct buf *path, const char *label, bool containers_only)
{
    AUTO_JSON json_t *filters = json_object();
    json_t *labels = json_array();
    json_array_append_new(labels, json_text_value(label, strlen(label)));
    json_object_set_new(filters, "label", labels);
    if (containers_only)
        json_object_set_new(filters, "type", json_pack("[s]", "container"));
    AUTO_FREE char *text = json_text(filters);
    engine_query(path, "filters", text);
}

#define HEADERS_MAX 8 /* of our own making */

struct engine_op *engine_send(struct engine_op *op, const struct engine_call *call)
{
    struct engine *engine = op->engine;
    assert(call->unversioned || engine->api[0] != '\0'); /* connect comes first */
    AUTO_FREE char *url = call->unversioned
                              ? xasprintf("%s%s", engine->base, call->path)
                              : xasprintf("%s/v%s%s", engine->base, engine->api, call->path);
    const char *headers[HEADERS_MAX] = {NULL};
    size_t count = 0;
    AUTO_BUF struct buf body = BUF_INIT;
    if (call->json != NULL) {
        AUTO_FREE char *text = json_text(call->json);
        buf_puts(&body, text);
        headers[count++] = "Content-Type: application/json";
    }
    for (const char *const *more = call->headers; more != NULL && *more != NULL; more++) {
        assert(count < HEADERS_MAX - 1);
        headers[count++] = *more;
    }
    struct http_request request = {
        .method = call->method,
        .url = url,
        .unix_socket = engine->unix_socket,
        .headers = headers,
        .body = call->json != NULL ? &body : NULL,
        .ca_file = engine->ca_file,
        .cert_file = engine->cert_file,
        .key_file = engine->key_file,
        .connect_timeout_ms = ENGINE_CONNECT_MS,
        .idle_timeout_ms = call->idle_timeout_ms,
        .timeout_ms = call->timeout_ms,
        .pull = call->pulls ? on_pull : NULL,
        .on_data = call->streams ? on_data : NULL,
        .done = on_done,
        .data = op,
    };
    op->call = http_start(engine->http, &request);
    return op;
}

/* --- greeting --------------------------------------------------------------------------------- */

static int choose_api(struct engine *engine, const char *theirs, struct error *err)
{
    int major = 0;
    int minor = 0;
    if (theirs == NULL || sscanf(theirs, "%3d.%3d", &major, &minor) != 2) {
        error_set(err, ERROR_UNSUPPORTED, "what answers there is no container engine");
        return error_hint(err, "check the address: it is neither Docker's API nor Podman's");
    }
    if (major != API_MAJOR || minor < API_MINOR_MIN) {
        error_set(err, ERROR_UNSUPPORTED,
                  "the container engine speaks API %d.%d, too old for Skiff", major, minor);
        return error_hint(err, "Docker 19.03 or newer, or Podman 3 or newer, is needed");
    }
    snprintf(engine->api, sizeof engine->api, "%d.%d", major,
             minor < API_MINOR_MAX ? minor : API_MINOR_MAX);
    return 0;
}

static json_t *greeted(struct engine_op *op, const struct http_response *response,
                       struct error *err)
{
    struct engine *engine = op->engine;
    const char *podman = http_header(response, "Libpod-Api-Version");
    if (choose_api(engine, http_header(response, "Api-Version"), err) != 0)
        return NULL;
    engine->podman = podman != NULL;
    json_t *answer = json_object();
    json_set_string(answer, "engine", podman != NULL ? "Podman" : "Docker");
    json_set_string(answer, "version", podman);
    json_set_string(answer, "api", engine->api);
    return answer;
}

struct engine_op *engine_connect(struct engine *engine, engine_done_fn done, void *data)
{
    char *doing = xasprintf("greeting the container engine at %s", engine->where);
    struct engine_op *op = engine_op_new(engine, done, data, doing);
    op->answer = greeted;
    const struct engine_call call = {
        .method = "GET", .path = "/_ping", .unversioned = true, .timeout_ms = ENGINE_LOOK_MS};
    return engine_send(op, &call);
}

struct engine_op *engine_info(struct engine *engine, engine_done_fn done, void *data)
{
    struct engine_op *op = engine_op_new(engine, done, data, NULL);
    const struct engine_call call = {
        .method = "GET", .path = "/info", .timeout_ms = ENGINE_LOOK_MS};
    return engine_send(op, &call);
}
