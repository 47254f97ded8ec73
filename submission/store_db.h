/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The connection behind the store: opening, repair, migrations, statements, transactions. Private
 * to store*.c; sqlite3.h goes no further than here.
 */

#include <sqlite3.h>
#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"
#include "submission/notes.h"
#include "submission/store.h"

#define STORE_STATEMENTS_MAX 48 /* more than there are in store_*.c: the cache never evicts */

struct store {
    char *home;
    char *path; /* home/store.db */
    sqlite3 *db;
    dev_t device; /* the file behind `db`: not what is at `path` any more when another kernel */
    ino_t inode;  /* moved it aside */
    bool damaged; /* SQLite found the file corrupt: to be rebuilt before the next use */
    struct store_statement {
        const char *sql; /* static storage: compared by address */
        sqlite3_stmt *statement;
    } statements[STORE_STATEMENTS_MAX];
    size_t statement_count;
};

/* The steps from each schema version to the next, ending with NULL: step 0 makes version 1. */
extern const char *const store_schema[];

/* Connects, moving a corrupt file aside, migrating an old one and filling a new one. */
int store_db_open(struct store *store, struct notes *notes, struct error *err);
void store_db_close(struct store *store);

/* To be called first by every operation: connects again when the file was replaced or damaged. */
int store_db_ready(struct store *store, struct error *err);

/* A write transaction. store_db_end() commits when `result` is not negative, else rolls back; it
 * returns `result`, or -1 when the commit failed. */
int store_db_begin(struct store *store, struct error *err);
int store_db_end(struct store *store, int result, struct error *err);

/* A prepared statement (kept for the next time) with its parameters bound: 's' a text or NULL, 'i'
 * an int64_t. `sql` has static storage. Texts are borrowed until the statement is done. NULL with
 * an error. */
MUST_CHECK sqlite3_stmt *store_db_query(struct store *store, struct error *err, const char *sql,
                                        const char *types, ...);

/* The next row: 1, 0 after the last one, -1 with an error. */
int store_db_step(struct store *store, sqlite3_stmt *statement, struct error *err);

/* Runs a statement that gives no rows; a NULL statement is a failure already told. */
int store_db_run(struct store *store, sqlite3_stmt *statement, struct error *err);

/* A statement left before its last row would hold its snapshot of the database: this lets go. */
void store_db_done(sqlite3_stmt **statement);
#define AUTO_STATEMENT __attribute__((cleanup(store_db_done)))

/* A text column, "" for NULL. Borrowed until the next step. */
const char *store_db_text(sqlite3_stmt *statement, int column);

/* Fills the empty tables from the directories, inside a transaction. */
int store_fill(struct store *store, size_t *ret_runs, struct notes *notes, struct error *err);

/* Writes index rows from definitions as they are on disk, inside or outside a transaction. */
int store_index_environment(struct store *store, const json_t *environment, struct error *err);
int store_index_compute(struct store *store, const json_t *compute, struct error *err);
int store_index_run(struct store *store, const struct run *run, struct error *err);

/* Reads and checks environments/NAME/VERSION.json and computes/NAME.json. New references. */
MUST_CHECK json_t *store_read_environment(const char *home, const char *name, int64_t version,
                                          struct error *err);
MUST_CHECK json_t *store_read_compute(const char *home, const char *name, struct error *err);

/* Names become file names: refuses what could lead elsewhere. */
int store_check_name(const char *name, struct error *err);

/* Sets ERROR_NOT_FOUND for `name`, with "did you mean" among the first column of `sql`. Returns -1.
 */
int store_not_found(struct store *store, const char *what, const char *name, const char *sql,
                    struct error *err);
