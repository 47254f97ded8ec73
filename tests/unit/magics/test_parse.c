/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/parse.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "tests/unit.h"

/* A parse as one line: "%runs(--live)@1:1 ..." with each word's place, and the body. */
static char *describe(const struct parse *parse)
{
    struct buf text = BUF_INIT;
    for (size_t i = 0; i < parse->count; i++) {
        const struct parse_call *call = &parse->calls[i];
        buf_printf(&text, "%s%s%s%s@%d:%d", i > 0 ? "; " : "", call->cell_magic ? "%%" : "%",
                   call->name.text, call->help ? "?" : "", call->name.line, call->name.column);
        for (size_t w = 0; w < call->count; w++)
            buf_printf(&text, " [%s]@%d:%d", call->words[w].text, call->words[w].line,
                       call->words[w].column);
    }
    if (parse->body != NULL)
        buf_printf(&text, " body@%d=%s", parse->body_line, parse->body);
    return buf_steal(&text);
}

static void reads_cells_with_places(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *parsed;
    } cases[] = {
        {"%runs", "%runs@1:1"},
        {"\n# first\n  %runs --live  # why\n", "%runs@3:3 [--live]@3:9"},
        {"%runs\n\n# between\n%status calm_fox\r\n", "%runs@1:1; %status@4:1 [calm_fox]@4:9"},
        {"%%submit exp --wait # c\nscript: a.py\n",
         "%%submit@1:1 [exp]@1:10 [--wait]@1:14 body@2=script: a.py\n"},
        {"# note\n\n%%environment x\n", "%%environment@3:1 [x]@3:15 body@4="},
        {"%%compute x", "%%compute@1:1 [x]@1:11 body@2="},
        {"%%submit \xc3\xa9t\xc3\xa9 b", "%%submit@1:1 [\xc3\xa9t\xc3\xa9]@1:10 [b]@1:14 body@2="},
        {"%logs 'a b' \"c \\\"d\\\" # e\" f#g",
         "%logs@1:1 [a b]@1:7 [c \"d\" # e]@1:13 [f#g]@1:27"},
        {"%%submit --file=\"a b\".yml", "%%submit@1:1 [--file=a b.yml]@1:10 body@2="},
        {"%runs?", "%runs?@1:1"},
        {"?%runs\n%%submit?\n??%%compute", "%runs?@1:1; %%submit?@2:1; %%compute?@3:1"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO(parse) struct parse *parse = NULL;
        assert_int_equal(parse_cell(cases[i].code, &parse, &err), 0);
        AUTO_FREE char *parsed = describe(parse);
        assert_string_equal(parsed, cases[i].parsed);
    }
}

static void knows_the_bytes_of_a_word(void **state)
{
    (void)state;
    const char *code = "\n %logs \xc3\xa9 'a b'";
    AUTO(parse) struct parse *parse = NULL;
    assert_int_equal(parse_cell(code, &parse, NULL), 0);
    const struct parse_word *word = &parse->calls[0].words[1];
    assert_int_equal(word->end - word->start, 5);
    assert_memory_equal(code + word->start, "'a b'", 5);
}

static void refuses_with_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        int line, column;
        const char *text; /* part of it */
    } cases[] = {
        {"%runs\nx = 3\n", 2, 1, "Python"},
        {"%runs\n  import os", 2, 3, "Python"},
        {"%runs\n%%submit x\n", 2, 1, "%%submit must be the first line"},
        {"%logs \xc3\xa9 'abc", 1, 9, "not closed"},
        {"x = 3", 1, 1, "magic"},
        {"%%%runs", 1, 1, "magic"},
        {"% runs", 1, 1, "magic"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        struct parse *parse = NULL;
        assert_int_equal(parse_cell(cases[i].code, &parse, &err), -1);
        assert_null(parse);
        assert_int_equal(err.line, cases[i].line);
        assert_int_equal(err.column, cases[i].column);
        assert_non_null(strstr(err.text, cases[i].text));
    }
}

static void bounds_words_and_magics(void **state)
{
    (void)state;
    AUTO_BUF struct buf words = BUF_INIT;
    AUTO_BUF struct buf calls = BUF_INIT;
    struct parse *parse = NULL;
    buf_puts(&words, "%logs");
    for (size_t i = 0; i <= PARSE_WORDS_MAX; i++)
        buf_puts(&words, " w");
    for (size_t i = 0; i <= PARSE_CALLS_MAX; i++)
        buf_puts(&calls, "%runs\n");
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_int_equal(parse_cell(words.data, &parse, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_int_equal(parse_cell(calls.data, &parse, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
}

static void finds_the_first_magic(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *magic; /* NULL: none */
        bool help;
    } cases[] = {
        {"%runs --live", "%runs", false},
        {"# c\n\n%%submit x", "%%submit", false},
        {"%%submit?", "%%submit", true},
        {"?%runs", "%runs", true},
        {"x = %runs", NULL, false},
        {"%a,b", NULL, false},
        {"", NULL, false},
        {"# only %runs", NULL, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct parse_first first = {.magic = NULL};
        assert_int_equal(parse_first(cases[i].code, &first), cases[i].magic != NULL);
        if (cases[i].magic != NULL)
            assert_string_equal(first.magic, cases[i].magic);
        assert_int_equal(first.help, cases[i].help);
        free(first.magic);
    }
}

static void finds_the_rest_behind_a_comment_that_looks_the_same(void **state)
{
    (void)state;
    struct parse_first first;
    assert_true(parse_first("# %%submit x\n%%submit x\nbody", &first));
    assert_string_equal(first.rest, "body");
    free(first.magic);
}

static void tells_blank_cells_and_lines(void **state)
{
    (void)state;
    assert_true(parse_is_blank(" \n# c\n\t\r\n"));
    assert_false(parse_is_blank("\n x"));
    AUTO_FREE char *line = parse_line("a\r\nb\n", 1);
    AUTO_FREE char *last = parse_line("a\nb", 2);
    assert_string_equal(line, "a");
    assert_string_equal(last, "b");
    assert_null(parse_line("a\nb", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(reads_cells_with_places),
        UNIT(knows_the_bytes_of_a_word),
        UNIT(refuses_with_a_place),
        UNIT(bounds_words_and_magics),
        UNIT(finds_the_first_magic),
        UNIT(finds_the_rest_behind_a_comment_that_looks_the_same),
        UNIT(tells_blank_cells_and_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
