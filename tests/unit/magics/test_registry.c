/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/registry.h"

#include "tests/unit.h"
/* keep apart */
#include "magics/arguments.h"
#include "tests/unit/magics/fake_kernel.h"
#include "tests/unit/magics/fake_submission.h"

static void lists_whole_entries_in_order(void **state)
{
    (void)state;
    bool lines = false;
    size_t cells = 0;
    for (size_t i = 0; registry_magics[i] != NULL; i++) {
        const struct magic *magic = registry_magics[i];
        AUTO_FREE char *written = xasprintf("%s%s", magic->cell ? "%%" : "%", magic->name);
        assert_false(magic->cell && lines); /* cells come first */
        lines = lines || !magic->cell;
        cells += magic->cell;
        assert_non_null(magic->run);
        assert_true(strlen(magic->help) > 5 && strchr(magic->help, '\n') == NULL);
        assert_memory_equal(magic->usage, written, strlen(written));
        assert_memory_equal(magic->example, written, strlen(written));
        assert_true(magic->min_args <= magic->max_args && magic->max_args <= ARGUMENTS_MAX);
        assert_true(magic->max_args == 0 || magic->argument != NULL);
        assert_ptr_equal(registry_find(magic->name), magic);
        for (const struct magic_option *o = magic->options; o != NULL && o->name != NULL; o++) {
            assert_int_equal(o->name[0], '-');
            assert_non_null(o->help);
            assert_non_null(strstr(magic->usage, o->name));
        }
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(registry_magics[j]->name, magic->name);
    }
    assert_int_equal(cells, SPEC_KIND_COUNT);
}

static void every_example_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; registry_magics[i] != NULL; i++) {
        AUTO(parse) struct parse *parse = NULL;
        struct arguments arguments;
        assert_true(registry_claims(registry_magics[i]->example));
        assert_int_equal(parse_cell(registry_magics[i]->example, &parse, NULL), 0);
        assert_ptr_equal(registry_resolve(&parse->calls[0], NULL), registry_magics[i]);
        assert_int_equal(arguments_bind(registry_magics[i], &parse->calls[0], &arguments, NULL), 0);
    }
}

static void claims_its_own_and_slips_of_them(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        bool ours;
    } cases[] = {
        {"%rerun calm_fox", true},
        {"# %rerun 2\n\n  %rerun --wait calm_fox\n%runs", true},
        {"%rerun?", true},
        {"%rerun", false},
        {"%rerun 2\n", false},
        {"%rerun -l 3", false},
        {"%rerun ~1/1", false},
        {"%%submit x", true},
        {"%%submitt x", true},
        {"%%sumbit x", true},
        {"%statuss", true},
        {"%enviroments", true},
        {"%runs", true},
        {"# c\n\n%runs", true},
        {"%%runs", true},
        {"%submit x", true},
        {"%runs?", true},
        {"?%%submit", true},
        {"%run x.py", false},
        {"%env", false},
        {"%%time\nx", false},
        {"%%writefile a", false},
        {"%%bash\nls", false},
        {"%matplotlib", false},
        {"%who", false},
        {"%lsmagic", false},
        {"%store x", false},
        {"%%script sh", false},
        {"x = 3\n%runs", false},
        {"", false},
        {"print('%runs')", false},
        {"%%rust\nfn", false},
        {"%%sql\nselect", false},
        {"%load_ext a", false},
        {"%%capture out", false},
        {"%cat a", false},
        {"%conda install x", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(registry_claims(cases[i].code), cases[i].ours);
}

static void explains_what_it_does_not_know(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *text, *hint;
    } cases[] = {
        {"%%submitt x", "there is no magic %%submitt", "did you mean %%submit?"},
        {"%statuss", "there is no magic %statuss", "did you mean %status?"},
        {"%submit x", "is a cell magic", "%%submit"},
        {"%%runs", "is a line magic", "write %runs"},
        {"%matplotlib inline", "is Python's", "cell of its own"},
        {"%xyzzy", "there is no magic", "%skiff"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO(parse) struct parse *parse = NULL;
        assert_int_equal(parse_cell(cases[i].code, &parse, &err), 0);
        assert_null(registry_resolve(&parse->calls[0], &err));
        assert_non_null(strstr(err.text, cases[i].text));
        assert_non_null(strstr(err.hint, cases[i].hint));
        assert_int_equal(err.line, 1);
    }
}

static void sorts_words(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        const char *error; /* NULL: good */
        int column;
    } cases[] = {
        {"%runs --experiment a --live -n 3", NULL, 0},
        {"%runs --experiment=a -n=3", NULL, 0},
        {"%runs --lvie", "no option --lvie", 7},
        {"%runs -n", "needs a value", 7},
        {"%runs --live=1", "takes no value", 7},
        {"%runs --live --live", "twice", 14},
        {"%runs foo", "'foo'", 7},
        {"%cancel", "needs a run", 1},
        {"%cancel a b", "'b'", 11},
        {"%cancel -- -a", NULL, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO(parse) struct parse *parse = NULL;
        struct arguments arguments;
        assert_int_equal(parse_cell(cases[i].code, &parse, &err), 0);
        int result = arguments_bind(registry_resolve(&parse->calls[0], &err), &parse->calls[0],
                                    &arguments, &err);
        assert_int_equal(result, cases[i].error != NULL ? -1 : 0);
        if (cases[i].error != NULL)
            assert_non_null(strstr(err.text, cases[i].error));
        assert_int_equal(err.column, cases[i].column);
    }
}

static void reads_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        long number; /* 0: refused */
    } cases[] = {
        {"%runs", 20},
        {"%runs -n 7", 7},
        {"%runs -n 0", 0},
        {"%runs -n x", 0},
        {"%runs -n 99999999999999999999", 0},
        {"%runs -n 7x", 0},
        {"%runs -n -3", 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO(parse) struct parse *parse = NULL;
        struct arguments arguments;
        long number = 0;
        assert_int_equal(parse_cell(cases[i].code, &parse, &err), 0);
        assert_int_equal(arguments_bind(registry_find("runs"), &parse->calls[0], &arguments, &err),
                         0);
        arguments_number(&arguments, "-n", 1000, 20, &number, &err);
        assert_int_equal(number, cases[i].number);
        assert_int_equal(error_is_set(&err), cases[i].number == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(lists_whole_entries_in_order),
        UNIT(every_example_is_accepted),
        UNIT(claims_its_own_and_slips_of_them),
        UNIT(explains_what_it_does_not_know),
        UNIT(sorts_words),
        UNIT(reads_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
