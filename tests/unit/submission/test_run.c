/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs on disk: the table of states, what several kernels do at once, what crashes leave behind. */
#include "submission/run.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/unit.h"
#include "tests/unit/submission/home.h"

static struct run *make_run(const char *home, const char *id)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *intent = home_intent(id, "exp", "local");
    struct run *run = NULL;
    if (run_create(home, intent, &run, &err) != 0)
        fail_msg("%s", err.text);
    return run;
}

static void append_bytes(const struct run *run, const char *text)
{
    AUTO_FREE char *path = run_path(run, "events.jsonl");
    assert_int_equal(file_append(path, text, strlen(text), NULL), 0);
}

/* --- states ------------------------------------------------------------------------------- */

/* The whole matrix, as docs/runs.md shows it: rows from, columns to, in the order of the enum
 * (NotStarted Preparing Provisioning Queued Starting Running Finalizing CancelRequested Completed
 * Failed Canceled NotResponding). */
static const char *const matrix[RUN_STATE_COUNT] = {
    ".xxxx..x.xx.", /* NotStarted */
    "..xxxx.x.xx.", /* Preparing */
    ".x.xxx.x.xx.", /* Provisioning */
    ".xx.xx.x.xx.", /* Queued */
    ".xxx.x.x.xxx", /* Starting */
    "......xxxxxx", /* Running */
    "........xxx.", /* Finalizing */
    "......x.xxxx", /* CancelRequested */
    "............", /* Completed */
    "............", /* Failed */
    "............", /* Canceled */
    ".....xxxxxx.", /* NotResponding */
};

static void follows_the_table(void **state)
{
    (void)state;
    for (int from = 0; from < RUN_STATE_COUNT; from++)
        for (int to = 0; to < RUN_STATE_COUNT; to++)
            if (run_state_may_follow((enum run_state)from, (enum run_state)to) !=
                (matrix[from][to] == 'x'))
                fail_msg("%s -> %s", run_state_name((enum run_state)from),
                         run_state_name((enum run_state)to));
    for (int s = 0; s < RUN_STATE_COUNT; s++) {
        enum run_state each = (enum run_state)s;
        bool final = each == RUN_COMPLETED || each == RUN_FAILED || each == RUN_CANCELED;
        assert_int_equal(run_state_parse(run_state_name(each)), s);
        assert_int_equal(run_state_is_final(each), final);
    }
    assert_int_equal(run_state_parse("Paused"), -1);
}

/* Every live state leads to an end, whatever happens. */
static void always_can_end(void **state)
{
    (void)state;
    for (int s = 0; s < RUN_STATE_COUNT; s++)
        if (!run_state_is_final((enum run_state)s)) {
            assert_true(run_state_may_follow((enum run_state)s, RUN_FAILED));
            assert_true(run_state_may_follow((enum run_state)s, RUN_CANCELED));
        }
}

static void makes_ids(void **state)
{
    (void)state;
    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    for (int i = 0; i < 200; i++) {
        AUTO_FREE char *id = run_new_id();
        char first[33], second[33], tail[33];
        assert_int_equal(sscanf(id, "%32[a-z]_%32[a-z]_%32[a-z0-9]", first, second, tail), 3);
        assert_int_equal(strlen(tail), 10);
        assert_int_equal(strlen(first) + strlen(second) + 12, strlen(id));
        assert_true(run_id_is_valid(id));
        assert_false(strlist_has(&ids, id));
        strlist_add(&ids, id);
    }
    static const char *const bad[] = {"", ".", "..", ".new", "a/b", "../x", "a b", "\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(run_id_is_valid(bad[i]));
}

/* --- a run's life ------------------------------------------------------------------------- */

static void creates_and_loads(void **state)
{
    const char *home = *state;
    static const char *const expected[] = {"run.json", "events.jsonl", "code",
                                           "outputs",  "logs",         "user_logs"};
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(run) struct run *run = make_run(home, "calm_sail_0000000001");
    for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
        AUTO_FREE char *path = run_path(run, expected[i]);
        assert_true(file_exists(path));
    }
    assert_int_equal(run->state, RUN_NOT_STARTED);
    assert_true(run->created_us > 0 && run->changed_us >= run->created_us);

    AUTO_JSON json_t *again = home_intent("calm_sail_0000000001", "exp", "local");
    struct run *none = NULL;
    assert_int_equal(run_create(home, again, &none, &err), -1);
    assert_int_equal(err.code, ERROR_EXISTS);
    assert_int_equal(run_load(home, "calm_sail_0000000002", &none, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(run_load(home, "../runs", &none, &err), -1);
    assert_null(none);

    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    assert_int_equal(run_list_ids(home, &ids, &err), 0);
    assert_int_equal(ids.count, 1);
}

static void advances_and_remembers(void **state)
{
    const char *home = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(run) struct run *run = make_run(home, "a");
    AUTO(run) struct run *other = NULL;
    assert_int_equal(run_load(home, "a", &other, &err), 0);
    assert_int_equal(run_advance(run, RUN_STARTING, NULL, &err), 1);
    assert_int_equal(run_advance(run, RUN_STARTING, NULL, &err), 0);
    assert_int_equal(run_advance(run, RUN_RUNNING, NULL, &err), 1);
    int64_t started = run->started_us;
    assert_true(started > 0);
    assert_int_equal(run_remark(run, "a remark", &err), 0);
    /* the other kernel has seen none of this, and learns it first */
    assert_int_equal(run_advance(other, RUN_STARTING, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID);
    assert_int_equal(other->state, RUN_RUNNING);
    assert_int_equal(run_advance(other, RUN_FAILED, "exited with status 3", &err), 1);
    assert_int_equal(run_refresh(run, &err), 0);
    assert_int_equal(run->state, RUN_FAILED);
    assert_string_equal(run->reason, "exited with status 3");
    assert_true(run->started_us == started && run->ended_us >= started);
    assert_int_equal(run_advance(run, RUN_RUNNING, NULL, &err), -1);

    AUTO_JSON json_t *events = run_events(run, &err);
    assert_int_equal(json_array_size(events), 5);
    assert_string_equal(json_get_string(json_array_get(events, 3), "note", ""), "a remark");
    assert_string_equal(json_get_string(json_array_get(events, 4), "state", ""), "Failed");
    assert_true(json_get_time(json_array_get(events, 4), "time") == run->ended_us);
}

static void repairs_a_torn_line(void **state)
{
    const char *home = *state;
    static const char *const torn[] = {"{\"time\":\"2026", "{\"state\":\"Completed\"}", "x"};
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(run) struct run *run = make_run(home, "a");
    for (size_t i = 0; i < ARRAY_SIZE(torn); i++) {
        append_bytes(run, torn[i]);
        AUTO(run) struct run *fresh = NULL;
        assert_int_equal(run_load(home, "a", &fresh, &err), 0);
        assert_false(run_state_is_final(fresh->state)); /* it never happened */
        assert_int_equal(run_advance(fresh, i % 2 ? RUN_QUEUED : RUN_PREPARING, NULL, &err), 1);
    }
    assert_int_equal(run_refresh(run, &err), 0);
    AUTO_JSON json_t *events = run_events(run, &err);
    assert_int_equal(json_array_size(events), 1 + ARRAY_SIZE(torn));
}

static void names_what_is_corrupt(void **state)
{
    const char *home = *state;
    static const char *const lines[] = {"no json\n", "[1]\n", "{\"state\":\"Dancing\"}\n"};
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_FREE char *id = xasprintf("run%zu", i);
        AUTO(run) struct run *run = make_run(home, id);
        struct run *none = NULL;
        append_bytes(run, lines[i]);
        assert_int_equal(run_load(home, id, &none, &err), -1);
        assert_int_equal(err.code, ERROR_CORRUPT);
        assert_non_null(strstr(err.text, "events.jsonl"));
    }
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(run) struct run *run = make_run(home, "b");
    struct run *none = NULL;
    AUTO_FREE char *path = run_path(run, "run.json");
    assert_int_equal(file_write(path, "{", 1, 0644, NULL), 0);
    assert_int_equal(run_load(home, "b", &none, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_non_null(strstr(err.text, "run.json"));
}

/* --- several kernels ---------------------------------------------------------------------- */

#define MOVES 50

static int move_about(const char *home, int index)
{
    static const enum run_state states[] = {RUN_PREPARING, RUN_QUEUED, RUN_PROVISIONING};
    AUTO(run) struct run *run = NULL;
    if (run_load(home, "a", &run, NULL) != 0)
        return 1;
    for (int i = 0; i < MOVES; i++)
        if (run_advance(run, states[(i + index) % 3], NULL, NULL) < 0 ||
            run_remark(run, "here", NULL) != 0)
            return 2;
    return 0;
}

/* Nobody's event is lost, and each state may follow the one before it. */
static void takes_turns(void **state)
{
    const char *home = *state;
    AUTO(run) struct run *run = make_run(home, "a");
    AUTO_ERROR struct error err = ERROR_INIT;
    home_act_together(home, move_about);
    AUTO_JSON json_t *events = run_events(run, &err);
    assert_non_null(events);
    int before = -1;
    int remarks = 0;
    size_t i;
    json_t *event;
    json_array_foreach (events, i, event) {
        const char *name = json_get_string(event, "state", NULL);
        remarks += name == NULL;
        if (name == NULL)
            continue;
        int now = run_state_parse(name);
        assert_true(before < 0 ||
                    run_state_may_follow((enum run_state)before, (enum run_state)now));
        before = now;
    }
    assert_int_equal(remarks, MOVES * PROCESSES);
    assert_int_equal(run_refresh(run, &err), 0);
    assert_int_equal(run->state, before);
}

/* --- crashes ------------------------------------------------------------------------------ */

static void removes_old_leftovers(void **state)
{
    const char *home = *state;
    AUTO_FREE char *left = file_join(home, "runs/.new/dead");
    AUTO_STRLIST struct strlist ids = STRLIST_INIT;
    assert_int_equal(file_make_dirs(left, NULL), 0);
    run_remove_leftovers(home);
    assert_true(file_exists(left)); /* somebody may be filling it */
    clock_set_for_test(clock_now() + 2 * 3600 * 1000000ll);
    run_remove_leftovers(home);
    assert_false(file_exists(left));
    assert_int_equal(run_list_ids(home, &ids, NULL), 0);
    assert_int_equal(ids.count, 0);
}

#ifdef SKIFF_FAILPOINTS
/* Kills a process at each place of a creation and of a change: what is left is nothing or whole. */
static void survives_being_killed(void **state)
{
    const char *home = *state;
    static const char *const places[] = {"run.create.folders", "run.create.intent",
                                         "run.events.written", "run.create.filled",
                                         "run.create.renamed", "run.advance.locked"};
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        AUTO_FREE char *id = xasprintf("run%zu", i);
        AUTO(run) struct run *run = NULL;
        pid_t child = fork();
        if (child == 0) {
            setenv("SKIFF_FAIL_AT", places[i], 1);
            AUTO(run) struct run *doomed = make_run(home, id);
            run_advance(doomed, RUN_PREPARING, NULL, NULL);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        AUTO_ERROR struct error err = ERROR_INIT;
        int loaded = run_load(home, id, &run, &err);
        assert_int_equal(loaded, i < 4 ? -1 : 0);
        if (loaded != 0)
            assert_int_equal(err.code, ERROR_NOT_FOUND);
        else
            assert_int_equal(run_advance(run, RUN_PREPARING, NULL, &err), 1);
    }
}
#endif

/* --- outputs ------------------------------------------------------------------------------ */

static void put(const struct run *run, const char *name)
{
    AUTO_FREE char *path = run_path(run, name);
    assert_int_equal(file_write(path, "12345", 5, 0644, NULL), 0);
}

static void lists_outputs(void **state)
{
    const char *home = *state;
    AUTO(run) struct run *run = make_run(home, "a");
    AUTO_FREE char *dir = run_path(run, "outputs/a/b");
    AUTO_FREE char *out = run_path(run, "outputs/out");
    AUTO_FREE char *self = run_path(run, "outputs/a/self");
    AUTO_FREE char *fifo = run_path(run, "outputs/fifo");
    assert_int_equal(file_make_dirs(dir, NULL), 0);
    put(run, "outputs/a.txt");
    put(run, "outputs/a/b/model.pt");
    put(run, "outputs/a/odd\xff");
    assert_int_equal(symlink("/etc", out), 0);
    assert_int_equal(symlink(".", self), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    AUTO_JSON json_t *files = run_outputs(run, 10);
    assert_int_equal(json_array_size(files), 3);
    assert_string_equal(json_get_string(json_array_get(files, 0), "path", ""), "a.txt");
    assert_string_equal(json_get_string(json_array_get(files, 1), "path", ""), "a/b/model.pt");
    assert_string_equal(json_get_string(json_array_get(files, 2), "path", ""), "a/odd\xef\xbf\xbd");
    assert_int_equal(json_get_int(json_array_get(files, 0), "size", 0), 5);
    assert_true(json_get_time(json_array_get(files, 0), "mtime") > 0);
    AUTO_JSON json_t *few = run_outputs(run, 1);
    assert_int_equal(json_array_size(few), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(follows_the_table),
        UNIT(always_can_end),
        UNIT(makes_ids),
        UNIT_HOME(creates_and_loads),
        UNIT_HOME(advances_and_remembers),
        UNIT_HOME(repairs_a_torn_line),
        UNIT_HOME(names_what_is_corrupt),
        UNIT_HOME(takes_turns),
        UNIT_HOME(removes_old_leftovers),
#ifdef SKIFF_FAILPOINTS
        UNIT_HOME(survives_being_killed),
#endif
        UNIT_HOME(lists_outputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
