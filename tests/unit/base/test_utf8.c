/* SPDX-License-Identifier: BSD-3-Clause */

#include "base/utf8.h"

#include <string.h>

#include "tests/unit.h"

static void cleans_what_is_not_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        const char *clean;
    } cases[] = {
        {"plain", "plain"},
        {"\xc3\xa9t\xc3\xa9", "\xc3\xa9t\xc3\xa9"},
        {"a\xff"
         "b",
         "a\xef\xbf\xbd"
         "b"},
        {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong NUL */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},                 /* U+10FFFF */
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_BUF struct buf buf = BUF_INIT;
        utf8_append_clean(&buf, cases[i].bytes, strlen(cases[i].bytes));
        assert_string_equal(buf.data, cases[i].clean);
    }
}

static void keeps_back_an_unfinished_sequence(void **state)
{
    (void)state;
    assert_int_equal(utf8_incomplete_tail("a", 1), 0);
    assert_int_equal(utf8_incomplete_tail("a\xe2\x82", 3), 2);
    assert_int_equal(utf8_incomplete_tail("a\xe2\x82\xac", 4), 0);
    assert_int_equal(utf8_incomplete_tail("a\xf0\x9f\x98", 4), 3);
    assert_int_equal(utf8_incomplete_tail("\x80\x80\x80\x80", 4), 0);
}

static void counts_code_points(void **state)
{
    (void)state;
    const char *text = "a\xc3\xa9\xf0\x9f\x98\x80z";
    assert_int_equal(utf8_count(text, strlen(text)), 4);
    assert_int_equal(utf8_offset(text, 2), 3);
    assert_int_equal(utf8_offset(text, 3), 7);
    assert_int_equal(utf8_offset(text, 99), 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cleans_what_is_not_utf8),
        cmocka_unit_test(keeps_back_an_unfinished_sequence),
        cmocka_unit_test(counts_code_points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
