/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The runner as a program: what it promises in runner/README.md. Each test has a run folder of its
 * own; this program is a subreaper, so a runner that has detached is waited for like a child.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/file.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/strlist.h"
#include "tests/integration/runner_fixture.h"

#define LOG "log"
#define STARTED_BEFORE 73

static const char *const plain_env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};

struct how {
    const char *const *options; /* before RUN_DIR; NULL: none */
    const char *const *env;     /* NULL: plain_env */
    const char *program;        /* NULL: the runner that is installed */
    bool foreground;
    bool errors; /* stderr goes to RUN_DIR/errors */
};

static const char *runner_path(void)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/skiff-runner", build_dir());
    return path;
}

/* Starts the runner with a script's argv and returns the pid of the first process. */
static pid_t spawn(const char *dir, const struct how *how, const char *const *argv)
{
    AUTO_STRLIST struct strlist args = STRLIST_INIT;
    strlist_add(&args, how->program != NULL ? how->program : runner_path());
    strlist_add(&args, "--log=" LOG);
    if (how->foreground)
        strlist_add(&args, "--foreground");
    for (const char *const *option = how->options; option != NULL && *option != NULL; option++)
        strlist_add(&args, *option);
    strlist_add(&args, dir);
    strlist_add(&args, "--");
    for (; *argv != NULL; argv++)
        strlist_add(&args, *argv);
    AUTO_FREE char *errors = file_join(dir, "errors");
    const char *const *env = how->env != NULL ? how->env : plain_env;
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = how->errors ? open(errors, O_WRONLY | O_CREAT | O_TRUNC, 0644) : 2;
        if (fd != 2)
            dup2(fd, 2);
        execve(args.items[0], args.items, (char **)(uintptr_t)env);
        _exit(99);
    }
    assert_true(pid > 0);
    return pid;
}

static int wait_status(pid_t pid)
{
    int status;
    wait_gone(pid);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int start_with(const char *dir, const struct how *how, const char *const *argv)
{
    return wait_status(spawn(dir, how, argv));
}

static int start_sh(const char *dir, const char *const *options, const char *text)
{
    return start_with(dir, &(struct how){.options = options},
                      (const char *const[]){"sh", "-c", text, NULL});
}

static pid_t pid_in(const char *dir, const char *who)
{
    AUTO_JSON json_t *status = read_status(dir);
    return (pid_t)json_get_int(json_object_get(status, who), "pid", 0);
}

/* The last record, once the runner has gone. New reference. */
static json_t *finished(const char *dir)
{
    wait_status(pid_in(dir, "runner"));
    json_t *status = read_status(dir);
    assert_string_equal(json_get_string(status, "state", ""), "exited");
    return status;
}

static void cancel(const char *dir)
{
    assert_int_equal(kill(pid_in(dir, "runner"), SIGTERM), 0);
}

/* --- the end of a script ---------------------------------------------------------------------- */

static void records_how_a_script_ended(void **state)
{
    AUTO_FREE char *broken = file_join(*state, "broken");
    write_text(broken, "#!/no/such/interpreter\n");
    chmod(broken, 0755);
    const struct {
        const char *argv[4];
        const char *cwd;
        int exit_code;
        int signal;
        const char *error;
    } cases[] = {
        {{"true"}, NULL, 0, 0, NULL},
        {{"sh", "-c", "exit 3"}, NULL, 3, 0, NULL},
        {{"sh", "-c", "exit 255"}, NULL, 255, 0, NULL},
        {{"sh", "-c", "kill -9 $$"}, NULL, -1, SIGKILL, NULL},
        {{"sh", "-c", "kill -TERM $$"}, NULL, -1, SIGTERM, NULL},
        {{"sh", "-c", "kill -SEGV $$"}, NULL, -1, SIGSEGV, NULL},
        {{"no-such-program"}, NULL, 127, 0, "cannot execute no-such-program: there is no such"},
        {{"/no/such/file"}, NULL, 127, 0, "cannot execute /no/such/file: No such file"},
        {{"/etc/passwd"}, NULL, 126, 0, "cannot execute /etc/passwd: Permission denied"},
        {{broken}, NULL, 127, 0, "the interpreter that its first line names"},
        {{"true"}, "/no/such/folder", 126, 0, "cannot enter the working folder /no/such/folder"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *dir = xasprintf("%s/%zu", (char *)*state, i);
        mkdir(dir, 0755);
        const char *const options[] = {"--id=an id", cases[i].cwd ? "--cwd" : NULL, cases[i].cwd,
                                       NULL};
        assert_int_equal(start_with(dir, &(struct how){.options = options}, cases[i].argv), 0);
        AUTO_JSON json_t *status = finished(dir);
        const char *error = json_get_string(status, "error", NULL);
        assert_int_equal(json_get_int(status, "exit_code", -1), cases[i].exit_code);
        assert_int_equal(json_get_int(status, "signal", 0), cases[i].signal);
        assert_int_equal(error != NULL, cases[i].error != NULL);
        if (error != NULL)
            assert_non_null(strstr(error, cases[i].error));
        assert_string_equal(json_get_string(status, "id", ""), "an id");
        assert_true(json_get_time(status, "ended_at") >= json_get_time(status, "started_at"));
        assert_false(json_get_bool(status, "cancelled", true));
        assert_false(json_get_bool(status, "timed_out", true));
        assert_false(json_get_bool(status, "oom", true));
    }
}

static void gives_the_status_in_the_foreground(void **state)
{
    static const struct {
        const char *text;
        int status;
    } cases[] = {{"exit 0", 0}, {"exit 5", 5}, {"kill -9 $$", 128 + 9}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *dir = xasprintf("%s/%zu", (char *)*state, i);
        mkdir(dir, 0755);
        const char *const argv[] = {"sh", "-c", cases[i].text, NULL};
        assert_int_equal(start_with(dir, &(struct how){.foreground = true}, argv), cases[i].status);
        AUTO_JSON json_t *status = read_status(dir);
        assert_string_equal(json_get_string(status, "state", ""), "exited");
    }
}

static void refuses_a_bad_command_line(void **state)
{
    static const char *const cases[][4] = {
        {"--grace=-1"}, {"--timeout=soon"}, {"--no-such-option"}, {"--grace", "1x"}, {"surplus"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct how how = {.options = cases[i], .errors = true};
        assert_int_equal(start_with(*state, &how, (const char *const[]){"true", NULL}), 64);
        AUTO_FREE char *errors = read_text(*state, "errors", NULL);
        assert_true(strlen(errors) > 0);
    }
    AUTO_FREE char *missing = file_join(*state, "missing");
    assert_int_equal(start_sh(missing, NULL, "true"), 71);
}

/* --- the log ---------------------------------------------------------------------------------- */

static void keeps_every_byte_in_order(void **state)
{
    assert_int_equal(start_sh(*state, NULL,
                              "i=0; while [ $i -lt 500 ]; do printf \"out$i\\000\\377\\n\";"
                              " printf \"err$i\\r\" >&2; i=$((i+1)); done; printf end"),
                     0);
    AUTO_JSON json_t *status = finished(*state);
    AUTO_BUF struct buf expected = BUF_INIT;
    for (int i = 0; i < 500; i++) {
        buf_printf(&expected, "out%d", i);
        buf_append(&expected, "\0\377\n", 3);
        buf_printf(&expected, "err%d\r", i);
    }
    buf_puts(&expected, "end");
    size_t size;
    AUTO_FREE char *log = read_text(*state, LOG, &size);
    assert_int_equal(size, expected.size);
    assert_memory_equal(log, expected.data, size);
    assert_int_equal(json_get_int(status, "log_size", 0), size);
}

static void appends_to_a_log_that_has_something(void **state)
{
    AUTO_FREE char *path = file_join(*state, LOG);
    write_text(path, "before\n");
    assert_int_equal(start_sh(*state, NULL, "echo after"), 0);
    AUTO_JSON json_t *status = finished(*state);
    assert_text(*state, LOG, "before\nafter\n");
    assert_int_equal(json_get_int(status, "log_size", 0), 13);
    AUTO_FREE char *index = read_text(*state, "log.index", NULL);
    assert_int_equal(strtol(index, NULL, 10), 7);
}

static void loses_nothing_of_a_burst(void **state)
{
    assert_int_equal(start_sh(*state, NULL, "seq 100000; seq 100000 >&2"), 0);
    AUTO_JSON json_t *status = finished(*state);
    AUTO_BUF struct buf expected = BUF_INIT;
    for (int i = 0; i < 200000; i++)
        buf_printf(&expected, "%d\n", i % 100000 + 1);
    size_t size;
    AUTO_FREE char *log = read_text(*state, LOG, &size);
    assert_int_equal(size, expected.size);
    assert_memory_equal(log, expected.data, size);
    assert_int_equal(json_get_int(status, "exit_code", -1), 0);
}

static void indexes_when_output_came(void **state)
{
    int64_t before = clock_now();
    assert_int_equal(start_sh(*state, NULL, "for i in 1 2 3; do seq 1000; sleep 0.15; done"), 0);
    AUTO_JSON json_t *status = finished(*state);
    AUTO_FREE char *index = read_text(*state, "log.index", NULL);
    long long offset, when, last_offset = -1;
    int64_t last_when = before;
    size_t lines = 0;
    for (char *line = index; *line != '\0'; line = strchr(line, '\n') + 1) {
        assert_int_equal(sscanf(line, "%lld %lld\n", &offset, &when), 2);
        assert_true(offset > last_offset && offset < json_get_int(status, "log_size", 0));
        assert_true(when >= last_when && when <= clock_now());
        last_offset = offset;
        last_when = when;
        lines++;
    }
    assert_true(lines >= 3);
    assert_int_equal(strtol(index, NULL, 10), 0);
}

/* --- what the script is given ----------------------------------------------------------------- */

static void passes_the_environment_exactly(void **state)
{
    static const char *const env[] = {"B=two words", "A=1",        "PATH=/usr/bin:/bin",
                                      "EMPTY=",      "LINES=a\nb", NULL};
    const char *const argv[] = {"env", "-0", NULL};
    assert_int_equal(start_with(*state, &(struct how){.env = env}, argv), 0);
    AUTO_JSON json_t *status = finished(*state);
    size_t size;
    AUTO_FREE char *log = read_text(*state, LOG, &size);
    static const char expected[] = "B=two words\0A=1\0PATH=/usr/bin:/bin\0EMPTY=\0LINES=a\nb";
    assert_int_equal(size, sizeof expected);
    assert_memory_equal(log, expected, size);
}

static void passes_the_words_exactly(void **state)
{
    const char *const argv[] = {"printf", "[%s]", "a b", "", "$HOME", "--", "--id", "*", NULL};
    assert_int_equal(start_with(*state, &(struct how){0}, argv), 0);
    AUTO_JSON json_t *status = finished(*state);
    assert_text(*state, LOG, "[a b][][$HOME][--][--id][*]");
}

static void gives_no_descriptors_and_no_input(void **state)
{
    int extra = dup(1); /* inherited by the runner, on purpose */
    assert_int_equal(start_sh(*state, NULL, "wc -c; readlink /proc/self/fd/0; ls /proc/self/fd"),
                     0);
    close(extra);
    AUTO_JSON json_t *status = finished(*state);
    assert_text(*state, LOG, "0\n/dev/null\n0\n1\n2\n3\n"); /* 3 is ls reading the folder */
}

static void gives_default_signals_and_a_session(void **state)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, old;
    sigset_t blocked, old_mask;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaction(SIGINT, &ignore, &old);
    sigprocmask(SIG_BLOCK, &blocked, &old_mask);
    int started = start_sh(*state, NULL,
                           "grep -E 'Sig(Blk|Ign)' /proc/self/status;"
                           " [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo leader; pwd");
    sigaction(SIGINT, &old, NULL);
    sigprocmask(SIG_SETMASK, &old_mask, NULL);
    assert_int_equal(started, 0);
    AUTO_JSON json_t *status = finished(*state);
    AUTO_FREE char *log = read_text(*state, LOG, NULL);
    assert_non_null(strstr(log, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nleader\n"));
}

static void enters_the_working_folder(void **state)
{
    const char *const options[] = {"--cwd", "/usr", NULL};
    assert_int_equal(start_sh(*state, options, "pwd"), 0);
    AUTO_JSON json_t *status = finished(*state);
    assert_text(*state, LOG, "/usr\n");
}

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
    int status;
    do /* the process in between exits, and the first does when all is well */
        *ret_runner = waitpid(-1, &status, WUNTRACED);
    while (*ret_runner > 0 && !WIFSTOPPED(status));
    assert_true(*ret_runner > 0);
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

/* --- samples ---------------------------------------------------------------------------------- */

static json_t *last_usage(const char *dir)
{
    AUTO_FREE char *text = read_text(dir, "usage.jsonl", NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    json_t *last = NULL;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (line[0] == '\0')
            continue;
        json_decref(last);
        last = json_parse(line, strlen(line), "usage.jsonl", &err);
        assert_non_null(last);
    }
    assert_non_null(last);
    return last;
}

static void counts_what_the_tree_used(void **state)
{
    /* A second of CPU in a grandchild: only the sum of the whole tree knows it. */
    assert_int_equal(
        start_sh(*state, NULL, "perl -e '1 while (times)[0] + (times)[1] < 1'; exit 0"), 0);
    wait_for_text(*state, "usage.jsonl", "\"processes\":2");
    AUTO_JSON json_t *status = finished(*state);
    AUTO_JSON json_t *usage = last_usage(*state);
    assert_true(json_get_number(usage, "cpu_seconds", 0) > 0.95);
    assert_true(json_get_number(usage, "cpu_seconds", 0) < 30);
    AUTO_FREE char *lines = read_text(*state, "usage.jsonl", NULL);
    assert_null(strstr(lines, "gpu"));
    assert_true(json_get_time(usage, "time") > 0);
}

/* Gives this mount namespace an NVIDIA driver and an nvidia-smi that is `text`. */
static void fake_gpu(const char *dir, const char *text)
{
    assert_int_equal(mount("none", "/proc/driver", "tmpfs", 0, NULL), 0);
    assert_int_equal(mkdir("/proc/driver/nvidia", 0755), 0);
    AUTO_FREE char *program = file_join(dir, "nvidia-smi");
    write_text(program, text);
    chmod(program, 0755);
}

static void samples_gpus(void **state)
{
    fake_gpu(*state, "#!/bin/sh\n"
                     "case \"$*\" in --query-gpu=index,*nounits) ;; *) exit 1 ;; esac\n"
                     "echo '0, NVIDIA \"A100\", 35, 1024, 40960'\n"
                     "echo '1, NVIDIA T4, [N/A], 0, 16384'\n");
    AUTO_FREE char *path = xasprintf("PATH=%s:/usr/bin:/bin", (char *)*state);
    const char *const env[] = {path, NULL};
    const char *const argv[] = {"sleep", "1000", NULL};
    int started = start_with(*state, &(struct how){.env = env}, argv);
    wait_for_text(*state, "usage.jsonl", "\"gpu\"");
    wait_for_text(*state, "usage.jsonl", "]}\n");
    cancel(*state);
    umount2("/proc/driver", MNT_DETACH);
    assert_int_equal(started, 0);
    AUTO_JSON json_t *status = finished(*state);
    AUTO_FREE char *usage = read_text(*state, "usage.jsonl", NULL);
    assert_non_null(strstr(usage, "\"gpu\":[{\"name\":\"NVIDIA \\\"A100\\\"\",\"index\":0,"
                                  "\"utilization_percent\":35,\"memory_used_bytes\":1073741824,"
                                  "\"memory_total_bytes\":42949672960},{\"name\":\"NVIDIA T4\","
                                  "\"index\":1,\"utilization_percent\":null,"));
}

static void a_hanging_gpu_tool_delays_nothing(void **state)
{
    fake_gpu(*state, "#!/bin/sh\necho asked >> \"$0.asked\"\nexec sleep 1000\n");
    AUTO_FREE char *path = xasprintf("PATH=%s:/usr/bin:/bin", (char *)*state);
    AUTO_FREE char *cwd = xasprintf("--cwd=%s", (char *)*state);
    const char *const options[] = {cwd, NULL};
    const char *const env[] = {path, NULL};
    const char *const argv[] = {
        "sh", "-c", "while [ ! -e nvidia-smi.asked ]; do sleep 0.01; done; echo done", NULL};
    int started = start_with(*state, &(struct how){.env = env, .options = options}, argv);
    AUTO_JSON json_t *status = finished(*state);
    umount2("/proc/driver", MNT_DETACH);
    assert_int_equal(started, 0);
    assert_text(*state, LOG, "done\n");
    assert_int_equal(json_get_int(status, "exit_code", -1), 0);
}

#define OOM_GROUP "/sys/fs/cgroup/memory/skiff-test"
#define OOM_GROUP_V2 "/sys/fs/cgroup/skiff-test"

/* Makes a cgroup with little memory; false when this machine lets us make none. */
static bool small_memory(char procs[static 128])
{
    bool first = mkdir(OOM_GROUP, 0755) == 0 || errno == EEXIST;
    const char *group = first ? OOM_GROUP : OOM_GROUP_V2;
    if (!first && mkdir(group, 0755) != 0 && errno != EEXIST)
        return false;
    char limit[128];
    snprintf(limit, sizeof limit, "%s/%s", group, first ? "memory.limit_in_bytes" : "memory.max");
    snprintf(procs, 128, "%s/cgroup.procs", group);
    int fd = open(limit, O_WRONLY | O_CLOEXEC);
    bool limited = fd >= 0 && write(fd, "30000000", 8) == 8;
    close(fd);
    return limited;
}

static void tells_out_of_memory(void **state)
{
    char procs[128];
    if (!small_memory(procs)) {
        print_message("no cgroup with a memory limit can be made here\n");
        skip();
    }
    AUTO_FREE char *text =
        xasprintf("echo $$ > %s; exec perl -e '$x = \"x\" x 200000000; sleep 1000'", procs);
    /* The runner joins too, as in a container or a Slurm job: it reads the counter of its own. */
    AUTO_FREE char *join = xasprintf("echo $$ > %s; exec \"$0\" \"$@\"", procs);
    AUTO_FREE char *log = xasprintf("--log=%s", LOG);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", join, runner_path(), log, (char *)*state, "--", "sh", "-c",
              text, NULL);
        _exit(99);
    }
    assert_int_equal(wait_status(pid), 0);
    AUTO_JSON json_t *status = finished(*state);
    rmdir(OOM_GROUP);
    rmdir(OOM_GROUP_V2);
    assert_int_equal(json_get_int(status, "signal", 0), SIGKILL);
    assert_true(json_get_bool(status, "oom", false));
}

#define RUN(test) cmocka_unit_test_setup_teardown(test, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(records_how_a_script_ended),
        RUN(gives_the_status_in_the_foreground),
        RUN(refuses_a_bad_command_line),
        RUN(keeps_every_byte_in_order),
        RUN(appends_to_a_log_that_has_something),
        RUN(loses_nothing_of_a_burst),
        RUN(indexes_when_output_came),
        RUN(passes_the_environment_exactly),
        RUN(passes_the_words_exactly),
        RUN(gives_no_descriptors_and_no_input),
        RUN(gives_default_signals_and_a_session),
        RUN(enters_the_working_folder),
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
        RUN(counts_what_the_tree_used),
        RUN(samples_gpus),
        RUN(a_hanging_gpu_tool_delays_nothing),
        RUN(tells_out_of_memory),
    };
    fixture_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
