/* SPDX-License-Identifier: BSD-3-Clause */
/* The index can always be built again, and a home that cannot be used is told. */
#include "submission/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit/submission/store_fixture.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(rebuilds_what_is_gone),   UNIT_HOME(moves_a_corrupt_file_aside),
        UNIT_HOME(refuses_a_newer_schema),  UNIT_HOME(tells_of_a_read_only_home),
        UNIT_HOME(reindexes_past_bad_ones), UNIT_HOME(rebuilds_once_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
