/* SPDX-License-Identifier: BSD-3-Clause */
/* The history as front ends ask for it: what cells leave in it, two kernels with one file, and
 * files of no use. The queries themselves are tested in tests/unit/kernel/test_history.c. */
#include <sys/stat.h>

#include "tests/integration/kernel_fixture.h"

static void execute(struct frontend *frontend, const char *code, bool silent, bool store)
{
    json_t *content = frontend_execute_content(code);
    json_object_set_new(content, "silent", json_boolean(silent));
    json_object_set_new(content, "store_history", json_boolean(store));
    frontend_result_free(frontend_request(frontend, CHANNEL_SHELL, "execute_request", content));
}

/* `query` is taken. */
static void expect_history(struct frontend *frontend, json_t *query, const char *expected)
{
    AUTO(frontend_result)
    struct frontend_result *result =
        frontend_request(frontend, CHANNEL_SHELL, "history_request", query);
    frontend_expect_ok(result);
    AUTO_FREE char *text = json_text(json_object_get(result->reply->content, "history"));
    assert_string_equal(text, expected);
}

static json_t *tail(int n)
{
    return json_pack("{s:s, s:i, s:b, s:b}", "hist_access_type", "tail", "n", n, "output", 0, "raw",
                     1);
}

static json_t *session(int number)
{
    return json_pack("{s:s, s:i, s:i, s:n}", "hist_access_type", "range", "session", number,
                     "start", 1, "stop");
}

static json_t *search(const char *pattern, bool unique)
{
    return json_pack("{s:s, s:s, s:b, s:n}", "hist_access_type", "search", "pattern", pattern,
                     "unique", unique, "n");
}

/* A kernel whose home is that folder. */
MUST_CHECK static struct frontend *start_at(const char *home)
{
    struct frontend *frontend = frontend_new("ipc");
    AUTO_FREE char *variable = xasprintf("SKIFF_HOME=%s", home);
    fixture_start_kernel(frontend, "kernel", (const char *const[]){variable, NULL});
    frontend_wait_ready(frontend);
    return frontend;
}

static void test_what_is_kept(void **state)
{
    expect_history(*state, tail(10), "[]");
    execute(*state, "echo a", false, true);
    execute(*state, "echo silent", true, true);
    execute(*state, "echo unstored", false, false);
    execute(*state, "fail", false, true);
    execute(*state, "echo a", false, true);
    expect_history(*state, tail(10), "[[1,1,\"echo a\"],[1,2,\"fail\"],[1,3,\"echo a\"]]");
    expect_history(*state, tail(1), "[[1,3,\"echo a\"]]");
    expect_history(*state, session(0), "[[0,1,\"echo a\"],[0,2,\"fail\"],[0,3,\"echo a\"]]");
    expect_history(*state, search("echo*", true), "[[1,3,\"echo a\"]]");
    expect_history(*state, search("echo*", false), "[[1,1,\"echo a\"],[1,3,\"echo a\"]]");
    json_t *output = tail(1);
    json_object_set_new(output, "output", json_true());
    expect_history(*state, output, "[[1,3,[\"echo a\",null]]]");
}

/* The first keeps the file open while the second writes; then the second outlives it. */
static void test_two_kernels(void **state)
{
    struct frontend *one = *state;
    AUTO_FREE char *home = file_join(frontend_folder(one), "home");
    AUTO(frontend) struct frontend *other = start_at(home);
    execute(one, "echo one", false, true);
    execute(other, "echo other", false, true);
    execute(one, "echo one again", false, true);
    for (int i = 0; i < 2; i++)
        expect_history(i == 0 ? one : other, tail(10),
                       "[[1,1,\"echo one\"],[1,2,\"echo one again\"],[2,1,\"echo other\"]]");
    expect_history(other, session(0), "[[0,1,\"echo other\"]]");
    expect_history(other, session(-1), "[[1,1,\"echo one\"],[1,2,\"echo one again\"]]");
    fixture_stop(one);
    execute(other, "echo last", false, true);
    expect_history(other, tail(2), "[[2,1,\"echo other\"],[2,2,\"echo last\"]]");
    fixture_stop(other);
}

/* Killed, not stopped: what was executed is there. */
static void test_after_a_kill(void **state)
{
    struct frontend *frontend = *state;
    execute(frontend, "echo a", false, true);
    frontend_kill(frontend, SIGKILL);
    frontend_wait_exit(frontend);
    fixture_start_kernel(frontend, "kernel", NULL);
    frontend_wait_ready(frontend);
    expect_history(frontend, tail(10), "[[1,1,\"echo a\"]]");
    expect_history(frontend, session(0), "[]");
    expect_history(frontend, session(-1), "[[1,1,\"echo a\"]]");
}

/* Without a file to write the kernel works, remembers what it ran, and its log says why. */
static void test_files_of_no_use(void **state)
{
    enum { CORRUPT, READ_ONLY, A_FOLDER, HOME_IS_A_FILE, KINDS };
    struct frontend *first = *state;
    for (int kind = 0; kind < KINDS; kind++) {
        AUTO_FREE char *home = xasprintf("%s/home-%d", frontend_folder(first), kind);
        AUTO_FREE char *path = file_join(home, "history.db");
        if (kind == HOME_IS_A_FILE)
            assert_int_equal(file_write(home, "x", 1, 0600, NULL), 0);
        else
            assert_int_equal(file_make_dirs(kind == A_FOLDER ? path : home, NULL), 0);
        if (kind == CORRUPT || kind == READ_ONLY)
            assert_int_equal(
                file_write(path, "no database at all", 18, kind == CORRUPT ? 0600 : 0400, NULL), 0);
        if (kind == READ_ONLY)
            assert_int_equal(chmod(home, 0500), 0);
        AUTO(frontend) struct frontend *frontend = start_at(home);
        execute(frontend, "echo a", false, true);
        expect_history(frontend, tail(10), "[[1,1,\"echo a\"]]");
        fixture_stop(frontend);
        AUTO_FREE char *log = frontend_log(frontend);
        assert_non_null(strstr(log, "history"));
        if (kind == READ_ONLY)
            assert_int_equal(chmod(home, 0700), 0);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        FIXTURE_TEST(test_what_is_kept),
        FIXTURE_TEST(test_two_kernels),
        FIXTURE_TEST(test_after_a_kill),
        FIXTURE_TEST(test_files_of_no_use),
    };
    int role = fixture_main(argc, argv);
    return role >= 0 ? role : cmocka_run_group_tests(tests, NULL, NULL);
}
