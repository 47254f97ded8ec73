/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/shown.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "tests/unit.h"

static void what_was_noted_is_read(void **state)
{
    (void)state;
    char dir[] = "/tmp/skiff-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    assert_int_equal(shown_read(dir), 0);
    shown_write(dir, 123456789012);
    assert_int_equal(shown_read(dir), 123456789012);
    shown_write(dir, 7); /* nothing of the longer number is left */
    assert_int_equal(shown_read(dir), 7);
    assert_int_equal(file_remove_tree(dir, NULL), 0);
    shown_write(dir, 8); /* the run is gone: nothing happens */
    assert_false(file_exists(dir));
}

static void what_does_not_read_is_nothing(void **state)
{
    (void)state;
    static const char *const files[] = {"", "12\n", "0000000000000000000x\n",
                                        "-0000000000000000001\n", "000000000000000000001\n"};
    char dir[] = "/tmp/skiff-test-XXXXXX";
    assert_non_null(mkdtemp(dir));
    AUTO_FREE char *path = file_join(dir, "shown");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_int_equal(file_write(path, files[i], strlen(files[i]), 0600, NULL), 0);
        assert_int_equal(shown_read(dir), 0);
    }
    assert_int_equal(file_remove_tree(dir, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(what_was_noted_is_read),
        UNIT(what_does_not_read_is_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
