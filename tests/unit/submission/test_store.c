/* SPDX-License-Identifier: BSD-3-Clause */
/* The index: environments, computes, runs, and that several kernels agree on them. */
#include "submission/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/submission/store_fixture.h"

/* --- environments and computes ------------------------------------------------------------ */

static void numbers_environments(void **state)
{
    AUTO(store) struct store *store = open_store(*state, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    bool is_new;
    assert_int_equal(put_environment(store, "fastai", "aa", &is_new), 1);
    assert_true(is_new);
    assert_int_equal(put_environment(store, "fastai", "aa", &is_new), 1);
    assert_false(is_new);
    assert_int_equal(put_environment(store, "fastai", "bb", &is_new), 2);
    assert_int_equal(put_environment(store, "fastai", "aa", &is_new), 3); /* newest = last said */
    assert_true(is_new);
    put_environment(store, "base", "cc", &is_new);

    AUTO_JSON json_t *newest = store_get_environment(store, "fastai", 0, &err);
    assert_int_equal(json_get_int(newest, "version", 0), 3);
    AUTO_JSON json_t *second = store_get_environment(store, "fastai", 2, &err);
    assert_string_equal(json_get_string(second, "hash", ""), "bb");
    assert_true(json_get_time(second, "created_at") > 0);
    const json_t *definition = json_object_get(second, "definition");
    assert_string_equal(json_get_string(definition, "image", ""), "bb");

    AUTO_JSON json_t *list = store_list_environments(store, &err);
    assert_int_equal(json_array_size(list), 2);
    assert_string_equal(json_get_string(json_array_get(list, 0), "name", ""), "base");
    assert_true(json_equal(json_array_get(list, 1), newest));

    assert_null(store_get_environment(store, "fastia", 0, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "fastai"));
    assert_null(store_get_environment(store, "fastai", 9, &err));
    assert_non_null(strstr(err.hint, "1 to 3"));
    assert_null(store_get_environment(store, "../runs", 0, &err));
}

static void keeps_computes(void **state)
{
    AUTO(store) struct store *store = open_store(*state, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *one = json_pack("{s:s, s:i}", "name", "gpu", "max_instances", 1);
    AUTO_JSON json_t *four = json_pack("{s:s, s:i}", "name", "gpu", "max_instances", 4);
    int change = 9;
    assert_int_equal(store_put_compute(store, "gpu", one, &change, &err), 0);
    assert_int_equal(change, 0);
    assert_int_equal(store_put_compute(store, "gpu", one, &change, &err), 0);
    assert_int_equal(change, -1);
    assert_int_equal(store_put_compute(store, "gpu", four, &change, &err), 0);
    assert_int_equal(change, 1);
    AUTO_JSON json_t *gpu = store_get_compute(store, "gpu", &err);
    assert_true(json_equal(json_object_get(gpu, "definition"), four));
    assert_true(json_get_time(gpu, "modified_at") >= json_get_time(gpu, "created_at"));
    AUTO_JSON json_t *list = store_list_computes(store, &err);
    assert_int_equal(json_array_size(list), 1);
    assert_true(json_equal(json_array_get(list, 0), gpu));
    assert_null(store_get_compute(store, "gpo", &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.hint, "gpu"));
    assert_int_equal(store_put_compute(store, "a/b", one, &change, &err), -1);
}

static int register_many(const char *home, int index)
{
    struct store *store = NULL;
    if (store_open(home, &store, NULL, NULL) != 0)
        return 1;
    for (int i = 0; i < 10; i++) {
        AUTO_FREE char *hash = xasprintf("%d-%d", index, i);
        AUTO_JSON json_t *definition = json_pack("{s:s}", "image", hash);
        int version, change;
        bool is_new;
        if (store_put_environment(store, "env", hash, definition, &version, &is_new, NULL) != 0 ||
            !is_new || store_put_compute(store, "gpu", definition, &change, NULL) != 0)
            return 2;
    }
    store_close(store);
    return 0;
}

/* Kernels that start together on a new home and register at once: every version is there once. */
static void shares_a_new_home(void **state)
{
    home_act_together(*state, register_many);
    AUTO(store) struct store *store = open_store(*state, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_STRLIST struct strlist hashes = STRLIST_INIT;
    for (int version = 1; version <= 10 * PROCESSES; version++) {
        AUTO_JSON json_t *environment = store_get_environment(store, "env", version, &err);
        assert_non_null(environment);
        assert_false(strlist_has(&hashes, json_get_string(environment, "hash", "")));
        strlist_add(&hashes, json_get_string(environment, "hash", ""));
    }
    assert_null(store_get_environment(store, "env", 10 * PROCESSES + 1, &err));
}

/* A kernel was killed between the file and the index; another folder was removed by hand. */
static void believes_the_files(void **state)
{
    const char *home = *state;
    AUTO(store) struct store *store = open_store(home, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *second = file_join(home, "environments/env/2.json");
    AUTO_FREE char *other = file_join(home, "environments/other");
    bool is_new;
    put_environment(store, "env", "aa", &is_new);
    put_environment(store, "other", "aa", &is_new);
    AUTO_JSON json_t *missed =
        json_pack("{s:s, s:i, s:s, s:{}}", "name", "env", "version", 2, "hash", "bb", "definition");
    assert_int_equal(json_write(second, missed, 0644, NULL), 0);
    AUTO_JSON json_t *newest = store_get_environment(store, "env", 0, &err);
    assert_int_equal(json_get_int(newest, "version", 0), 2);
    assert_int_equal(put_environment(store, "env", "bb", &is_new), 2);
    assert_false(is_new);
    assert_int_equal(file_remove_tree(other, NULL), 0);
    assert_int_equal(put_environment(store, "other", "aa", &is_new), 1);
    assert_true(is_new);
}

/* --- runs --------------------------------------------------------------------------------- */

static void lists_runs(void **state)
{
    const char *home = *state;
    AUTO(store) struct store *store = open_store(home, NULL);
    AUTO(run) struct run *a = add_run(store, home, "a", 10, "one", "gpu");
    AUTO(run) struct run *b = add_run(store, home, "b", 30, "two", "gpu");
    AUTO(run) struct run *c = add_run(store, home, "c", 20, "one", "local");
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(run) struct run *stale = NULL;
    assert_int_equal(run_load(home, "b", &stale, &err), 0);
    advance(store, b, RUN_FAILED);
    assert_int_equal(store_put_run(store, stale, &err), 0); /* what another kernel still believes */
    static const struct {
        struct store_run_filter filter;
        const char *ids;
    } cases[] = {
        {{.max = 0}, "a c b"},
        {{.max = 2}, "a c"},
        {{.experiment = "one"}, "a c"},
        {{.compute = "gpu"}, "a b"},
        {{.live_only = true}, "a c"},
        {{.live_only = true, .compute = "gpu", .experiment = "one", .max = 5}, "a"},
        {{.experiment = "none"}, ""},
        {{.state = "Failed"}, "b"},
        {{.state = "NotStarted"}, "a c"},
        {{.state = "NotStarted", .experiment = "two"}, ""},
        {{.state = "failed"}, ""}, /* as Azure spells it */
        {{.text = "GP"}, "a b"},
        {{.text = "env:2", .max = 1}, "a"},
        {{.text = "tW"}, "b"},
        {{.text = "%"}, ""},
        {{.text = "_"}, ""},
        {{.text = "'"}, ""},
        {{.text = "agpu"}, ""}, /* not across two fields */
        {{.text = "LOCAL", .state = "NotStarted", .live_only = true}, "c"},
        {{.text = ""}, "a c b"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *ids = ids_of(store, &cases[i].filter);
        assert_string_equal(ids, cases[i].ids);
    }
    AUTO_JSON json_t *rows = store_list_runs(store, &cases[0].filter, &err);
    const json_t *row = json_array_get(rows, 2);
    assert_string_equal(json_get_string(row, "state", ""), "Failed");
    assert_string_equal(json_get_string(row, "environment", ""), "env:2");
    assert_true(json_get_time(row, "ended_at") > json_get_time(row, "created_at"));
    assert_true(json_is_null(json_object_get(row, "started_at")));
}

static void finds_runs(void **state)
{
    const char *home = *state;
    AUTO(store) struct store *store = open_store(home, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    char *id = NULL;
    assert_int_equal(store_find_run(store, NULL, &id, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    static const char *const ids[] = {"calm_sail_1", "calm_sail_12", "calm_star_2", "bold_oak_3"};
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        run_free(add_run(store, home, ids[i], 10 + (int)i, "e", "local"));
    static const struct {
        const char *prefix, *found; /* NULL: an error */
        int code;
        const char *told;
    } cases[] = {
        {"b", "bold_oak_3", 0, NULL},
        {"calm_st", "calm_star_2", 0, NULL},
        {"calm_sail_1", "calm_sail_1", 0, NULL}, /* exact wins */
        {"calm_sail_12", "calm_sail_12", 0, NULL},
        {NULL, "calm_sail_1", 0, NULL}, /* the newest */
        {"", "calm_sail_1", 0, NULL},
        {"calm_", NULL, ERROR_INVALID, "calm_star_2"},
        {"bold_oka_3", NULL, ERROR_NOT_FOUND, "bold_oak_3"},
        {"zzz", NULL, ERROR_NOT_FOUND, "calm_sail_1"},
        {"%", NULL, ERROR_NOT_FOUND, "calm_sail_1"},
        {"_", NULL, ERROR_NOT_FOUND, "calm_sail_1"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *found = NULL;
        int result = store_find_run(store, cases[i].prefix, &found, &err);
        assert_int_equal(result, cases[i].found != NULL ? 0 : -1);
        if (result == 0) {
            assert_string_equal(found, cases[i].found);
            continue;
        }
        AUTO_FREE char *told = error_format(&err);
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(told, cases[i].told));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(numbers_environments), UNIT_HOME(keeps_computes), UNIT_HOME(shares_a_new_home),
        UNIT_HOME(believes_the_files),   UNIT_HOME(lists_runs),     UNIT_HOME(finds_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
