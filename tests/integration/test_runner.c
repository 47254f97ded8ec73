/* SPDX-License-Identifier: BSD-3-Clause */
/* The runner as a program: what it promises in runner/README.md about a script, its log and its end. Each test
 * has a run folder of its own; this program is a subreaper, so a runner that has detached is waited for like a child. */
#include <errno.h>
#include <stdint.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "tests/integration/runner_start.h"

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

static void falls_back_on_another_program(void **state)
{
    const char *dir = *state;
    const struct how how = {.options = (const char *const[]){"--fallback=sh", NULL}};
    assert_int_equal(
        start_with(dir, &how,
                   (const char *const[]){"no-such-shell", "-c", "echo $0; exit 3", NULL}),
        0);
    AUTO_JSON json_t *status = finished(dir);
    assert_int_equal(json_get_int(status, "exit_code", -1), 3);
    assert_text(dir, LOG, "sh\n");
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
        RUN(falls_back_on_another_program),
        RUN(gives_no_descriptors_and_no_input),
        RUN(gives_default_signals_and_a_session),
        RUN(enters_the_working_folder),
    };
    fixture_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
