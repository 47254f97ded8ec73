/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A container engine's API: Docker's, which Podman serves too. Operations, no policy: what an image
 * is called, what a container may do and who may pull is the caller's.
 *
 * Every operation is asynchronous and ends with one call of its `done`, from the loop, unless it was
 * cancelled or the engine was freed. Errors are classed as engine_fault.h says; an engine that is not
 * there: ERROR_NOT_FOUND or ERROR_BUSY, one that may not be used: ERROR_DENIED. They never hold the
 * authorization that was given.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "submission/engine_pull.h"
#include "submission/engine_steps.h"
#include "submission/engine_stream.h"
#include "submission/http.h"

struct engine;
struct engine_op; /* one operation: valid until its `done` returns or it is cancelled */

/* The end: `answer` is what the engine said, NULL where it says nothing or `err` is set. Both are
 * borrowed. */
typedef void (*engine_done_fn)(const json_t *answer, const struct error *err, void *data);

/* --- the engine ------------------------------------------------------------------------------- */

/* `address`: unix:///path (or an absolute path) or tcp://host:port; `tls_dir`: a folder with ca.pem,
 * cert.pem and key.pem for the latter, or NULL. Connects to nothing yet. NULL: ERROR_UNSUPPORTED for
 * ssh:// (with the way around), ERROR_INVALID for anything else. `http` must outlive it. */
MUST_CHECK struct engine *engine_new(struct http *http, const char *address, const char *tls_dir,
                                     struct error *err);

/* Cancels all its operations. From any callback. NULL is allowed. */
void engine_free(struct engine *engine);

/* Greets the engine and settles on a version of its API, which every other operation needs. The
 * answer: {"engine": "Docker" or "Podman", "version", "api": "1.41"}; `version` is only Podman's, null
 * for Docker, whose engine_info() tells. ERROR_UNSUPPORTED when it is too old. */
struct engine_op *engine_connect(struct engine *engine, engine_done_fn done, void *data);

bool engine_is_podman(const struct engine *engine);    /* after engine_connect() */
const char *engine_api(const struct engine *engine);   /* "1.41"; "" before */
const char *engine_where(const struct engine *engine); /* for people: its address */

struct engine_op *engine_info(struct engine *engine, engine_done_fn done, void *data);

/* Ends an operation: a pull and a build are stopped by it, what the engine was told otherwise stays
 * told. `done` is not called. From any callback but the operation's own `done`. NULL is allowed. */
void engine_cancel(struct engine_op *op);

/* --- images ----------------------------------------------------------------------------------- */

/* `image` is a reference with its registry (short names are not the same in both engines) or an id. */
struct engine_op *engine_image_inspect(struct engine *engine, const char *image,
                                       engine_done_fn done, void *data);
struct engine_op *engine_image_tag(struct engine *engine, const char *image, const char *repository,
                                   const char *tag, engine_done_fn done, void *data);
struct engine_op *engine_image_remove(struct engine *engine, const char *image, engine_done_fn done,
                                      void *data);
/* With the label "name" or "name=value". The answer is an array. */
struct engine_op *engine_image_list(struct engine *engine, const char *label, engine_done_fn done,
                                    void *data);

struct engine_pull_request {
    const char *image;    /* with its registry, and a tag or a digest */
    const char *platform; /* "linux/amd64"; NULL: the engine's own */
    const char *auth;     /* the value of X-Registry-Auth; NULL: none */
    /* After each change. Borrowed. May be NULL. */
    void (*progress)(const struct engine_pull *pull, void *data);
    engine_done_fn done; /* {"digest": "sha256:..." or "", "up_to_date": true} */
    void *data;
};
struct engine_op *engine_pull(struct engine *engine, const struct engine_pull_request *request);

struct engine_build_request {
    const char *tag;          /* of what is built: "name:tag" */
    const char *dockerfile;   /* its path in the archive; NULL: "Dockerfile" */
    const json_t *labels;     /* {"name": "value"}, or NULL; so is build_args */
    const json_t *build_args; /* they stay in the image's history: no secrets */
    const char *platform;     /* NULL: the engine's own */
    const char *network;      /* of RUN: "none", "host", ...; NULL: the engine's own */
    const char *auth;         /* the value of X-Registry-Config; NULL: none */
    /* The context as a tar stream: see http_request.pull; engine_resume() when there is more. */
    ssize_t (*pull)(char *room, size_t size, struct error *err, void *data);
    /* Output as it comes. `steps` tells where the build is; `step_changed` that this output began a
     * step or found it in the cache. */
    void (*output)(const struct engine_steps *steps, bool step_changed, const char *bytes,
                   size_t size, void *data);
    engine_done_fn done; /* {"id": "sha256:..."}; an error names the step, with its last lines */
    void *data;          /* for the three above */
};
/* By the classic builder (Docker) or buildah (Podman): BuildKit's needs a session we do not serve. */
struct engine_op *engine_build(struct engine *engine, const struct engine_build_request *request);
void engine_resume(struct engine_op *op);

/* --- containers ------------------------------------------------------------------------------- */

/* The body as the API has it; borrowed. The answer: {"Id", "Warnings"}. */
struct engine_op *engine_create(struct engine *engine, const char *name, const json_t *body,
                                engine_done_fn done, void *data);
/* Starting one that runs, and stopping one that does not, is success. */
struct engine_op *engine_start(struct engine *engine, const char *container, engine_done_fn done,
                               void *data);
struct engine_op *engine_stop(struct engine *engine, const char *container, int grace_seconds,
                              engine_done_fn done, void *data);
/* `signal` as "SIGTERM". ERROR_BUSY when it does not run. */
struct engine_op *engine_kill(struct engine *engine, const char *container, const char *signal,
                              engine_done_fn done, void *data);
/* Kills it first when it runs. One that is gone is ERROR_NOT_FOUND. */
struct engine_op *engine_remove(struct engine *engine, const char *container, engine_done_fn done,
                                void *data);
struct engine_op *engine_inspect(struct engine *engine, const char *container, engine_done_fn done,
                                 void *data);
/* Running or not, with the label "name" or "name=value". The answer is an array. */
struct engine_op *engine_list(struct engine *engine, const char *label, engine_done_fn done,
                              void *data);
/* Ends when the container does: {"StatusCode": 0}. */
struct engine_op *engine_wait(struct engine *engine, const char *container, engine_done_fn done,
                              void *data);
/* What it has printed, and with `follow` what it will print, until it ends. `tty` as the container
 * was created. */
struct engine_op *engine_logs(struct engine *engine, const char *container, bool tty, bool follow,
                              engine_output_fn output, engine_done_fn done, void *data);

/* --- events ----------------------------------------------------------------------------------- */

/* An event of a container, borrowed: {"Action": "die", "Actor": {"ID", "Attributes": {...}}}. */
typedef void (*engine_event_fn)(const json_t *event, void *data);

/* Events of containers with the label "name" or "name=value", from `since_s` (seconds since 1970 by
 * the engine's clock; 0: now) on. Ends only with an error: the engine is gone. */
struct engine_op *engine_events(struct engine *engine, const char *label, int64_t since_s,
                                engine_event_fn event, engine_done_fn done, void *data);
