/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/diagnostic.h"

#include "tests/unit.h"
#include "tests/unit/magics/fake_kernel.h"

static void writes_the_whole_story(void **state)
{
    (void)state;
    static const struct {
        struct error err;
        const char *ename;
        const char *source;
        const char *text;
    } cases[] = {
        {{.code = ERROR_INVALID,
          .text = (char *)(uintptr_t) "unknown key 'imgae'",
          .hint = (char *)(uintptr_t) "did you mean image?",
          .line = 2,
          .column = 3},
         NULL,
         "%%environment x\n  imgae: y\n",
         "InvalidError: unknown key 'imgae'\n"
         "  line 2, column 3:\n"
         "      imgae: y\n"
         "      ^\n"
         "→ did you mean image?"},
        {{.code = ERROR_NOT_FOUND, .text = (char *)(uintptr_t) "no such run"},
         NULL,
         "%status x",
         "NotFoundError: no such run\n"
         "→ %runs, %environments and %computes list what there is"},
        {{.code = ERROR_IO,
          .text = (char *)(uintptr_t) "reading: no",
          .file = (char *)(uintptr_t) "a.yml",
          .line = 1},
         NULL,
         "key: 1\n",
         "IOError: reading: no\n"
         "  in a.yml, line 1:\n"
         "    key: 1\n"
         "→ look at the disk that is named, then run the cell again; nothing was half done"},
        {{.code = ERROR_CANCELLED, .text = (char *)(uintptr_t) "stopped"},
         NULL,
         NULL,
         "KeyboardInterrupt: stopped"},
        {{.code = ERROR_FAILED, .text = (char *)(uintptr_t) "run a failed"},
         "RunFailedError",
         "%wait",
         "RunFailedError: run a failed"},
        {{.code = ERROR_INVALID, .text = (char *)(uintptr_t) "bad", .line = 1, .column = 4},
         NULL,
         "\t\xc3\xa9:\xf0\x9f\x98\x80",
         "InvalidError: bad\n"
         "  line 1, column 4:\n"
         "     \xc3\xa9:\xf0\x9f\x98\x80\n"
         "       ^\n"
         "→ put a ? behind the magic (%%submit?) to see how it is used, with an example"},
        {{.code = ERROR_INVALID, .text = (char *)(uintptr_t) "gone", .line = 99, .column = 4},
         NULL,
         "one line",
         "InvalidError: gone\n"
         "  line 99, column 4:\n"
         "→ put a ? behind the magic (%%submit?) to see how it is used, with an example"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *text =
            diagnostic_text(&cases[i].err, cases[i].ename, cases[i].source, false);
        assert_string_equal(text, cases[i].text);
    }
}

static void cuts_long_lines_around_the_caret(void **state)
{
    (void)state;
    AUTO_BUF struct buf source = BUF_INIT;
    for (int i = 0; i < 1000; i++)
        buf_puts(&source, i == 500 ? "X" : "\xc3\xa9");
    struct error err = {
        .code = ERROR_INVALID, .text = (char *)(uintptr_t) "x", .line = 1, .column = 501};
    AUTO_FREE char *text = diagnostic_text(&err, NULL, source.data, false);
    const char *line = strchr(strchr(text, '\n') + 1, '\n') + 1;
    const char *caret = strchr(line, '\n') + 1;
    size_t at = 0; /* in code points, of the X */
    for (const char *p = line; *p != 'X'; p++)
        at += ((unsigned char)*p & 0xc0) != 0x80;
    assert_int_equal(strcspn(caret, "^"), at);
    assert_true(strlen(text) < 500);
}

static void escapes_in_html(void **state)
{
    (void)state;
    struct error err = {.code = ERROR_INVALID,
                        .text = (char *)(uintptr_t) "<script>alert(1)</script>",
                        .hint = (char *)(uintptr_t) "<b>",
                        .file = (char *)(uintptr_t) "<i>",
                        .line = 1,
                        .column = 1};
    AUTO_JSON json_t *bundle = diagnostic_bundle(&err, NULL, "<img src=x onerror=y>");
    const char *html = json_get_string(bundle, "text/html", "");
    assert_null(strstr(html, "<script>"));
    assert_null(strstr(html, "<img"));
    assert_null(strstr(html, "<i>"));
    assert_non_null(strstr(html, "&lt;script&gt;"));
}

static void ends_a_cell_for_a_person_and_for_batch(void **state)
{
    (void)state;
    struct error err = {.code = ERROR_INVALID,
                        .text = (char *)(uintptr_t) "first line\nsecond",
                        .hint = (char *)(uintptr_t) "do this",
                        .line = 1};
    struct cell person = {.code = "%x", .allow_stdin = true};
    diagnostic_finish(&person, &err, person.code, NULL);
    assert_string_equal(person.ename, "InvalidError");
    assert_string_equal(person.evalue, "first line");
    assert_int_equal(person.outlet.displays, 1);
    assert_null(strstr(person.traceback, "do this"));
    struct cell batch = {.code = "%x"};
    diagnostic_finish(&batch, &err, batch.code, NULL);
    assert_int_equal(batch.outlet.displays, 0);
    assert_non_null(strstr(batch.traceback, "second"));
    assert_non_null(strstr(batch.traceback, "do this"));
    err.line = 0;
    struct cell nowhere = {.code = "%x", .allow_stdin = true};
    diagnostic_finish(&nowhere, &err, nowhere.code, NULL);
    assert_int_equal(nowhere.outlet.displays, 1);
    fake_cell_done(&nowhere);
    fake_cell_done(&person);
    fake_cell_done(&batch);
}

static void tells_a_next_step_always(void **state)
{
    (void)state;
    static const enum error_code codes[] = {ERROR_INVALID, ERROR_NOT_FOUND, ERROR_DENIED,  ERROR_IO,
                                            ERROR_BUSY,    ERROR_CORRUPT,   ERROR_INTERNAL};
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        struct error err = {.code = codes[i], .text = (char *)(uintptr_t) "wrong"};
        AUTO_FREE char *text = diagnostic_text(&err, NULL, NULL, false);
        assert_non_null(strstr(text, "\n→ "));
    }
    struct error own = {.code = ERROR_IO,
                        .text = (char *)(uintptr_t) "wrong",
                        .hint = (char *)(uintptr_t) "do this"};
    AUTO_FREE char *text = diagnostic_text(&own, NULL, NULL, false);
    assert_string_equal(text, "IOError: wrong\n→ do this");
}

static void shows_notes_small(void **state)
{
    (void)state;
    struct note items[] = {
        {.level = NOTE_WARNING, .text = (char *)(uintptr_t) "<old> key", .line = 3},
        {.level = NOTE_INFO, .text = (char *)(uintptr_t) "fine"},
    };
    AUTO_JSON json_t *bundle = diagnostic_notes(&(struct notes){.items = items, .count = 2});
    assert_string_equal(json_get_string(bundle, "text/plain", ""),
                        "Warning: line 3: <old> key\nNote: fine");
    assert_null(strstr(json_get_string(bundle, "text/html", ""), "<old>"));
    assert_null(diagnostic_notes(&(struct notes)NOTES_INIT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(writes_the_whole_story),
        UNIT(tells_a_next_step_always),
        UNIT(cuts_long_lines_around_the_caret),
        UNIT(escapes_in_html),
        UNIT(ends_a_cell_for_a_person_and_for_batch),
        UNIT(shows_notes_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
