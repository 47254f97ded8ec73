/* SPDX-License-Identifier: BSD-3-Clause */
/* The error value: a code, full heap text, a place, and the next step. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *format(const char *fmt, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    return text;
}

void error_clear(struct error *err)
{
    if (err == NULL)
        return;
    free(err->text);
    free(err->hint);
    free(err->file);
    *err = (struct error)ERROR_INIT;
}

int error_set(struct error *err, enum error_code code, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, fmt);
    char *text = format(fmt, args); /* before the clear: an argument may be the old text */
    va_end(args);
    error_clear(err);
    err->code = code;
    err->text = text;
    return -1;
}

static enum error_code code_of_errno(int number)
{
    switch (number) {
    case EACCES:
    case EPERM:
    case EROFS:
        return ERROR_DENIED;
    case ENOENT:
        return ERROR_NOT_FOUND;
    default:
        return ERROR_IO;
    }
}

int error_errno(struct error *err, const char *fmt, ...)
{
    int number = errno;
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, fmt);
    AUTO_FREE char *text = format(fmt, args);
    va_end(args);
    error_set(err, code_of_errno(number), "%s: %s", text, strerror(number));
    if (number == ENOSPC || number == EDQUOT)
        error_hint(err, "free some space there, or point SKIFF_HOME at a larger disk");
    return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
    if (err == NULL || err->text == NULL)
        return -1;
    va_list args;
    va_start(args, fmt);
    AUTO_FREE char *doing = format(fmt, args);
    va_end(args);
    replace(&err->text, xasprintf("%s: %s", doing, err->text));
    return -1;
}

int error_hint(struct error *err, const char *fmt, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, fmt);
    replace(&err->hint, format(fmt, args));
    va_end(args);
    return -1;
}

int error_at(struct error *err, int line, int column)
{
    if (err == NULL)
        return -1;
    err->line = line;
    err->column = column;
    return -1;
}

int error_move(struct error *to, struct error *from)
{
    if (to == NULL) {
        error_clear(from);
        return -1;
    }
    error_clear(to);
    *to = *from;
    *from = (struct error)ERROR_INIT;
    return -1;
}

const char *error_name(enum error_code code)
{
    static const char *const names[] = {
        [ERROR_NONE] = "None",           [ERROR_INVALID] = "Invalid",
        [ERROR_NOT_FOUND] = "NotFound",  [ERROR_EXISTS] = "Exists",
        [ERROR_DENIED] = "Denied",       [ERROR_LIMIT] = "LimitExceeded",
        [ERROR_IO] = "IOError",          [ERROR_BUSY] = "Busy",
        [ERROR_CORRUPT] = "Corrupt",     [ERROR_UNSUPPORTED] = "Unsupported",
        [ERROR_CANCELLED] = "Cancelled", [ERROR_FAILED] = "Failed",
        [ERROR_INTERNAL] = "Internal",
    };
    return names[code];
}

char *error_format(const struct error *err)
{
    AUTO_FREE char *place = NULL;
    if (err->line > 0 && err->column > 0)
        place = xasprintf("%s:%d:%d: ", err->file ? err->file : "line", err->line, err->column);
    else if (err->line > 0)
        place = xasprintf("%s:%d: ", err->file ? err->file : "line", err->line);
    else
        place = err->file ? xasprintf("%s: ", err->file) : xstrdup("");
    return xasprintf("%s%s%s%s", place, err->text ? err->text : "unknown error",
                     err->hint ? "\n  " : "", err->hint ? err->hint : "");
}
