/* SPDX-License-Identifier: BSD-3-Clause */
/* history.h on its own: what queries find, several sessions in one file, and files of no use. */
#include "kernel/history.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "tests/unit.h"

struct home {
    char dir[32];
    char *path; /* of the history file */
};

static int setup(void **state)
{
    struct home *home = xcalloc(1, sizeof *home);
    strcpy(home->dir, "/tmp/skiff-history-XXXXXX");
    assert_non_null(mkdtemp(home->dir));
    home->path = file_join(home->dir, "history.db");
    *state = home;
    return 0;
}

static int teardown(void **state)
{
    struct home *home = *state;
    file_remove_tree(home->dir, NULL);
    free(home->path);
    free(home);
    return 0;
}

static void append_all(struct history *history, const char *const *inputs)
{
    for (int i = 0; inputs[i] != NULL; i++)
        history_append(history, i + 1, inputs[i]);
}

static void write_session(const char *path, const char *const *inputs)
{
    struct history *history = history_open(path);
    append_all(history, inputs);
    history_close(history);
}

static void expect(struct history *history, struct history_query query, const char *expected)
{
    AUTO_JSON json_t *rows = history_find(history, &query);
    AUTO_FREE char *text = json_text(rows);
    assert_string_equal(text, expected);
}

static const char *const first[] = {"a = 1", "b = 2", "a = 1", NULL};
static const char *const second[] = {"import c", "a = 1", "d", NULL};

/* The third session is the current one; it has written one input. */
static void test_queries(void **state)
{
    static const struct {
        struct history_query query;
        const char *rows;
    } cases[] = {
        {{.access = HISTORY_TAIL},
         "[[1,1,\"a = 1\"],[1,2,\"b = 2\"],[1,3,\"a = 1\"],[2,1,\"import c\"],[2,2,\"a = 1\"],"
         "[2,3,\"d\"],[3,1,\"now\"]]"},
        {{.access = HISTORY_TAIL, .n = 2}, "[[2,3,\"d\"],[3,1,\"now\"]]"},
        {{.access = HISTORY_TAIL, .n = 1, .output = true}, "[[3,1,[\"now\",null]]]"},
        {{.access = HISTORY_TAIL, .n = 5, .unique = true},
         "[[1,3,\"a = 1\"],[2,1,\"import c\"],[2,2,\"a = 1\"],[2,3,\"d\"],[3,1,\"now\"]]"},
        {{.access = HISTORY_RANGE}, "[[0,1,\"now\"]]"},
        {{.access = HISTORY_RANGE, .session = 1, .start = 2}, "[[1,2,\"b = 2\"],[1,3,\"a = 1\"]]"},
        {{.access = HISTORY_RANGE, .session = 1, .start = 1, .stop = 2}, "[[1,1,\"a = 1\"]]"},
        {{.access = HISTORY_RANGE, .session = -1, .start = 3}, "[[2,3,\"d\"]]"},
        {{.access = HISTORY_RANGE, .session = -2, .stop = 2}, "[[1,1,\"a = 1\"]]"},
        {{.access = HISTORY_RANGE, .session = -9}, "[]"},
        {{.access = HISTORY_RANGE, .session = 9}, "[]"},
        {{.access = HISTORY_RANGE, .session = INT64_MIN}, "[]"},
        {{.access = HISTORY_RANGE, .session = 1, .start = 3, .stop = 1}, "[]"},
        {{.access = HISTORY_SEARCH, .pattern = "a*"},
         "[[1,1,\"a = 1\"],[1,3,\"a = 1\"],[2,2,\"a = 1\"]]"},
        {{.access = HISTORY_SEARCH, .pattern = "? = ?", .n = 2},
         "[[1,3,\"a = 1\"],[2,2,\"a = 1\"]]"},
        {{.access = HISTORY_SEARCH, .pattern = "? = ?", .unique = true},
         "[[1,2,\"b = 2\"],[2,2,\"a = 1\"]]"},
        {{.access = HISTORY_SEARCH, .pattern = "? = ?", .unique = true, .n = 1},
         "[[2,2,\"a = 1\"]]"},
        {{.access = HISTORY_SEARCH, .pattern = "d", .output = true}, "[[2,3,[\"d\",null]]]"},
        {{.access = HISTORY_SEARCH, .pattern = "D"}, "[]"},
        {{.access = HISTORY_SEARCH, .pattern = "' OR 1 --"}, "[]"},
    };
    const struct home *home = *state;
    write_session(home->path, first);
    write_session(home->path, second);
    struct history *history = history_open(home->path);
    history_append(history, 1, "now");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect(history, cases[i].query, cases[i].rows);
    history_close(history);
}

/* A console asks for what was typed before anything is typed: the last session is -1 already. */
static void test_before_the_first_input(void **state)
{
    const struct home *home = *state;
    write_session(home->path, first);
    struct history *history = history_open(home->path);
    expect(history, (struct history_query){.access = HISTORY_TAIL, .n = 1}, "[[1,3,\"a = 1\"]]");
    expect(history, (struct history_query){.access = HISTORY_RANGE}, "[]");
    expect(history, (struct history_query){.access = HISTORY_RANGE, .session = -1, .start = 3},
           "[[1,3,\"a = 1\"]]");
    history_close(history);
}

static void test_two_at_once(void **state)
{
    const struct home *home = *state;
    struct history *one = history_open(home->path);
    struct history *other = history_open(home->path);
    history_append(one, 1, "one");
    history_append(other, 1, "other");
    history_append(one, 2, "one again");
    struct history *const both[] = {one, other};
    for (int i = 0; i < 2; i++) {
        expect(both[i], (struct history_query){.access = HISTORY_TAIL},
               "[[1,1,\"one\"],[1,2,\"one again\"],[2,1,\"other\"]]");
        history_close(both[i]);
    }
}

static void test_text(void **state)
{
    static const char *const inputs[] = {"", "\u00e9 \U0001F600", "a\nb\tc", "\"quoted\" \\", NULL};
    const struct home *home = *state;
    write_session(home->path, inputs);
    struct history *history = history_open(home->path);
    AUTO_JSON json_t *rows = history_find(history, &(struct history_query){.access = HISTORY_TAIL});
    assert_int_equal(json_array_size(rows), ARRAY_SIZE(inputs) - 1);
    for (size_t i = 0; inputs[i] != NULL; i++)
        assert_string_equal(json_string_value(json_array_get(json_array_get(rows, i), 2)),
                            inputs[i]);
    history_close(history);
}

/* Cut, and never in the middle of a character. */
static void test_long_input(void **state)
{
    const struct home *home = *state;
    size_t size = HISTORY_ENTRY_MAX + 3;
    AUTO_FREE char *input = xcalloc(1, size + 1);
    memset(input, 'a', size);
    memcpy(input + HISTORY_ENTRY_MAX - 1, "\U0001F600", 4);
    struct history *history = history_open(home->path);
    history_append(history, 1, input);
    AUTO_JSON json_t *rows = history_find(history, &(struct history_query){.access = HISTORY_TAIL});
    const json_t *text = json_array_get(json_array_get(rows, 0), 2);
    assert_true(json_string_length(text) < size);
    assert_memory_equal(json_string_value(text), input, HISTORY_ENTRY_MAX - 1);
    history_close(history);
}

static void expect_works(const char *path)
{
    struct history *history = history_open(path);
    append_all(history, second);
    expect(history, (struct history_query){.access = HISTORY_RANGE, .start = 3}, "[[0,3,\"d\"]]");
    history_close(history);
}

static void expect_text(const char *path, const char *text)
{
    AUTO_BUF struct buf buf = BUF_INIT;
    assert_int_equal(file_read(path, FILE_SMALL_MAX, &buf, NULL), 0);
    assert_string_equal(buf.data, text);
}

static void test_corrupt_file(void **state)
{
    static const char text[] = "This is no database, and somebody may want it still.";
    const struct home *home = *state;
    assert_int_equal(file_write(home->path, text, strlen(text), 0600, NULL), 0);
    expect_works(home->path);
    expect_text(home->path, text);
}

/* The first page is whole, what follows is not. */
static void test_damaged_file(void **state)
{
    const struct home *home = *state;
    char garbage[4096];
    memset(garbage, 0xa5, sizeof garbage);
    write_session(home->path, first);
    AUTO_CLOSE int fd = open(home->path, O_WRONLY | O_CLOEXEC);
    for (int page = 1; page < 8; page++)
        assert_int_equal(pwrite(fd, garbage, sizeof garbage, page * (off_t)sizeof garbage),
                         sizeof garbage);
    struct history *history = history_open(home->path);
    append_all(history, second);
    AUTO_JSON json_t *rows = history_find(history, &(struct history_query){.access = HISTORY_TAIL});
    assert_true(json_is_array(rows));
    history_close(history);
}

/* A schema of a later version is not ours to change. */
static void test_later_version(void **state)
{
    const struct home *home = *state;
    write_session(home->path, first);
    AUTO_CLOSE int fd = open(home->path, O_RDWR | O_CLOEXEC);
    static const unsigned char version[] = {0, 0, 0, 99};
    assert_int_equal(pwrite(fd, version, sizeof version, 60), sizeof version);
    expect_works(home->path);
    unsigned char after[4];
    assert_int_equal(pread(fd, after, sizeof after, 60), sizeof after);
    assert_memory_equal(after, version, sizeof version);
}

static void test_read_only_file(void **state)
{
    const struct home *home = *state;
    write_session(home->path, first);
    assert_int_equal(chmod(home->path, 0400), 0);
    assert_int_equal(chmod(home->dir, 0500), 0);
    expect_works(home->path);
    assert_int_equal(chmod(home->dir, 0700), 0);
}

static void test_no_place_for_a_file(void **state)
{
    const struct home *home = *state;
    AUTO_FREE char *below_file = file_join(home->path, "history.db");
    assert_int_equal(file_write(home->path, "x", 1, 0600, NULL), 0);
    expect_works(below_file);
    expect_works("/proc/none/history.db");
    expect_works(home->dir);
    expect_works(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_queries),        TEST(test_before_the_first_input),
        TEST(test_two_at_once),    TEST(test_text),
        TEST(test_long_input),     TEST(test_corrupt_file),
        TEST(test_damaged_file),   TEST(test_later_version),
        TEST(test_read_only_file), TEST(test_no_place_for_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
