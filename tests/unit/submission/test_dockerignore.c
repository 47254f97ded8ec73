/* SPDX-License-Identifier: BSD-3-Clause */
/* The rules as Docker documents them and as its client has them, one by one. */
#include "submission/dockerignore.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "submission/dockerignore_glob.h"

#include "tests/unit.h"

static struct dockerignore *parse(const char *text)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct dockerignore *rules = dockerignore_parse(".dockerignore", text, strlen(text), &err);
    if (rules == NULL)
        fail_msg("%s: %s", text, err.text);
    return rules;
}

/* As a walk asks: each folder on the way, then the path. `ret_hidden`: a dropped folder on the way could
 * hold nothing. */
static bool ask(const struct dockerignore *rules, const char *path, bool *ret_hidden)
{
    AUTO_FREE char *part = xstrdup(path);
    AUTO_FREE bool *above = xcalloc(dockerignore_count(rules) + 1, sizeof *above);
    AUTO_FREE bool *spoken = xcalloc(dockerignore_count(rules) + 1, sizeof *spoken);
    *ret_hidden = false;
    for (char *slash = part; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        if (dockerignore_match(rules, part, above, spoken) &&
            !dockerignore_may_keep_below(rules, part, spoken))
            *ret_hidden = true;
        bool *swap = above;
        above = spoken;
        spoken = swap;
        *slash = '/';
    }
    return dockerignore_match(rules, path, above, spoken);
}

static const struct {
    const char *text, *path;
    bool dropped;
} cases[] = {
    /* The path from the root. */
    {"a", "a", true},
    {"a", "ab", false},
    {"a", "b/a", false},
    {"/a", "a", true},
    {"a/", "a", true},
    {"a/", "a/b", true},
    {"./a", "a", true},
    {"a//b/.", "a/b", true},
    {"a/../b", "b", true},
    {"a/../b", "a", false},
    {"../a", "a", false},
    {"/../a", "a", true},
    {"a/../../b", "b", false},
    {"../../b", "b", false},
    {".", "a", false},
    {"/", "a", false},
    {"a", "A", false},
    /* Parents. */
    {"a", "a/b/c", true},
    {"a/b", "a", false},
    {"a/b", "a/b/c", true},
    {"*/b", "a/b/c", true},
    /* One component. */
    {"*", "a/b", true},
    {"*.md", "README.md", true},
    {"*.md", "docs/README.md", false},
    {"*/temp*", "a/temporary.txt", true},
    {"*/temp*", "a/temp", true},
    {"*/temp*", "temp", false},
    {"*/*/temp*", "a/b/tempo", true},
    {"temp?", "tempa", true},
    {"temp?", "temp", false},
    {"a?b", "a/b", false},
    {"a*b", "a/b", false},
    {"a*b", "aXXb", true},
    {"a*b*c*d*e*/f", "axbxcxdxexxx/f", true},
    {"a*b*c*d*e*/f", "axbxcxdxexxx/fff", false},
    {"a*b?c*x", "abxbbxdbxebxczzx", true},
    {"a*b?c*x", "abxbbxdbxebxczzy", false},
    {".*", ".git", true},
    {".*", "a.git", false},
    {"abc.def", "abcZdef", false},
    {"a(b)c|$+{}", "a(b)c|$+{}", true},
    /* Classes. */
    {"a[b-d]e", "ace", true},
    {"a[b-d]e", "aae", false},
    {"a[^b-d]e", "aze", true},
    {"a[^b-d]e", "ace", false},
    {"a[!b]e", "a!e", true}, /* only ^ is for the others */
    {"a[!b]e", "ace", false},
    {"[\\]a]", "]", true},
    {"[x\\-]", "-", true},
    {"[\\-x]", "a", false},
    {"a[^x]b", "a/b", true}, /* as in Docker */
    {"[*]", "*", true},
    {"[*]", "a", false},
    {"a]", "a]", true},
    {"[a-\xce\xb6]*", "\xce\xb1", true},
    {"*[a-\xce\xb6]", "A", false},
    /* Characters are UTF-8's, or bytes. */
    {"a?b",
     "a\xe2\x98\xba"
     "b",
     true},
    {"a???b",
     "a\xe2\x98\xba"
     "b",
     false},
    {"a[^a]b",
     "a\xe2\x98\xba"
     "b",
     true},
    {"\xff?", "\xff\xfe", true},
    {"\xff", "\xfe", false},
    {"\xe9", "\xc3\xa9", false},
    /* Escapes. */
    {"a\\*b", "a*b", true},
    {"a\\*b", "axb", false},
    {"a\\\\", "a\\", true},
    {"\\#a", "#a", true},
    {"\\!a", "!a", true},
    {"\\d", "d", true},
    {"\\d", "1", false},
    /* Any folders. */
    {"**", "a/b", true},
    {"**/", "a", true},
    {"**/**", "a/b", true},
    {"**/a", "a", true},
    {"**/a", "b/c/a", true},
    {"**/a", "b/ca", false},
    {"**/a", "b/a/c", true},
    {"**a", "b/ca", true}, /* as in Docker: plain characters behind it are a suffix */
    {"**a*", "b/ca", false},
    {"**.pyc", "b/c.pyc", true},
    {"**/*.pyc", "c.pyc", true},
    {"**/*.pyc", "a/b/c.pyc", true},
    {"**/*.pyc", "a/b/c.py", false},
    {"**/a/*", "x/a/b", true},
    {"**/a/**", "x/a/b/c", true},
    {"**/.a", "b.a", false},
    {"a/**", "a", false},
    {"a/**", "a/b/c", true},
    {"a/**/c", "a/c", true},
    {"a/**/c", "a/x/y/c", true},
    {"a/**/c", "ac", false},
    {"a**/*.txt", "a/b/c.txt", true},
    {"a**/*.txt", "ab/c.txt", true},
    {"a**b", "ab", true},
    {"a**b", "ax/b", true},
    {"a**b", "axb", false},
    {"a/*.txt**", "a/file.txt", true},
    {"***", "a/b", true},
    /* Exceptions; the last one decides. */
    {"*.md\n!README.md", "README.md", false},
    {"*.md\n!README.md", "a.md", true},
    {"*.md\n!README*.md\nREADME-secret.md", "README-secret.md", true},
    {"*.md\nREADME-secret.md\n!README*.md", "README-secret.md", false},
    {"!README.md\n*.md", "README.md", true},
    {"docs\n!docs/README.md", "docs/README.md", false},
    {"docs\n!docs/README.md", "docs/a", true},
    {"*\n!src", "src/a/b.py", false},
    {"*\n!src", "other/a", true},
    {"*\n!**/*.py", "a/b/c.py", false},
    {"*\n!**/*.py", "a/b/c.txt", true},
    {"**\n!a/b\na/b/c", "a/b/d", false},
    {"**\n!a/b\na/b/c", "a/b/c", true},
    {"a\n! /a/b", "a/b", false},
    {"  !a\n  *  ", "a", true},
    {"!!a", "!a", false},
    {"*\n!!a", "!a", false},
    {"a/b\n!a", "a/b", true}, /* `a` was not dropped, so there is nothing to keep */
    {"*\n!a\na/b", "a/b", true},
    {"*\n!b/c\nb", "b/c", false}, /* `b` was dropped before, so the last line says nothing */
    {"*\n!b/c\nb", "b/d", true},
    /* Lines. */
    {"# a\nb", "a", false},
    {"# a\nb", "b", true},
    {"#a", "#a", false},
    {"  #a", "#a", true},
    {"\n\n \t\na", "a", true},
    {"a\r\nb\r\n", "a", true},
    {"a\r\nb\r\n", "b", true},
    {"  a b \t", "a b", true},
    {"/ a/ /", "a", true}, /* as in Docker: blanks behind the slashes that say nothing */
    {"*\n! a/ /", "a", false},
    {"a/ /b", "a/ /b", true},
    {"\xef\xbb\xbf# x\na", "# x", false},
    {"\xef\xbb\xbf"
     "a",
     "a", true},
    {"a\n\xef\xbb\xbf"
     "b",
     "b", false},
    {"", "a", false},
};

static void tells_what_is_dropped(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO(dockerignore) struct dockerignore *rules = parse(cases[i].text);
        bool hidden, dropped = ask(rules, cases[i].path, &hidden);
        if (dropped != cases[i].dropped)
            fail_msg("case %zu: %s about %s", i, cases[i].text, cases[i].path);
        if (hidden && !dropped)
            fail_msg("case %zu: %s keeps %s, and its folder is not entered", i, cases[i].text,
                     cases[i].path);
    }
}

static void tells_where_there_is_nothing_to_keep(void **state)
{
    (void)state;
    static const struct {
        const char *text, *folder;
        bool may;
    } folders[] = {
        {"a", "a", false},
        {"*\n!a", "b", false},
        {"*\n!b/c", "b", true},
        {"*\n!b/c", "bc", false},
        {"*\n!b/c/d", "b/c", true},
        {"*\n!b/c/d", "b/x", false},
        {"*\n!*/c", "b", true},
        {"*\n!*/c", "b/d", false},
        {"*\n!**/c", "b/d", true},
        {"*\n!b/**", "b", true},
        {"*\n!b*/[c]", "bx", true},
        {"!b/c\n*", "b", false},
        {"!b/c\nb\n!d", "b", false},
        {"*\n!b/c\nb", "b", true}, /* `b` was dropped before: the last line says nothing */
        {"*\n!b/c\nb*", "b/x", false},
        {"*\n!b?", "b", false},
        {"*\n!b[/]", "b", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        AUTO(dockerignore) struct dockerignore *rules = parse(folders[i].text);
        AUTO_FREE char *below = xasprintf("%s/x", folders[i].folder);
        bool hidden;
        ask(rules, below, &hidden);
        if (hidden == folders[i].may)
            fail_msg("case %zu: %s below %s", i, folders[i].text, folders[i].folder);
    }
}

static void refuses_what_is_no_pattern(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line;
        const char *part;
    } wrong[] = {
        {"a\n[", 2, "\"[\" is no pattern: a \"[\" is not closed"},
        {"a\n\n!x[a", 3, "\"!x[a\""},
        {"[^", 1, "not closed"},
        {"[^bc", 1, "not closed"},
        {"[a-", 1, "not closed"},
        {"[a\\", 1, "not closed"},
        {"[]", 1, "nothing in the brackets"},
        {"[]a]", 1, "nothing in the brackets"},
        {"[-]", 1, "\"-\""},
        {"[x-]", 1, "nothing in the brackets"},
        {"[-x]", 1, "\"-\""},
        {"[a-b-c]", 1, "\"-\""},
        {"[Local-Only]", 1, "wrong way round"},
        {"a\\", 1, "backslash"},
        {"a\\/", 1, "backslash"},
        {"a\\ ", 1, "backslash"},
        {"\n!", 2, "kept"},
        {"! \t", 1, "kept"},
        {"!/", 1, "kept"},
        {"! /..", 1, "kept"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        assert_null(
            dockerignore_parse("x.dockerignore", wrong[i].text, strlen(wrong[i].text), &err));
        if (err.code != ERROR_INVALID || err.line != wrong[i].line ||
            strstr(err.text, wrong[i].part) == NULL)
            fail_msg("case %zu: line %d: %s", i, err.line, err.text);
        assert_string_equal(err.file, "x.dockerignore");
    }
}

static void refuses_what_is_too_much(void **state)
{
    (void)state;
    AUTO_BUF struct buf many = BUF_INIT, wide = BUF_INIT, large = BUF_INIT;
    AUTO_ERROR struct error err = ERROR_INIT;
    for (int i = 0; i <= DOCKERIGNORE_PATTERNS_MAX; i++)
        buf_puts(&many, "a\n");
    assert_null(dockerignore_parse("x", many.data, many.size, &err));
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_int_equal(err.line, DOCKERIGNORE_PATTERNS_MAX + 1);
    AUTO(dockerignore)
    struct dockerignore *fits = dockerignore_parse("x", many.data, many.size - 2, NULL);
    assert_int_equal(dockerignore_count(fits), DOCKERIGNORE_PATTERNS_MAX);

    for (int i = 0; i < DOCKERIGNORE_PATTERN_MAX; i++)
        buf_putc(&wide, 'a');
    AUTO(dockerignore)
    struct dockerignore *widest = dockerignore_parse("x", wide.data, wide.size, NULL);
    bool spoken;
    assert_true(dockerignore_match(widest, wide.data, NULL, &spoken));
    buf_putc(&wide, 'a');
    assert_null(dockerignore_parse("x", wide.data, wide.size, &err));
    assert_int_equal(err.code, ERROR_LIMIT);

    memset(buf_reserve(&large, DOCKERIGNORE_FILE_MAX + 1), '\n', DOCKERIGNORE_FILE_MAX + 1);
    assert_null(dockerignore_parse("x", large.data, DOCKERIGNORE_FILE_MAX + 1, &err));
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_null(dockerignore_parse("x", "a\0b", 3, &err));
    assert_int_equal(err.code, ERROR_INVALID);
}

/* A matcher that goes back for every star would take longer than the universe for this one. */
static void a_hostile_pattern_costs_no_more_than_its_length(void **state)
{
    (void)state;
    char path[4096];
    bool spoken[2];
    memset(path, 'a', sizeof path);
    for (size_t i = 7; i < sizeof path; i += 8)
        path[i] = '/';
    path[sizeof path - 1] = '\0';
    AUTO(dockerignore)
    struct dockerignore *rules =
        parse("**/*a*a*a*a*a*a*a*a/**/*a*a*a*a/**/*a*a*a/**/*a*b\n"
              "**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/a/**/b\n");
    for (int i = 0; i < 20; i++) {
        assert_false(dockerignore_match(rules, path, NULL, spoken));
        dockerignore_may_keep_below(rules, path, spoken);
    }
}

static void writes_the_line_that_drops_a_path(void **state)
{
    (void)state;
    static const struct {
        const char *path, *line;
    } lines[] = {
        {"data", "/data"},
        {"a/b.csv", "/a/b.csv"},
        {"a*[1]?\\", "/a\\*\\[1\\]\\?\\\\"},
        {"#x", "/#x"},
        {"!x", "/!x"},
        {" x ", "/\\ x?"},
        {"a\nb\xff", "/a?b?"},
        {"\xc3\xa9", "/\xc3\xa9"},
        {"**", "/\\*\\*"},
        {"a/ /b", "/a/ /b"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        AUTO_FREE char *line = dockerignore_line(lines[i].path);
        assert_string_equal(line, lines[i].line);
        AUTO(dockerignore) struct dockerignore *rules = parse(line);
        bool spoken;
        assert_true(dockerignore_match(rules, lines[i].path, NULL, &spoken));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(tells_what_is_dropped),
        UNIT(tells_where_there_is_nothing_to_keep),
        UNIT(refuses_what_is_no_pattern),
        UNIT(refuses_what_is_too_much),
        UNIT(a_hostile_pattern_costs_no_more_than_its_length),
        UNIT(writes_the_line_that_drops_a_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
