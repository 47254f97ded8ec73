/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The container of a run, as the body of the engine's create call. It sees of this machine:
 *
 *   /skiff/run      the run's directory, its working folder below it in code/
 *   /skiff/runner   the runner, read-only: it needs nothing of the image
 *   /skiff/inputs   local paths the job names as inputs, read-only unless it says rw_mount
 *   what the compute's `mounts` say, read-only by default
 *
 * The script is the caller (in a rootless engine its root, who is the caller outside), so that what it
 * writes belongs to the caller, whatever user the image names; the compute's `user` overrides it. The
 * image's entry point is not used.
 */

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/strlist.h"

#define CONTAINER_RUN "/skiff/run"
#define CONTAINER_LABEL_RUN "skiff.run"

/* What an engine can do and wants told. */
struct container_engine {
    bool podman;
    int podman_version; /* 504 for 5.4 */
    bool rootless;
    bool remaps_users; /* Docker's userns-remap */
    bool labels_files; /* SELinux */
    bool has_nvidia_runtime;
    bool has_cdi; /* takes requests for CDI devices */
};

/* `connected` and `info` are the answers of engine_connect() and engine_info(). */
void container_engine_read(const json_t *connected, const json_t *info,
                           struct container_engine *ret_engine);

/* Are there GPUs for what the compute asks? ERROR_UNSUPPORTED with what to install. */
int container_check_gpus(const json_t *compute, const struct container_engine *engine,
                         struct error *err);

struct container_request {
    const char *run_id;
    const char *run_dir; /* on this machine */
    const char *home;
    const char *experiment;
    const char *image;  /* its id */
    const char *runner; /* the runner's path on this machine */
    const json_t *job;
    const json_t *environment;
    const json_t *compute;
    const struct container_engine *engine;
};

/* Resolves secrets that environment variables refer to, and says what of the machine is missing (an
 * input, a mount). New reference. */
MUST_CHECK json_t *container_body(const struct container_request *request, struct error *err);

/* The script's argv, as seen in the container; *ret_fallback (static, or NULL): the program where the
 * first is not in the image. */
int container_argv(const json_t *job, struct strlist *ret_argv, const char **ret_fallback,
                   struct error *err);

/* The variables set in it, beside the image's own. With `home` NULL references stay as they are. */
int container_variables(const struct container_request *request, const char *home,
                        struct strlist *ret_list, struct error *err);

/* Do the inputs and the mounts exist on this machine? */
int container_check_folders(const json_t *job, const json_t *compute, struct error *err);
