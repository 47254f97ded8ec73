/* SPDX-License-Identifier: BSD-3-Clause */
/* Who drives a run, and the nodes of a stand-in for AmlCompute. Each question and its answer are
 * one IMMEDIATE transaction, so kernels take turns. A node counts as taken while its run is live;
 * an owner counts while its process lives: what a killed kernel left behind blocks nobody. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/json.h"
#include "submission/store_db.h"

/* --- owners ---------------------------------------------------------------------------------- */

static struct procid read_owner(sqlite3_stmt *statement, int column)
{
    struct procid owner = {.pid = (pid_t)sqlite3_column_int64(statement, column),
                           .start_time = (uint64_t)sqlite3_column_int64(statement, column + 1)};
    const char *boot_id = store_db_text(statement, column + 2);
    memcpy(owner.boot_id, boot_id, strnlen(boot_id, sizeof owner.boot_id - 1));
    return owner;
}

static bool same_process(const struct procid *a, const struct procid *b)
{
    return a->pid == b->pid && a->start_time == b->start_time &&
           strcmp(a->boot_id, b->boot_id) == 0;
}

static int own_inside(struct store *store, const char *id, const struct procid *owner,
                      struct error *err)
{
    static const char select[] = "SELECT pid, start_time, boot_id FROM owners WHERE run = ?1";
    static const char replace_row[] = "INSERT OR REPLACE INTO owners (run, pid, start_time,"
                                      " boot_id) VALUES (?1, ?2, ?3, ?4)";
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, select, "s", id);
    int row = statement != NULL ? store_db_step(store, statement, err) : -1;
    if (row < 0)
        return -1;
    if (row > 0) {
        struct procid other = read_owner(statement, 0);
        if (same_process(&other, owner))
            return 1;
        if (procid_alive(&other))
            return 0;
    }
    AUTO_STATEMENT sqlite3_stmt *write =
        store_db_query(store, err, replace_row, "siis", id, (int64_t)owner->pid,
                       (int64_t)owner->start_time, owner->boot_id);
    return store_db_run(store, write, err) == 0 ? 1 : -1;
}

int store_own_run(struct store *store, const char *id, const struct procid *owner,
                  struct error *err)
{
    if (store_db_ready(store, err) != 0 || store_db_begin(store, err) != 0)
        return -1;
    return store_db_end(store, own_inside(store, id, owner, err), err);
}

/* --- claiming a node ------------------------------------------------------------------------- */

struct claim {
    struct store *store;
    const char *id;
    const char *compute;
    int max_nodes;
    int64_t created_us;
};

/* The node the run has already: 1 and *ret_node, 0 for none. */
static int held_node(const struct claim *claim, int *ret_node, struct error *err)
{
    static const char sql[] = "SELECT node FROM nodes WHERE run = ?1";
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(claim->store, err, sql, "s", claim->id);
    int row = statement != NULL ? store_db_step(claim->store, statement, err) : -1;
    if (row > 0)
        *ret_node = (int)sqlite3_column_int64(statement, 0);
    return row;
}

static int read_created(struct claim *claim, struct error *err)
{
    static const char sql[] = "SELECT created_us FROM runs WHERE id = ?1";
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(claim->store, err, sql, "s", claim->id);
    int row = statement != NULL ? store_db_step(claim->store, statement, err) : -1;
    if (row < 0)
        return -1;
    if (row == 0)
        return error_set(err, ERROR_NOT_FOUND, "the run %s is not in the index", claim->id);
    claim->created_us = sqlite3_column_int64(statement, 0);
    return 0;
}

/* Frees the nodes of runs that have ended or were deleted without giving theirs back. */
static int free_dead_nodes(const struct claim *claim, struct error *err)
{
    static const char sql[] =
        "UPDATE nodes SET run = NULL, released_us = ?2 WHERE compute = ?1 AND run IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.id = nodes.run AND live = 1)";
    return store_db_run(
        claim->store,
        store_db_query(claim->store, err, sql, "si", claim->compute, (int64_t)clock_now()), err);
}

static int count_taken(const struct claim *claim, struct error *err)
{
    static const char sql[] = "SELECT count(run) FROM nodes WHERE compute = ?1";
    AUTO_STATEMENT sqlite3_stmt *statement =
        store_db_query(claim->store, err, sql, "s", claim->compute);
    if (statement == NULL || store_db_step(claim->store, statement, err) < 0)
        return -1;
    return (int)sqlite3_column_int64(statement, 0);
}

/* Does an older run wait that somebody will start? 1, 0, or -1 with an error. */
static int older_waits(const struct claim *claim, struct error *err)
{
    static const char sql[] =
        "SELECT pid, start_time, boot_id FROM runs JOIN owners ON owners.run = runs.id"
        " WHERE live = 1 AND compute = ?1 AND state = 'Queued'"
        " AND (created_us, id) < (?2, ?3)"
        " AND NOT EXISTS (SELECT 1 FROM nodes WHERE nodes.run = runs.id)"
        " ORDER BY created_us, id";
    AUTO_STATEMENT sqlite3_stmt *statement =
        store_db_query(claim->store, err, sql, "sis", claim->compute, claim->created_us, claim->id);
    int row = -1;
    while (statement != NULL && (row = store_db_step(claim->store, statement, err)) > 0) {
        struct procid owner = read_owner(statement, 0);
        if (procid_alive(&owner))
            return 1;
    }
    return row;
}

/* The free node that was used last (its caches are warm), else the first that was never used. */
static int pick_node(const struct claim *claim, int *ret_node, struct error *err)
{
    static const char used[] = "SELECT node FROM nodes WHERE compute = ?1 AND run IS NULL"
                               " AND node < ?2 ORDER BY released_us DESC, node LIMIT 1";
    static const char unused[] = "SELECT max(node) + 1 FROM nodes WHERE compute = ?1";
    AUTO_STATEMENT sqlite3_stmt *statement =
        store_db_query(claim->store, err, used, "si", claim->compute, (int64_t)claim->max_nodes);
    int row = statement != NULL ? store_db_step(claim->store, statement, err) : -1;
    if (row == 0) {
        /* Numbers are first used in order, so the rows are 0..max without a gap. */
        AUTO_STATEMENT sqlite3_stmt *next =
            store_db_query(claim->store, err, unused, "s", claim->compute);
        row = next != NULL ? store_db_step(claim->store, next, err) : -1;
        if (row > 0)
            *ret_node = (int)sqlite3_column_int64(next, 0);
    } else if (row > 0) {
        *ret_node = (int)sqlite3_column_int64(statement, 0);
    }
    return row < 0 ? -1 : 0;
}

static int take_node(const struct claim *claim, int node, struct error *err)
{
    static const char sql[] = "INSERT OR REPLACE INTO nodes (compute, node, run, released_us)"
                              " VALUES (?1, ?2, ?3, 0)";
    failpoint("store.claim_node.picked");
    return store_db_run(
        claim->store,
        store_db_query(claim->store, err, sql, "sis", claim->compute, (int64_t)node, claim->id),
        err);
}

static int claim_inside(struct claim *claim, int *ret_node, struct error *err)
{
    int held = held_node(claim, ret_node, err);
    if (held != 0)
        return held;
    if (read_created(claim, err) != 0 || free_dead_nodes(claim, err) != 0)
        return -1;
    int taken = count_taken(claim, err);
    if (taken < 0 || taken >= claim->max_nodes)
        return taken < 0 ? -1 : 0;
    int waits = older_waits(claim, err);
    if (waits != 0)
        return waits < 0 ? -1 : 0;
    int node = -1;
    if (pick_node(claim, &node, err) != 0 || take_node(claim, node, err) != 0)
        return -1;
    *ret_node = node;
    return 1;
}

int store_claim_node(struct store *store, const char *id, const char *compute, int max_nodes,
                     int *ret_node, struct error *err)
{
    struct claim claim = {.store = store, .id = id, .compute = compute, .max_nodes = max_nodes};
    int node = -1;
    if (store_db_ready(store, err) != 0 || store_db_begin(store, err) != 0)
        return -1;
    int claimed = store_db_end(store, claim_inside(&claim, &node, err), err);
    if (claimed > 0)
        *ret_node = node;
    return claimed;
}

int store_release_node(struct store *store, const char *id, struct error *err)
{
    static const char sql[] = "UPDATE nodes SET run = NULL, released_us = ?2 WHERE run = ?1";
    if (store_db_ready(store, err) != 0)
        return -1;
    return store_db_run(store, store_db_query(store, err, sql, "si", id, (int64_t)clock_now()),
                        err);
}

json_t *store_nodes(struct store *store, const char *compute, struct error *err)
{
    /* A run that has ended without giving its node back has it no more. */
    static const char sql[] =
        "SELECT node, runs.id, runs.state, max(released_us, coalesce(gone.ended_us, 0))"
        " FROM nodes LEFT JOIN runs ON runs.id = nodes.run AND runs.live = 1"
        " LEFT JOIN runs AS gone ON gone.id = nodes.run WHERE nodes.compute = ?1 ORDER BY node";
    if (store_db_ready(store, err) != 0)
        return NULL;
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "s", compute);
    AUTO_JSON json_t *rows = json_array();
    int row = -1;
    while (statement != NULL && (row = store_db_step(store, statement, err)) > 0) {
        json_t *node = json_pack("{s:I}", "node", (json_int_t)sqlite3_column_int64(statement, 0));
        json_set_string(node, "run", (const char *)sqlite3_column_text(statement, 1));
        json_set_string(node, "state", (const char *)sqlite3_column_text(statement, 2));
        json_set_time(node, "released_at", sqlite3_column_int64(statement, 3));
        json_array_append_new(rows, node);
    }
    return row == 0 ? steal(&rows) : NULL;
}
