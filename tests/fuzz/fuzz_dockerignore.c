/* SPDX-License-Identifier: BSD-3-Clause */
/* The first line is a path, the rest a .dockerignore. Whatever they hold: an answer, soon; a folder that
 * holds what is kept is entered; and the line we recommend for the path drops it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "submission/dockerignore.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_rules(const char *path, const char *text, size_t size)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(dockerignore) struct dockerignore *rules = dockerignore_parse("x", text, size, &err);
    check((rules == NULL) == error_is_set(&err));
    if (rules == NULL)
        return;
    size_t count = dockerignore_count(rules);
    AUTO_FREE bool *above = xcalloc(count + 1, sizeof *above);
    AUTO_FREE bool *spoken = xcalloc(count + 1, sizeof *spoken);
    AUTO_FREE char *part = xstrdup(path);
    bool hidden = false;
    for (char *slash = part; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        bool dropped = dockerignore_match(rules, part, above, spoken);
        hidden = hidden || (dropped && !dockerignore_may_keep_below(rules, part, spoken));
        memcpy(above, spoken, count);
        *slash = '/';
    }
    bool dropped = dockerignore_match(rules, path, above, spoken);
    check(dropped || !hidden);
}

static void check_recommended_line(const char *path)
{
    AUTO_FREE char *line = dockerignore_line(path);
    AUTO(dockerignore)
    struct dockerignore *rules = dockerignore_parse("x", line, strlen(line), NULL);
    bool spoken;
    /* A line as long as a path may be and escaped is no pattern any more. */
    if (rules == NULL)
        check(strlen(line) > 4096);
    else
        check(dockerignore_match(rules, path, NULL, &spoken));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size > 0 ? memchr(data, '\n', size) : NULL;
    if (newline == NULL)
        return 0;
    AUTO_FREE char *path = xstrndup((const char *)data, (size_t)(newline - data));
    AUTO_FREE char *framed = xasprintf("/%s/", path);
    /* Paths as a walk makes them. */
    if (strlen(path) >= 4096 || strstr(framed, "//") != NULL || strstr(framed, "/./") != NULL ||
        strstr(framed, "/../") != NULL)
        return 0;
    check_rules(path, (const char *)newline + 1, size - (size_t)(newline + 1 - data));
    check_recommended_line(path);
    return 0;
}
