/* SPDX-License-Identifier: BSD-3-Clause */
/* The growable byte buffer. Invariant: data == NULL, or data[size] == '\0'. */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_done(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf)BUF_INIT;
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

char *buf_reserve(struct buf *buf, size_t size)
{
    grow(&buf->data, &buf->capacity, buf->size + size + 1, 1);
    return buf->data + buf->size;
}

void buf_append(struct buf *buf, const void *data, size_t size)
{
    char *end = buf_reserve(buf, size);
    if (size > 0)
        memcpy(end, data, size);
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
    buf_append(buf, &c, 1);
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    va_list again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (length < 0)
        abort();
    char *end = buf_reserve(buf, (size_t)length);
    vsnprintf(end, (size_t)length + 1, fmt, again);
    va_end(again);
    buf->size += (size_t)length;
}

static const char *html_entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return (unsigned char)c < 0x20 && c != '\t' && c != '\n' ? "\xef\xbf\xbd" : NULL;
    }
}

void buf_puts_html(struct buf *buf, const char *text)
{
    const char *plain = text;
    for (; *text != '\0'; text++) {
        const char *entity = html_entity(*text);
        if (entity == NULL)
            continue;
        buf_append(buf, plain, (size_t)(text - plain));
        buf_puts(buf, entity);
        plain = text + 1;
    }
    buf_puts(buf, plain);
}

void buf_consume(struct buf *buf, size_t size)
{
    if (size == 0)
        return;
    memmove(buf->data, buf->data + size, buf->size - size + 1);
    buf->size -= size;
}

char *buf_steal(struct buf *buf)
{
    if (buf->data == NULL)
        buf_append(buf, "", 0);
    char *text = buf->data;
    *buf = (struct buf)BUF_INIT;
    return text;
}
