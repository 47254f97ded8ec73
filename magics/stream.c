/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The bounded, UTF-8 safe path of a run's output into a cell. Invariant: `pending` is at most one
 * batch (the caller takes it several times a second), `tail` at most twice STREAM_TAIL_MAX.
 */
#include "magics/stream.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"

void stream_done(struct stream *stream)
{
    buf_done(&stream->pending);
    buf_done(&stream->tail);
}

/* Moves memory once for each STREAM_TAIL_MAX bytes, not once for each piece. */
static void keep_tail(struct stream *stream, const char *bytes, size_t size)
{
    if (size > STREAM_TAIL_MAX) {
        bytes += size - STREAM_TAIL_MAX;
        size = STREAM_TAIL_MAX;
    }
    buf_append(&stream->tail, bytes, size);
    if (stream->tail.size > 2 * STREAM_TAIL_MAX)
        buf_consume(&stream->tail, stream->tail.size - STREAM_TAIL_MAX);
}

void stream_feed(struct stream *stream, const char *bytes, size_t size)
{
    stream->total += size;
    /* A batch may hold the whole limit even when most of it was sent: collapsing may shrink it. */
    size_t room =
        STREAM_BYTES_MAX > stream->pending.size ? STREAM_BYTES_MAX - stream->pending.size : 0;
    size_t now = stream->full ? 0 : size < room ? size : room;
    if (now > 0)
        buf_append(&stream->pending, bytes, now);
    if (now < size) {
        stream->full = true;
        keep_tail(stream, bytes + now, size - now);
    }
}

bool stream_has(const struct stream *stream)
{
    return stream->pending.size >
           utf8_incomplete_tail(stream->pending.data ? stream->pending.data : "",
                                stream->pending.size);
}

/* One line without its newline. A return before the newline ("\r\n") is a plain line end. */
static void collapse_line(struct buf *out, const char *line, size_t size, bool ended)
{
    size_t end = size;
    while (ended && end > 0 && line[end - 1] == '\r')
        end--;
    size_t last = end; /* the start of the last state, trailing returns aside */
    while (last > 0 && line[last - 1] == '\r')
        last--;
    while (last > 0 && line[last - 1] != '\r')
        last--;
    if (last > 0)
        buf_putc(out, '\r');
    buf_append(out, line + last, end - last);
}

void stream_collapse(struct buf *out, const char *text, size_t size)
{
    while (size > 0) {
        const char *newline = memchr(text, '\n', size);
        size_t length = newline != NULL ? (size_t)(newline - text) : size;
        collapse_line(out, text, length, newline != NULL);
        if (newline != NULL)
            buf_putc(out, '\n');
        length += newline != NULL;
        text += length;
        size -= length;
    }
}

/* What fits the limit, cut between sequences; the rest becomes the beginning of the tail. */
static void put_bounded(struct stream *stream, struct buf *out, const struct buf *text)
{
    uint64_t room = STREAM_BYTES_MAX - stream->sent;
    size_t size = text->size < room ? text->size : (size_t)room;
    size -= size < text->size ? utf8_incomplete_tail(text->data, size) : 0;
    buf_append(out, text->data, size);
    stream->sent += size;
    if (size < text->size) {
        AUTO_BUF struct buf later = BUF_INIT;
        buf_append(&later, stream->tail.data ? stream->tail.data : "", stream->tail.size);
        buf_clear(&stream->tail);
        keep_tail(stream, text->data + size, text->size - size);
        keep_tail(stream, later.data, later.size);
        stream->full = true;
    }
}

/* Of a batch that the limit cuts, bytes can be counted only where collapsing left them as they came;
 * else none is: shown twice later is better than never. After the limit nothing counts until the
 * end: the tail may still move. */
static void count_shown(struct stream *stream, size_t came, size_t text, size_t sent)
{
    if (sent == text)
        stream->shown += came;
    else if (text == came)
        stream->shown += sent;
}

void stream_take(struct stream *stream, const char *path, struct buf *out)
{
    size_t held = utf8_incomplete_tail(stream->pending.data ? stream->pending.data : "",
                                       stream->pending.size);
    size_t size = stream->pending.size - held;
    if (size > 0) {
        AUTO_BUF struct buf clean = BUF_INIT;
        AUTO_BUF struct buf text = BUF_INIT;
        utf8_append_clean(&clean, stream->pending.data, size);
        stream_collapse(&text, clean.data, clean.size);
        buf_consume(&stream->pending, size);
        uint64_t sent = stream->sent;
        put_bounded(stream, out, &text);
        count_shown(stream, size, text.size, (size_t)(stream->sent - sent));
    }
    if (!stream->full || stream->told)
        return;
    stream->told = true;
    buf_clear(&stream->pending);
    AUTO_FREE char *limit = file_size_text(STREAM_BYTES_MAX);
    buf_printf(out, "\n[the first %s are shown; the whole output is in %s]\n", limit, path);
}

void stream_finish(struct stream *stream, struct buf *out)
{
    stream->shown = stream->total;
    if (!stream->full) {
        AUTO_BUF struct buf clean = BUF_INIT;
        utf8_append_clean(&clean, stream->pending.data ? stream->pending.data : "",
                          stream->pending.size);
        stream_collapse(out, clean.data ? clean.data : "", clean.size);
        buf_clear(&stream->pending);
        return;
    }
    size_t size = stream->tail.size < STREAM_TAIL_MAX ? stream->tail.size : STREAM_TAIL_MAX;
    if (size == 0)
        return;
    const char *from = stream->tail.data + stream->tail.size - size;
    const char *newline = memchr(from, '\n', size); /* begin with a whole line where there is one */
    if (newline != NULL && newline + 1 < from + size && size == STREAM_TAIL_MAX) {
        size -= (size_t)(newline + 1 - from);
        from = newline + 1;
    }
    AUTO_FREE char *shown = file_size_text(size);
    AUTO_BUF struct buf clean = BUF_INIT;
    buf_printf(out, "\n[the last %s]\n", shown);
    utf8_append_clean(&clean, from, size);
    stream_collapse(out, clean.data, clean.size);
    buf_clear(&stream->tail);
}
