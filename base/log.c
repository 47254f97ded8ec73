/* SPDX-License-Identifier: BSD-3-Clause */
/* Log lines to stderr, each written with one call so that lines of several processes do not mix.
 * A stderr that is closed or a broken pipe is ignored: logging must never end the kernel. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static enum log_level current_level = LOG_WARNING;

void log_set_level(enum log_level level)
{
    current_level = level;
}

void log_set_level_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_SIZE(level_names); i++)
        if (strcmp(name, level_names[i]) == 0)
            current_level = (enum log_level)i;
}

static void write_line(enum log_level level, const char *fmt, va_list args)
{
    if (level > current_level)
        return;
    AUTO_FREE char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        return;
    AUTO_FREE char *line = xasprintf("[skiff] %s: %s\n", level_names[level], text);
    ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
    (void)ignored;
}

#define DEFINE_LOG(name, level)       \
    void name(const char *fmt, ...)   \
    {                                 \
        va_list args;                 \
        va_start(args, fmt);          \
        write_line(level, fmt, args); \
        va_end(args);                 \
    }

DEFINE_LOG(log_error, LOG_ERROR)
DEFINE_LOG(log_warning, LOG_WARNING)
DEFINE_LOG(log_info, LOG_INFO)
DEFINE_LOG(log_debug, LOG_DEBUG)
