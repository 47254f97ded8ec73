/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The index: $SKIFF_HOME/store.db (SQLite, WAL), shared by all kernels on this home. It only speeds
 * up what the directories already say, and can be rebuilt from them:
 *
 *   environments/NAME/VERSION.json   a definition, never changed once written
 *   computes/NAME.json               a definition, replaced as a whole
 *   runs/ID/                         see run.h
 *
 * Writes go to the file first, then to the index. The one thing that lives in the index alone is
 * who drives a run that has not started yet and which node of a stand-in it holds: both are checked
 * against living processes and need no rebuilding.
 *
 * Calls are short and block only on SQLite's lock (busy timeout 5 s). A store belongs to one
 * thread. An index that is removed, replaced or found damaged while it is open is opened or built
 * again by the next call.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/procid.h"
#include "submission/notes.h"
#include "submission/run.h"

struct store;

/* Opens or makes the store. A corrupt store.db is moved aside (store.db.corrupt-TIME), rebuilt, and
 * said in a note. A newer schema is refused (ERROR_UNSUPPORTED, saying both versions). A read-only
 * or full home is an error with the next step. */
int store_open(const char *home, struct store **ret_store, struct notes *notes, struct error *err);
void store_close(struct store *store); /* NULL is allowed */

/* Throws the index away and builds it from the directories. A directory that does not read is named
 * in a note and skipped. *ret_runs counts the runs found. */
int store_reindex(struct store *store, size_t *ret_runs, struct notes *notes, struct error *err);

/* --- environments: {"name","version","hash","created_at","definition":{..}} ------------------ */

/* Registers a definition under its name. When the newest version is the same (by `hash`) it makes
 * no new one; going back to an older definition does, so that the newest version is always what
 * was registered last. *ret_version receives the version, *ret_new whether it was made. */
int store_put_environment(struct store *store, const char *name, const char *hash,
                          const json_t *definition, int *ret_version, bool *ret_new,
                          struct error *err);

/* The version (0 means the newest). New reference; NULL with ERROR_NOT_FOUND and "did you mean". */
MUST_CHECK json_t *store_get_environment(struct store *store, const char *name, int version,
                                         struct error *err);

/* The newest version of each, by name. New reference to an array. */
MUST_CHECK json_t *store_list_environments(struct store *store, struct error *err);

/* --- computes: {"name","created_at","modified_at","definition":{..}} ------------------------- */

/* Creates or replaces; *ret_change: -1 unchanged, 0 created, 1 changed. */
int store_put_compute(struct store *store, const char *name, const json_t *definition,
                      int *ret_change, struct error *err);
MUST_CHECK json_t *store_get_compute(struct store *store, const char *name, struct error *err);
MUST_CHECK json_t *store_list_computes(struct store *store, struct error *err);

/* --- runs ------------------------------------------------------------------------------------- */

/* Writes what the index keeps of a run (state, times, experiment, compute, environment). */
int store_put_run(struct store *store, const struct run *run, struct error *err);

struct store_run_filter {
    const char *experiment; /* NULL: all */
    const char *compute;    /* NULL: all */
    bool live_only;         /* not in a final state */
    const char *state;      /* only this one, as run_state_name() spells it; NULL: all */
    /* Stands in id, experiment, display name, compute or environment (NAME:VERSION), whatever the case
     * of its letters (ASCII's); NULL: all. */
    const char *text;
    size_t max; /* 0: all */
};

/* Newest first: [{"id","experiment","display_name","state","reason","compute","environment",
 * "created_at","started_at","ended_at"}...]. New reference. */
MUST_CHECK json_t *store_list_runs(struct store *store, const struct store_run_filter *filter,
                                   struct error *err);

/* The one run whose id begins with `prefix`; an exact id always wins. ERROR_NOT_FOUND ("did you
 * mean", the newest runs), or ERROR_INVALID when several do, listing them. NULL or "" means the
 * newest run. The caller frees *ret_id. */
int store_find_run(struct store *store, const char *prefix, char **ret_id, struct error *err);

/* --- who drives a run, and the nodes of a stand-in -------------------------------------------- */

/* Makes `owner` the process that drives the run to its start. 1: it is now ours; 0: another living
 * process has it; -1: error. */
int store_own_run(struct store *store, const char *id, const struct procid *owner,
                  struct error *err);

/* Gives the run a node of its compute, in order of creation: only when fewer than `max_nodes` live
 * runs hold one and no older run that waits has a living owner. A run "waits" in state Queued. Node
 * numbers are 0..max_nodes-1, the most recently used free one first. 1: *ret_node is ours; 0: wait;
 * -1: error. */
int store_claim_node(struct store *store, const char *id, const char *compute, int max_nodes,
                     int *ret_node, struct error *err);

/* Gives the node back; the time is remembered for the idle count. No error when it holds none. */
int store_release_node(struct store *store, const char *id, struct error *err);

/* What the status document of a compute is made of: [{"node","run","state","released_at"}...],
 * `run` null for a free node that was used before. New reference. */
MUST_CHECK json_t *store_nodes(struct store *store, const char *compute, struct error *err);
