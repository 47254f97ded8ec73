/* SPDX-License-Identifier: BSD-3-Clause */
/* Computes: computes/NAME.json, replaced as a whole inside a transaction of the index, so that two
 * kernels that change one compute do it one after the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/json.h"
#include "submission/store_db.h"

static char *compute_path(const char *home, const char *name)
{
    return xasprintf("%s/computes/%s.json", home, name);
}

json_t *store_read_compute(const char *home, const char *name, struct error *err)
{
    AUTO_FREE char *path = compute_path(home, name);
    AUTO_JSON json_t *compute = json_read(path, err);
    if (compute == NULL)
        return NULL;
    if (strcmp(json_get_string(compute, "name", ""), name) != 0 ||
        !json_is_object(json_object_get(compute, "definition"))) {
        error_set(err, ERROR_CORRUPT, "%s is not a definition that Skiff wrote", path);
        error_hint(err, "move the file away and run its %%%%compute cell again");
        return NULL;
    }
    return steal(&compute);
}

int store_index_compute(struct store *store, const json_t *compute, struct error *err)
{
    static const char sql[] = "INSERT OR REPLACE INTO computes"
                              " (name, created_us, modified_us, definition)"
                              " VALUES (?1, ?2, ?3, ?4)";
    AUTO_FREE char *definition = json_text(json_object_get(compute, "definition"));
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(
        store, err, sql, "siis", json_get_string(compute, "name", ""),
        json_get_time(compute, "created_at"), json_get_time(compute, "modified_at"), definition);
    return store_db_run(store, statement, err);
}

/* The compute as it is to be: `old` is what is there, or NULL. */
static json_t *changed_compute(const char *name, const json_t *old, const json_t *definition)
{
    int64_t now = clock_now();
    json_t *compute = json_pack("{s:s}", "name", name);
    json_set_time(compute, "created_at", old != NULL ? json_get_time(old, "created_at") : now);
    json_set_time(compute, "modified_at", now);
    json_object_set_new(compute, "definition", json_deep_copy(definition));
    return compute;
}

static int put_inside(struct store *store, const char *name, const json_t *definition,
                      int *ret_change, struct error *err)
{
    AUTO_FREE char *path = compute_path(store->home, name);
    AUTO_FREE char *dir = file_join(store->home, "computes");
    AUTO_JSON json_t *old = NULL;
    if (file_exists(path) && (old = store_read_compute(store->home, name, err)) == NULL)
        return -1;
    if (old != NULL && json_equal(json_object_get(old, "definition"), definition)) {
        *ret_change = -1;
        return store_index_compute(store, old, err);
    }
    AUTO_JSON json_t *compute = changed_compute(name, old, definition);
    if (file_make_dirs(dir, err) != 0 || json_write(path, compute, 0644, err) != 0)
        return -1;
    failpoint("store.put_compute.written");
    *ret_change = old == NULL ? 0 : 1;
    return store_index_compute(store, compute, err);
}

int store_put_compute(struct store *store, const char *name, const json_t *definition,
                      int *ret_change, struct error *err)
{
    int change = 0;
    if (store_check_name(name, err) != 0 || store_db_ready(store, err) != 0 ||
        store_db_begin(store, err) != 0 ||
        store_db_end(store, put_inside(store, name, definition, &change, err), err) != 0)
        return error_wrap(err, "writing the compute %s", name);
    *ret_change = change;
    return 0;
}

json_t *store_get_compute(struct store *store, const char *name, struct error *err)
{
    AUTO_FREE char *path = compute_path(store->home, name);
    if (store_check_name(name, err) != 0 || store_db_ready(store, err) != 0)
        return NULL;
    if (file_exists(path))
        return store_read_compute(store->home, name, err);
    store_not_found(store, "compute", name, "SELECT name FROM computes UNION SELECT 'local'", err);
    return NULL;
}

json_t *store_list_computes(struct store *store, struct error *err)
{
    static const char sql[] =
        "SELECT name, created_us, modified_us, definition FROM computes ORDER BY name";
    if (store_db_ready(store, err) != 0)
        return NULL;
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "");
    AUTO_JSON json_t *rows = json_array();
    int row = -1;
    while (statement != NULL && (row = store_db_step(store, statement, err)) > 0) {
        const char *definition = store_db_text(statement, 3);
        json_t *parsed = json_parse(definition, strlen(definition), "the index", err);
        if (parsed == NULL)
            return NULL;
        json_t *compute = json_pack("{s:s}", "name", store_db_text(statement, 0));
        json_set_time(compute, "created_at", sqlite3_column_int64(statement, 1));
        json_set_time(compute, "modified_at", sqlite3_column_int64(statement, 2));
        json_object_set_new(compute, "definition", parsed);
        json_array_append_new(rows, compute);
    }
    return row == 0 ? steal(&rows) : NULL;
}
