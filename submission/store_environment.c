/* SPDX-License-Identifier: BSD-3-Clause */
/* Environments: environments/NAME/VERSION.json, versions 1, 2, 3, ... without a gap.
 *
 * A version is taken by link(2)ing a finished file to its name: of two kernels one succeeds, and
 * the other looks again. The row in the index follows; whoever looks next makes up for a kernel
 * that was killed in between, by probing for the file after the newest row. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/json.h"
#include "submission/store_db.h"

#define RACES_MAX 1000 /* lost in a row: then something else is wrong */

static char *version_path(const char *home, const char *name, int64_t version)
{
    return xasprintf("%s/environments/%s/%lld.json", home, name, (long long)version);
}

json_t *store_read_environment(const char *home, const char *name, int64_t version,
                               struct error *err)
{
    AUTO_FREE char *path = version_path(home, name, version);
    AUTO_JSON json_t *environment = json_read(path, err);
    if (environment == NULL)
        return NULL;
    if (strcmp(json_get_string(environment, "name", ""), name) != 0 ||
        json_get_int(environment, "version", 0) != version ||
        !json_is_string(json_object_get(environment, "hash")) ||
        !json_is_object(json_object_get(environment, "definition"))) {
        error_set(err, ERROR_CORRUPT, "%s is not a definition that Skiff wrote", path);
        error_hint(err, "put back what was there, or move the file away");
        return NULL;
    }
    return steal(&environment);
}

int store_index_environment(struct store *store, const json_t *environment, struct error *err)
{
    static const char sql[] = "INSERT OR REPLACE INTO environments"
                              " (name, version, hash, created_us, definition)"
                              " VALUES (?1, ?2, ?3, ?4, ?5)";
    AUTO_FREE char *definition = json_text(json_object_get(environment, "definition"));
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(
        store, err, sql, "sisis", json_get_string(environment, "name", ""),
        json_get_int(environment, "version", 0), json_get_string(environment, "hash", ""),
        json_get_time(environment, "created_at"), definition);
    return store_db_run(store, statement, err);
}

/* The newest version in the index, 0 for none. */
static int indexed_version(struct store *store, const char *name, int64_t *ret_version,
                           struct error *err)
{
    static const char sql[] = "SELECT max(version) FROM environments WHERE name = ?1";
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "s", name);
    if (statement == NULL || store_db_step(store, statement, err) < 0)
        return -1;
    *ret_version = sqlite3_column_int64(statement, 0);
    return 0;
}

/* Forgets an environment whose folder was removed by hand. */
static int forget(struct store *store, const char *name, struct error *err)
{
    static const char sql[] = "DELETE FROM environments WHERE name = ?1";
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "s", name);
    return store_db_run(store, statement, err);
}

/* The newest version on disk; what the index lacks is added to it. */
static int newest_version(struct store *store, const char *name, int64_t *ret_version,
                          struct error *err)
{
    int64_t version = 0;
    if (indexed_version(store, name, &version, err) != 0)
        return -1;
    AUTO_FREE char *indexed = version_path(store->home, name, version);
    if (version > 0 && !file_exists(indexed)) {
        version = 0;
        if (forget(store, name, err) != 0)
            return -1;
    }
    for (;;) {
        AUTO_FREE char *next = version_path(store->home, name, version + 1);
        if (!file_exists(next))
            break;
        AUTO_JSON json_t *missed = store_read_environment(store->home, name, version + 1, err);
        if (missed == NULL || store_index_environment(store, missed, err) != 0)
            return -1;
        version++;
    }
    *ret_version = version;
    return 0;
}

/* Writes the file unless its version is taken: 1 written, 0 taken, -1 error. */
static int write_version(const struct store *store, const json_t *environment, struct error *err)
{
    const char *name = json_get_string(environment, "name", "");
    AUTO_FREE char *path = version_path(store->home, name, json_get_int(environment, "version", 0));
    AUTO_FREE char *dir = xasprintf("%s/environments/%s", store->home, name);
    AUTO_FREE char *finished = xasprintf("%s/.%d.finished", dir, (int)getpid());
    if (file_make_dirs(dir, err) != 0 || json_write(finished, environment, 0644, err) != 0)
        return -1;
    failpoint("store.put_environment.finished");
    int linked = link(finished, path);
    int reason = errno;
    unlink(finished);
    if (linked != 0) {
        errno = reason;
        return reason == EEXIST ? 0 : error_errno(err, "cannot write %s", path);
    }
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return error_errno(err, "cannot write %s", dir);
    failpoint("store.put_environment.linked");
    return 1;
}

static json_t *new_environment(const char *name, int64_t version, const char *hash,
                               const json_t *definition)
{
    json_t *environment =
        json_pack("{s:s, s:I, s:s}", "name", name, "version", (json_int_t)version, "hash", hash);
    json_set_time(environment, "created_at", clock_now());
    json_object_set_new(environment, "definition", json_deep_copy(definition));
    return environment;
}

/* Is the newest version this very definition? */
static int is_newest(struct store *store, const char *name, int64_t newest, const char *hash,
                     bool *ret_same, struct error *err)
{
    static const char sql[] = "SELECT hash FROM environments WHERE name = ?1 AND version = ?2";
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "si", name, newest);
    int row = statement != NULL ? store_db_step(store, statement, err) : -1;
    if (row < 0)
        return -1;
    *ret_same = row > 0 && strcmp(store_db_text(statement, 0), hash) == 0;
    return 0;
}

int store_put_environment(struct store *store, const char *name, const char *hash,
                          const json_t *definition, int *ret_version, bool *ret_new,
                          struct error *err)
{
    if (store_check_name(name, err) != 0 || store_db_ready(store, err) != 0)
        return -1;
    for (int races = 0; races < RACES_MAX; races++) {
        int64_t newest;
        bool same;
        if (newest_version(store, name, &newest, err) != 0 ||
            is_newest(store, name, newest, hash, &same, err) != 0)
            return error_wrap(err, "registering the environment %s", name);
        if (same) {
            *ret_version = (int)newest;
            *ret_new = false;
            return 0;
        }
        AUTO_JSON json_t *environment = new_environment(name, newest + 1, hash, definition);
        int written = write_version(store, environment, err);
        if (written < 0)
            return error_wrap(err, "registering the environment %s", name);
        if (written == 0)
            continue;
        *ret_version = (int)newest + 1;
        *ret_new = true;
        return store_index_environment(store, environment, err);
    }
    return error_set(err, ERROR_BUSY, "other kernels keep registering the environment %s", name);
}

static int unknown_version(const char *name, int version, int64_t newest, struct error *err)
{
    error_set(err, ERROR_NOT_FOUND, "the environment %s has no version %d", name, version);
    return error_hint(err, "its versions are 1 to %lld", (long long)newest);
}

json_t *store_get_environment(struct store *store, const char *name, int version, struct error *err)
{
    static const char sql[] = "SELECT DISTINCT name FROM environments";
    int64_t newest = 0;
    if (store_db_ready(store, err) != 0 || store_check_name(name, err) != 0 ||
        newest_version(store, name, &newest, err) != 0)
        return NULL;
    if (newest == 0) {
        store_not_found(store, "environment", name, sql, err);
        return NULL;
    }
    if (version < 0 || version > newest) {
        unknown_version(name, version, newest, err);
        return NULL;
    }
    return store_read_environment(store->home, name, version == 0 ? newest : version, err);
}

static json_t *row_to_json(sqlite3_stmt *statement, struct error *err)
{
    const char *definition = store_db_text(statement, 4);
    json_t *parsed = json_parse(definition, strlen(definition), "the index", err);
    if (parsed == NULL)
        return NULL;
    json_t *row = json_pack("{s:s, s:I, s:s}", "name", store_db_text(statement, 0), "version",
                            (json_int_t)sqlite3_column_int64(statement, 1), "hash",
                            store_db_text(statement, 2));
    json_set_time(row, "created_at", sqlite3_column_int64(statement, 3));
    json_object_set_new(row, "definition", parsed);
    return row;
}

json_t *store_list_environments(struct store *store, struct error *err)
{
    /* With max(), SQLite takes the other columns from the row that has the maximum. */
    static const char sql[] = "SELECT name, max(version), hash, created_us, definition"
                              " FROM environments GROUP BY name ORDER BY name";
    if (store_db_ready(store, err) != 0)
        return NULL;
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "");
    AUTO_JSON json_t *rows = json_array();
    int row = -1;
    while (statement != NULL && (row = store_db_step(store, statement, err)) > 0)
        if (json_array_append_new(rows, row_to_json(statement, err)) != 0)
            return NULL;
    return row == 0 ? steal(&rows) : NULL;
}
