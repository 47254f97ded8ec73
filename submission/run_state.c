/* SPDX-License-Identifier: BSD-3-Clause */
/* The states of a run and which may follow which, as data. docs/runs.md shows the same table, and
 * tests/unit/submission/test_run.c holds every pair to it.
 *
 * Before the script runs, the order of the waiting states is the backend's business (Azure ML says
 * Starting first, a queue here says it last), so each may follow each. Nothing leads back from what
 * has run, and nothing follows a final state. */
#include "submission/run.h"

#include <string.h>

static const char *const names[RUN_STATE_COUNT] = {
    [RUN_NOT_STARTED] = "NotStarted",    [RUN_PREPARING] = "Preparing",
    [RUN_PROVISIONING] = "Provisioning", [RUN_QUEUED] = "Queued",
    [RUN_STARTING] = "Starting",         [RUN_RUNNING] = "Running",
    [RUN_FINALIZING] = "Finalizing",     [RUN_CANCEL_REQUESTED] = "CancelRequested",
    [RUN_COMPLETED] = "Completed",       [RUN_FAILED] = "Failed",
    [RUN_CANCELED] = "Canceled",         [RUN_NOT_RESPONDING] = "NotResponding",
};

#define TO(state) (1u << (state))
#define WAITING (TO(RUN_PREPARING) | TO(RUN_PROVISIONING) | TO(RUN_QUEUED) | TO(RUN_STARTING))
#define STOPPED (TO(RUN_FAILED) | TO(RUN_CANCELED)) /* ends without having succeeded */
#define ENDED (TO(RUN_COMPLETED) | STOPPED)

/* What may follow each state, as a set. */
static const unsigned followers[RUN_STATE_COUNT] = {
    [RUN_NOT_STARTED] = WAITING | TO(RUN_CANCEL_REQUESTED) | STOPPED,
    [RUN_PREPARING] = WAITING | TO(RUN_RUNNING) | TO(RUN_CANCEL_REQUESTED) | STOPPED,
    [RUN_PROVISIONING] = WAITING | TO(RUN_RUNNING) | TO(RUN_CANCEL_REQUESTED) | STOPPED,
    [RUN_QUEUED] = WAITING | TO(RUN_RUNNING) | TO(RUN_CANCEL_REQUESTED) | STOPPED,
    [RUN_STARTING] =
        WAITING | TO(RUN_RUNNING) | TO(RUN_CANCEL_REQUESTED) | TO(RUN_NOT_RESPONDING) | STOPPED,
    [RUN_RUNNING] = TO(RUN_FINALIZING) | TO(RUN_CANCEL_REQUESTED) | TO(RUN_NOT_RESPONDING) | ENDED,
    [RUN_FINALIZING] = ENDED,
    /* The script may still end by itself, either way, before the request reaches it. */
    [RUN_CANCEL_REQUESTED] = TO(RUN_FINALIZING) | TO(RUN_NOT_RESPONDING) | ENDED,
    [RUN_NOT_RESPONDING] = TO(RUN_RUNNING) | TO(RUN_FINALIZING) | TO(RUN_CANCEL_REQUESTED) | ENDED,
    [RUN_COMPLETED] = 0,
    [RUN_FAILED] = 0,
    [RUN_CANCELED] = 0,
};

const char *run_state_name(enum run_state state)
{
    return names[state];
}

int run_state_parse(const char *name)
{
    for (int state = 0; state < RUN_STATE_COUNT; state++)
        if (strcmp(names[state], name) == 0)
            return state;
    return -1;
}

bool run_state_is_final(enum run_state state)
{
    return followers[state] == 0;
}

bool run_state_may_follow(enum run_state from, enum run_state to)
{
    return from != to && (followers[from] & TO(to)) != 0;
}
