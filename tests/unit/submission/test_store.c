/* SPDX-License-Identifier: BSD-3-Clause */
/* The index: what it says, that it can always be built again, and that several kernels agree. */
#include "submission/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit.h"
#include "tests/unit/submission/home.h"

#define store_free store_close
DEFINE_AUTO(store)

static struct store *open_store(const char *home, struct notes *notes)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct store *store = NULL;
    if (store_open(home, &store, notes, &err) != 0)
        fail_msg("%s", err.text);
    return store;
}

/* A run, `age` seconds old, in the store. */
static struct run *add_run(struct store *store, const char *home, const char *id, int age,
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

static void advance(struct store *store, struct run *run, enum run_state state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (run_advance(run, state, NULL, &err) < 0 || store_put_run(store, run, &err) != 0)
        fail_msg("%s", err.text);
}

/* The ids of a list, joined. */
static char *ids_of(struct store *store, const struct store_run_filter *filter)
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

static int put_environment(struct store *store, const char *name, const char *hash, bool *is_new)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *definition = json_pack("{s:s, s:s}", "name", name, "image", hash);
    int version = -1;
    if (store_put_environment(store, name, hash, definition, &version, is_new, &err) != 0)
        fail_msg("%s", err.text);
    return version;
}

static size_t count_notes(const struct notes *notes, const char *text)
{
    size_t found = 0;
    for (size_t i = 0; i < notes->count; i++)
        found += strstr(notes->items[i].text, text) != NULL;
    return found;
}

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

/* --- rebuilding --------------------------------------------------------------------------- */

static void fill(const char *home)
{
    AUTO(store) struct store *store = open_store(home, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *definition = json_pack("{s:i}", "max_instances", 1);
    bool is_new;
    int change;
    put_environment(store, "env", "aa", &is_new);
    put_environment(store, "env", "bb", &is_new);
    assert_int_equal(store_put_compute(store, "gpu", definition, &change, &err), 0);
    run_free(add_run(store, home, "a", 20, "one", "gpu"));
    AUTO(run) struct run *b = add_run(store, home, "b", 10, "one", "gpu");
    advance(store, b, RUN_FAILED);
}

/* What fill() made is all there. */
static void check_filled(struct store *store)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *all = ids_of(store, &(struct store_run_filter){.max = 0});
    AUTO_FREE char *live = ids_of(store, &(struct store_run_filter){.live_only = true});
    assert_string_equal(all, "b a");
    assert_string_equal(live, "a");
    AUTO_JSON json_t *environments = store_list_environments(store, &err);
    assert_int_equal(json_get_int(json_array_get(environments, 0), "version", 0), 2);
    AUTO_JSON json_t *computes = store_list_computes(store, &err);
    assert_int_equal(json_array_size(computes), 1);
}

static void remove_index(const char *home)
{
    static const char *const names[] = {"store.db", "store.db-wal", "store.db-shm"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        AUTO_FREE char *path = file_join(home, names[i]);
        assert_true(unlink(path) == 0 || errno == ENOENT);
    }
}

static void rebuilds_what_is_gone(void **state)
{
    fill(*state);
    remove_index(*state);
    AUTO(store) struct store *store = open_store(*state, NULL);
    check_filled(store);
    remove_index(*state); /* and under an open store */
    check_filled(store);
}

static size_t count_files(const char *home, const char *beginning)
{
    DIR *dir = opendir(home);
    const struct dirent *entry;
    size_t count = 0;
    while ((entry = readdir(dir)) != NULL)
        count += strncmp(entry->d_name, beginning, strlen(beginning)) == 0;
    closedir(dir);
    return count;
}

static void overwrite(const char *path, off_t from)
{
    char noise[512];
    struct stat st;
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CLOEXEC);
    memset(noise, 0xa5, sizeof noise);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = from; at < st.st_size; at += (off_t)sizeof noise)
        assert_true(pwrite(fd, noise, sizeof noise, at) > 0);
}

static void moves_a_corrupt_file_aside(void **state)
{
    const char *home = *state;
    AUTO_FREE char *path = file_join(home, "store.db");
    fill(home);
    static const off_t from[] = {0, 100, 4096}; /* the header, the schema, the rows */
    for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
        AUTO_NOTES struct notes notes = NOTES_INIT;
        overwrite(path, from[i]);
        clock_set_for_test(clock_now() + (int64_t)(i + 1) * 2000000); /* a name of its own */
        AUTO(store) struct store *store = open_store(home, &notes);
        /* rows are first read when they are asked for: that call may fail, the next one not */
        json_decref(store_list_runs(store, &(struct store_run_filter){.max = 0}, NULL));
        check_filled(store);
        assert_int_equal(count_files(home, "store.db.corrupt-"), i + 1);
        assert_true(from[i] > 100 || count_notes(&notes, "store.db.corrupt-") == 1);
    }
}

static void refuses_a_newer_schema(void **state)
{
    const char *home = *state;
    AUTO_FREE char *path = file_join(home, "store.db");
    AUTO_ERROR struct error err = ERROR_INIT;
    sqlite3 *db = NULL;
    struct store *none = NULL;
    fill(home);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 999", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(store_open(home, &none, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "999"));
    assert_null(none);
}

static int open_read_only(const char *home)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct store *store = NULL;
    if (getuid() == 0 && setuid(65534) != 0) /* for root nothing is read-only */
        return 1;
    if (store_open(home, &store, NULL, &err) == 0)
        return 2;
    if (err.code != ERROR_DENIED)
        return 3;
    return err.hint != NULL && strstr(err.hint, "SKIFF_HOME") != NULL ? 0 : 4;
}

static void check_read_only(const char *home)
{
    pid_t child = fork();
    int status = -1;
    if (child == 0)
        _exit(open_read_only(home));
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void tells_of_a_read_only_home(void **state)
{
    const char *home = *state;
    AUTO_FREE char *path = file_join(home, "store.db");
    assert_int_equal(chmod(home, 0555), 0);
    check_read_only(home); /* nothing there */
    assert_int_equal(chmod(home, 0755), 0);
    fill(home);
    assert_int_equal(chmod(path, 0444), 0);
    assert_int_equal(chmod(home, 0555), 0);
    check_read_only(home); /* an index that may only be read */
    assert_int_equal(chmod(home, 0755), 0);
}

static void write_text(const char *home, const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(home, name);
    AUTO_FREE char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(file_make_dirs(dir, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

static void reindexes_past_bad_ones(void **state)
{
    const char *home = *state;
    AUTO_NOTES struct notes notes = NOTES_INIT;
    AUTO_ERROR struct error err = ERROR_INIT;
    size_t runs = 0;
    fill(home);
    AUTO(store) struct store *store = open_store(home, NULL);
    write_text(home, "runs/broken/run.json", "{");
    write_text(home, "runs/empty/note.txt", "no run");
    write_text(home, "runs/renamed/run.json", "{\"id\": \"b\"}");
    write_text(home, "environments/env/3.json", "{}");
    write_text(home, "environments/env/.7.finished", "{}");
    write_text(home, "computes/bad.json", "[]");
    assert_int_equal(store_reindex(store, &runs, &notes, &err), 0);
    assert_int_equal(runs, 2);
    check_filled(store);
    static const char *const named[] = {"broken", "empty", "renamed", "env", "bad.json"};
    for (size_t i = 0; i < ARRAY_SIZE(named); i++)
        assert_int_equal(count_notes(&notes, named[i]), 1);
    assert_int_equal(notes.count, ARRAY_SIZE(named));
}

static int open_and_rebuild(const char *home, int index)
{
    AUTO(store) struct store *store = NULL;
    for (int i = 0; i < 5; i++) {
        AUTO_JSON json_t *rows = NULL;
        size_t runs;
        AUTO_ERROR struct error err = ERROR_INIT;
        if (store == NULL && store_open(home, &store, NULL, &err) != 0) {
            fprintf(stderr, "cannot open: %s\n", err.text);
            return 1;
        }
        if (index == 0 && store_reindex(store, &runs, NULL, NULL) != 0)
            return 2;
        rows = store_list_runs(store, &(struct store_run_filter){.max = 0}, NULL);
        if (json_array_size(rows) != 2) /* never half built */
            return 3;
        if (index % 2 == 1) {
            store_close(store);
            store = NULL;
        }
    }
    return 0;
}

static void rebuilds_once_for_all(void **state)
{
    const char *home = *state;
    AUTO_FREE char *path = file_join(home, "store.db");
    fill(home);
    home_act_together(home, open_and_rebuild);
    overwrite(path, 0);
    home_act_together(home, open_and_rebuild);
    assert_int_equal(count_files(home, "store.db.corrupt-"), 1);
}

/* --- owners and nodes --------------------------------------------------------------------- */

static struct procid dead_process(void)
{
    struct procid id = {0};
    assert_true(procid_of(getpid(), &id));
    id.start_time++; /* the same pid, given to another process since */
    return id;
}

static void has_one_owner(void **state)
{
    AUTO(store) struct store *store = open_store(*state, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    struct procid self = {0}, parent = {0}, dead = dead_process();
    assert_true(procid_of(getpid(), &self) && procid_of(getppid(), &parent));
    assert_int_equal(store_own_run(store, "a", &dead, &err), 1);
    assert_int_equal(store_own_run(store, "a", &self, &err), 1);
    assert_int_equal(store_own_run(store, "a", &self, &err), 1);
    assert_int_equal(store_own_run(store, "a", &parent, &err), 0);
    assert_int_equal(store_own_run(store, "b", &parent, &err), 1);
}

static struct run *queue_run(struct store *store, const char *home, const char *id, int age,
                             const struct procid *owner)
{
    struct run *run = add_run(store, home, id, age, "e", "gpu");
    advance(store, run, RUN_QUEUED);
    assert_int_equal(store_own_run(store, id, owner, NULL), 1);
    return run;
}

static void hands_out_nodes_in_order(void **state)
{
    const char *home = *state;
    AUTO(store) struct store *store = open_store(home, NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    struct procid self = {0}, dead = dead_process();
    int node = -1;
    assert_true(procid_of(getpid(), &self));
    AUTO(run) struct run *orphan = queue_run(store, home, "orphan", 50, &dead);
    AUTO(run) struct run *a = queue_run(store, home, "a", 40, &self);
    AUTO(run) struct run *b = queue_run(store, home, "b", 30, &self);
    AUTO(run) struct run *c = queue_run(store, home, "c", 20, &self);
    assert_int_equal(store_claim_node(store, "b", "gpu", 2, &node, &err), 0); /* a is older */
    assert_int_equal(store_claim_node(store, "a", "gpu", 2, &node, &err), 1); /* orphan waits */
    assert_int_equal(node, 0);
    assert_int_equal(store_claim_node(store, "a", "gpu", 2, &node, &err), 1); /* has it already */
    assert_int_equal(node, 0);
    assert_int_equal(store_claim_node(store, "b", "gpu", 2, &node, &err), 1);
    assert_int_equal(node, 1);
    assert_int_equal(store_claim_node(store, "c", "gpu", 2, &node, &err), 0); /* full */
    assert_int_equal(store_release_node(store, "a", &err), 0);
    assert_int_equal(store_release_node(store, "a", &err), 0);
    AUTO_JSON json_t *rows = store_nodes(store, "gpu", &err);
    assert_int_equal(json_array_size(rows), 2);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 0), "run")));
    assert_true(json_get_time(json_array_get(rows, 0), "released_at") > 0);
    assert_string_equal(json_get_string(json_array_get(rows, 1), "run", ""), "b");
    assert_string_equal(json_get_string(json_array_get(rows, 1), "state", ""), "Queued");
    /* a still says Queued and is older, but ends */
    advance(store, a, RUN_FAILED);
    assert_int_equal(store_claim_node(store, "c", "gpu", 2, &node, &err), 1);
    assert_int_equal(node, 0);
    /* runs that ended without giving theirs back hold none; the last used comes first */
    advance(store, c, RUN_FAILED);
    advance(store, b, RUN_FAILED);
    AUTO(run) struct run *d = queue_run(store, home, "d", 10, &self);
    assert_int_equal(store_claim_node(store, "d", "gpu", 1, &node, &err), 1);
    assert_int_equal(node, 0); /* not 1: the limit is one now */
    assert_int_equal(store_claim_node(store, "nobody", "gpu", 5, &node, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

#define NODES 2
#define RUNS_EACH 2

/* Takes a node with a file that must not be there: two holders of one node would meet. */
static int use_node(const char *home, int node)
{
    AUTO_FREE char *path = xasprintf("%s/node-%d", home, node);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0 || node >= NODES)
        return -1;
    close(fd);
    sched_yield();
    return unlink(path);
}

static int claim_and_release(const char *home, int index)
{
    AUTO(store) struct store *store = NULL;
    struct procid self;
    if (!procid_of(getpid(), &self) || store_open(home, &store, NULL, NULL) != 0)
        return 1;
    for (int i = 0; i < RUNS_EACH; i++) {
        AUTO_FREE char *id = xasprintf("run-%d-%d", index, i);
        AUTO(run) struct run *run = NULL;
        int node = -1;
        int claimed = 0;
        if (run_load(home, id, &run, NULL) != 0 || store_own_run(store, id, &self, NULL) != 1)
            return 2;
        while (claimed == 0) /* the kernels wait for a change of the index here */
            claimed = store_claim_node(store, id, "gpu", NODES, &node, NULL);
        if (claimed < 0 || use_node(home, node) != 0)
            return 3;
        if (run_advance(run, RUN_FAILED, NULL, NULL) != 1 || store_put_run(store, run, NULL) != 0)
            return 4;
        if (i % 2 == 0 && store_release_node(store, id, NULL) != 0)
            return 5;
    }
    return 0;
}

/* Several kernels, each driving its runs one after the other. */
static void never_hands_out_too_many(void **state)
{
    const char *home = *state;
    struct store *store = open_store(home, NULL);
    for (int i = 0; i < PROCESSES * RUNS_EACH; i++) {
        AUTO_FREE char *id = xasprintf("run-%d-%d", i % PROCESSES, i / PROCESSES);
        AUTO(run) struct run *run = add_run(store, home, id, 100 - i, "e", "gpu");
        advance(store, run, RUN_QUEUED);
    }
    store_close(store);
    home_act_together(home, claim_and_release);
    AUTO(store) struct store *after = open_store(home, NULL);
    AUTO_FREE char *live = ids_of(after, &(struct store_run_filter){.live_only = true});
    assert_string_equal(live, "");
}

#ifdef SKIFF_FAILPOINTS
/* A kernel killed in the middle of making the index, or of taking a node, leaves nothing behind. */
static void survives_being_killed(void **state)
{
    const char *home = *state;
    static const char *const places[] = {"store.open.migrated", "store.claim_node.picked",
                                         "store.put_environment.finished",
                                         "store.put_environment.linked"};
    struct procid self = {0};
    assert_true(procid_of(getpid(), &self));
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        pid_t child = fork();
        if (child == 0) {
            struct procid me = {0};
            int node;
            bool is_new;
            setenv("SKIFF_FAIL_AT", places[i], 1);
            procid_of(getpid(), &me);
            struct store *store = open_store(home, NULL);
            run_free(queue_run(store, home, "doomed", 10, &me));
            if (i == 1)
                store_claim_node(store, "doomed", "gpu", 1, &node, NULL);
            put_environment(store, "env", "aa", &is_new);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        AUTO(store) struct store *store = open_store(home, NULL);
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_JSON json_t *nodes = store_nodes(store, "gpu", &err);
        assert_int_equal(json_array_size(nodes), 0);
        bool is_new = false;
        assert_int_equal(put_environment(store, "env", "aa", &is_new), 1);
        assert_int_equal(is_new, i < 3);
        AUTO_FREE char *doomed = file_join(home, "runs/doomed");
        AUTO_FREE char *environments = file_join(home, "environments");
        assert_int_equal(file_remove_tree(doomed, NULL), 0);
        assert_int_equal(file_remove_tree(environments, NULL), 0);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(numbers_environments),
        UNIT_HOME(keeps_computes),
        UNIT_HOME(shares_a_new_home),
        UNIT_HOME(believes_the_files),
        UNIT_HOME(lists_runs),
        UNIT_HOME(finds_runs),
        UNIT_HOME(rebuilds_what_is_gone),
        UNIT_HOME(moves_a_corrupt_file_aside),
        UNIT_HOME(refuses_a_newer_schema),
        UNIT_HOME(tells_of_a_read_only_home),
        UNIT_HOME(reindexes_past_bad_ones),
        UNIT_HOME(rebuilds_once_for_all),
        UNIT_HOME(has_one_owner),
        UNIT_HOME(hands_out_nodes_in_order),
        UNIT_HOME(never_hands_out_too_many),
#ifdef SKIFF_FAILPOINTS
        UNIT_HOME(survives_being_killed),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
