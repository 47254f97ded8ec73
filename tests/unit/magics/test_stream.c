/* SPDX-License-Identifier: BSD-3-Clause */

#include "magics/stream.h"

#include <string.h>

#include "base/utf8.h"
#include "tests/unit.h"

static void keeps_utf8_whole_across_pieces(void **state)
{
    (void)state;
    struct stream stream = STREAM_INIT;
    AUTO_BUF struct buf out = BUF_INIT;
    const char *text = "a\xf0\x9f\x98\x80z";
    for (size_t i = 0; i < strlen(text); i++) {
        stream_feed(&stream, text + i, 1);
        if (stream_has(&stream))
            stream_take(&stream, "log", &out);
        assert_int_equal(utf8_incomplete_tail(out.data, out.size), 0);
    }
    assert_string_equal(out.data, text);
    stream_feed(&stream, "\xe2\x82", 2); /* never completed */
    assert_false(stream_has(&stream));
    stream_finish(&stream, &out);
    assert_string_equal(out.data, "a\xf0\x9f\x98\x80z\xef\xbf\xbd\xef\xbf\xbd");
    stream_done(&stream);
}

static void keeps_back_what_begins_a_sequence(void **state)
{
    (void)state;
    struct stream stream = STREAM_INIT;
    AUTO_BUF struct buf out = BUF_INIT;
    stream_feed(&stream, "a\xe2\x82", 3);
    stream_take(&stream, "log", &out);
    assert_string_equal(out.data, "a");
    stream_feed(&stream,
                "\xac"
                "b",
                2);
    stream_take(&stream, "log", &out);
    assert_string_equal(out.data, "a\xe2\x82\xac"
                                  "b");
    stream_done(&stream);
}

static void collapses_progress_bars(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *collapsed;
    } cases[] = {
        {"plain\nlines\n", "plain\nlines\n"},
        {"1%\r2%\r3%", "\r3%"},
        {"1%\r2%\r", "\r2%\r"},
        {"\r50%\r60%\nnext", "\r60%\nnext"},
        {"dos\r\nlines\r\n", "dos\nlines\n"},
        {"a\r\r\nb", "a\nb"},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_BUF struct buf out = BUF_INIT;
        stream_collapse(&out, cases[i].text, strlen(cases[i].text));
        assert_string_equal(out.data ? out.data : "", cases[i].collapsed);
    }
}

static void feed_lines(struct stream *stream, struct buf *out, int from, int to)
{
    for (int i = from; i < to; i++) {
        AUTO_BUF struct buf line = BUF_INIT;
        buf_printf(&line, "line %07d\n", i);
        stream_feed(stream, line.data, line.size);
        if (i % 100 == 0 && stream_has(stream))
            stream_take(stream, "/runs/x/log", out);
    }
}

static size_t occurrences(const char *text, const char *part)
{
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        count++;
        text += strlen(part);
    }
    return count;
}

static void bounds_what_goes_into_the_notebook(void **state)
{
    (void)state;
    struct stream stream = STREAM_INIT;
    AUTO_BUF struct buf out = BUF_INIT;
    feed_lines(&stream, &out, 0, 100000);
    assert_true(stream.full);
    assert_int_equal(stream.total, 100000 * 13);
    assert_int_equal(occurrences(out.data, "/runs/x/log"), 1);
    stream_finish(&stream, &out);
    assert_true(out.size < STREAM_BYTES_MAX + STREAM_TAIL_MAX + 1000);
    assert_non_null(strstr(out.data, "line 0000000\n"));
    assert_non_null(strstr(out.data, "line 0099999\n"));
    assert_true(stream.tail.capacity < 8 * STREAM_TAIL_MAX);
    stream_done(&stream);
}

static void bounds_one_huge_piece(void **state)
{
    (void)state;
    struct stream stream = STREAM_INIT;
    AUTO_BUF struct buf in = BUF_INIT;
    AUTO_BUF struct buf out = BUF_INIT;
    memset(buf_reserve(&in, 4000000), 'x', 4000000);
    in.size = 4000000;
    stream_feed(&stream, in.data, in.size);
    stream_feed(&stream, "the end\n", 8);
    assert_true(stream.pending.size <= STREAM_BYTES_MAX);
    stream_take(&stream, "log", &out);
    stream_finish(&stream, &out);
    assert_true(out.size < STREAM_BYTES_MAX + STREAM_TAIL_MAX + 1000);
    assert_string_equal(out.data + out.size - 8, "the end\n");
    stream_done(&stream);
}

static void shows_everything_below_the_limit(void **state)
{
    (void)state;
    struct stream stream = STREAM_INIT;
    AUTO_BUF struct buf out = BUF_INIT;
    feed_lines(&stream, &out, 0, 10000);
    stream_finish(&stream, &out);
    assert_int_equal(out.size, 10000 * 13);
    stream_done(&stream);
}

static void counts_what_was_shown(void **state)
{
    (void)state;
    struct stream stream = STREAM_INIT;
    AUTO_BUF struct buf out = BUF_INIT;
    stream_feed(&stream, "1%\r2%\r3%\n\xe2\x82", 11);
    stream_take(&stream, "log", &out);
    assert_int_equal(stream.shown, 9); /* collapsed is shown, the cut sequence is not */
    stream_feed(&stream, "\xac\n", 2);
    stream_take(&stream, "log", &out);
    assert_int_equal(stream.shown, 13);
    stream_done(&stream);
}

static void counts_to_the_limit_and_all_at_the_end(void **state)
{
    (void)state;
    struct stream stream = STREAM_INIT;
    AUTO_BUF struct buf out = BUF_INIT;
    feed_lines(&stream, &out, 0, 30000);
    assert_true(stream.full);
    assert_int_equal(stream.shown, STREAM_BYTES_MAX);
    stream_finish(&stream, &out);
    assert_int_equal(stream.shown, stream.total);
    stream_done(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(keeps_utf8_whole_across_pieces), UNIT(keeps_back_what_begins_a_sequence),
        UNIT(collapses_progress_bars),        UNIT(bounds_what_goes_into_the_notebook),
        UNIT(bounds_one_huge_piece),          UNIT(shows_everything_below_the_limit),
        UNIT(counts_what_was_shown),          UNIT(counts_to_the_limit_and_all_at_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
