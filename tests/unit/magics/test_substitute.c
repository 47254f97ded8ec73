/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/substitute.h"

#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/unit.h"

/* A cell, what Python answers, and the cell with its values; or the error and its place. */
struct substitute_case {
    const char *code, *answer;
    const char *question; /* the list in it; NULL: nobody is asked */
    const char *text;     /* NULL: an error that holds `error` */
    const char *error;
    int line, column;
};

#define TEXT(value) "{\"json\": \"\\\"" value "\\\"\", \"text\": \"" value "\"}"
#define NUMBER(value) "{\"json\": \"" value "\", \"text\": \"" value "\"}"
#define LIST(value) "{\"json\": \"" value "\"}"
#define SUBMIT "%%submit x\n"

static const struct substitute_case cases[] = {
    /* nothing to ask for */
    {.code = SUBMIT "a: b\n"},
    {.code = SUBMIT "a: ${{inputs.x}} $${{ y }}\n"},
    {.code = SUBMIT "# {{ x\na: b # {{ y }}\n"},
    {.code = "%runs # {{ x }}\n  # {{\n"},
    {.code = SUBMIT "a: {b: {c: 1}}\n"},
    /* the whole of a value: JSON */
    {SUBMIT "a: {{ x }}\n", "[" TEXT("3.10") "]", "[\"x\"]", SUBMIT "a: \"3.10\"\n", NULL, 0, 0},
    {SUBMIT "a: {{x}} # c\nb: 1\n", "[" TEXT("a: [b, #c") "]", "[\"x\"]",
     SUBMIT "a: \"a: [b, #c\" # c\nb: 1\n", NULL, 0, 0},
    {SUBMIT "a:\n  - {{ x }}\n  -   {{ y }}\n", "[" NUMBER("3") ", " NUMBER("1e-05") "]",
     "[\"x\",\"y\"]", SUBMIT "a:\n  - 3\n  -   1e-05\n", NULL, 0, 0},
    {SUBMIT "a: [{{ x }}, b, {c: {{ y }}}]\n", "[" NUMBER("true") ", " LIST("[1, 2]") "]",
     "[\"x\",\"y\"]", SUBMIT "a: [true, b, {c: [1, 2]}]\n", NULL, 0, 0},
    {SUBMIT "a:\n  {{ x }}\n", "[" LIST("[\\\"a,b\\\", 1]") "]", "[\"x\"]",
     SUBMIT "a:\n  [\"a,b\", 1]\n", NULL, 0, 0},
    {SUBMIT "{{ x }}: 1\n", "[" TEXT("k") "]", "[\"x\"]", SUBMIT "\"k\": 1\n", NULL, 0, 0},
    {SUBMIT "a: {{ x }}\n", "[{\"json\": \"\\\"1\\\\n2\\\"\", \"text\": \"1\\n2\"}]", "[\"x\"]",
     SUBMIT "a: \"1\\n2\"\n", NULL, 0, 0},
    /* a part of one: its text */
    {SUBMIT "a: r-{{ x }}-{{ y }}\n", "[" NUMBER("3") ", " TEXT("b c") "]", "[\"x\",\"y\"]",
     SUBMIT "a: r-3-b c\n", NULL, 0, 0},
    {SUBMIT "a: \"{{ x }}\"\nb: '{{ y }}'\n", "[" NUMBER("3") ", " TEXT("[b, c") "]",
     "[\"x\",\"y\"]", SUBMIT "a: \"3\"\nb: '[b, c'\n", NULL, 0, 0},
    {SUBMIT "a: |\n  one {{ x }}\n  {{ y }}\n", "[" TEXT("t: #") ", " NUMBER("2") "]",
     "[\"x\",\"y\"]", SUBMIT "a: |\n  one t: #\n  2\n", NULL, 0, 0},
    {SUBMIT "a: {{ x }} ${{inputs.y}}\n", "[" NUMBER("true") "]", "[\"x\"]",
     SUBMIT "a: true ${{inputs.y}}\n", NULL, 0, 0},
    {SUBMIT "a: {{ x }}\n", "[" TEXT("{{ y }}") "]", "[\"x\"]", SUBMIT "a: \"{{ y }}\"\n", NULL, 0,
     0},
    /* the magics' lines */
    {"%status {{ x }}\n%runs -n {{ y }}\n", "[" TEXT("a b") ", " NUMBER("3") "]", "[\"x\",\"y\"]",
     "%status \"a b\"\n%runs -n \"3\"\n", NULL, 0, 0},
    {"%runs --experiment={{ x }} '{{ y }}'", "[" TEXT("a") ", " TEXT("b c") "]", "[\"x\",\"y\"]",
     "%runs --experiment=a 'b c'", NULL, 0, 0},
    {"%status {{ x }}", "[{\"json\": \"\\\"q\\\"\", \"text\": \"a\\\"b\\\\c\"}]", "[\"x\"]",
     "%status \"a\\\"b\\\\c\"", NULL, 0, 0},
    {"%%submit {{ x }} --wait\na: {{ y }}", "[" TEXT("e") ", " NUMBER("1") "]", "[\"x\",\"y\"]",
     "%%submit \"e\" --wait\na: 1", NULL, 0, 0},
    /* expressions with braces and quotes of their own */
    {SUBMIT "a: {{ {'b': {'c': 1}}['b']['c'] }}\n", "[" NUMBER("1") "]",
     "[\"{'b': {'c': 1}}['b']['c']\"]", SUBMIT "a: 1\n", NULL, 0, 0},
    {SUBMIT "a: {{ len({1,2})}}\n", "[" NUMBER("2") "]", "[\"len({1,2})\"]", SUBMIT "a: 2\n", NULL,
     0, 0},
    {SUBMIT "a: {{ '}}' + \"\"\"}}\"\"\" + '\\'}}' }}\n", "[" TEXT("v") "]",
     "[\"'}}' + \\\"\\\"\\\"}}\\\"\\\"\\\" + '\\\\'}}'\"]", SUBMIT "a: \"v\"\n", NULL, 0, 0},
    {SUBMIT "a: {{ f\"{x}\" }}{{ '' }}\n", "[" TEXT("v") ", " TEXT("") "]",
     "[\"f\\\"{x}\\\"\",\"''\"]", SUBMIT "a: v\n", NULL, 0, 0},
    /* slips */
    {.code = SUBMIT "a: {{ x\nb: }}\n", .error = "not closed in its line", .line = 2, .column = 4},
    {.code = SUBMIT "é: b{{ 'x }}\n", .error = "not closed", .line = 2, .column = 5},
    {.code = SUBMIT "a: {{ '\\\n", .error = "not closed", .line = 2, .column = 4},
    {.code = SUBMIT "a: {{}}\n", .error = "no expression between", .line = 2, .column = 4},
    {.code = "%runs {{ \t }}\n", .error = "no expression between", .line = 1, .column = 7},
    {.code = "%runs\n%runs{{ x }}\n",
     .error = "no place for an expression",
     .line = 2,
     .column = 1},
    {.code = SUBMIT "a: [{{ x }}\nb: 1\n", .error = "", .line = 2, .column = 4},
    {.code = "%runs \"{{ x }}\n", .error = "not closed", .line = 1, .column = 7},
    /* what cannot stand there */
    {SUBMIT "b: 1\na: b {{ x }}\n", "[{\"json\": \"\\\"1\\\\n2\\\"\", \"text\": \"1\\n2\"}]",
     "[\"x\"]", .error = "several lines", .line = 3, .column = 6},
    {SUBMIT "a: b {{ x }}\n", "[" LIST("[1]") "]", "[\"x\"]", .error = "inside of a longer text",
     .line = 2, .column = 6},
    {"%runs {{ x }}\n", "[" LIST("[1]") "]", "[\"x\"]", .error = "magic's line", .line = 1,
     .column = 7},
    {SUBMIT "a: b{{ x }}\n", "[" TEXT(" #c") "]", "[\"x\"]", .error = "something else", .line = 2,
     .column = 5},
    {SUBMIT "a: {{ y }}b{{ x }}\n", "[" NUMBER("1") ", " TEXT(": c") "]", "[\"y\",\"x\"]",
     .error = "something else", .line = 2, .column = 4},
    {SUBMIT "b: {{ y }}\na: [b{{ x }}]\n", "[" NUMBER("1") ", " TEXT("b,c") "]", "[\"y\",\"x\"]",
     .error = "something else", .line = 3, .column = 6},
    {SUBMIT "a: '{{ x }}'\n", "[" TEXT("it's") "]", "[\"x\"]", .error = "something else", .line = 2,
     .column = 5},
    {SUBMIT "a: \"{{ x }}\"\n", "[{\"json\": \"1\", \"text\": \"\\\\n\"}]", "[\"x\"]",
     .error = "something else", .line = 2, .column = 5},
    {SUBMIT "a: |\n  {{ x }}\n  b\n", "[" TEXT("   c") "]", "[\"x\"]", .error = "something else",
     .line = 3, .column = 3},
    {"%runs --experiment={{ x }}", "[" TEXT("a b") "]", "[\"x\"]", .error = "something else",
     .line = 1, .column = 20},
    {SUBMIT "a: {{ x }}\n{{ y }}: 1\n", "[" NUMBER("1") ", " LIST("[1]") "]", "[\"x\",\"y\"]",
     .error = "a key must be a word", .line = 3, .column = 1},
    /* what Python says */
    {SUBMIT "a: {{ x }}\n", "[{\"ename\": \"ValueError\", \"evalue\": \"no good\"}]", "[\"x\"]",
     .error = "no good", .line = 2, .column = 4},
    {SUBMIT "a: {{ x }}\n", "[{\"ename\": \"KeyboardInterrupt\", \"evalue\": \"\"}]", "[\"x\"]",
     .error = "KeyboardInterrupt", .line = 2, .column = 4},
    {SUBMIT "a: {{ x }}\nb: {{ y }}\n", "[" NUMBER("1") ", {\"problem\": \"is of type dict\"}]",
     "[\"x\",\"y\"]", .error = "this expression is of type dict", .line = 3, .column = 4},
    {SUBMIT "a: {{ x }}\n", "[]", "[\"x\"]", .error = "did not come", .line = 2, .column = 4},
    {SUBMIT "a: {{ x }}\n", "[7]", "[\"x\"]", .error = "did not come", .line = 2, .column = 4},
    {SUBMIT "a: {{ x }}\n", "[{\"json\": \"1\\n2\"}]", "[\"x\"]", .error = "longer than", .line = 2,
     .column = 4},
};

static int run_case(const struct substitute_case *c, struct substitute **ret, struct error *err)
{
    AUTO_FREE char *ename = NULL;
    if (substitute_new(c->code, ret, err) < 0)
        return -1;
    if (*ret == NULL)
        return 0;
    AUTO_FREE char *question = substitute_question(*ret);
    AUTO_FREE char *wanted = xasprintf("get_ipython()._skiff_values(%s)", c->question);
    AUTO_JSON json_t *answer = json_loads(c->answer, 0, NULL);
    assert_string_equal(question, wanted);
    assert_non_null(answer);
    int result = substitute_fill(*ret, answer, &ename, err);
    assert_int_equal(ename != NULL, strstr(c->answer, "ename") != NULL);
    return result;
}

static void puts_values_in_or_says_why_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct substitute_case *c = &cases[i];
        AUTO(substitute) struct substitute *substitute = NULL;
        AUTO_ERROR struct error err = ERROR_INIT;
        int result = run_case(c, &substitute, &err);
        if (result < 0 && c->error == NULL)
            fail_msg("%s: %s", c->code, err.text);
        if (c->error == NULL) {
            assert_int_equal(substitute != NULL, c->question != NULL);
            if (substitute != NULL)
                assert_string_equal(substitute_text(substitute), c->text);
            continue;
        }
        if (result == 0 || strstr(err.text, c->error) == NULL || err.hint == NULL)
            fail_msg("%s: %s", c->code, result == 0 ? "is taken" : err.text);
        if (err.line != c->line || err.column != c->column)
            fail_msg("%s: at %d, %d", c->code, err.line, err.column);
    }
}

/* Columns of the filled cell, and what they are in the cell as it was written. */
static void places_are_those_of_the_cell(void **state)
{
    (void)state;
    static const struct substitute_case c = {SUBMIT "é: [{{ x }}, b, {{ y }}, c]\nd: 1\n",
                                             "[" TEXT("long é text") ", " NUMBER("1") "]",
                                             "[\"x\",\"y\"]",
                                             NULL,
                                             NULL,
                                             0,
                                             0};
    static const int columns[][2] = {{1, 1},   {5, 5},   {12, 5},  {17, 5}, {18, 12},
                                     {20, 14}, {23, 17}, {24, 24}, {26, 26}};
    AUTO(substitute) struct substitute *substitute = NULL;
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_int_equal(run_case(&c, &substitute, &err), 0);
    assert_string_equal(substitute_text(substitute),
                        SUBMIT "é: [\"long é text\", b, 1, c]\nd: 1\n");
    error_set(&err, ERROR_INVALID, "x");
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        error_at(&err, 2, columns[i][0]);
        substitute_locate(substitute, &err);
        assert_int_equal(err.column, columns[i][1]);
        error_at(&err, 3, columns[i][0]);
        substitute_locate(substitute, &err);
        assert_int_equal(err.column, columns[i][0]);
    }
    assert_int_equal(substitute_line(substitute), 2);
}

static void has_limits(void **state)
{
    (void)state;
    AUTO_BUF struct buf many = BUF_INIT;
    AUTO_BUF struct buf wide = BUF_INIT;
    AUTO_BUF struct buf value = BUF_INIT;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(substitute) struct substitute *substitute = NULL;
    AUTO_FREE char *ename = NULL;
    buf_puts(&many, SUBMIT "a:\n");
    for (int i = 0; i <= SUBSTITUTE_MAX; i++)
        buf_puts(&many, "  - {{ x }}\n");
    assert_int_equal(substitute_new(many.data, &substitute, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_int_equal(err.line, SUBSTITUTE_MAX + 3);
    buf_printf(&wide, SUBMIT "a: {{ %0*d }}\n", SUBSTITUTE_EXPRESSION_MAX + 1, 1);
    assert_int_equal(substitute_new(wide.data, &substitute, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    buf_printf(&value, "%0*d", SUBSTITUTE_VALUE_MAX + 1, 1);
    AUTO_JSON json_t *answer = json_pack("[{s:s}]", "json", value.data);
    assert_int_equal(substitute_new(SUBMIT "a: {{ x }}\n", &substitute, &err), 0);
    assert_int_equal(substitute_fill(substitute, answer, &ename, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(puts_values_in_or_says_why_not),
        UNIT(places_are_those_of_the_cell),
        UNIT(has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
