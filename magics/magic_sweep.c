/* SPDX-License-Identifier: BSD-3-Clause */
/* An interrupt ends the call at once; what the engine was asked goes on, and nobody is told. */
#include "magics/magic_sweep.h"

#include <stdlib.h>

#include "magics/render_plan.h"

struct magic_sweep {
    struct magic_call *call; /* referenced: an interrupt may end it before the answer comes */
    enum magic_sweep_kind kind;
    bool dry_run;
};

struct magic_sweep *magic_sweep_new(struct magic_call *call, enum magic_sweep_kind kind,
                                    bool dry_run)
{
    struct magic_sweep *sweep = xcalloc(1, sizeof *sweep);
    *sweep = (struct magic_sweep){.call = magic_call_ref(call), .kind = kind, .dry_run = dry_run};
    return sweep;
}

static void finish(struct magic_sweep *sweep, struct error *err)
{
    magic_call_finish(sweep->call, err);
    magic_call_unref(sweep->call);
    free(sweep);
}

void magic_sweep_fail(struct magic_sweep *sweep, struct error *err)
{
    finish(sweep, err);
}

void magic_sweep_done(const json_t *result, const struct error *err, void *data)
{
    struct magic_sweep *sweep = data;
    AUTO_ERROR struct error own = ERROR_INIT;
    if (err != NULL) {
        error_set(&own, err->code, "%s", err->text);
        if (err->hint != NULL)
            error_hint(&own, "%s", err->hint);
    } else if (!magic_call_over(sweep->call)) {
        bool images = sweep->kind == MAGIC_SWEEP_IMAGES;
        magic_call_show(sweep->call, render_plan_swept(result, images, sweep->dry_run));
    }
    finish(sweep, &own);
}
