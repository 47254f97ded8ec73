/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a run: what a process status means as states. Whoever notices first writes it (the kernel
 * that drives the run, one that lists it, the next one after a crash); run_advance() makes the second a
 * no-op. The index follows the events, and the node is given back last. */
#include <stdlib.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "submission/core.h"

int advance(struct submission *submission, struct run *run, enum run_state to, const char *reason,
            struct error *err)
{
    int changed = run_advance(run, to, reason, err);
    if (changed < 0)
        return -1;
    failpoint("settle.advance.event");
    return store_put_run(submission->store, run, err);
}

/* The index is only a copy: a failure to update it must not keep a run from ending. */
static void release_node(struct submission *submission, const struct run *run)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (store_release_node(submission->store, run->id, &err) != 0)
        log_warning("giving back the node of %s: %s", run->id, err.text);
}

int settle_as(struct submission *submission, struct run *run, enum run_state state,
              const char *reason, struct error *err)
{
    if (!run_state_is_final(run->state) && advance(submission, run, state, reason, err) != 0)
        return -1;
    release_node(submission, run);
    return 0;
}

static enum run_state end_state(const struct process_status *status)
{
    if (status->cancelled || status->timed_out)
        return RUN_CANCELED;
    return status->exit_code == 0 && status->error == NULL ? RUN_COMPLETED : RUN_FAILED;
}

/* Why it did not complete. A runner that was told to stop, and not by us, was stopped by somebody else. */
static char *reason_of(const struct run *run, const struct process_status *status)
{
    AUTO_FREE char *text = process_status_text(status);
    bool asked = run->state == RUN_CANCEL_REQUESTED || run->state == RUN_FINALIZING;
    if (!status->cancelled || asked)
        return steal(&text);
    return xasprintf(
        "stopped from outside, by somebody's SIGTERM or a restart of what it ran in (%s)", text);
}

static int settle_ended(struct submission *submission, struct run *run,
                        const struct process_status *status, struct error *err)
{
    enum run_state end = end_state(status);
    AUTO_FREE char *reason = end == RUN_COMPLETED ? NULL : reason_of(run, status);
    /* The run may have started and ended while nobody looked: its events still tell it in order. */
    if (run_state_may_follow(run->state, RUN_RUNNING) && run->started_us == 0 &&
        run_advance(run, RUN_RUNNING, NULL, err) < 0)
        return -1;
    if (run_state_may_follow(run->state, RUN_FINALIZING) &&
        run_advance(run, RUN_FINALIZING, NULL, err) < 0)
        return -1;
    return settle_as(submission, run, end, reason, err);
}

static int settle_lost(struct submission *submission, struct run *run,
                       const struct process_status *status, struct error *err)
{
    bool asked = run->state == RUN_CANCEL_REQUESTED;
    const char *reason =
        status->error != NULL ? status->error
        : status->rebooted
            ? "the machine was restarted while the run was going"
            : "the runner was killed, and the script with it; how the script would have "
              "ended is not known";
    if (run_state_may_follow(run->state, RUN_NOT_RESPONDING) &&
        run_advance(run, RUN_NOT_RESPONDING, reason, err) < 0)
        return -1;
    return settle_as(submission, run, asked ? RUN_CANCELED : RUN_FAILED, reason, err);
}

int settle(struct submission *submission, struct run *run, const struct process_status *status,
           struct error *err)
{
    if (run_refresh(run, err) != 0)
        return -1;
    if (run_state_is_final(run->state)) {
        release_node(submission, run);
        return store_put_run(submission->store, run, err);
    }
    if (status->state == PROCESS_ENDED)
        return settle_ended(submission, run, status, err);
    if (status->state == PROCESS_LOST)
        return settle_lost(submission, run, status, err);
    return 0;
}
