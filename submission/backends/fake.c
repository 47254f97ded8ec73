/* SPDX-License-Identifier: BSD-3-Clause */
/* The fake backend. Everything happens on timers of the task's loop, in the order a real backend would
 * report it, so whole life cycles are tested without a process. Being a stand-in for the outside world
 * it keeps its world in static memory: runs that "go on" when their kernel lets go. */
#include "submission/backends/fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "submission/backends/backend.h"

#define RUNS_MAX 64

/* What the outside world knows of a run. */
struct fake_run {
    char id[256];
    int64_t started_us;
    int64_t ends_us; /* 0: not until it is cancelled */
    int64_t ended_us;
    bool cancelled;
};

static struct fake_plan plan;
static struct fake_counts counts;
static struct fake_run runs[RUNS_MAX];
static size_t run_count;

/* What one task waits for. */
struct fake_task {
    uv_timer_t timer;
    struct backend_task *task; /* NULL once released */
    enum { FAKE_PREPARES, FAKE_STARTS, FAKE_RUNS, FAKE_IDLE } phase;
    bool cancelled;
};

void fake_reset(const struct fake_plan *new_plan)
{
    plan = *new_plan;
    counts = (struct fake_counts){0};
    run_count = 0;
}

const struct fake_counts *fake_counts(void)
{
    return &counts;
}

static struct fake_run *find_run(const char *id)
{
    for (size_t i = 0; i < run_count; i++)
        if (strcmp(runs[i].id, id) == 0)
            return &runs[i];
    return NULL;
}

static int check(const struct backend_plan *unused, struct notes *notes, struct error *err)
{
    (void)unused;
    (void)notes;
    return plan.check_error != NULL ? error_set(err, ERROR_UNSUPPORTED, "%s", plan.check_error) : 0;
}

static int describe(const struct backend_plan *unused, json_t *plan_out, struct error *err)
{
    (void)unused;
    (void)err;
    json_object_set_new(plan_out, "environment", json_string("nothing: this backend is a fake"));
    json_object_set_new(plan_out, "command", json_pack("[s]", "fake"));
    json_object_set_new(plan_out, "environment_variables", json_object());
    return 0;
}

static void answer(struct backend_task *task,
                   void (*report)(struct backend_task *, const struct error *), bool cancelled,
                   const char *fault)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (cancelled)
        error_set(&err, ERROR_CANCELLED, "cancelled");
    else if (fault != NULL)
        error_set(&err, ERROR_FAILED, "%s", fault);
    report(task, error_is_set(&err) ? &err : NULL);
}

static void begin_run(struct backend_task *task)
{
    if (find_run(task->run_id) != NULL) {
        counts.started_twice++;
        return;
    }
    counts.started++;
    struct fake_run *run = &runs[run_count++ % RUNS_MAX];
    *run = (struct fake_run){.started_us = clock_now()};
    snprintf(run->id, sizeof run->id, "%s", task->run_id);
    run->ends_us = plan.never ? 0 : run->started_us + (int64_t)plan.run_ms * 1000;
}

static void on_timer(uv_timer_t *timer)
{
    struct fake_task *fake = timer->data;
    struct backend_task *task = fake->task;
    bool cancelled = fake->cancelled;
    int phase = fake->phase;
    fake->phase = FAKE_IDLE;
    fake->cancelled = false;
    if (phase == FAKE_PREPARES) {
        counts.prepared++;
        answer(task, task->events->prepared, cancelled, plan.prepare_error);
    } else if (phase == FAKE_STARTS) {
        if (!cancelled && plan.start_error == NULL)
            begin_run(task);
        answer(task, task->events->started, cancelled, plan.start_error);
    } else if (phase == FAKE_RUNS) {
        struct fake_run *run = find_run(task->run_id);
        run->ended_us = clock_now();
        task->events->ended(task);
    }
}

static void wait_for(struct backend_task *task, int phase, int64_t delay_ms)
{
    struct fake_task *fake = task->state;
    if (fake == NULL) {
        task->state = fake = xcalloc(1, sizeof *fake);
        fake->task = task;
        uv_timer_init(task->loop, &fake->timer);
        fake->timer.data = fake;
    }
    fake->phase = phase;
    uv_timer_start(&fake->timer, on_timer, delay_ms > 0 ? (uint64_t)delay_ms : 0, 0);
}

static int prepare(struct backend_task *task, struct error *err)
{
    (void)err;
    wait_for(task, FAKE_PREPARES, plan.prepare_ms);
    return 0;
}

static int start(struct backend_task *task, struct error *err)
{
    (void)err;
    wait_for(task, FAKE_STARTS, plan.start_ms);
    return 0;
}

static int find(struct backend_task *task, struct process_status *ret_status, struct error *err)
{
    (void)err;
    const struct fake_run *run = find_run(task->run_id);
    *ret_status = (struct process_status)PROCESS_STATUS_INIT;
    if (run == NULL)
        return 0;
    ret_status->state = run->ended_us == 0 ? PROCESS_RUNNING
                        : plan.lost        ? PROCESS_LOST
                                           : PROCESS_ENDED;
    ret_status->started_us = run->started_us;
    ret_status->ended_us = run->ended_us;
    ret_status->cancelled = run->cancelled;
    ret_status->exit_code = run->cancelled ? -1 : plan.exit_code;
    ret_status->signal = run->cancelled ? 15 : 0;
    return 0;
}

static int watch(struct backend_task *task, struct error *err)
{
    (void)err;
    const struct fake_run *run = find_run(task->run_id);
    if (run->ends_us != 0)
        wait_for(task, FAKE_RUNS, (run->ends_us - clock_now()) / 1000);
    else
        wait_for(task, FAKE_RUNS, INT32_MAX);
    return 0;
}

static int cancel(struct backend_task *task, struct error *err)
{
    (void)err;
    struct fake_task *fake = task->state;
    struct fake_run *run = find_run(task->run_id);
    counts.cancelled++;
    if (fake == NULL || plan.ignores_cancel)
        return 0;
    fake->cancelled = true;
    if (run != NULL)
        run->cancelled = run->ended_us == 0;
    if (fake->phase != FAKE_IDLE)
        uv_timer_start(&fake->timer, on_timer, 0, 0);
    return 0;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void release(struct backend_task *task)
{
    struct fake_task *fake = task->state;
    task->state = NULL;
    counts.released++;
    if (fake != NULL)
        uv_close((uv_handle_t *)&fake->timer, on_closed);
}

const struct backend backend_fake = {
    .name = "fake",
    .check = check,
    .describe = describe,
    .prepare = prepare,
    .start = start,
    .find = find,
    .watch = watch,
    .cancel = cancel,
    .release = release,
};
