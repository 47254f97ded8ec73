/* SPDX-License-Identifier: BSD-3-Clause */
/* The SQLite connection. The usual opening is cheap: connect, look at the version, done.
 * Everything else (a new file, an old schema, a corrupt file) happens under a lock on store.lock,
 * after looking again, so that of several kernels one repairs and the others find it repaired. The
 * index can always be thrown away, so repair is simple: move the file aside and fill a new one.
 * SQLite finds the log of a database by its name, when it opens and when it closes: both happen under
 * a shared lock, so that the name means one file throughout. */
#include "submission/store_db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"

#define BUSY_TIMEOUT_MS 5000 /* a rebuild by another kernel takes a second for 10,000 runs */

/* --- errors ---------------------------------------------------------------------------------- */

static int fail(struct store *store, struct error *err)
{
    int code = sqlite3_errcode(store->db) & 0xff;
    error_set(err, ERROR_IO, "the index %s: %s", store->path, sqlite3_errmsg(store->db));
    switch (code) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        store->damaged = true;
        error_set(err, ERROR_CORRUPT, "the index %s is damaged (%s)", store->path,
                  sqlite3_errmsg(store->db));
        return error_hint(err, "try again: it will be rebuilt from the directories beside it");
    case SQLITE_BUSY:
        error_set(err, ERROR_BUSY, "another kernel keeps the index %s busy", store->path);
        return error_hint(err, "try again");
    case SQLITE_FULL:
        return error_hint(err, "free some space on the disk of %s", store->home);
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        error_set(err, ERROR_DENIED, "cannot write to the index %s", store->path);
        return error_hint(err, "set SKIFF_HOME to a folder on a local disk that you may write to");
    default:
        return -1;
    }
}

/* --- opening --------------------------------------------------------------------------------- */

enum health { HEALTH_READY, HEALTH_OLD, HEALTH_CORRUPT, HEALTH_FAILED };

static int current_version(void)
{
    int version = 0;
    while (store_schema[version] != NULL)
        version++;
    return version;
}

/* The one way to keep the file that has the name: shared to open and close it, exclusive to replace it.
 * Returns a descriptor whose closing ends the lock, or -1. */
static int lock_name(struct store *store, int how, struct error *err)
{
    AUTO_FREE char *path = file_join(store->home, "store.lock");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        error_errno(err, "cannot write %s", path);
        error_hint(err, "set SKIFF_HOME to a folder on a local disk that you may write to");
        return -1;
    }
    while (flock(fd, how) != 0 && errno == EINTR)
        ;
    return fd;
}

/* The log that bears the name of a file that was moved aside belongs to the one that replaced it. */
static void keep_log_of_others(sqlite3 *db)
{
    int moved = 0;
    int keep = 1;
    if (sqlite3_file_control(db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK && moved)
        sqlite3_file_control(db, "main", SQLITE_FCNTL_PERSIST_WAL, &keep);
}

/* The caller has the name locked. */
static void disconnect(struct store *store)
{
    if (store->db == NULL)
        return;
    keep_log_of_others(store->db);
    for (size_t i = 0; i < store->statement_count; i++)
        sqlite3_finalize(store->statements[i].statement);
    store->statement_count = 0;
    sqlite3_close(store->db);
    store->db = NULL;
}

void store_db_close(struct store *store)
{
    if (store->db == NULL)
        return;
    AUTO_CLOSE int lock =
        lock_name(store, LOCK_SH, NULL); /* without it (a full disk) it closes, too */
    disconnect(store);
}

/* The number or first letters of the first column. */
static int read_pragma(sqlite3 *db, const char *sql, char *text, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        snprintf(text, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

static enum health failure(struct store *store, struct error *err)
{
    fail(store, err);
    if (sqlite3_errcode(store->db) == SQLITE_BUSY) /* another kernel is making it right now */
        return HEALTH_OLD;
    return store->damaged ? HEALTH_CORRUPT : HEALTH_FAILED;
}

static enum health check_version(struct store *store, const char *version, const char *mode,
                                 struct error *err)
{
    char any[8];
    if (atoi(version) > current_version()) {
        error_set(err, ERROR_UNSUPPORTED,
                  "%s was written by a newer Skiff (schema %s; this one knows %d)", store->path,
                  version, current_version());
        error_hint(err, "upgrade Skiff, or set SKIFF_HOME to another folder");
        return HEALTH_FAILED;
    }
    if (atoi(version) < current_version() || strcmp(mode, "wal") != 0)
        return HEALTH_OLD;
    /* Reads the schema: a file whose first page alone is whole is found out here. */
    int code = read_pragma(store->db, "SELECT id FROM runs LIMIT 1", any, sizeof any);
    if (code == SQLITE_ERROR) /* no such table */
        return HEALTH_CORRUPT;
    if (code != SQLITE_OK)
        return failure(store, err);
    return HEALTH_READY;
}

/* Connects and tells what is there. */
static enum health connect(struct store *store, struct error *err)
{
    char version[16] = "0";
    char mode[16] = "";
    struct stat st;
    store->damaged = false;
    if (sqlite3_open_v2(store->path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                        NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(store->db, BUSY_TIMEOUT_MS) != SQLITE_OK ||
        sqlite3_exec(store->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL) != SQLITE_OK ||
        read_pragma(store->db, "PRAGMA user_version", version, sizeof version) != SQLITE_OK ||
        read_pragma(store->db, "PRAGMA journal_mode", mode, sizeof mode) != SQLITE_OK)
        return failure(store, err);
    if (sqlite3_db_readonly(store->db, "main") == 1 || stat(store->path, &st) != 0) {
        error_set(err, ERROR_DENIED, "cannot write to the index %s", store->path);
        error_hint(err, "set SKIFF_HOME to a folder on a local disk that you may write to");
        return HEALTH_FAILED;
    }
    store->device = st.st_dev;
    store->inode = st.st_ino;
    return check_version(store, version, mode, err);
}

static void say(struct notes *notes, const char *text)
{
    if (notes != NULL)
        notes_add(notes, NOTE_WARNING, 0, 0, "%s", text);
    else
        log_warning("%s", text);
}

static int move_aside(struct store *store, struct notes *notes, struct error *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    char when[32];
    time_t now = (time_t)(clock_now() / 1000000);
    struct tm parts;
    gmtime_r(&now, &parts);
    strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", &parts);
    for (size_t i = 0; i < ARRAY_SIZE(suffixes); i++) {
        AUTO_FREE char *from = xasprintf("%s%s", store->path, suffixes[i]);
        AUTO_FREE char *to = xasprintf("%s.corrupt-%s%s", store->path, when, suffixes[i]);
        if (rename(from, to) != 0 && errno != ENOENT)
            return error_errno(err, "cannot move the damaged index %s aside", from);
    }
    AUTO_FREE char *text = xasprintf("the index %s was damaged: it was moved to "
                                     "store.db.corrupt-%s and built again from the directories",
                                     store->path, when);
    say(notes, text);
    return 0;
}

static int migrate_inside(struct store *store, struct notes *notes, struct error *err)
{
    char text[16] = "0";
    if (read_pragma(store->db, "PRAGMA user_version", text, sizeof text) != SQLITE_OK)
        return fail(store, err);
    int from = atoi(text);
    for (int version = from; store_schema[version] != NULL; version++) {
        char pragma[48];
        snprintf(pragma, sizeof pragma, "PRAGMA user_version = %d", version + 1);
        if (sqlite3_exec(store->db, store_schema[version], NULL, NULL, NULL) != SQLITE_OK ||
            sqlite3_exec(store->db, pragma, NULL, NULL, NULL) != SQLITE_OK)
            return fail(store, err);
    }
    failpoint("store.open.migrated");
    size_t runs;
    return from == 0 ? store_fill(store, &runs, notes, err) : 0;
}

static int migrate(struct store *store, struct notes *notes, struct error *err)
{
    if (sqlite3_exec(store->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_OK)
        return fail(store, err);
    if (store_db_begin(store, err) != 0)
        return -1;
    return store_db_end(store, migrate_inside(store, notes, err), err);
}

/* The rare ways of opening, with other kernels kept out. */
static int repair(struct store *store, struct notes *notes, struct error *err)
{
    AUTO_CLOSE int lock = lock_name(store, LOCK_EX, err);
    if (lock < 0)
        return -1;
    enum health health = connect(store, err);
    if (health == HEALTH_CORRUPT) {
        disconnect(store);
        if (move_aside(store, notes, err) != 0)
            return -1;
        error_clear(err);
        health = connect(store, err);
    }
    if (health == HEALTH_OLD)
        return migrate(store, notes, err);
    return health == HEALTH_READY ? 0 : -1;
}

static enum health connect_shared(struct store *store, struct error *err)
{
    AUTO_CLOSE int lock = lock_name(store, LOCK_SH, err);
    if (lock < 0)
        return HEALTH_FAILED;
    enum health health = connect(store, err);
    if (health != HEALTH_READY)
        disconnect(store);
    return health;
}

int store_db_open(struct store *store, struct notes *notes, struct error *err)
{
    if (file_make_dirs(store->home, err) != 0)
        return error_hint(err, "set SKIFF_HOME to a folder that you may write to");
    AUTO_ERROR struct error fault = ERROR_INIT;
    switch (connect_shared(store, &fault)) {
    case HEALTH_READY:
        return 0;
    case HEALTH_FAILED:
        return error_move(err, &fault);
    default:
        return repair(store, notes, err);
    }
}

/* A page in the middle is bad: opening alone would not notice. */
static int rebuild_damaged(struct store *store, struct error *err)
{
    AUTO_CLOSE int lock = lock_name(store, LOCK_EX, err);
    struct stat st;
    if (lock < 0)
        return -1;
    bool ours =
        stat(store->path, &st) == 0 && st.st_ino == store->inode && st.st_dev == store->device;
    disconnect(store);
    return ours ? move_aside(store, NULL, err) : 0; /* else another kernel has done it */
}

int store_db_ready(struct store *store, struct error *err)
{
    struct stat st;
    if (store->damaged && rebuild_damaged(store, err) != 0)
        return -1;
    if (store->db != NULL && stat(store->path, &st) == 0 && st.st_ino == store->inode &&
        st.st_dev == store->device)
        return 0;
    store_db_close(store);
    if (store_db_open(store, NULL, err) != 0) {
        store_db_close(store);
        return -1;
    }
    return 0;
}

/* --- statements ------------------------------------------------------------------------------ */

static sqlite3_stmt *find_statement(struct store *store, const char *sql, struct error *err)
{
    for (size_t i = 0; i < store->statement_count; i++)
        if (store->statements[i].sql == sql)
            return store->statements[i].statement;
    assert(store->statement_count < STORE_STATEMENTS_MAX);
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL) !=
        SQLITE_OK) {
        fail(store, err);
        return NULL;
    }
    store->statements[store->statement_count++] = (struct store_statement){sql, statement};
    return statement;
}

sqlite3_stmt *store_db_query(struct store *store, struct error *err, const char *sql,
                             const char *types, ...)
{
    sqlite3_stmt *statement = find_statement(store, sql, err);
    if (statement == NULL)
        return NULL;
    sqlite3_reset(statement);
    va_list args;
    va_start(args, types);
    for (int i = 0; types[i] != '\0'; i++) {
        if (types[i] == 's')
            sqlite3_bind_text(statement, i + 1, va_arg(args, const char *), -1, SQLITE_STATIC);
        else
            sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
    }
    va_end(args);
    return statement;
}

int store_db_step(struct store *store, sqlite3_stmt *statement, struct error *err)
{
    int code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        return 1;
    int result = code == SQLITE_DONE ? 0 : fail(store, err);
    sqlite3_reset(statement);
    return result;
}

int store_db_run(struct store *store, sqlite3_stmt *statement, struct error *err)
{
    return statement != NULL ? store_db_step(store, statement, err) : -1;
}

void store_db_done(sqlite3_stmt **statement)
{
    if (*statement == NULL)
        return;
    sqlite3_reset(*statement);
    sqlite3_clear_bindings(*statement); /* the texts were borrowed */
}

const char *store_db_text(sqlite3_stmt *statement, int column)
{
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text != NULL ? (const char *)text : "";
}

int store_db_begin(struct store *store, struct error *err)
{
    return store_db_run(store, store_db_query(store, err, "BEGIN IMMEDIATE", ""), err);
}

int store_db_end(struct store *store, int result, struct error *err)
{
    if (result >= 0 && store_db_run(store, store_db_query(store, err, "COMMIT", ""), err) == 0)
        return result;
    /* Some errors have rolled back already: then this one fails, and that is fine. */
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return -1;
}
