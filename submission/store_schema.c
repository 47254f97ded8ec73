/* SPDX-License-Identifier: BSD-3-Clause */
/* The schema, one step a version (PRAGMA user_version). A step is never changed once released: what
 * comes later is a new step at the end. Times are microseconds since 1970; 0 means not yet. */
#include "submission/store_db.h"

const char *const store_schema[] = {
    /* 1 */
    "CREATE TABLE environments ("
    "  name TEXT NOT NULL, version INTEGER NOT NULL, hash TEXT NOT NULL,"
    "  created_us INTEGER NOT NULL, definition TEXT NOT NULL,"
    "  PRIMARY KEY (name, version)) WITHOUT ROWID;"

    "CREATE TABLE computes ("
    "  name TEXT PRIMARY KEY NOT NULL, created_us INTEGER NOT NULL, modified_us INTEGER NOT NULL,"
    "  definition TEXT NOT NULL) WITHOUT ROWID;"

    "CREATE TABLE runs ("
    "  id TEXT PRIMARY KEY NOT NULL, experiment TEXT NOT NULL, display_name TEXT NOT NULL,"
    "  state TEXT NOT NULL, live INTEGER NOT NULL, reason TEXT, compute TEXT NOT NULL,"
    "  environment TEXT, created_us INTEGER NOT NULL, started_us INTEGER NOT NULL,"
    "  ended_us INTEGER NOT NULL, events_size INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX runs_by_age ON runs (created_us, id);"
    "CREATE INDEX runs_live ON runs (created_us, id) WHERE live = 1;"

    /* Who drives a run to its start, and which run has which node: in the index alone. */
    "CREATE TABLE owners ("
    "  run TEXT PRIMARY KEY NOT NULL, pid INTEGER NOT NULL, start_time INTEGER NOT NULL,"
    "  boot_id TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE nodes ("
    "  compute TEXT NOT NULL, node INTEGER NOT NULL, run TEXT, released_us INTEGER NOT NULL,"
    "  PRIMARY KEY (compute, node)) WITHOUT ROWID;"
    "CREATE UNIQUE INDEX nodes_by_run ON nodes (run) WHERE run IS NOT NULL;",
    NULL,
};
