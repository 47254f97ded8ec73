/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules people rely on, one by one; test_ignore_git.c compares with git at random. */
#include "submission/ignore.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

static struct ignore_list *parse(const char *text)
{
    return ignore_parse(NULL, "", ".gitignore", text, strlen(text));
}

static void decides_by_the_last_match(void **state)
{
    (void)state;
    static const struct {
        const char *text, *path;
        bool is_dir, dropped;
    } cases[] = {
        {"*.log\n", "a/b.log", false, true},
        {"*.log\n!keep.log\n", "a/keep.log", false, false},
        {"!keep.log\n*.log\n", "keep.log", false, true},
        {"/build\n", "build", true, true},
        {"/build\n", "src/build", true, false},
        {"build/\n", "src/build", true, true},
        {"build/\n", "build", false, false},
        {"doc/*.txt\n", "doc/a.txt", false, true},
        {"doc/*.txt\n", "doc/a/b.txt", false, false},
        {"doc/**/*.txt\n", "doc/a/b.txt", false, true},
        {"doc/**/*.txt\n", "doc/b.txt", false, true},
        {"a/**\n", "a", true, false},
        {"a/**\n", "a/b/c", false, true},
        {"**/foo\n", "foo", false, true},
        {"**/foo\n", "a/b/foo", false, true},
        {"a**/b\n", "ax/y/b", false, true}, /* git's oddity behind a plain beginning */
        {"/*a**/b\n", "xax/y/b", false, false},
        {"\\!a\n", "!a", false, true},
        {"\\#a\n", "#a", false, true},
        {"#a\n", "#a", false, false},
        {"a \n", "a", false, true},
        {"a\\ \n", "a ", false, true},
        {"a\\ \n", "a", false, false},
        {"a\t\n", "a", false, false},
        {"a\t\n", "a\t", false, true},
        {"a\r\n", "a", false, true},
        {"a\\\n", "a\\", false, false},
        {"a\\\\\n", "a\\", false, true},
        {"\xef\xbb\xbf"
         "a\n",
         "a", false, true},
        {"a", "a", false, true},
        {"A\n", "a", false, false},
        {"/\n", "a", true, false},
        {"?\n", "\xff", false, true},
        {"[a-c]x\n", "bx", false, true},
        {"[!a-c]x\n", "bx", false, false},
        {"[^a-c]x\n", "dx", false, true},
        {"[]-]x\n", "]x", false, true},
        {"[[:digit:]]\n", "7", false, true},
        {"[[:nothing:]]\n", "7", false, false},
        {"[a\n", "[a", false, false},
        {"a[/]b\n", "a/b", false, false},
        {"a/?/b\n", "a///b", false, false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(ignore) struct ignore_list *list = parse(cases[i].text);
        if (ignore_match(list, cases[i].path, cases[i].is_dir, NULL) != cases[i].dropped)
            fail_msg("case %zu: %s about %s", i, cases[i].text, cases[i].path);
    }
}

static void names_the_rule_that_decided(void **state)
{
    (void)state;
    struct ignore_rule rule;
    AUTO(ignore) struct ignore_list *list = parse("# data\n\n*.csv  \n!small.csv\n");
    assert_true(ignore_match(list, "x/a.csv", false, &rule));
    assert_string_equal(rule.source, ".gitignore");
    assert_int_equal(rule.line, 3);
    assert_string_equal(rule.pattern, "*.csv");
    assert_false(ignore_match(list, "small.csv", false, &rule));
    assert_int_equal(rule.line, 4);
    assert_true(rule.negated);
    assert_false(ignore_match(list, "a.py", false, &rule));
    assert_null(rule.source);
}

static void deeper_files_decide_first(void **state)
{
    (void)state;
    const char *below = "!b.txt\n/c\n";
    AUTO(ignore) struct ignore_list *root = parse("*.txt\n");
    AUTO(ignore)
    struct ignore_list *list = ignore_parse(root, "a", "a/.gitignore", below, strlen(below));
    assert_false(ignore_match(list, "a/b.txt", false, NULL));
    assert_true(ignore_match(list, "a/x.txt", false, NULL));
    assert_true(ignore_match(list, "a/c", false, NULL));
    assert_false(ignore_match(list, "a/d/c", false, NULL));
    assert_false(ignore_match(list, "ab/c", false, NULL));
    assert_false(ignore_match(NULL, "a/b.txt", false, NULL));
}

/* wildmatch would take longer than the universe for this one. */
static void a_hostile_pattern_costs_no_more_than_its_path(void **state)
{
    (void)state;
    char path[4096];
    memset(path, 'a', sizeof path);
    for (size_t i = 7; i < sizeof path; i += 8)
        path[i] = '/';
    path[sizeof path - 1] = '\0';
    AUTO(ignore)
    struct ignore_list *list = parse("**/*a*a*a*a*a*a*a*a/**/*a*a*a*a/**/*a*a*a/**/*a*b\n"
                                     "*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b\n");
    for (int i = 0; i < 100; i++)
        assert_false(ignore_match(list, path, false, NULL));
}

static void writes_the_line_that_drops_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        bool is_dir;
        const char *line;
    } cases[] = {
        {"data", true, "/data/"},           {"a/b.csv", false, "/a/b.csv"},
        {"a*[1]?", false, "/a\\*\\[1]\\?"}, {"#x", false, "/#x"},
        {"x  ", false, "/x \\ "},           {"x ", true, "/x /"},
        {"a\nb\xff", false, "/a?b?"},       {"\xc3\xa9", false, "/\xc3\xa9"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *line = ignore_line(cases[i].path, cases[i].is_dir);
        assert_string_equal(line, cases[i].line);
        AUTO(ignore) struct ignore_list *list = parse(line);
        assert_true(ignore_match(list, cases[i].path, cases[i].is_dir, NULL));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(decides_by_the_last_match),
        UNIT(names_the_rule_that_decided),
        UNIT(deeper_files_decide_first),
        UNIT(a_hostile_pattern_costs_no_more_than_its_path),
        UNIT(writes_the_line_that_drops_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
