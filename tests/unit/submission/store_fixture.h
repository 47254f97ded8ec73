/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A store in a home of the test's own, and what is put into it. */

#include <string.h>

#include "submission/store.h"
#include "tests/unit.h"
#include "tests/unit/submission/home.h"

#define store_free store_close
DEFINE_AUTO(store)

static UNUSED struct store *open_store(const char *home, struct notes *notes)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct store *store = NULL;
    if (store_open(home, &store, notes, &err) != 0)
        fail_msg("%s", err.text);
    return store;
}

/* A run, `age` seconds old, in the store. */
static UNUSED struct run *add_run(struct store *store, const char *home, const char *id, int age,
                                  const char *experiment, const char *compute)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct run *run = NULL;
    int64_t now = clock_now();
    clock_set_for_test(now - age * 1000000ll);
    AUTO_JSON json_t *intent = home_intent(id, experiment, compute);
    if (run_create(home, intent, &run, &err) != 0 || store_put_run(store, run, &err) != 0)
        fail_msg("%s", err.text);
    clock_set_for_test(0);
    return run;
}

static UNUSED void advance(struct store *store, struct run *run, enum run_state state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (run_advance(run, state, NULL, &err) < 0 || store_put_run(store, run, &err) != 0)
        fail_msg("%s", err.text);
}

/* The ids of a list, joined. */
static UNUSED char *ids_of(struct store *store, const struct store_run_filter *filter)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    AUTO_JSON json_t *rows = store_list_runs(store, filter, &err);
    assert_non_null(rows);
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row)
        strlist_add(&ids, json_get_string(row, "id", "?"));
    return strlist_join(&ids, " ");
}

static UNUSED int put_environment(struct store *store, const char *name, const char *hash,
                                  bool *is_new)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *definition = json_pack("{s:s, s:s}", "name", name, "image", hash);
    int version = -1;
    if (store_put_environment(store, name, hash, definition, &version, is_new, &err) != 0)
        fail_msg("%s", err.text);
    return version;
}

static UNUSED size_t count_notes(const struct notes *notes, const char *text)
{
    size_t found = 0;
    for (size_t i = 0; i < notes->count; i++)
        found += strstr(notes->items[i].text, text) != NULL;
    return found;
}
