/* SPDX-License-Identifier: BSD-3-Clause */
/* The runner as a program: how it stops a script, and that it starts it once, whatever is killed or full. */
#include <errno.h>
#include <sys/file.h>

#include "tests/integration/runner_start.h"

#define STARTED_BEFORE 73

/* --- stopping --------------------------------------------------------------------------------- */

static void cancels_with_term_first(void **state)
{
    assert_int_equal(
        start_sh(*state, NULL, "trap 'echo stopping; exit 7' TERM; sleep 1000 & echo ready; wait"),
        0);
    wait_for_text(*state, LOG, "ready\n");
    cancel(*state);
    AUTO_JSON json_t *status = finished(*state);
    assert_text(*state, LOG, "ready\nstopping\n");
    assert_int_equal(json_get_int(status, "exit_code", -1), 7);
    assert_true(json_get_bool(status, "cancelled", false));
    assert_false(json_get_bool(status, "timed_out", true));
}

static void cancels_what_is_stopped(void **state)
{
    assert_int_equal(start_sh(*state, NULL, "trap 'exit 7' TERM; echo ready; kill -STOP $$; wait"),
                     0);
    wait_for_text(*state, LOG, "ready\n");
    cancel(*state);
    AUTO_JSON json_t *status = finished(*state);
    assert_int_equal(json_get_int(status, "exit_code", -1), 7);
}

static void kills_what_ignores_term(void **state)
{
    const char *const options[] = {"--grace=0", NULL};
    assert_int_equal(
        start_sh(*state, options, "trap '' TERM; echo ready; while :; do sleep 9; done"), 0);
    wait_for_text(*state, LOG, "ready\n");
    cancel(*state);
    AUTO_JSON json_t *status = finished(*state);
    assert_int_equal(json_get_int(status, "signal", 0), SIGKILL);
    assert_true(json_get_bool(status, "cancelled", false));
    assert_false(json_get_bool(status, "oom", true));
}

static void nothing_escapes_a_cancel(void **state)
{
    /* Two forks, a session of its own, TERM ignored, and output closed. */
    const char *const options[] = {"--grace=0", NULL};
    assert_int_equal(start_sh(*state, options,
                              "(setsid sh -c 'trap \"\" TERM; echo escapee $$; exec >&- 2>&-;"
                              " while :; do sleep 9; done' &); sleep 1000"),
                     0);
    wait_for_text(*state, LOG, "escapee");
    wait_for_text(*state, LOG, "\n");
    pid_t escapee = number_after(*state, LOG, "escapee ");
    assert_true(is_alive(escapee));
    cancel(*state);
    AUTO_JSON json_t *status = finished(*state);
    assert_false(is_alive(escapee));
}

static void beats_processes_that_never_stand_still(void **state)
{
    /* A few processes that fork and exit thousands of times a second, TERM ignored. They give up
     * by themselves when the test would have failed anyway. */
    const char *const options[] = {"--grace=0", NULL};
    const char *const argv[] = {
        "perl", "-e",
        "$| = 1; $SIG{TERM} = 'IGNORE'; $end = time + 60;"
        "for (1..4) { unless (fork) { while (time < $end) { exit if fork } exit } }"
        "print \"ready\\n\"; sleep 1000",
        NULL};
    assert_int_equal(start_with(*state, &(struct how){.options = options}, argv), 0);
    wait_for_text(*state, LOG, "ready\n");
    cancel(*state);
    AUTO_JSON json_t *status = finished(*state); /* it ends only when nobody is left */
    assert_int_equal(json_get_int(status, "signal", 0), SIGKILL);
    assert_true(json_get_bool(status, "cancelled", false));
}

static void stops_at_the_time_limit(void **state)
{
    const char *const options[] = {"--timeout=1", NULL};
    assert_int_equal(start_sh(*state, options, "echo ready; exec sleep 1000"), 0);
    AUTO_JSON json_t *status = finished(*state);
    assert_int_equal(json_get_int(status, "signal", 0), SIGTERM);
    assert_true(json_get_bool(status, "timed_out", false));
    assert_false(json_get_bool(status, "cancelled", true));
}

static void cleans_up_behind_the_script(void **state)
{
    AUTO_FREE char *cwd = xasprintf("--cwd=%s", (char *)*state);
    const char *const options[] = {cwd, NULL};
    assert_int_equal(start_sh(*state, options,
                              "(trap 'echo bye; exit' TERM; sleep 1000 & echo ready; wait) &"
                              " (setsid sh -c 'trap \"\" TERM; echo left $$; exec sleep 1000' &);"
                              " while [ $(wc -l < " LOG ") -lt 2 ]; do sleep 0.01; done; exit 4"),
                     0);
    AUTO_JSON json_t *status = finished(*state);
    pid_t left = number_after(*state, LOG, "left ");
    assert_false(is_alive(left));
    AUTO_FREE char *log = read_text(*state, LOG, NULL);
    assert_non_null(strstr(log, "bye\n"));
    assert_int_equal(json_get_int(status, "exit_code", -1), 4);
    assert_false(json_get_bool(status, "cancelled", true));
}

/* --- once, and in spite of everything --------------------------------------------------------- */

static void never_starts_twice(void **state)
{
    static const struct how how = {.errors = true};
    const char *const again[] = {"sh", "-c", "echo twice", NULL};
    assert_int_equal(start_sh(*state, NULL, "echo once; sleep 1000 & wait"), 0);
    wait_for_text(*state, LOG, "once\n");
    assert_int_equal(start_with(*state, &how, again), STARTED_BEFORE); /* while it runs */
    AUTO_FREE char *errors = read_text(*state, "errors", NULL);
    assert_non_null(strstr(errors, "already started"));
    cancel(*state);
    AUTO_JSON json_t *status = finished(*state);
    assert_int_equal(start_with(*state, &how, again), STARTED_BEFORE); /* when it has ended */
    assert_text(*state, LOG, "once\n");
}

static void refuses_while_another_is_starting(void **state)
{
    AUTO_FREE char *path = file_join(*state, "runner.lock");
    AUTO_CLOSE int lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(start_sh(*state, NULL, "echo never"), STARTED_BEFORE);
    assert_int_equal(flock(lock, LOCK_UN), 0);
    assert_int_equal(start_sh(*state, NULL, "echo once"), 0);
    AUTO_JSON json_t *status = finished(*state);
    assert_text(*state, LOG, "once\n");
}

/* The runner built so that it can be stopped at a named place; made once. */
static const char *failpoint_runner(void)
{
    static char path[4096];
    if (path[0] != '\0')
        return path;
    snprintf(path, sizeof path, "%s/tests/skiff-runner-failpoints", build_dir());
    AUTO_FREE char *command =
        xasprintf("cc -std=c17 -D_GNU_SOURCE -DSKIFF_FAILPOINTS -I. -o '%s' runner/*.c", path);
    assert_int_equal(system(command), 0);
    return path;
}

/* Starts a script that counts its starts in the file `ran`; the runner stops at `point`. Returns
 * the first process; *ret_runner is the one that stopped. */
static pid_t start_to(const char *dir, const char *point, pid_t *ret_runner)
{
    AUTO_FREE char *fail_at = xasprintf("SKIFF_FAIL_AT=%s", point);
    AUTO_FREE char *cwd = xasprintf("--cwd=%s", dir);
    const char *const env[] = {plain_env[0], fail_at, NULL};
    const char *const options[] = {cwd, NULL};
    const char *const argv[] = {"sh", "-c", "echo ran >> ran; env | grep SKIFF", NULL};
    pid_t first = spawn(
        dir, &(struct how){.options = options, .env = env, .program = failpoint_runner()}, argv);
    /* Looked at again and again: a process that stops before it becomes our child, because the one in
     * between has not exited yet, wakes nobody who waits. */
    int status = 0;
    *ret_runner = 0;
    for (int i = 0; i < EVENT_MS / 10 && !(*ret_runner > 0 && WIFSTOPPED(status)); i++) {
        *ret_runner = waitpid(-1, &status, WUNTRACED | WNOHANG);
        assert_true(*ret_runner >= 0);
        if (*ret_runner == 0)
            poll(NULL, 0, 10);
    }
    assert_true(*ret_runner > 0 && WIFSTOPPED(status));
    return first;
}

static void survives_the_death_of_its_parent(void **state)
{
    static const char *const points[] = {"detached", "forked", "recorded", "released", "ended"};
    for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
        AUTO_FREE char *dir = file_join(*state, points[i]);
        mkdir(dir, 0755);
        pid_t runner;
        pid_t first = start_to(dir, points[i], &runner);
        kill(first, SIGKILL);
        waitpid(first, NULL, 0);
        kill(runner, SIGCONT);
        wait_status(runner);
        AUTO_JSON json_t *status = read_status(dir);
        assert_string_equal(json_get_string(status, "state", ""), "exited");
        assert_text(dir, "ran", "ran\n");
        assert_text(dir, LOG, ""); /* the script does not see the failure point */
    }
}

static void runs_at_most_once_when_the_runner_is_killed(void **state)
{
    static const struct {
        const char *point;
        bool recorded; /* then it counts as started, and is never started again */
    } cases[] = {{"locked", false},  {"detached", false}, {"forked", false},
                 {"recorded", true}, {"released", true},  {"ended", true}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *dir = file_join(*state, cases[i].point);
        mkdir(dir, 0755);
        pid_t runner;
        pid_t first = start_to(dir, cases[i].point, &runner);
        kill(runner, SIGKILL);
        waitpid(runner, NULL, 0);
        if (first != runner)
            waitpid(first, NULL, 0);
        if (cases[i].recorded)
            wait_gone(pid_in(dir, "script"));
        AUTO_FREE char *cwd = xasprintf("--cwd=%s", dir);
        const char *const options[] = {cwd, NULL};
        int again = start_sh(dir, options, "echo ran >> ran");
        AUTO_FREE char *ran = read_text(dir, "ran", NULL);
        assert_int_equal(again, cases[i].recorded ? STARTED_BEFORE : 0);
        if (!cases[i].recorded) {
            AUTO_JSON json_t *status = finished(dir);
            assert_text(dir, "ran", "ran\n");
        } else {
            assert_true(strlen(ran) <= strlen("ran\n"));
        }
    }
}

static void tells_that_it_was_killed_while_starting(void **state)
{
    pid_t runner;
    pid_t first = start_to(*state, "forked", &runner);
    kill(runner, SIGKILL);
    waitpid(runner, NULL, 0);
    assert_int_equal(wait_status(first), 71);
}

static void the_script_dies_with_the_runner(void **state)
{
    assert_int_equal(start_sh(*state, NULL, "echo ready; exec sleep 1000"), 0);
    wait_for_text(*state, LOG, "ready\n");
    pid_t runner = pid_in(*state, "runner");
    pid_t script = pid_in(*state, "script");
    kill(runner, SIGKILL);
    wait_status(runner);
    wait_gone(script);
    AUTO_JSON json_t *status = read_status(*state);
    assert_string_equal(json_get_string(status, "state", ""), "running");
}

/* --- full disks ------------------------------------------------------------------------------- */

static void mount_small(const char *dir, const char *options)
{
    if (mount("none", dir, "tmpfs", 0, options) != 0)
        fail_msg("cannot mount a small file system: %s", strerror(errno));
}

static void waits_for_disk_space(void **state)
{
    mount_small(*state, "size=2m");
    assert_int_equal(start_sh(*state, NULL, "seq 1000000"), 0); /* 6.9 MB */
    wait_for_text(*state, "status.json", "\"waiting_for_disk\":true");
    assert_true(is_alive(pid_in(*state, "script")));
    assert_int_equal(mount("none", *state, "tmpfs", MS_REMOUNT, "size=32m"), 0);
    AUTO_JSON json_t *status = finished(*state);
    AUTO_BUF struct buf expected = BUF_INIT;
    for (int i = 1; i <= 1000000; i++)
        buf_printf(&expected, "%d\n", i);
    size_t size;
    AUTO_FREE char *log = read_text(*state, LOG, &size);
    assert_int_equal(size, expected.size);
    assert_memory_equal(log, expected.data, size);
    assert_false(json_get_bool(status, "waiting_for_disk", true));
    assert_int_equal(json_get_int(status, "exit_code", -1), 0);
}

static void cancels_on_a_full_disk(void **state)
{
    mount_small(*state, "size=2m");
    assert_int_equal(start_sh(*state, NULL, "exec seq 1000000"), 0);
    wait_for_text(*state, "status.json", "\"waiting_for_disk\":true");
    cancel(*state);
    AUTO_JSON json_t *status = finished(*state); /* nobody made room: the reserve was used */
    assert_true(json_get_bool(status, "cancelled", false));
    size_t size;
    AUTO_FREE char *log = read_text(*state, LOG, &size);
    assert_int_equal(json_get_int(status, "log_size", 0), size);
    AUTO_BUF struct buf expected = BUF_INIT;
    for (int i = 1; expected.size < size; i++)
        buf_printf(&expected, "%d\n", i);
    assert_memory_equal(log, expected.data, size);
}

static void ends_on_a_full_disk(void **state)
{
    /* The script fills the disk itself and then writes what fits into the pipe and no more. */
    mount_small(*state, "size=2m");
    AUTO_FREE char *cwd = xasprintf("--cwd=%s", (char *)*state);
    const char *const options[] = {cwd, NULL};
    assert_int_equal(
        start_sh(*state, options, "cat /dev/zero > filler 2>/dev/null; seq 30000; exit 6"), 0);
    AUTO_JSON json_t *status = finished(*state);
    AUTO_BUF struct buf expected = BUF_INIT;
    for (int i = 1; i <= 30000; i++)
        buf_printf(&expected, "%d\n", i);
    size_t size;
    AUTO_FREE char *log = read_text(*state, LOG, &size);
    assert_int_equal(size, expected.size);
    assert_memory_equal(log, expected.data, size);
    assert_int_equal(json_get_int(status, "exit_code", -1), 6);
}

static void does_not_start_on_a_full_disk(void **state)
{
    static const struct how how = {.errors = false};
    mount_small(*state, "size=128k");
    assert_int_equal(start_with(*state, &how, (const char *const[]){"true", NULL}), 71);
    AUTO_FREE char *status = file_join(*state, "status.json");
    AUTO_FREE char *reserve = file_join(*state, "runner.reserve");
    assert_false(file_exists(status));
    assert_false(file_exists(reserve));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(cancels_with_term_first),
        RUN(cancels_what_is_stopped),
        RUN(kills_what_ignores_term),
        RUN(nothing_escapes_a_cancel),
        RUN(beats_processes_that_never_stand_still),
        RUN(stops_at_the_time_limit),
        RUN(cleans_up_behind_the_script),
        RUN(never_starts_twice),
        RUN(refuses_while_another_is_starting),
        RUN(survives_the_death_of_its_parent),
        RUN(runs_at_most_once_when_the_runner_is_killed),
        RUN(tells_that_it_was_killed_while_starting),
        RUN(the_script_dies_with_the_runner),
        RUN(waits_for_disk_space),
        RUN(cancels_on_a_full_disk),
        RUN(ends_on_a_full_disk),
        RUN(does_not_start_on_a_full_disk),
    };
    fixture_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
