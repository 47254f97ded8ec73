/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs in the index: what a list shows, and finding one by the beginning of its id. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/suggest.h"
#include "submission/store_db.h"

#define NAMED_MAX 5       /* runs listed in an error */
#define SUGGESTED_MAX 200 /* runs looked at for "did you mean": nobody remembers older ones */

/* "NAME:VERSION", or NULL for none and for one defined in the job. Caller frees. */
static char *environment_text(const json_t *intent)
{
    const json_t *environment = json_object_get(intent, "environment");
    const char *name = json_get_string(environment, "name", NULL);
    if (name == NULL)
        return NULL;
    return xasprintf("%s:%lld", name, (long long)json_get_int(environment, "version", 0));
}

int store_index_run(struct store *store, const struct run *run, struct error *err)
{
    /* Kernels may come here in another order than their events were written: who has read more of
     * them wins. */
    static const char sql[] =
        "INSERT INTO runs (id, experiment, display_name, state, live, reason, compute,"
        " environment, created_us, started_us, ended_us, events_size)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"
        " ON CONFLICT (id) DO UPDATE SET state = excluded.state, live = excluded.live,"
        " reason = excluded.reason, started_us = excluded.started_us,"
        " ended_us = excluded.ended_us, events_size = excluded.events_size"
        " WHERE excluded.events_size >= events_size";
    const json_t *intent = run->intent;
    AUTO_FREE char *environment = environment_text(intent);
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(
        store, err, sql, "ssssisssiiii", run->id, json_get_string(intent, "experiment", ""),
        json_get_string(intent, "display_name", run->id), run_state_name(run->state),
        (int64_t)!run_state_is_final(run->state), run->reason,
        json_get_string(json_object_get(intent, "compute"), "name", ""), environment,
        run->created_us, run->started_us, run->ended_us, (int64_t)run->events_size);
    return store_db_run(store, statement, err);
}

int store_put_run(struct store *store, const struct run *run, struct error *err)
{
    if (store_db_ready(store, err) != 0 || store_index_run(store, run, err) != 0)
        return error_wrap(err, "writing the run %s to the index", run->id);
    if (!run_state_is_final(run->state))
        return 0;
    return store_db_run(
        store, store_db_query(store, err, "DELETE FROM owners WHERE run = ?1", "s", run->id), err);
}

static void set_text(json_t *row, const char *key, sqlite3_stmt *statement, int column)
{
    json_set_string(row, key, (const char *)sqlite3_column_text(statement, column));
}

static json_t *row_to_json(sqlite3_stmt *statement)
{
    static const char *const texts[] = {"id",     "experiment", "display_name", "state",
                                        "reason", "compute",    "environment"};
    static const char *const times[] = {"created_at", "started_at", "ended_at"};
    json_t *row = json_object();
    for (int i = 0; i < (int)ARRAY_SIZE(texts); i++)
        set_text(row, texts[i], statement, i);
    for (int i = 0; i < (int)ARRAY_SIZE(times); i++)
        json_set_time(row, times[i], sqlite3_column_int64(statement, (int)ARRAY_SIZE(texts) + i));
    return row;
}

#define COLUMNS                                                                             \
    "SELECT id, experiment, display_name, state, reason, compute, environment, created_us," \
    " started_us, ended_us FROM runs"
/* The fields are searched as one text, each on a line of its own. */
#define FILTER                                                                         \
    " WHERE (?1 IS NULL OR experiment = ?1) AND (?2 IS NULL OR compute = ?2)"          \
    " AND (?4 IS NULL OR state = ?4) AND (?5 IS NULL OR instr(lower(id || char(10) ||" \
    " experiment || char(10) || display_name || char(10) || compute || char(10) ||"    \
    " ifnull(environment, '')), lower(?5)) > 0)"
#define NEWEST_FIRST " ORDER BY created_us DESC, id DESC LIMIT ?3"

json_t *store_list_runs(struct store *store, const struct store_run_filter *filter,
                        struct error *err)
{
    /* Two texts, so that the list of live runs has its own small index. */
    static const char all[] = COLUMNS FILTER NEWEST_FIRST;
    static const char live[] = COLUMNS FILTER " AND live = 1" NEWEST_FIRST;
    if (store_db_ready(store, err) != 0)
        return NULL;
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(
        store, err, filter->live_only ? live : all, "ssiss", filter->experiment, filter->compute,
        filter->max > 0 ? (int64_t)filter->max : (int64_t)-1, filter->state, filter->text);
    AUTO_JSON json_t *rows = json_array();
    int row = -1;
    while (statement != NULL && (row = store_db_step(store, statement, err)) > 0)
        json_array_append_new(rows, row_to_json(statement));
    return row == 0 ? steal(&rows) : NULL;
}

/* --- finding one ----------------------------------------------------------------------------- */

static int read_ids(struct store *store, sqlite3_stmt *statement, struct strlist *ids,
                    struct error *err)
{
    int row = -1;
    while (statement != NULL && (row = store_db_step(store, statement, err)) > 0)
        strlist_add(ids, store_db_text(statement, 0));
    return row;
}

static int newest_ids(struct store *store, size_t max, struct strlist *ids, struct error *err)
{
    static const char sql[] = "SELECT id FROM runs ORDER BY created_us DESC, id DESC LIMIT ?1";
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "i", (int64_t)max);
    return read_ids(store, statement, ids, err);
}

static void truncate_list(struct strlist *list, size_t max)
{
    while (list->count > max) {
        free(list->items[--list->count]);
        list->items[list->count] = NULL;
    }
}

static int unknown_run(struct store *store, const char *prefix, struct error *err)
{
    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    if (newest_ids(store, SUGGESTED_MAX, &ids, err) != 0)
        return -1;
    if (ids.count == 0) {
        error_set(err, ERROR_NOT_FOUND, "there are no runs yet");
        return error_hint(err, "a %%%%submit cell makes one");
    }
    const char *near = suggest(prefix, (const char *const *)ids.items, ids.count);
    error_set(err, ERROR_NOT_FOUND, "no run has an id that begins with \"%s\"", prefix);
    if (near != NULL)
        return error_hint(err, "did you mean %s?", near);
    truncate_list(&ids, NAMED_MAX);
    AUTO_FREE char *newest = strlist_join(&ids, ", ");
    return error_hint(err, "the newest runs: %s", newest);
}

static int ambiguous_run(const char *prefix, struct strlist *ids, struct error *err)
{
    bool more = ids->count > NAMED_MAX;
    truncate_list(ids, NAMED_MAX);
    AUTO_FREE char *named = strlist_join(ids, ", ");
    error_set(err, ERROR_INVALID, "\"%s\" is the beginning of several runs: %s%s", prefix, named,
              more ? ", ..." : "");
    return error_hint(err, "give more of the id");
}

int store_find_run(struct store *store, const char *prefix, char **ret_id, struct error *err)
{
    /* Everything that begins with the prefix sorts before the prefix and the last code point. */
    static const char sql[] = "SELECT id FROM runs WHERE id >= ?1 AND id < ?2"
                              " ORDER BY id LIMIT 6";
    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    if (store_db_ready(store, err) != 0)
        return -1;
    if (prefix == NULL || prefix[0] == '\0') {
        if (newest_ids(store, 1, &ids, err) != 0)
            return -1;
    } else {
        AUTO_FREE char *end = xasprintf("%s\xf4\x8f\xbf\xbf", prefix);
        AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "ss", prefix, end);
        if (read_ids(store, statement, &ids, err) != 0)
            return -1;
    }
    if (ids.count == 0)
        return unknown_run(store, prefix != NULL ? prefix : "", err);
    /* Sorted by id, so that an exact one comes first. */
    if (ids.count > 1 && strcmp(ids.items[0], prefix) != 0)
        return ambiguous_run(prefix, &ids, err);
    *ret_id = steal(&ids.items[0]);
    return 0;
}
