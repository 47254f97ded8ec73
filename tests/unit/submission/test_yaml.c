/* SPDX-License-Identifier: BSD-3-Clause */
/* YAML as people write it: values, places, limits, and every common slip with its words. */
#include "submission/yaml.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/unit.h"

static void reads_values_by_the_core_schema(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {
        {"", "{}"},
        {"# only a comment\n", "{}"},
        {"a: [true, False, TRUE, yes, no, on, off]",
         "{\"a\":[true,false,true,\"yes\",\"no\",\"on\",\"off\"]}"},
        {"a: [0, -7, +3, 007, 0o17, 0x1F]", "{\"a\":[0,-7,3,7,15,31]}"},
        {"a: [0.5, .5, 1e3, 1.]", "{\"a\":[0.5,0.5,1000.0,1.0]}"},
        {"a: [.inf, -.INF, .nan]", "{\"a\":[\".inf\",\"-.INF\",\".nan\"]}"},
        {"a: [1.2.3, 1_000, 1:30, 0b1, -, e3]",
         "{\"a\":[\"1.2.3\",\"1_000\",\"1:30\",\"0b1\",\"-\",\"e3\"]}"},
        {"a: [~, null, ]", "{\"a\":[null,null]}"},
        {"a: \"1\"\nb: '~'", "{\"a\":\"1\",\"b\":\"~\"}"},
        {"a: 123456789012345678901234567890", "{\"a\":\"123456789012345678901234567890\"}"},
        {"a: |\n  one\n  two\nb: >-\n  one\n  two", "{\"a\":\"one\\ntwo\\n\",\"b\":\"one two\"}"},
        {"a: ${{inputs.x}} --y", "{\"a\":\"${{inputs.x}} --y\"}"},
        {"x: &a [1, 2]\ny: *a", "{\"x\":[1,2],\"y\":[1,2]}"},
        {"\xef\xbb\xbf"
         "a: 1\r\nb: 2\r\n",
         "{\"a\":1,\"b\":2}"},
        {"---\na: 1\n...\n", "{\"a\":1}"},
        {"https://example.org", "\"https://example.org\""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO(yaml_node)
        struct yaml_node *root = yaml_parse(cases[i].text, strlen(cases[i].text), 1, &err);
        if (root == NULL)
            fail_msg("%s: %s", cases[i].text, err.text);
        AUTO_JSON json_t *value = yaml_to_json(root);
        AUTO_FREE char *json = json_text(value);
        assert_string_equal(json, cases[i].json);
    }
}

static void numbers_keep_their_text(void **state)
{
    (void)state;
    const char *text = "a: [1e3, 3.10, 007]";
    AUTO(yaml_node) struct yaml_node *root = yaml_parse(text, strlen(text), 1, NULL);
    const struct yaml_node *list = yaml_get(root, "a");
    assert_string_equal(list->items[0]->text, "1e3");
    assert_string_equal(list->items[1]->text, "3.10");
    assert_string_equal(list->items[2]->text, "007");
}

static void knows_places_in_code_points(void **state)
{
    (void)state;
    const char *text = "a: 1\nschl\xc3\xbcssel: {\xf0\x9f\x98\x80: x}\n";
    AUTO(yaml_node) struct yaml_node *root = yaml_parse(text, strlen(text), 7, NULL);
    const struct yaml_node *map = yaml_get(root, "schl\xc3\xbcssel");
    assert_int_equal(root->keys[1]->line, 8);
    assert_int_equal(map->line, 8);
    assert_int_equal(map->column, 12);
    assert_int_equal(map->items[0]->column, 16);
}

/* What users get to read: the place and a telling part of the words. */
static void explains_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line, column;
        const char *says;
    } cases[] = {
        {"a: 1\n\tb: 2", 2, 1, "indented with a tab"},
        {"a:\n  b: 1\n\tc: 2", 3, 1, "indented with a tab"},
        {"a: 1\n  b: 2", 2, 3, "indented deeper"},
        {"a:\n    b: 2\n  c: 3", 3, 3, "another column"},
        {"  a: 1\nb: 2", 2, 1, "another column"},
        {"a: |\n  foo\n bar\n", 3, 2, "another column"},
        {"a: \"open\nb: 2", 1, 4, "never closed"},
        {"a: 'open\nb: 2", 1, 4, "never closed"},
        {"a: [1, 2\nb: 3", 1, 4, "the [ that opens here is never closed"},
        {"a: {x: 1\nb: 3", 1, 4, "the { that opens here is never closed"},
        {"a: [1, 2", 1, 4, "never closed"},
        {"a: {b: 1]", 1, 9, "closes with ]"},
        {"a: [1, 2]]", 1, 10, "no opening bracket"},
        {"a: }", 1, 4, "no opening bracket"},
        {"a: [\"x\" y]", 1, 9, "comma"},
        {"image:foo", 1, 1, "no blank after the colon of `image:`"},
        {"image:foo\nb: 2", 1, 6, "no blank after the colon of `image:`"},
        {"b: 2\nimage:foo", 2, 6, "no blank after the colon of `image:`"},
        {"a: {b:1}", 1, 5, "no blank after the colon of `b:`"},
        {"a\nb: 1", 1, 1, "it has no colon"},
        {"b: 1\na", 2, 1, "it has no colon"},
        {"a: b: c", 1, 5, "colon followed by a blank"},
        {"command: echo a: b", 1, 16, "colon followed by a blank"},
        {"a: @x", 1, 4, "cannot begin with @"},
        {"a: `x`", 1, 4, "cannot begin with `"},
        {"a: %x", 1, 4, "cannot begin with %"},
        {"a: & x", 1, 4, "cannot begin with &"},
        {"a: , x", 1, 4, "cannot begin with a comma"},
        {"a: *x", 1, 4, "alias"},
        {"a: &x [*x]", 1, 8, "inside of what it names"},
        {"a: !x y", 1, 4, "tags"},
        {"a: 'it's'", 1, 8, "after its closing quote"},
        {"a: \"\\q\"", 1, 5, "backslash"},
        {"a: - b", 1, 4, "line of its key"},
        {"a: 1\n- b", 2, 1, "list item stands among keys"},
        {"- a\nb: c", 2, 1, "key stands among list items"},
        {"a:\n- b\n - c", 3, 2, "continues the text above"},
        {"a: |x\n  y", 1, 5, "begins on the next line"},
        {"%status x\na: 1", 1, 1, "begins with %"},
        {"a: 1\n---\nb: 2", 2, 1, "second document"},
        {"? [a]\n: b", 1, 3, "a key must be a word"},
        {"<<: {a: 1}", 1, 1, "merge keys"},
        {"a: \"\\0\"", 1, 4, "NUL"},
        {"a: \xe2\x80\x9cx\xe2\x80\x9d", 1, 4, "typographic"},
        {"a:\n\xc2\xa0 b: 1", 2, 1, "not a plain space"},
        {"a: \xff", 1, 4, "not valid UTF-8"},
        {"a: \xc3\xa9\x01", 1, 5, "control character"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        if (yaml_parse(cases[i].text, strlen(cases[i].text), 1, &err) != NULL)
            fail_msg("was read: %s", cases[i].text);
        if (strstr(err.text, cases[i].says) == NULL || err.line != cases[i].line ||
            err.column != cases[i].column)
            fail_msg("%s: got %d:%d %s", cases[i].text, err.line, err.column, err.text);
        assert_non_null(err.hint);
    }
}

static void refuses_a_nul_byte(void **state)
{
    (void)state;
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_null(yaml_parse("a: \0b", 5, 1, &err));
    assert_int_equal(err.column, 4);
}

static void names_both_lines_of_a_duplicate_key(void **state)
{
    (void)state;
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *text = "image: a\nb: 1\nimage: c\n";
    assert_null(yaml_parse(text, strlen(text), 3, &err));
    assert_string_equal(err.text, "the key `image` is there twice: in line 3 and in line 5");
    assert_int_equal(err.line, 5);
}

static void places_errors_from_the_first_line_on(void **state)
{
    (void)state;
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_null(yaml_parse("a: 1\n\tb: 2", 10, 11, &err));
    assert_int_equal(err.line, 12);
}

/* Nine levels of nine aliases would be 400 million values. */
static void an_alias_bomb_is_an_error(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_ERROR struct error err = ERROR_INIT;
    buf_puts(&text, "a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for (int i = 1; i < 10; i++)
        buf_printf(&text, "a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1,
                   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_null(yaml_parse(text.data, text.size, 1, &err));
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_true(err.line > 1 && err.line < 10);
}

static void depth_counts_through_aliases(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_ERROR struct error err = ERROR_INIT;
    buf_puts(&text, "a0: &a0 [x]\n");
    for (int i = 1; i < YAML_DEPTH_MAX + 2; i++)
        buf_printf(&text, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    assert_null(yaml_parse(text.data, text.size, 1, &err));
    assert_int_equal(err.code, ERROR_LIMIT);
}

static void limits_hold(void **state)
{
    (void)state;
    AUTO_BUF struct buf deep = BUF_INIT;
    AUTO_BUF struct buf wide = BUF_INIT;
    AUTO_BUF struct buf anchors = BUF_INIT;
    AUTO_FREE char *large = xmalloc(YAML_SIZE_MAX + 1);
    for (int i = 0; i <= YAML_DEPTH_MAX; i++)
        buf_putc(&deep, '[');
    for (int i = 0; i <= YAML_NODES_MAX; i++)
        buf_puts(&wide, "- a\n");
    for (int i = 0; i < 200; i++)
        buf_printf(&anchors, "- &a%d x\n", i);
    memset(large, ' ', YAML_SIZE_MAX + 1);
    const struct {
        const char *text;
        size_t size;
    } cases[] = {{deep.data, deep.size},
                 {wide.data, wide.size},
                 {anchors.data, anchors.size},
                 {large, YAML_SIZE_MAX + 1}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        assert_null(yaml_parse(cases[i].text, cases[i].size, 1, &err));
        assert_int_equal(err.code, ERROR_LIMIT);
        assert_non_null(err.hint);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(reads_values_by_the_core_schema),
        UNIT(numbers_keep_their_text),
        UNIT(knows_places_in_code_points),
        UNIT(explains_mistakes),
        UNIT(refuses_a_nul_byte),
        UNIT(names_both_lines_of_a_duplicate_key),
        UNIT(places_errors_from_the_first_line_on),
        UNIT(an_alias_bomb_is_an_error),
        UNIT(depth_counts_through_aliases),
        UNIT(limits_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
