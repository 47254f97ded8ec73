/* SPDX-License-Identifier: BSD-3-Clause */
/* %metrics: a run's metrics with charts, read on the worker pool. */
#include <stdlib.h>

#include "magics/list.h"
#include "magics/magic_call.h"
#include "magics/render.h"

struct reading {
    struct magic_call *call; /* referenced: an interrupt may end it before the answer comes */
    char *run_id;
};

static void on_metrics(const struct metrics *metrics, const struct error *err, void *data)
{
    struct reading *reading = data;
    struct magic_call *call = reading->call;
    struct error own = ERROR_INIT;
    if (err != NULL) {
        error_set(&own, err->code, "%s", err->text);
        if (err->hint != NULL)
            error_hint(&own, "%s", err->hint);
    } else if (!magic_call_over(call))
        magic_call_show(call, render_metrics(reading->run_id, metrics));
    magic_call_finish(call, &own);
    magic_call_unref(call);
    free(reading->run_id);
    free(reading);
}

static void run(struct magic_call *call)
{
    struct error err = ERROR_INIT;
    char *id;
    if (magic_call_run_id(call, &id, &err) < 0) {
        magic_call_fail(call, &err);
        return;
    }
    struct reading *reading = xcalloc(1, sizeof *reading);
    reading->call = magic_call_ref(call);
    reading->run_id = id;
    submission_metrics(call->submission, id, on_metrics, reading);
}

const struct magic magic_metrics = {
    .name = "metrics",
    .usage = "%metrics [RUN]",
    .help = "show a run's metrics (the newest run's when none is given)",
    .example = "%metrics",
    .max_args = 1,
    .argument = "a run",
    .run = run,
    .complete = magic_call_complete_runs,
};
