/* SPDX-License-Identifier: BSD-3-Clause */
/* The first line is a path, the rest an ignore file. Whatever they hold: an answer, the same each
 * time, soon; and the line we recommend for the path drops it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "submission/ignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_rules(const char *path, const char *text, size_t size)
{
    struct ignore_rule rule;
    AUTO(ignore) struct ignore_list *root = ignore_parse(NULL, "", "root", text, size);
    AUTO(ignore) struct ignore_list *list = ignore_parse(root, "a", "a/below", text, size);
    for (int is_dir = 0; is_dir < 2; is_dir++) {
        bool dropped = ignore_match(list, path, is_dir, &rule);
        check(dropped == (rule.source != NULL && !rule.negated));
        check(dropped == ignore_match(list, path, is_dir, NULL));
        if (rule.source != NULL)
            check((rule.pattern[0] == '!') == rule.negated && rule.line > 0);
    }
}

static void check_recommended_line(const char *path)
{
    for (int is_dir = 0; is_dir < 2; is_dir++) {
        AUTO_FREE char *line = ignore_line(path, is_dir);
        AUTO(ignore)
        struct ignore_list *list = ignore_parse(NULL, "", "", line, strlen(line));
        check(ignore_match(list, path, is_dir, NULL));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    if (newline == NULL)
        return 0;
    AUTO_FREE char *path = xstrndup((const char *)data, (size_t)(newline - data));
    size_t length = strlen(path);
    /* Paths as a walk makes them. */
    if (length == 0 || path[0] == '/' || path[length - 1] == '/' || strstr(path, "//") != NULL)
        return 0;
    check_rules(path, (const char *)newline + 1, size - (size_t)(newline + 1 - data));
    check_recommended_line(path);
    return 0;
}
