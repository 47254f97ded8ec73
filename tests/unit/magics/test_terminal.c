/* SPDX-License-Identifier: BSD-3-Clause */
/* What a terminal shows of what comes: progress bars, colours, cuts anywhere, bounds. */
#include "magics/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit.h"

#define ESC "\x1b"

static char *text_of(const struct terminal *terminal)
{
    struct buf text = BUF_INIT;
    terminal_tail_text(terminal, 100000, &text);
    return buf_steal(&text);
}

static char *html_of(const struct terminal *terminal)
{
    struct buf html = BUF_INIT;
    uint64_t first;
    uint64_t end;
    terminal_blocks(terminal, &first, &end);
    for (uint64_t block = first; block < end; block++)
        terminal_html(terminal, block, &html);
    return buf_steal(&html);
}

struct sample {
    const char *input;
    const char *text;
    const char *html; /* NULL: the text without its last newline */
};

static const struct sample samples[] = {
    {"", "", ""},
    {"one\ntwo\n", "one\ntwo\n", NULL},
    {"one\r\ntwo", "one\ntwo\n", NULL},
    {"  0%|  |\r 50%|# |\r100%|##|\n", "100%|##|\n", NULL},
    {"long line\rlo\n", "long line\n", NULL}, /* as a terminal: what is not drawn over stays */
    {"long line\r" ESC "[Kshort\n", "short\n", NULL},
    {"abc\b\bX\n", "aXc\n", NULL},
    {"a\tb\n", "a       b\n", NULL},
    /* two bars of tqdm, the second drawn first */
    {"\n b: 1/2" ESC "[A\r a: 1/9"
     "\n b: 2/2" ESC "[A\r a: 9/9\n\n",
     " a: 9/9\n b: 2/2\n", NULL},
    {"<script>&</script>\n", "<script>&</script>\n", "&lt;script&gt;&amp;&lt;/script&gt;"},
    {ESC "[31mred" ESC "[0m plain\n", "red plain\n",
     "<span style=\"color:#d1453b;\">red</span> plain"},
    {ESC "[1;4mA" ESC "[22mB\n", "AB\n",
     "<span style=\"font-weight:bold;text-decoration:underline;\">A</span>"
     "<span style=\"text-decoration:underline;\">B</span>"},
    {ESC "[38;5;196mx" ESC "[m", "x\n", NULL},
    {ESC "[38;2;200;80;80my" ESC "[39mz\n", "yz\n", "<span style=\"color:#c85050;\">y</span>z"},
    {ESC "[38:2:200:80:80my\n", "y\n", "<span style=\"color:#c85050;\">y</span>"},
    {ESC "[7mi" ESC "[27mn\n", "in\n",
     "<span style=\"background:#808080;color:#ffffff;\">i</span>n"},
    {ESC "[41mx" ESC "[49m\n", "x\n", "<span style=\"background:#d1453b;color:#ffffff;\">x</span>"},
    {ESC "]8;;http://x/" ESC "\\link" ESC "]8;;\x07!\n", "link!\n", NULL},
    {ESC "]0;never ended\nnext\n", "\nnext\n", NULL},
    {ESC "[?25l" ESC "[2Jhidden" ESC "(B" ESC "7" ESC "8\n", "hidden\n", NULL},
    {"a" ESC "[999999999Cb\n", "a…\n", NULL},
    {ESC "[999999999A" ESC "[-5B" ESC "[;;;;;Hx\n", "x\n", NULL},
    {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\x89\n", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x8e\x89\n",
     NULL},
    {"bad \xff\xc3( \xe2\x82\n", "bad \xef\xbf\xbd\xef\xbf\xbd( \xef\xbf\xbd\n", NULL},
    {"bell\x07 null c1\xc2\x9b.\n", "bell null c1.\n", NULL},
    {"one\ntwo\nthree" ESC "[2A\r" ESC "[Jall gone\n", "all gone\n", NULL},
    {"clear me" ESC "[2J" ESC "[Hnew\n", "new\n", NULL},
    {"trail   \n", "trail\n", NULL},
};

static void assert_shows(const struct terminal *terminal, const struct sample *sample)
{
    AUTO_FREE char *text = text_of(terminal);
    AUTO_FREE char *html = html_of(terminal);
    assert_string_equal(text, sample->text);
    if (sample->html != NULL)
        assert_string_equal(html, sample->html);
    else if (strchr(html, '<') == NULL && html[0] != '\0')
        assert_memory_equal(html, text, strlen(html));
}

static void what_comes_is_shown_as_a_terminal_shows_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        struct terminal *terminal = terminal_new();
        terminal_feed(terminal, samples[i].input, strlen(samples[i].input));
        assert_shows(terminal, &samples[i]);
        terminal_free(terminal);
    }
}

static void it_may_be_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
        struct terminal *terminal = terminal_new();
        for (size_t j = 0; j < strlen(samples[i].input); j++)
            terminal_feed(terminal, samples[i].input + j, 1);
        assert_shows(terminal, &samples[i]);
        terminal_free(terminal);
    }
}

static void feed_lines(struct terminal *terminal, unsigned from, unsigned end, const char *more)
{
    AUTO_BUF struct buf lines = BUF_INIT;
    for (unsigned i = from; i < end; i++)
        buf_printf(&lines, "line %u%s\n", i, more);
    terminal_feed(terminal, lines.data, lines.size);
}

static void the_last_thousand_lines_are_kept(void **state)
{
    (void)state;
    struct terminal *terminal = terminal_new();
    uint64_t first;
    uint64_t end;
    feed_lines(terminal, 0, 100000, "");
    terminal_blocks(terminal, &first, &end);
    assert_int_equal(end, 100000 / TERMINAL_BLOCK_LINES);
    assert_true(end - first <= TERMINAL_BLOCKS_MAX && end - first >= TERMINAL_BLOCKS_MAX - 1);
    AUTO_FREE char *text = text_of(terminal);
    char expected[32];
    snprintf(expected, sizeof expected, "line %u\n", (unsigned)(first * TERMINAL_BLOCK_LINES));
    assert_memory_equal(text, expected, strlen(expected));
    assert_string_equal(text + strlen(text) - strlen("line 99999\n"), "line 99999\n");
    AUTO_BUF struct buf tail = BUF_INIT;
    terminal_tail_text(terminal, 2, &tail);
    assert_string_equal(tail.data, "line 99998\nline 99999\n");
    terminal_free(terminal);
}

static void only_blocks_that_change_have_another_version(void **state)
{
    (void)state;
    uint64_t versions[TERMINAL_BLOCKS_MAX];
    struct terminal *terminal = terminal_new();
    feed_lines(terminal, 0, 5 * TERMINAL_BLOCK_LINES + 60, "");
    for (uint64_t block = 0; block < 6; block++)
        versions[block] = terminal_version(terminal, block);
    feed_lines(terminal, 0, 10, "");
    for (uint64_t block = 0; block < 5; block++)
        assert_int_equal(terminal_version(terminal, block), versions[block]);
    assert_int_not_equal(terminal_version(terminal, 5), versions[5]);
    terminal_free(terminal);
}

static void it_is_bounded_whatever_comes(void **state)
{
    (void)state;
    struct terminal *terminal = terminal_new();
    char chunk[4096];
    memset(chunk, 'x', sizeof chunk);
    for (int i = 0; i < 5000; i++)
        terminal_feed(terminal, chunk, sizeof chunk);
    terminal_feed(terminal, "\n", 1);
    AUTO_FREE char *text = text_of(terminal);
    assert_int_equal(strlen(text), TERMINAL_LINE_MAX + strlen("…\n"));
    for (int i = 0; i < 3000; i++)
        feed_lines(terminal, 0, 1,
                   ESC "[31m<<<<" ESC "[32m>>>>" ESC "[0m&&&&&&&&&&&&&&&&&&&&&&&&&&&&");
    AUTO_FREE char *html = html_of(terminal);
    assert_true(strlen(html) < TERMINAL_BYTES_MAX * 3 / 2);
    assert_non_null(strstr(html, "&lt;&lt;"));
    terminal_free(terminal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_comes_is_shown_as_a_terminal_shows_it),
        cmocka_unit_test(it_may_be_cut_anywhere),
        cmocka_unit_test(the_last_thousand_lines_are_kept),
        cmocka_unit_test(only_blocks_that_change_have_another_version),
        cmocka_unit_test(it_is_bounded_whatever_comes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
