/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Errors written for the person who reads them.
 *
 * Every fallible function takes `struct error *err` last and returns 0 or -1 (or NULL). The
 * function that finds the fault sets the error in one line, `return error_set(err, ...)`; each
 * layer above may prefix what it was doing with error_wrap(). Only the top of a request shows or
 * logs it.
 *
 * `err` may be NULL where the caller does not care. An error is never overwritten silently: setting
 * one that is already set replaces it and frees the old text.
 */

#include <stdbool.h>

#include "base/mem.h"

enum error_code {
    ERROR_NONE = 0,
    ERROR_INVALID,     /* what the user wrote is wrong */
    ERROR_NOT_FOUND,   /* it names something that does not exist */
    ERROR_EXISTS,      /* it would replace something that must not be replaced */
    ERROR_DENIED,      /* permission, credentials */
    ERROR_LIMIT,       /* past a named limit */
    ERROR_IO,          /* the operating system said no */
    ERROR_BUSY,        /* held by another process; may pass */
    ERROR_CORRUPT,     /* a file of ours does not read back */
    ERROR_UNSUPPORTED, /* understood, but not served here */
    ERROR_CANCELLED,   /* the user stopped it */
    ERROR_FAILED,      /* the work itself failed (a run, a build) */
    ERROR_INTERNAL,    /* our own mistake */
};

struct error {
    enum error_code code;
    char *text; /* one sentence or more, no trailing newline; NULL when not set */
    char *hint; /* the next step, or NULL */
    char *file; /* the file the place is in; NULL means the cell */
    int line;   /* 1-based; 0 means no place is known */
    int column; /* 1-based, in code points; 0 means the whole line */
};

#define ERROR_INIT         \
    {                      \
        .code = ERROR_NONE \
    }

/* Frees what the error holds and makes it empty again. NULL is allowed. */
void error_clear(struct error *err);
#define AUTO_ERROR __attribute__((cleanup(error_clear)))

static inline bool error_is_set(const struct error *err)
{
    return err->code != ERROR_NONE;
}

/* Sets code and text. Returns -1, so that failing is one line. */
int error_set(struct error *err, enum error_code code, const char *fmt, ...) PRINTF(3, 4);

/* Sets an ERROR_IO (ERROR_DENIED for EACCES and EPERM, ERROR_NOT_FOUND for ENOENT) whose text is
 * the formatted one followed by ": " and strerror(errno). ENOSPC and EDQUOT get the hint to free
 * space. Returns -1. */
int error_errno(struct error *err, const char *fmt, ...) PRINTF(2, 3);

/* Prefixes the text with what the caller was doing and ": ". Returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) PRINTF(2, 3);

/* Sets the next step (replacing an earlier one). Returns -1. */
int error_hint(struct error *err, const char *fmt, ...) PRINTF(2, 3);

/* Sets the place. Returns -1. */
int error_at(struct error *err, int line, int column);

/* Moves `from` into `to` (which may be NULL) and empties `from`. Returns -1. */
int error_move(struct error *to, struct error *from);

/* The code as a word for machines: "Invalid", "NotFound", ... Static storage. */
const char *error_name(enum error_code code);

/* Text, place and hint as plain lines: for stderr and logs. The caller frees it. */
MUST_CHECK char *error_format(const struct error *err);
