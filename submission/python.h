/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which Python runs a script on this machine, and the virtual environment it may need.
 *
 *   nothing given            the Python found by the rule below
 *   python: PATH or NAME     that one
 *   pip / conda_file's pip   a virtual environment made from it once, kept by the hash of its contents
 *   conda packages           an environment made by micromamba, mamba or conda, where there is one
 *
 * The rule: $VIRTUAL_ENV, then $CONDA_PREFIX, then python3, then python on $PATH.
 *
 * An environment is a folder $SKIFF_HOME/venvs/<hash>/ in which the runner runs the build like any other
 * work: it outlives us, its log is on disk, its exit record says whether it is complete, and the
 * runner's lock keeps two kernels from building it twice. What did not end well is removed and built
 * again by the next run that needs it.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"

/* Checks, without building, that the definition (may be NULL) can be served by a process here: the
 * interpreter is there, and a conda tool where one is needed. */
int python_check(const json_t *definition, struct error *err);

/* What the definition means here, a sentence; *ret_cached: ready without building. Caller frees. */
MUST_CHECK char *python_describe(const char *home, const json_t *definition, bool *ret_cached);

/* The interpreter a script of this definition runs with, ready or not. Caller frees; NULL with an
 * error. */
MUST_CHECK char *python_interpreter(const char *home, const json_t *definition, struct error *err);

struct python_build;

struct python_callbacks {
    void (*log)(const char *bytes, size_t size, void *data); /* the build's output, as it comes */
    void (*done)(const struct error *err, void *data); /* once; NULL: the environment is ready */
};

/* Makes the environment ready. `done` may be called before this returns (nothing to build). Another
 * kernel's build of the same environment is waited for. NULL with an error when it cannot be begun, and
 * *ret_build is then untouched; on success it is the build, or NULL when it is done already. */
int python_prepare(uv_loop_t *loop, const char *home, const json_t *definition,
                   const struct python_callbacks *callbacks, void *data,
                   struct python_build **ret_build, struct error *err);

/* Stops the build; `done` follows with ERROR_CANCELLED. */
void python_cancel(struct python_build *build);

/* Lets go: no callback afterwards; the build itself goes on. NULL is allowed. */
void python_release(struct python_build *build);
