/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/magics.h"

#include "tests/unit.h"
/* keep apart */
#include "magics/python_module.h"
#include "magics/shown.h"
#include "magics/stream.h"
#include "tests/unit/magics/fake_kernel.h"
#include "tests/unit/magics/fake_submission.h"

#define SUBMIT "%%submit exp\ncode: .\nscript: train.py\n"

struct fixture {
    struct submission core;
    struct companion companion;
    struct python_module *python;
    struct magics *magics;
    struct cell cell;
};

/* Lets timers fire and handles close until nothing is left to do. */
static void settle(struct fixture *f)
{
    uv_run(&f->core.loop, UV_RUN_DEFAULT);
}

static void begin(struct fixture *f, const char *code, bool person)
{
    settle(f);
    fake_cell_done(&f->cell);
    f->cell = (struct cell){.code = code, .allow_stdin = person};
    assert_true(magics_interpreter.claims(f->magics, code));
    magics_interpreter.execute(f->magics, &f->cell);
}

static void set_up(struct fixture *f)
{
    *f = (struct fixture){.magics = NULL};
    fake_init(&f->core);
    AUTO_FREE char *script = file_join(f->core.home, "train.py");
    AUTO_FREE char *dir = file_join(f->core.home, "runs/" FAKE_RUN);
    AUTO_FREE char *events = file_join(dir, "events.jsonl");
    static const char event[] = "{\"time\":\"2026-11-23T00:39:00.000000Z\",\"state\":\"Running\","
                                "\"reason\":\"a node was free\"}\n";
    assert_int_equal(file_write(script, "", 0, 0600, NULL), 0);
    assert_int_equal(file_make_dirs(dir, NULL), 0);
    assert_int_equal(file_write(events, event, sizeof event - 1, 0600, NULL), 0);
    f->companion.state = "running";
    f->python = python_module_new(f->core.home);
    const struct magics_options options = {
        .submission = &f->core, .companion = &f->companion, .python = f->python};
    f->magics = magics_new(&f->core.loop, &options);
}

static void tear_down(struct fixture *f)
{
    magics_free(f->magics);
    python_module_free(f->python);
    assert_null(f->companion.asked);
    buf_done(&f->companion.told);
    fake_done(&f->core);
    assert_int_equal(f->cell.outlet.refs, 0);
    fake_cell_done(&f->cell);
}

static void assert_shows(const struct buf *where, const char *part)
{
    if (where->data == NULL || strstr(where->data, part) == NULL)
        fail_msg("'%s' is not in: %s", part, where->data ? where->data : "(nothing)");
}

static void runs_line_magics_one_after_another(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%workspace\n# then\n%runs\n%metrics\n%status\n%outputs\n%computes local\n", true);
    assert_true(f.cell.done);
    assert_null(f.cell.ename);
    assert_int_equal(f.cell.outlet.displays, 6);
    assert_shows(&f.cell.outlet.plain, "no config.json was found");
    assert_shows(&f.cell.outlet.plain, FAKE_RUN);
    assert_shows(&f.cell.outlet.plain, "a node was free");
    assert_shows(&f.cell.outlet.plain, "currentNodeCount");
    tear_down(&f);
}

static void checks_the_whole_cell_before_it_begins(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%cancel calm\n%runs --lvie\n", false);
    assert_string_equal(f.cell.ename, "InvalidError");
    assert_non_null(strstr(f.cell.traceback, "line 2, column 7"));
    assert_non_null(strstr(f.cell.traceback, "did you mean --live"));
    assert_int_equal(f.core.cancels, 0);
    tear_down(&f);
}

static void the_first_failure_ends_the_cell(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%status nope\n%cancel calm\n", false);
    assert_string_equal(f.cell.ename, "NotFoundError");
    assert_non_null(strstr(f.cell.traceback, "line 1, column 9"));
    assert_int_equal(f.core.cancels, 0);
    tear_down(&f);
}

static void shows_help_and_the_overview(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%%submit?\n?%runs\n%cancel --help\n%skiff\n", true);
    assert_null(f.cell.ename);
    assert_shows(&f.cell.outlet.plain, "%%submit EXPERIMENT");
    assert_shows(&f.cell.outlet.plain, "--experiment EXPERIMENT");
    assert_shows(&f.cell.outlet.plain, "%cancel RUN");
    assert_shows(&f.cell.outlet.plain, "%%environment NAME");
    assert_int_equal(f.core.cancels, 0);
    tear_down(&f);
}

static void defines_environments_and_computes(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%%environment env\nimage: python:3.11\n", true);
    assert_null(f.cell.ename);
    assert_shows(&f.cell.outlet.plain, "Environment env, version 3 (registered)");
    begin(&f, "%%environment env --dry-run\nimage: python:3.11\n", true);
    assert_shows(&f.cell.outlet.plain, "dry run: would be registered");
    begin(&f, "%%compute gpu --dry-run\nvm_size: STANDARD_NC6\n", true);
    assert_null(f.cell.ename);
    assert_shows(&f.cell.outlet.plain, "dry run: would be created");
    begin(&f, "%%compute gpu\nvm_size: STANDARD_NC6\n", true);
    assert_shows(&f.cell.outlet.plain, "Steady");
    tear_down(&f);
}

static void takes_a_definition_from_a_file(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    AUTO_FREE char *good = file_join(f.core.home, "good.yml");
    AUTO_FREE char *bad = file_join(f.core.home, "bad.yml");
    assert_int_equal(file_write(good, "image: a:1\n", 11, 0600, NULL), 0);
    assert_int_equal(file_write(bad, "# c\nimgae: a:1\n", 15, 0600, NULL), 0);
    begin(&f, "%%environment env --file good.yml", false);
    assert_null(f.cell.ename);
    begin(&f, "%%environment env --file bad.yml", false);
    assert_string_equal(f.cell.ename, "InvalidError");
    assert_non_null(strstr(f.cell.traceback, "bad.yml"));
    assert_non_null(strstr(f.cell.traceback, "    imgae: a:1"));
    begin(&f, "%%environment env --file none.yml", false);
    assert_string_equal(f.cell.ename, "NotFoundError");
    begin(&f, "%%environment env --file good.yml\nimage: b\n", false);
    assert_non_null(strstr(f.cell.traceback, "both --file and a text"));
    tear_down(&f);
}

static void submits_and_goes_on_showing_after_the_cell(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, SUBMIT, true);
    assert_false(f.cell.done);
    fake_accept(&f.core);
    assert_true(f.cell.done);
    assert_null(f.cell.ename);
    assert_shows(&f.cell.outlet.stream, FAKE_RUN " · exp · local · env:2: Running\n");
    fake_change(&f.core, RUN_RUNNING, "copying");
    fake_output(&f.core, "hello\n");
    settle(&f);
    assert_shows(&f.cell.outlet.stream, "hello\n");
    fake_end(&f.core, RUN_COMPLETED, NULL);
    settle(&f);
    assert_shows(&f.cell.outlet.stream, FAKE_RUN ": Completed\n");
    assert_shows(&f.cell.outlet.plain, "look further");
    tear_down(&f);
}

static void waits_in_batch_and_ends_with_the_run(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, SUBMIT, false);
    fake_accept(&f.core);
    assert_false(f.cell.done);
    fake_output(&f.core, "hello\n");
    fake_end(&f.core, RUN_COMPLETED, NULL);
    assert_true(f.cell.done);
    assert_null(f.cell.ename);
    assert_string_equal(f.cell.outlet.stream.data, "hello\n");
    tear_down(&f);
}

static void fails_the_waiting_cell_with_the_run(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    AUTO_FREE char *logs = xasprintf("%s/runs/" FAKE_RUN "/user_logs", f.core.home);
    AUTO_FREE char *log = file_join(logs, "std_log.txt");
    assert_int_equal(file_make_dirs(logs, NULL), 0);
    assert_int_equal(file_write(log, "ValueError: x\n", 14, 0600, NULL), 0);
    begin(&f, SUBMIT, false);
    fake_accept(&f.core);
    fake_end(&f.core, RUN_FAILED, "exited with status 3");
    assert_string_equal(f.cell.ename, "RunFailedError");
    assert_string_equal(f.cell.evalue, "run " FAKE_RUN " failed: exited with status 3");
    assert_non_null(strstr(f.cell.traceback, "ValueError: x"));
    assert_non_null(strstr(f.cell.traceback, "%logs " FAKE_RUN));
    assert_shows(&f.cell.outlet.plain, "look further"); /* the summary is there all the same */
    begin(&f, "%wait", true);
    fake_end(&f.core, RUN_CANCELED, NULL);
    assert_string_equal(f.cell.ename, "RunCanceledError");
    tear_down(&f);
}

static void an_interrupt_detaches_and_attach_continues(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, SUBMIT, false);
    fake_accept(&f.core);
    fake_output(&f.core, "one\n");
    magics_interpreter.interrupt(f.magics, &f.cell);
    assert_true(f.cell.done);
    assert_string_equal(f.cell.ename, "KeyboardInterrupt");
    assert_non_null(strstr(f.cell.traceback, "%cancel " FAKE_RUN));
    assert_non_null(strstr(f.cell.traceback, "%attach " FAKE_RUN));
    assert_int_equal(f.core.cancels, 0);
    assert_null(f.core.watch);
    settle(&f);
    begin(&f, "%attach calm", false);
    assert_int_equal(f.core.watch->offset, 4); /* the first byte not shown */
    fake_output(&f.core, "two\n");
    fake_end(&f.core, RUN_COMPLETED, NULL);
    assert_string_equal(f.cell.outlet.stream.data,
                        "[the first 4 B were shown before: `%logs " FAKE_RUN
                        "` shows them again]\ntwo\n");
    tear_down(&f);
}

static void what_was_shown_outlives_the_kernel(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    AUTO_FREE char *dir = file_join(f.core.home, "runs/" FAKE_RUN);
    begin(&f, "%attach calm", false);
    fake_output(&f.core, "one\nh\xc3"); /* cut within a letter */
    assert_string_equal(f.cell.outlet.stream.data, "one\nh");
    assert_int_equal(shown_read(dir), 5);
    fake_output(&f.core, "\xa9!\n");
    fake_end(&f.core, RUN_COMPLETED, NULL);
    assert_int_equal(shown_read(dir), 9);
    tear_down(&f);
}

static void an_interrupt_before_acceptance_submits_nothing(void **state)
{
    (void)state;
    struct fixture f;
    struct error err = ERROR_INIT;
    set_up(&f);
    begin(&f, SUBMIT, false);
    magics_interpreter.interrupt(f.magics, &f.cell);
    magics_interpreter.interrupt(f.magics, &f.cell); /* impatience is harmless */
    assert_true(f.core.cancelled);
    assert_false(f.cell.done);
    error_set(&err, ERROR_CANCELLED, "stopped before anything was submitted");
    fake_answer(&f.core, NULL, &err);
    error_clear(&err);
    assert_string_equal(f.cell.ename, "KeyboardInterrupt");
    tear_down(&f);
}

static void runs_again(void **state)
{
    (void)state;
    struct fixture f;
    struct error err = ERROR_INIT;
    set_up(&f);
    begin(&f, "%rerun calm --wait", true);
    assert_string_equal(f.core.rerun_of, FAKE_RUN);
    fake_accept(&f.core);
    assert_false(f.cell.done);
    fake_end(&f.core, RUN_FAILED, "exited with status 3");
    assert_string_equal(f.cell.ename, "RunFailedError");
    begin(&f, "%rerun calm --no-wait", false);
    fake_accept(&f.core);
    assert_null(f.cell.ename);
    assert_string_equal(f.cell.outlet.stream.data, "submitted run " FAKE_RUN "\n");
    begin(&f, "%rerun calm", true);
    magics_interpreter.interrupt(f.magics, &f.cell);
    assert_true(f.core.cancelled);
    error_set(&err, ERROR_CANCELLED, "stopped before anything was submitted");
    fake_answer(&f.core, NULL, &err);
    error_clear(&err);
    assert_string_equal(f.cell.ename, "KeyboardInterrupt");
    f.core.refuse = true;
    begin(&f, "%rerun calm", true);
    assert_string_equal(f.cell.ename, "NotFoundError");
    begin(&f, "%rerun nope", true);
    assert_shows(&f.cell.outlet.plain, "line 1, column 8");
    tear_down(&f);
}

static void lists_of_runs_are_narrowed(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%runs --experiment exp --state notrESPONDING --text Calm", true);
    assert_null(f.cell.ename);
    assert_string_equal(f.core.listed, "exp|NotResponding|Calm");
    begin(&f, "%runs", true);
    assert_string_equal(f.core.listed, "||");
    begin(&f, "%runs -n 3 --state=Cancelled", false);
    assert_string_equal(f.cell.ename, "InvalidError");
    assert_non_null(strstr(f.cell.traceback, "line 1, column 12"));
    assert_non_null(strstr(f.cell.traceback, "did you mean Canceled?"));
    assert_non_null(strstr(f.cell.traceback, "Queued"));
    tear_down(&f);
}

static void refusals_name_the_reason(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.core.refuse = true;
    begin(&f, "%%submit exp\nscript: train.py\nenvironment: nope\n", true);
    assert_string_equal(f.cell.ename, "NotFoundError");
    assert_shows(&f.cell.outlet.plain, "line 3, column 14");
    assert_shows(&f.cell.outlet.html, "there is no environment &#39;nope&#39;");
    f.core.refuse = false;
    begin(&f, "%%submit exp --wait --no-wait\nscript: a.py\n", true);
    assert_shows(&f.cell.outlet.plain, "exclude each other");
    tear_down(&f);
}

static void bounds_the_messages_of_a_burst(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, SUBMIT, true);
    fake_accept(&f.core);
    for (int i = 0; i < 100000; i++)
        fake_output(&f.core, "a line of output of a loud script\n");
    fake_end(&f.core, RUN_COMPLETED, NULL);
    settle(&f);
    assert_true(f.cell.outlet.stream.size < STREAM_BYTES_MAX + STREAM_TAIL_MAX + 1000);
    assert_true(f.cell.outlet.updates < 1000);
    assert_shows(&f.cell.outlet.stream, "the whole output is in");
    tear_down(&f);
}

static void secrets_are_asked_for_and_never_shown(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%secret token", false);
    assert_string_equal(f.cell.ename, "UnsupportedError");
    assert_non_null(strstr(f.cell.traceback, "env:NAME or file:PATH"));
    begin(&f, "%secret token", true);
    assert_non_null(strstr(f.cell.prompt, "token"));
    f.cell.answered(&f.cell, "canary-value", f.cell.answer_data);
    assert_true(f.cell.done);
    assert_null(f.cell.ename);
    assert_null(strstr(f.cell.outlet.stream.data, "canary"));
    begin(&f, "%secret --list", true);
    assert_string_equal(f.cell.outlet.stream.data, "secret:token\n");
    begin(&f, "%secret token", true);
    magics_interpreter.interrupt(f.magics, &f.cell);
    f.cell.answered(&f.cell, NULL, f.cell.answer_data);
    assert_string_equal(f.cell.ename, "KeyboardInterrupt");
    begin(&f, "%secret token --remove", true);
    assert_null(f.cell.ename);
    begin(&f, "%secret", true);
    assert_string_equal(f.cell.ename, "InvalidError");
    tear_down(&f);
}

static void prints_logs_bounded(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    AUTO_FREE char *logs = xasprintf("%s/runs/" FAKE_RUN "/user_logs", f.core.home);
    AUTO_FREE char *log = file_join(logs, "std_log.txt");
    AUTO_BUF struct buf text = BUF_INIT;
    assert_int_equal(file_make_dirs(logs, NULL), 0);
    begin(&f, "%logs", true);
    assert_shows(&f.cell.outlet.stream, "no output yet");
    for (int i = 0; i < 100000; i++)
        buf_printf(&text, "line %06d\n", i);
    assert_int_equal(file_write(log, text.data, text.size, 0600, NULL), 0);
    begin(&f, "%logs --tail 2", true);
    assert_string_equal(f.cell.outlet.stream.data, "line 099998\nline 099999\n");
    begin(&f, "%logs calm", true);
    assert_true(f.cell.outlet.stream.size < 300000);
    assert_shows(&f.cell.outlet.stream, "line 000000\n");
    assert_shows(&f.cell.outlet.stream, "left out; the whole is in");
    assert_shows(&f.cell.outlet.stream, "line 099999\n");
    tear_down(&f);
}

static void the_kernel_may_go_at_any_time(void **state)
{
    (void)state;
    static const char *const cells[] = {SUBMIT, "%rerun calm", "%wait", "%secret a",
                                        "%runs\n%wait\n%runs"};
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
        struct fixture f;
        struct error err = ERROR_INIT;
        set_up(&f);
        begin(&f, cells[i], true);
        magics_free(f.magics);
        f.magics = NULL;
        assert_false(f.cell.done); /* the cell is the server's, which may be gone */
        error_set(&err, ERROR_CANCELLED, "stopped");
        if (f.core.pending != NULL)
            fake_answer(&f.core, NULL, &err);
        if (f.cell.answered != NULL)
            f.cell.answered(&f.cell, NULL, f.cell.answer_data);
        error_clear(&err);
        tear_down(&f);
    }
}

/* --- Python's values -------------------------------------------------------------------------- */

static void values_are_put_in_before_anything_is_done(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%%submit {{ name }} --no-wait\ncode: .\nscript: train.py\narguments: {{ args }}\n",
          true);
    assert_false(f.cell.done);
    assert_null(f.core.pending);
    assert_string_equal(json_get_string(f.companion.asked, "values", ""),
                        "get_ipython()._skiff_values([\"name\",\"args\"])");
    fake_values(&f.companion, "[{\"json\":\"\\\"exp\\\"\",\"text\":\"exp\"},"
                              "{\"json\":\"[\\\"3.10\\\", 2]\"}]");
    assert_string_equal(json_get_string(f.core.job, "experiment_name", ""), "exp");
    const json_t *arguments = json_object_get(f.core.job, "arguments");
    assert_string_equal(json_string_value(json_array_get(arguments, 0)), "3.10");
    assert_int_equal(json_array_size(arguments), 2);
    assert_null(f.companion.told.data); /* not before there is a run */
    fake_accept(&f.core);
    assert_true(f.cell.done);
    assert_string_equal(f.companion.told.data,
                        "get_ipython()._skiff_submitted(\"" FAKE_RUN "\")\n");
    AUTO_FREE char *prelude = python_module_prelude(f.python);
    assert_non_null(strstr(prelude, "\"" FAKE_RUN "\")\n"));
    fake_end(&f.core, RUN_COMPLETED, NULL);
    tear_down(&f);
}

static void a_cell_without_expressions_needs_no_python(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%runs\n# {{ x }}\n", true);
    assert_true(f.cell.done);
    begin(&f, "%%compute gpu --dry-run\nvm_size: STANDARD_NC6 # {{ x }}\ndescription: ${{x}}\n",
          true);
    assert_true(f.cell.done);
    assert_null(f.cell.ename);
    begin(&f, "%%submitt x\nscript: {{ x }}\n", true); /* there is no such magic */
    assert_string_equal(f.cell.ename, "NotFoundError");
    assert_null(f.companion.asked);
    tear_down(&f);
}

static void without_a_value_nothing_is_done(void **state)
{
    (void)state;
    static const struct {
        const char *answer, *ename, *traceback;
    } cases[] = {
        {"[{\"ename\":\"NameError\",\"evalue\":\"name 'n' is not defined\"}]", "NameError",
         "line 4, column 9"},
        {"[{\"problem\":\"is of type dict\"}]", "InvalidError", "is of type dict"},
        {"[]", "InvalidError", "did not come"},
        {"{}", "UnsupportedError", "IPython"},
        {NULL, "DeadKernelError", "Python ended"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        set_up(&f);
        begin(&f, "%%submit a\ncode: .\n# a comment\nscript: {{ n }}\n", false);
        fake_values(&f.companion, cases[i].answer);
        assert_string_equal(f.cell.ename, cases[i].ename);
        assert_non_null(strstr(f.cell.traceback, cases[i].traceback));
        assert_non_null(strstr(f.cell.traceback, "script: {{ n }}"));
        assert_null(f.core.job);
        tear_down(&f);
    }
}

static void without_python_it_says_so(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%status {{ run }}", false);
    f.companion.state = "none";
    fake_values(&f.companion, NULL);
    assert_string_equal(f.cell.ename, "NoCompanionError");
    assert_non_null(strstr(f.cell.traceback, "line 1"));
    magics_free(f.magics);
    f.magics = magics_new(&f.core.loop, &(struct magics_options){.submission = &f.core});
    begin(&f, "%status {{ run }}", false);
    assert_string_equal(f.cell.ename, "NoCompanionError");
    begin(&f, "%status {{ run", false);
    assert_string_equal(f.cell.ename, "InvalidError");
    tear_down(&f);
}

#define CALM "[{\"json\":\"\\\"calm\\\"\",\"text\":\"calm\"}]"

static void an_interrupt_reaches_python_and_ends_the_cell(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%cancel {{ run }}", false);
    magics_interpreter.interrupt(f.magics, &f.cell);
    assert_int_equal(f.companion.interrupts, 1);
    assert_false(f.cell.done);
    fake_values(&f.companion, CALM); /* it was too late; the user does not want it all the same */
    assert_string_equal(f.cell.ename, "KeyboardInterrupt");
    assert_int_equal(f.core.cancels, 0);
    f.companion.state = "starting"; /* there is nobody to interrupt yet */
    begin(&f, "%cancel {{ run }}", false);
    magics_interpreter.interrupt(f.magics, &f.cell);
    assert_string_equal(f.cell.ename, "KeyboardInterrupt");
    fake_values(&f.companion, NULL);
    tear_down(&f);
}

static void a_second_interrupt_does_not_wait_for_python(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%cancel {{ run }}", false);
    magics_interpreter.interrupt(f.magics, &f.cell);
    magics_interpreter.interrupt(f.magics, &f.cell);
    assert_int_equal(f.companion.interrupts, 2);
    assert_string_equal(f.cell.ename, "KeyboardInterrupt");
    struct companion late = f.companion; /* the next cell has its own question */
    f.companion.asked = NULL;
    begin(&f, "%cancel {{ run }}", false);
    fake_values(&late, CALM);
    assert_false(f.cell.done);
    assert_int_equal(f.core.cancels, 0);
    fake_values(&f.companion, CALM);
    assert_int_equal(f.core.cancels, 1);
    tear_down(&f);
}

static void errors_have_their_place_in_the_cell(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%runs {{ a }} --lvie {{ b }} --x", false);
    fake_values(&f.companion, "[{\"json\":\"\\\"--live\\\"\",\"text\":\"--live\"},"
                              "{\"json\":\"1\",\"text\":\"1\"}]");
    assert_non_null(strstr(f.cell.traceback, "line 1, column 15"));
    assert_non_null(strstr(f.cell.traceback, "{{ a }} --lvie")); /* the line as it was written */
    tear_down(&f);
}

static void the_kernel_may_go_while_python_is_asked(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%cancel {{ run }}", false);
    magics_free(f.magics);
    f.magics = NULL;
    assert_false(f.cell.done);
    fake_values(&f.companion, NULL);
    assert_false(f.cell.done);
    tear_down(&f);
}

static void says_which_python_it_has(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    begin(&f, "%skiff", true);
    assert_shows(&f.cell.outlet.plain, "/opt/py/bin/python3");
    assert_shows(&f.cell.outlet.plain, "python3 on PATH");
    assert_shows(&f.cell.outlet.plain, "ipython 9.0, python 3.11");
    assert_shows(&f.cell.outlet.plain, "/old (gone): is not there");
    assert_shows(&f.cell.outlet.html, "/opt/py/bin/python3");
    f.companion.state = "none";
    begin(&f, "%skiff", true);
    assert_shows(&f.cell.outlet.plain, "pip install ipykernel");
    assert_shows(&f.cell.outlet.html, "pip install ipykernel");
    assert_null(f.companion.asked);
    tear_down(&f);
}

static void plain_cells_get_an_honest_answer(void **state)
{
    (void)state;
    static const struct {
        const char *code, *ename, *traceback;
    } cases[] = {
        {"", NULL, NULL},
        {"\n# only a comment\n", NULL, NULL},
        {"import os", "NoCompanionError", "no Python"},
        {"x = 1\n%%environment y\nimage: a\n", "InvalidError", "line 2, column 1"},
        {"%matplotlib inline", "NoCompanionError", "skiff install --companion"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct cell cell = {.code = cases[i].code};
        plain_interpreter.execute(NULL, &cell);
        assert_true(cell.done);
        assert_int_equal(cell.ename != NULL, cases[i].ename != NULL);
        if (cell.ename != NULL) {
            assert_string_equal(cell.ename, cases[i].ename);
            assert_non_null(strstr(cell.traceback, cases[i].traceback));
        }
        fake_cell_done(&cell);
    }
}

static void offers_its_magics_where_a_cell_begins(void **state)
{
    (void)state;
    AUTO_STRLIST struct strlist found = STRLIST_INIT;
    assert_int_equal(magics_interpreter.offer(NULL, "%%sub", 5, &found), 0);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.items[0], "%%submit");
    (void)magics_interpreter.offer(NULL, "sub", 3, &found);
    assert_int_equal(found.count, 1);
}

static void tells_when_a_cell_is_complete(void **state)
{
    (void)state;
    static const struct {
        const char *code, *status;
    } cases[] = {
        {"%runs", "complete"},
        {"%%submit x", "incomplete"},
        {"%%submit x\na: b", "incomplete"},
        {"%%submit x\na: b\n", "complete"},
        {"%%submit?", "complete"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct question question = {.code = cases[i].code};
        magics_interpreter.is_complete(NULL, &question);
        assert_string_equal(question.status, cases[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(runs_line_magics_one_after_another),
        UNIT(checks_the_whole_cell_before_it_begins),
        UNIT(the_first_failure_ends_the_cell),
        UNIT(shows_help_and_the_overview),
        UNIT(defines_environments_and_computes),
        UNIT(takes_a_definition_from_a_file),
        UNIT(submits_and_goes_on_showing_after_the_cell),
        UNIT(waits_in_batch_and_ends_with_the_run),
        UNIT(fails_the_waiting_cell_with_the_run),
        UNIT(an_interrupt_detaches_and_attach_continues),
        UNIT(what_was_shown_outlives_the_kernel),
        UNIT(an_interrupt_before_acceptance_submits_nothing),
        UNIT(runs_again),
        UNIT(lists_of_runs_are_narrowed),
        UNIT(refusals_name_the_reason),
        UNIT(bounds_the_messages_of_a_burst),
        UNIT(secrets_are_asked_for_and_never_shown),
        UNIT(prints_logs_bounded),
        UNIT(the_kernel_may_go_at_any_time),
        UNIT(values_are_put_in_before_anything_is_done),
        UNIT(a_cell_without_expressions_needs_no_python),
        UNIT(without_a_value_nothing_is_done),
        UNIT(without_python_it_says_so),
        UNIT(an_interrupt_reaches_python_and_ends_the_cell),
        UNIT(a_second_interrupt_does_not_wait_for_python),
        UNIT(errors_have_their_place_in_the_cell),
        UNIT(the_kernel_may_go_while_python_is_asked),
        UNIT(says_which_python_it_has),
        UNIT(plain_cells_get_an_honest_answer),
        UNIT(offers_its_magics_where_a_cell_begins),
        UNIT(tells_when_a_cell_is_complete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
