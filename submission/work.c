/* SPDX-License-Identifier: BSD-3-Clause */
/* Pieces of work for libuv's pool. Each holds a reference on the submission, so that closing waits for
 * it (the loop runs on until the pool has answered). */
#include <stdlib.h>

#include "submission/core.h"

struct work {
    uv_work_t request;
    struct submission *submission;
    work_fn work;
    work_fn done;
    void *data;
};

static void on_worker(uv_work_t *request)
{
    struct work *work = request->data;
    work->work(work->data);
}

static void on_loop(uv_work_t *request, int status)
{
    (void)status; /* never cancelled: the work itself looks at its own flag */
    struct work *work = request->data;
    work->done(work->data);
    submission_unref(work->submission);
    free(work);
}

void work_queue(struct submission *submission, work_fn work, work_fn done, void *data)
{
    struct work *piece = xcalloc(1, sizeof *piece);
    piece->submission = submission;
    piece->work = work;
    piece->done = done;
    piece->data = data;
    piece->request.data = piece;
    submission_ref(submission);
    uv_queue_work(submission->loop, &piece->request, on_worker, on_loop);
}
