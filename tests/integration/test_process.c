/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * submission/process.h against the real runner: starting, reading, watching and cancelling on a uv
 * loop that must be empty at the end of every test.
 */
#include "submission/process.h"

#include <signal.h>

#include "tests/integration/runner_fixture.h"

#define LOG "user_logs/std_log.txt"

struct fixture {
    uv_loop_t loop;
    uv_timer_t bound;
    char *dir;
    int started;
    int changed;
    int ended;
    enum error_code code; /* of the start */
    char *text;
    struct process_watch *watch;
    const char *until; /* the log must hold it before the loop stops */
};

static int setup(void **state)
{
    struct fixture *f = xcalloc(1, sizeof *f);
    fixture_setup((void **)&f->dir);
    AUTO_FREE char *logs = file_join(f->dir, "user_logs");
    mkdir(logs, 0755);
    uv_loop_init(&f->loop);
    uv_timer_init(&f->loop, &f->bound);
    f->bound.data = f;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    process_cancel(f->dir, NULL);
    process_watch_close(f->watch);
    uv_close((uv_handle_t *)&f->bound, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0); /* nothing of ours is left in it */
    fixture_teardown((void **)&f->dir);
    free(f->text);
    free(f);
    return 0;
}

static void on_too_long(uv_timer_t *timer)
{
    (void)timer;
    fail_msg("nothing happened for %d ms", EVENT_MS);
}

/* Runs the loop until a callback stops it. */
static void run(struct fixture *f)
{
    uv_timer_start(&f->bound, on_too_long, EVENT_MS, 0);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    uv_timer_stop(&f->bound);
}

static void on_started(const struct error *err, void *data)
{
    struct fixture *f = data;
    f->started++;
    f->code = err != NULL ? err->code : ERROR_NONE;
    replace(&f->text, xstrdup_or_null(err != NULL ? err->text : NULL));
    uv_stop(&f->loop);
}

static void on_changed(void *data)
{
    struct fixture *f = data;
    f->changed++;
    AUTO_FREE char *log = read_text(f->dir, LOG, NULL);
    if (f->until != NULL && strstr(log, f->until) != NULL)
        uv_stop(&f->loop);
}

static void on_ended(void *data)
{
    struct fixture *f = data;
    f->ended++;
    uv_stop(&f->loop);
}

static const struct process_callbacks callbacks = {.changed = on_changed, .ended = on_ended};

static void start_id(struct fixture *f, const char *text, const char *id, char *const *envp)
{
    char *const plain[] = {(char[]){"PATH=/usr/local/bin:/usr/bin:/bin"}, NULL};
    AUTO_FREE char *copy = xstrdup(text);
    char *const argv[] = {(char[]){"sh"}, (char[]){"-c"}, copy, NULL};
    struct process_spec spec = {.dir = f->dir,
                                .id = id,
                                .cwd = f->dir,
                                .log = LOG,
                                .argv = argv,
                                .envp = envp != NULL ? envp : plain,
                                .grace_seconds = 5};
    AUTO_ERROR struct error err = ERROR_INIT;
    int before = f->started;
    assert_int_equal(process_start(&f->loop, &spec, on_started, f, &err), 0);
    assert_int_equal(f->started, before); /* never from within the call */
    run(f);
    assert_int_equal(f->started, before + 1);
}

static void start(struct fixture *f, const char *text)
{
    start_id(f, text, "run-1", NULL);
    if (f->text != NULL)
        fail_msg("%s", f->text);
}

static void watch(struct fixture *f)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (process_watch(&f->loop, f->dir, LOG, &callbacks, f, &f->watch, &err) != 0)
        fail_msg("%s", err.text);
}

static void run_until(struct fixture *f, const char *text)
{
    f->until = text;
    run(f);
    f->until = NULL;
    AUTO_FREE char *log = read_text(f->dir, LOG, NULL);
    assert_non_null(strstr(log, text));
}

static void run_to_the_end(struct fixture *f)
{
    while (f->ended == 0)
        run(f);
}

static struct process_status status_of(const char *dir)
{
    struct process_status status;
    AUTO_ERROR struct error err = ERROR_INIT;
    if (process_status_read(dir, &status, &err) != 0)
        fail_msg("%s", err.text);
    return status;
}

static void assert_says(const struct process_status *status, const char *expected)
{
    AUTO_FREE char *text = process_status_text(status);
    assert_string_equal(text, expected);
}

static void a_run_from_start_to_end(void **state)
{
    struct fixture *f = *state;
    AUTO_PROCESS_STATUS struct process_status before = status_of(f->dir);
    assert_int_equal(before.state, PROCESS_NONE);
    start(f, "echo first; while [ ! -e go ]; do sleep 0.01; done; echo second; exit 3");
    AUTO_PROCESS_STATUS struct process_status running = status_of(f->dir);
    assert_int_equal(running.state, PROCESS_RUNNING);
    assert_true(procid_alive(&running.runner));
    assert_true(running.started_us > 0);
    watch(f);
    assert_int_equal(f->changed, 0); /* never from within the call */
    run_until(f, "first\n");
    AUTO_FREE char *go = file_join(f->dir, "go");
    write_text(go, "");
    run_to_the_end(f);
    assert_text(f->dir, LOG, "first\nsecond\n");
    AUTO_PROCESS_STATUS struct process_status ended = status_of(f->dir);
    assert_int_equal(ended.state, PROCESS_ENDED);
    assert_int_equal(ended.exit_code, 3);
    assert_int_equal(ended.signal, 0);
    assert_true(ended.ended_us >= ended.started_us);
    assert_says(&ended, "exited with status 3");
    assert_int_equal(f->ended, 1);
}

static void a_burst_is_told_in_few_calls(void **state)
{
    struct fixture *f = *state;
    start(f, "seq 100000; while [ ! -e go ]; do sleep 0.01; done; echo end");
    watch(f);
    run_until(f, "\n100000\n");
    AUTO_FREE char *go = file_join(f->dir, "go");
    write_text(go, "");
    run_to_the_end(f);
    assert_true(f->changed > 0 && f->changed < 1000);
}

static void an_end_in_the_past_is_told(void **state)
{
    struct fixture *f = *state;
    start(f, "true");
    AUTO_PROCESS_STATUS struct process_status status = status_of(f->dir);
    wait_gone(status.runner.pid);
    watch(f);
    assert_int_equal(f->ended, 0);
    run_to_the_end(f);
    assert_int_equal(f->changed, 1);
    assert_int_equal(f->ended, 1);
}

static void on_changed_close(void *data)
{
    struct fixture *f = data;
    f->changed++;
    process_watch_close(f->watch);
    f->watch = NULL;
}

static void nothing_is_told_after_a_close(void **state)
{
    struct fixture *f = *state;
    static const struct process_callbacks closing = {.changed = on_changed_close,
                                                     .ended = on_ended};
    start(f, "echo x");
    AUTO_PROCESS_STATUS struct process_status status = status_of(f->dir);
    wait_gone(status.runner.pid);
    assert_int_equal(process_watch(&f->loop, f->dir, LOG, &closing, f, &f->watch, NULL), 0);
    uv_run(&f->loop, UV_RUN_DEFAULT); /* ends by itself: the watch is gone */
    assert_int_equal(f->changed, 1);
    assert_int_equal(f->ended, 0);
    process_watch_close(NULL);
}

static void what_was_never_started_is_not_watched(void **state)
{
    struct fixture *f = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_int_equal(process_watch(&f->loop, f->dir, LOG, &callbacks, f, &f->watch, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(process_cancel(f->dir, &err), 0);
}

static void a_second_start_starts_nothing(void **state)
{
    struct fixture *f = *state;
    start(f, "echo once");
    start_id(f, "echo twice", "run-1", NULL);
    assert_int_equal(f->code, ERROR_NONE);
    watch(f);
    run_to_the_end(f);
    assert_text(f->dir, LOG, "once\n");
}

static void a_start_that_fails_says_why(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *logs = file_join(f->dir, "user_logs");
    rmdir(logs);
    start_id(f, "true", "run-1", NULL);
    assert_int_equal(f->code, ERROR_IO);
    assert_non_null(strstr(f->text, "cannot open the log"));
    AUTO_PROCESS_STATUS struct process_status status = status_of(f->dir);
    assert_int_equal(status.state, PROCESS_NONE);
}

static void a_missing_runner_is_an_error(void **state)
{
    struct fixture *f = *state;
    AUTO_FREE char *chosen = xstrdup(getenv("SKIFF_RUNNER"));
    setenv("SKIFF_RUNNER", "/no/such/runner", 1);
    start_id(f, "true", "run-1", NULL);
    assert_int_equal(f->code, ERROR_IO);
    assert_non_null(strstr(f->text, "/no/such/runner"));
    unsetenv("SKIFF_RUNNER");
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *path = process_runner_path(&err);
    setenv("SKIFF_RUNNER", chosen, 1);
    assert_null(path);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "libexec/skiff/skiff-runner"));
}

static void a_script_that_cannot_start_has_ended(void **state)
{
    struct fixture *f = *state;
    char *const argv[] = {(char[]){"no-such-program"}, NULL};
    char *const envp[] = {(char[]){"PATH=/usr/bin"}, NULL};
    struct process_spec spec = {
        .dir = f->dir, .id = "run-1", .cwd = f->dir, .log = LOG, .argv = argv, .envp = envp};
    assert_int_equal(process_start(&f->loop, &spec, on_started, f, NULL), 0);
    run(f);
    assert_int_equal(f->code, ERROR_NONE);
    AUTO_PROCESS_STATUS struct process_status status = status_of(f->dir);
    assert_int_equal(status.state, PROCESS_ENDED);
    assert_int_equal(status.exit_code, 127);
    assert_says(&status, "could not be started: cannot execute no-such-program: there is no such "
                         "program on PATH");
}

static void cancel_stops_a_run(void **state)
{
    struct fixture *f = *state;
    start(f, "echo ready; exec sleep 1000");
    watch(f);
    run_until(f, "ready\n");
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_int_equal(process_cancel(f->dir, &err), 0);
    run_to_the_end(f);
    AUTO_PROCESS_STATUS struct process_status status = status_of(f->dir);
    assert_int_equal(status.signal, SIGTERM);
    assert_true(status.cancelled);
    assert_says(&status, "cancelled; killed by SIGTERM");
    assert_int_equal(process_cancel(f->dir, &err), 0); /* gone already */
}

static void what_a_killed_runner_leaves_is_found(void **state)
{
    struct fixture *f = *state;
    char *const envp[] = {(char[]){"PATH=/usr/bin:/bin"}, (char[]){"AZUREML_RUN_ID=run-7"}, NULL};
    AUTO_PROCESS_STATUS struct process_status lost = PROCESS_STATUS_INIT;
    start_id(f, "(setsid sh -c 'trap \"\" TERM; echo escapee $$; exec sleep 1000' &); sleep 1000",
             "run-7", envp);
    watch(f);
    run_until(f, "escapee");
    pid_t escapee = number_after(f->dir, LOG, "escapee ");
    AUTO_PROCESS_STATUS struct process_status running = status_of(f->dir);
    kill(running.runner.pid, SIGKILL);
    run_to_the_end(f);
    lost = status_of(f->dir);
    assert_int_equal(lost.state, PROCESS_LOST);
    assert_false(lost.rebooted);
    assert_says(&lost, "lost: its runner was killed");
    assert_true(is_alive(escapee));
    assert_int_equal(process_cancel(f->dir, NULL), 0);
    wait_gone(escapee);
    AUTO_FREE char *reserve = file_join(f->dir, "runner.reserve");
    assert_false(file_exists(reserve));
}

/* A record as a runner writes it, with an identity of our choice. */
static void write_record(const char *dir, const struct procid *runner)
{
    AUTO_FREE char *path = file_join(dir, "status.json");
    AUTO_JSON json_t *record = json_pack(
        "{s:i, s:s, s:s, s:o, s:s, s:n}", "version", 1, "id", "run-1", "state", "running", "runner",
        procid_to_json(runner), "started_at", "2026-01-02T03:04:05.000006Z", "exit_code");
    assert_int_equal(json_write(path, record, 0644, NULL), 0);
}

static void a_pid_given_to_another_process_is_not_ours(void **state)
{
    struct fixture *f = *state;
    struct procid self;
    assert_true(procid_of(getpid(), &self));
    self.start_time++;
    write_record(f->dir, &self);
    AUTO_PROCESS_STATUS struct process_status status = status_of(f->dir);
    assert_int_equal(status.state, PROCESS_LOST);
    assert_int_equal(process_cancel(f->dir, NULL), 0); /* and we are still here */
}

static void a_restart_of_the_machine_is_told(void **state)
{
    struct fixture *f = *state;
    struct procid other;
    assert_true(procid_of(getpid(), &other));
    other.boot_id[0] = other.boot_id[0] == '0' ? '1' : '0';
    write_record(f->dir, &other);
    AUTO_PROCESS_STATUS struct process_status status = status_of(f->dir);
    assert_int_equal(status.state, PROCESS_LOST);
    assert_true(status.rebooted);
    assert_says(&status, "lost: the machine was restarted");
    AUTO_PROCESS_STATUS struct process_status remote = PROCESS_STATUS_INIT;
    assert_int_equal(process_status_read_remote(f->dir, &remote, NULL), 0);
    assert_int_equal(remote.state, PROCESS_RUNNING);
    watch(f);
    run_to_the_end(f);
}

static void a_record_that_does_not_read_is_lost(void **state)
{
    struct fixture *f = *state;
    static const char *const cases[] = {"", "{", "[]", "{\"state\":\"running\"}",
                                        "{\"state\":\"running\",\"runner\":{\"pid\":\"x\"}}"};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *path = file_join(f->dir, "status.json");
        write_text(path, cases[i]);
        AUTO_PROCESS_STATUS struct process_status status = status_of(f->dir);
        assert_int_equal(status.state, PROCESS_LOST);
        assert_false(status.rebooted);
        assert_int_equal(status.error != NULL, i < 3);
        assert_int_equal(process_cancel(f->dir, NULL), 0);
    }
}

static void says_it_in_words(void **state)
{
    (void)state;
    static const struct {
        struct process_status status;
        const char *text;
    } cases[] = {
        {{.state = PROCESS_NONE}, "not started"},
        {{.state = PROCESS_RUNNING}, "running"},
        {{.state = PROCESS_RUNNING, .waiting_for_disk = true}, "running; waiting for disk space"},
        {{.state = PROCESS_ENDED}, "exited with status 0"},
        {{.state = PROCESS_ENDED, .exit_code = 137, .oom = true},
         "exited with status 137: out of memory"},
        {{.state = PROCESS_ENDED, .exit_code = -1, .signal = SIGKILL, .oom = true},
         "killed by SIGKILL: out of memory"},
        {{.state = PROCESS_ENDED, .exit_code = -1, .signal = 40}, "killed by signal 40"},
        {{.state = PROCESS_ENDED, .exit_code = -1, .signal = SIGTERM, .timed_out = true},
         "stopped at its time limit; killed by SIGTERM"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_says(&cases[i].status, cases[i].text);
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(a_run_from_start_to_end),
        RUN(a_burst_is_told_in_few_calls),
        RUN(an_end_in_the_past_is_told),
        RUN(nothing_is_told_after_a_close),
        RUN(what_was_never_started_is_not_watched),
        RUN(a_second_start_starts_nothing),
        RUN(a_start_that_fails_says_why),
        RUN(a_missing_runner_is_an_error),
        RUN(a_script_that_cannot_start_has_ended),
        RUN(cancel_stops_a_run),
        RUN(what_a_killed_runner_leaves_is_found),
        RUN(a_pid_given_to_another_process_is_not_ours),
        RUN(a_restart_of_the_machine_is_told),
        RUN(a_record_that_does_not_read_is_lost),
        UNIT(says_it_in_words),
    };
    AUTO_FREE char *runner = file_join(build_dir(), "skiff-runner");
    setenv("SKIFF_RUNNER", runner, 1);
    fixture_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
