/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A growable byte buffer, always followed by a NUL byte that is not counted, so that `data` is also
 * a C string when it holds no NUL of its own.
 */

#include <stdarg.h>
#include <stddef.h>

#include "base/mem.h"

struct buf {
    char *data; /* never NULL after the first append; owned */
    size_t size;
    size_t capacity;
};

#define BUF_INIT     \
    {                \
        .data = NULL \
    }

void buf_done(struct buf *buf); /* frees; the buffer is empty and usable again */
#define AUTO_BUF __attribute__((cleanup(buf_done)))

void buf_clear(struct buf *buf); /* size 0, memory kept */
void buf_append(struct buf *buf, const void *data, size_t size);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF(2, 3);

/* Appends text with & < > " ' replaced by entities: safe in HTML text and attributes. Control
 * characters other than tab and newline become U+FFFD. */
void buf_puts_html(struct buf *buf, const char *text);

/* Makes room for `size` more bytes and returns where they go; the caller then adds what it wrote to
 * buf->size. */
MUST_CHECK char *buf_reserve(struct buf *buf, size_t size);

/* Removes the first `size` bytes. */
void buf_consume(struct buf *buf, size_t size);

/* Hands the text over (never NULL) and empties the buffer. The caller frees it. */
MUST_CHECK char *buf_steal(struct buf *buf);
