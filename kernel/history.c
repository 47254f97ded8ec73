/* SPDX-License-Identifier: BSD-3-Clause */
/* The history file. One row an input; a row in `sessions` for each kernel process that wrote one. */
#include "kernel/history.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#define SCHEMA_VERSION 1
#define BUSY_TIMEOUT_MS 2000 /* another kernel's write takes well under one */

static const char schema[] =
    "CREATE TABLE sessions (session INTEGER PRIMARY KEY AUTOINCREMENT, started TEXT NOT NULL);"
    "CREATE TABLE inputs (session INTEGER NOT NULL, line INTEGER NOT NULL, input TEXT NOT NULL,"
    "                     PRIMARY KEY (session, line)) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";

static const char sql_tail[] =
    "SELECT session, line, input FROM (SELECT * FROM inputs WHERE session <= ?1"
    " ORDER BY session DESC, line DESC LIMIT ?2) ORDER BY session, line";
static const char sql_range[] = "SELECT session, line, input FROM inputs WHERE session = ?1"
                                " AND line >= ?2 AND line < ?3 ORDER BY line";
static const char sql_search[] =
    "SELECT session, line, input FROM (SELECT * FROM inputs WHERE input GLOB ?1"
    " ORDER BY session DESC, line DESC LIMIT ?2) ORDER BY session, line";
static const char sql_search_unique[] =
    "SELECT session, line, input FROM (SELECT session, line, input, max(session * 1000000 + line) "
    "AS at"
    " FROM inputs WHERE input GLOB ?1 GROUP BY input ORDER BY at DESC LIMIT ?2) ORDER BY at";

struct history {
    sqlite3 *db;
    int64_t session;      /* 0 until the first input is written */
    sqlite3_stmt *insert; /* prepared at the first use: every cell waits for it */
};

static int execute(sqlite3 *db, const char *sql)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int read_version(sqlite3 *db)
{
    sqlite3_stmt *statement;
    int version = -1;
    if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return version;
}

/* Two kernels may open a new file at once: the second finds the schema when it gets the lock. */
static int prepare_schema(sqlite3 *db)
{
    if (execute(db, "BEGIN IMMEDIATE") != SQLITE_OK)
        return -1;
    int version = read_version(db);
    bool good = version == SCHEMA_VERSION || (version == 0 && execute(db, schema) == SQLITE_OK);
    execute(db, good ? "COMMIT" : "ROLLBACK");
    return good ? 0 : -1;
}

static sqlite3 *open_db(const char *path)
{
    sqlite3 *db;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, BUSY_TIMEOUT_MS);
        execute(db, "PRAGMA journal_mode = WAL");
        execute(db, "PRAGMA synchronous = NORMAL");
        if (read_version(db) == SCHEMA_VERSION || prepare_schema(db) == 0)
            return db;
    }
    bool is_other = sqlite3_errcode(db) == SQLITE_OK || sqlite3_errcode(db) == SQLITE_DONE;
    if (strcmp(path, ":memory:") != 0)
        log_warning("history is kept in memory only: %s: %s", path,
                    is_other ? "another version of Skiff wrote it" : sqlite3_errmsg(db));
    sqlite3_close(db);
    return NULL;
}

struct history *history_open(const char *path)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct history *history = xcalloc(1, sizeof *history);
    if (path != NULL) {
        AUTO_FREE char *dir = xstrndup(path, (size_t)(file_base_name(path) - path));
        if (dir[0] == '\0' || file_make_dirs(dir, &err) == 0)
            history->db = open_db(path);
        else
            log_warning("history is kept in memory only: %s", err.text);
    }
    if (history->db == NULL)
        history->db = open_db(":memory:");
    return history;
}

void history_close(struct history *history)
{
    if (history == NULL)
        return;
    sqlite3_finalize(history->insert);
    sqlite3_close(history->db);
    free(history);
}

static void begin_session(struct history *history)
{
    sqlite3_stmt *statement;
    char now[CLOCK_TEXT_SIZE];
    if (sqlite3_prepare_v2(history->db, "INSERT INTO sessions (started) VALUES (?1)", -1,
                           &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, clock_format(clock_now(), now), -1, SQLITE_STATIC);
        if (sqlite3_step(statement) == SQLITE_DONE)
            history->session = sqlite3_last_insert_rowid(history->db);
    }
    sqlite3_finalize(statement);
}

void history_append(struct history *history, int line, const char *input)
{
    static const char sql[] = "INSERT OR REPLACE INTO inputs VALUES (?1, ?2, ?3)";
    size_t size = strlen(input);
    if (history->session == 0)
        begin_session(history);
    if (history->insert == NULL &&
        sqlite3_prepare_v2(history->db, sql, -1, &history->insert, NULL) != SQLITE_OK) {
        log_warning("history: %s", sqlite3_errmsg(history->db));
        return;
    }
    sqlite3_bind_int64(history->insert, 1, history->session);
    sqlite3_bind_int(history->insert, 2, line);
    sqlite3_bind_text(history->insert, 3, input,
                      (int)(size < HISTORY_ENTRY_MAX ? size : HISTORY_ENTRY_MAX), SQLITE_STATIC);
    if (sqlite3_step(history->insert) != SQLITE_DONE)
        log_warning("history: %s", sqlite3_errmsg(history->db));
    sqlite3_reset(history->insert);
    sqlite3_clear_bindings(history->insert);
}

/* This session's number; before its first input the one it will get if no other kernel comes first. */
static int64_t current_session(const struct history *history)
{
    sqlite3_stmt *statement;
    int64_t last = 0;
    if (history->session > 0)
        return history->session;
    if (sqlite3_prepare_v2(history->db, "SELECT max(session) FROM sessions", -1, &statement,
                           NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        last = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return last + 1;
}

static sqlite3_stmt *prepare_query(struct history *history, const struct history_query *query)
{
    static const char *const texts[] = {
        [HISTORY_TAIL] = sql_tail, [HISTORY_RANGE] = sql_range, [HISTORY_SEARCH] = sql_search};
    const char *sql =
        query->access == HISTORY_SEARCH && query->unique ? sql_search_unique : texts[query->access];
    int64_t limit = query->n > 0 ? query->n : -1;
    sqlite3_stmt *statement;
    if (sqlite3_prepare_v2(history->db, sql, -1, &statement, NULL) != SQLITE_OK)
        return NULL;
    if (query->access == HISTORY_RANGE) {
        int64_t session = query->session;
        if (session <= 0)
            session += current_session(history);
        sqlite3_bind_int64(statement, 1, session);
        sqlite3_bind_int64(statement, 2, query->start);
        sqlite3_bind_int64(statement, 3, query->stop > 0 ? query->stop : INT64_MAX);
        return statement;
    }
    if (query->access == HISTORY_TAIL)
        sqlite3_bind_int64(statement, 1, INT64_MAX);
    else
        sqlite3_bind_text(statement, 1, query->pattern, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, limit);
    return statement;
}

/* In a range of this session its number reads 0, as in IPython. */
static json_t *read_row(sqlite3_stmt *statement, const struct history_query *query)
{
    const char *text = (const char *)sqlite3_column_text(statement, 2);
    json_t *input = json_text_value(text, (size_t)sqlite3_column_bytes(statement, 2));
    int64_t session = sqlite3_column_int64(statement, 0);
    if (query->access == HISTORY_RANGE && query->session == 0)
        session = 0;
    if (query->output)
        input = json_pack("[o, n]", input);
    return json_pack("[I, I, o]", (json_int_t)session,
                     (json_int_t)sqlite3_column_int64(statement, 1), input);
}

json_t *history_find(struct history *history, const struct history_query *query)
{
    json_t *rows = json_array();
    sqlite3_stmt *statement = prepare_query(history, query);
    while (statement != NULL && sqlite3_step(statement) == SQLITE_ROW)
        json_array_append_new(rows, read_row(statement, query));
    sqlite3_finalize(statement);
    return rows;
}
