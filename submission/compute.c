/* SPDX-License-Identifier: BSD-3-Clause */
/* Computes: `local`, which is always there and runs everything at once, and the stand-in for AmlCompute,
 * a queue with `max_instances` nodes on this machine. Its status document is computed from who holds
 * which node, so its counts are true by construction: a node that runs something is running, one whose
 * run is about to start is preparing, one that was used less than the idle time ago is idle, and the
 * rest are not there. Nothing is simulated: a node that is needed is there at once. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "submission/core.h"

#define STAND_IN \
    "a stand-in on this machine: a queue with the nodes of the definition, no virtual machines"

bool compute_has_nodes(const json_t *definition)
{
    return strcmp(json_get_string(definition, "type", "local"), "amlcompute") == 0;
}

struct node_counts {
    int running, preparing, idle;
    int64_t changed_us; /* the newest release, for the transition time */
};

/* A node below the minimum stays; another one leaves when it has been idle long enough. */
static bool is_idle(const json_t *row, int node, const json_t *definition)
{
    int64_t idle_us = json_get_int(definition, "idle_time_before_scale_down", 0) * 1000000;
    return node < json_get_int(definition, "min_instances", 0) ||
           clock_now() - json_get_time(row, "released_at") < idle_us;
}

static struct node_counts count_nodes(const json_t *rows, const json_t *definition)
{
    struct node_counts counts = {0};
    int64_t minimum = json_get_int(definition, "min_instances", 0);
    int64_t unused_minimum = minimum;
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row) {
        int node = (int)json_get_int(row, "node", 0);
        const char *state = json_get_string(row, "state", "");
        int64_t released_us = json_get_time(row, "released_at");
        unused_minimum -= node < minimum;
        if (released_us > counts.changed_us)
            counts.changed_us = released_us;
        if (json_is_string(json_object_get(row, "run")))
            *(strcmp(state, "Running") == 0 || strcmp(state, "Finalizing") == 0
                  ? &counts.running
                  : &counts.preparing) += 1;
        else
            counts.idle += is_idle(row, node, definition);
    }
    counts.idle += (int)(unused_minimum > 0 ? unused_minimum : 0);
    return counts;
}

static int count_queued(struct store *store, const char *name, struct error *err)
{
    struct store_run_filter filter = {.compute = name, .live_only = true};
    AUTO_JSON json_t *runs = store_list_runs(store, &filter, err);
    size_t i;
    json_t *run;
    int queued = 0;
    if (runs == NULL)
        return -1;
    json_array_foreach (runs, i, run)
        queued += strcmp(json_get_string(run, "state", ""), "Queued") == 0;
    return queued;
}

static json_t *status_document(const json_t *compute, const struct node_counts *counts, int target)
{
    const json_t *definition = json_object_get(compute, "definition");
    int current = counts->running + counts->preparing + counts->idle;
    bool steady = target == current && counts->preparing == 0;
    const char *created = json_get_string(compute, "created_at", "");
    const char *modified = json_get_string(compute, "modified_at", created);
    char changed[CLOCK_TEXT_SIZE];
    clock_format(counts->changed_us, changed);
    AUTO_FREE char *idle =
        xasprintf("PT%lldS", (long long)json_get_int(definition, "idle_time_before_scale_down", 0));
    const char *tier = json_get_string(definition, "tier", "dedicated");
    return json_pack(
        "{s:i, s:i, s:{s:i, s:i, s:i, s:i, s:i, s:i}, s:s, s:s, s:[], s:s, s:s, s:s, s:s,"
        " s:{s:I, s:I, s:s}, s:s, s:s, s:s}",
        "currentNodeCount", current, "targetNodeCount", target, "nodeStateCounts",
        "preparingNodeCount", counts->preparing, "runningNodeCount", counts->running,
        "idleNodeCount", counts->idle, "unusableNodeCount", 0, "leavingNodeCount", 0,
        "preemptedNodeCount", 0, "allocationState", steady ? "Steady" : "Resizing",
        "allocationStateTransitionTime", changed[0] != '\0' ? changed : modified, "errors",
        "creationTime", created, "modifiedTime", modified, "provisioningState", "Succeeded",
        "provisioningStateTransitionTime", modified, "scaleSettings", "minNodeCount",
        (json_int_t)json_get_int(definition, "min_instances", 0), "maxNodeCount",
        (json_int_t)json_get_int(definition, "max_instances", 1), "nodeIdleTimeBeforeScaleDown",
        idle, "vmPriority", strcmp(tier, "low_priority") == 0 ? "LowPriority" : "Dedicated",
        "vmSize", json_get_string(definition, "size", ""), "standIn", STAND_IN);
}

static json_t *stand_in_status(struct submission *submission, const json_t *compute,
                               struct error *err)
{
    const char *name = json_get_string(compute, "name", "");
    const json_t *definition = json_object_get(compute, "definition");
    AUTO_JSON json_t *rows = store_nodes(submission->store, name, err);
    int queued = rows != NULL ? count_queued(submission->store, name, err) : -1;
    if (queued < 0)
        return NULL;
    struct node_counts counts = count_nodes(rows, definition);
    int current = counts.running + counts.preparing + counts.idle;
    int wanted = counts.running + counts.preparing + queued;
    int max = (int)json_get_int(definition, "max_instances", 1);
    int target = wanted > current ? wanted : current;
    return status_document(compute, &counts, target > max ? max : target);
}

static json_t *local_compute(void)
{
    return json_pack("{s:s, s:{s:s, s:s}, s:{s:s}}", "name", "local", "definition", "name", "local",
                     "type", "local", "status", "standIn",
                     "this machine: runs start at once, as processes of their own");
}

json_t *submission_compute_status(struct submission *submission, const char *name,
                                  struct error *err)
{
    struct store *store = submission_store(submission, err);
    if (store == NULL)
        return NULL;
    if (strcmp(name, "local") == 0) {
        AUTO_JSON json_t *local = local_compute();
        return json_incref(json_object_get(local, "status"));
    }
    /* Runs that ended while nobody looked still hold a node: look now. */
    struct store_run_filter filter = {.compute = name, .live_only = true};
    AUTO_JSON json_t *live = submission_runs(submission, &filter, err);
    AUTO_JSON json_t *compute = live != NULL ? store_get_compute(store, name, err) : NULL;
    return compute != NULL ? stand_in_status(submission, compute, err) : NULL;
}

json_t *submission_computes(struct submission *submission, struct error *err)
{
    struct store *store = submission_store(submission, err);
    AUTO_JSON json_t *computes = store != NULL ? store_list_computes(store, err) : NULL;
    size_t i;
    json_t *compute;
    if (computes == NULL)
        return NULL;
    json_array_foreach (computes, i, compute) {
        json_t *status =
            submission_compute_status(submission, json_get_string(compute, "name", ""), err);
        if (status == NULL)
            return NULL;
        json_object_set_new(compute, "status", status);
    }
    json_array_insert_new(computes, 0, local_compute());
    return steal(&computes);
}

int submission_put_compute(struct submission *submission, const json_t *definition, bool dry_run,
                           int *ret_change, struct error *err)
{
    struct store *store = submission_store(submission, err);
    const char *name = json_get_string(definition, "name", "");
    if (store == NULL)
        return -1;
    if (strcmp(name, "local") == 0) {
        error_set(err, ERROR_EXISTS, "the compute local is always there and cannot be changed");
        return error_hint(err, "choose another name for this one");
    }
    if (!dry_run)
        return store_put_compute(store, name, definition, ret_change, err);
    AUTO_ERROR struct error missing = ERROR_INIT;
    AUTO_JSON json_t *old = store_get_compute(store, name, &missing);
    if (old == NULL && missing.code != ERROR_NOT_FOUND)
        return error_move(err, &missing);
    bool same = old != NULL && json_equal(json_object_get(old, "definition"), definition);
    *ret_change = old == NULL ? 0 : same ? -1 : 1;
    return 0;
}
