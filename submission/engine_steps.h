/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The steps of a build, read from its output: Docker's classic builder ("Step 4/9 : RUN make",
 * " ---> Using cache") and Podman's ("STEP 4/9: RUN make", "[1/2] STEP 4/9: RUN make"). Pure.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* What is read of one line: instructions longer than this are cut, in the table only. */
#define ENGINE_LINE_MAX 4096
#define ENGINE_TAIL_LINES 20 /* enough for a compiler's or pip's last words */

struct engine_steps {
    int step; /* the one under way, from 1; 0 before the first */
    int count;
    char *instruction; /* "RUN make", or NULL */
    bool cached;       /* taken from the cache */
    int cached_count;  /* of all so far */
    char *image_id;    /* from "Successfully built"; NULL until then */

    struct buf line;               /* private: the line that is not whole yet */
    char *tail[ENGINE_TAIL_LINES]; /* private: a ring of the step's last lines */
    size_t tail_count;
};

#define ENGINE_STEPS_INIT \
    {                     \
        .step = 0         \
    }
void engine_steps_done(struct engine_steps *steps);

/* Takes the next bytes of output. True when a step began, or was found in the cache. */
bool engine_steps_feed(struct engine_steps *steps, const char *bytes, size_t size);

/* The last lines of the step under way, without colours, a newline after each. Caller frees. */
MUST_CHECK char *engine_steps_tail(const struct engine_steps *steps);
