/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's life, and its rebuilding from the directories. The rows themselves are written by the
 * same functions that every operation uses (store_environment.c, store_compute.c, store_run.c). */
#include "submission/store.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/suggest.h"
#include "submission/listing.h"
#include "submission/store_db.h"

#define NAME_MAX_STORED 255 /* a file name's limit; Azure's names are shorter */

int store_open(const char *home, struct store **ret_store, struct notes *notes, struct error *err)
{
    struct store *store = xcalloc(1, sizeof *store);
    store->home = xstrdup(home);
    store->path = file_join(home, "store.db");
    if (store_db_open(store, notes, err) != 0) {
        store_close(store);
        return -1;
    }
    run_remove_leftovers(home);
    *ret_store = store;
    return 0;
}

void store_close(struct store *store)
{
    if (store == NULL)
        return;
    store_db_close(store);
    free(store->home);
    free(store->path);
    free(store);
}

int store_check_name(const char *name, struct error *err)
{
    size_t length = strlen(name);
    if (length > 0 && length <= NAME_MAX_STORED && name[0] != '.' && strchr(name, '/') == NULL)
        return 0;
    return error_set(err, ERROR_INVALID, "\"%s\" cannot be a name here", name);
}

int store_not_found(struct store *store, const char *what, const char *name, const char *sql,
                    struct error *err)
{
    AUTO_STATEMENT sqlite3_stmt *statement = store_db_query(store, err, sql, "");
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    int row = -1;
    while (statement != NULL && (row = store_db_step(store, statement, err)) > 0)
        strlist_add(&names, store_db_text(statement, 0));
    if (row < 0)
        return -1;
    error_set(err, ERROR_NOT_FOUND, "there is no %s \"%s\"", what, name);
    const char *near = suggest(name, (const char *const *)names.items, names.count);
    return near != NULL ? error_hint(err, "did you mean \"%s\"?", near) : -1;
}

/* --- rebuilding ------------------------------------------------------------------------------ */

static void skip(const char *what, const struct error *why, struct notes *notes)
{
    AUTO_FREE char *text = xasprintf("%s is left out of the index: %s", what, why->text);
    if (notes != NULL)
        notes_add(notes, NOTE_WARNING, 0, 0, "%s", text);
    else
        log_warning("%s", text);
}

static void skip_file(const struct store *store, const char *name, const struct error *why,
                      struct notes *notes)
{
    AUTO_FREE char *path = file_join(store->home, name);
    skip(path, why, notes);
}

/* "7.json" is 7, "web.json" is nothing: only what store_put_environment() writes counts. */
static int64_t version_of(const char *file_name)
{
    char *end;
    long long version = strtoll(file_name, &end, 10);
    return file_name[0] >= '1' && file_name[0] <= '9' && strcmp(end, ".json") == 0 ? version : 0;
}

static int fill_environment(struct store *store, const char *name, struct notes *notes,
                            struct error *err)
{
    AUTO_FREE char *dir = xasprintf("%s/environments/%s", store->home, name);
    AUTO_STRLIST struct strlist files = STRLIST_INIT;
    AUTO_ERROR struct error fault = ERROR_INIT;
    if (listing_read(dir, &files, &fault) != 0)
        skip(dir, &fault, notes);
    for (size_t i = 0; i < files.count; i++) {
        int64_t version = version_of(files.items[i]);
        if (version == 0)
            continue;
        AUTO_JSON json_t *environment = store_read_environment(store->home, name, version, &fault);
        if (environment == NULL)
            skip(dir, &fault, notes);
        else if (store_index_environment(store, environment, err) != 0)
            return -1;
    }
    return 0;
}

static int fill_environments(struct store *store, struct notes *notes, struct error *err)
{
    AUTO_FREE char *dir = file_join(store->home, "environments");
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    if (listing_read(dir, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++)
        if (fill_environment(store, names.items[i], notes, err) != 0)
            return -1;
    return 0;
}

static int fill_computes(struct store *store, struct notes *notes, struct error *err)
{
    AUTO_FREE char *dir = file_join(store->home, "computes");
    AUTO_STRLIST struct strlist files = STRLIST_INIT;
    if (listing_read(dir, &files, err) != 0)
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        const char *dot = strrchr(files.items[i], '.');
        AUTO_ERROR struct error fault = ERROR_INIT;
        if (dot == NULL || strcmp(dot, ".json") != 0)
            continue;
        AUTO_FREE char *name = xstrndup(files.items[i], (size_t)(dot - files.items[i]));
        AUTO_JSON json_t *compute = store_read_compute(store->home, name, &fault);
        if (compute == NULL)
            skip_file(store, "computes", &fault, notes);
        else if (store_index_compute(store, compute, err) != 0)
            return -1;
    }
    return 0;
}

/* A folder below runs/ without a readable run.json is named too: it may be what somebody misses. */
static int fill_runs(struct store *store, size_t *ret_runs, struct notes *notes, struct error *err)
{
    AUTO_FREE char *dir = file_join(store->home, "runs");
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    size_t runs = 0;
    if (listing_read(dir, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        AUTO(run) struct run *run = NULL;
        AUTO_ERROR struct error fault = ERROR_INIT;
        if (run_load(store->home, names.items[i], &run, &fault) != 0)
            skip_file(store, "runs", &fault, notes);
        else if (store_index_run(store, run, err) != 0)
            return -1;
        runs += run != NULL;
    }
    *ret_runs = runs;
    return 0;
}

int store_fill(struct store *store, size_t *ret_runs, struct notes *notes, struct error *err)
{
    if (fill_environments(store, notes, err) != 0 || fill_computes(store, notes, err) != 0)
        return -1;
    return fill_runs(store, ret_runs, notes, err);
}

/* Owners and nodes stay: living kernels go by them, and no directory says them. */
static int refill(struct store *store, size_t *ret_runs, struct notes *notes, struct error *err)
{
    if (store_db_run(store, store_db_query(store, err, "DELETE FROM environments", ""), err) != 0 ||
        store_db_run(store, store_db_query(store, err, "DELETE FROM computes", ""), err) != 0 ||
        store_db_run(store, store_db_query(store, err, "DELETE FROM runs", ""), err) != 0)
        return -1;
    return store_fill(store, ret_runs, notes, err);
}

int store_reindex(struct store *store, size_t *ret_runs, struct notes *notes, struct error *err)
{
    size_t runs;
    run_remove_leftovers(store->home);
    if (store_db_ready(store, err) != 0 || store_db_begin(store, err) != 0 ||
        store_db_end(store, refill(store, &runs, notes, err), err) != 0)
        return error_wrap(err, "building the index again");
    *ret_runs = runs;
    return 0;
}
