/* SPDX-License-Identifier: BSD-3-Clause */
/* Output of a script, whatever it is: bounded, UTF-8, nothing that is not escaped; and the same however it
 * is cut. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "magics/terminal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void draw(const struct terminal *terminal, struct buf *html, struct buf *text)
{
    uint64_t first;
    uint64_t end;
    terminal_blocks(terminal, &first, &end);
    check(end >= first && end - first <= TERMINAL_BLOCKS_MAX);
    for (uint64_t block = first; block < end; block++) {
        check(terminal_version(terminal, block) != 0);
        terminal_html(terminal, block, html);
    }
    terminal_tail_text(terminal, 10000, text);
    buf_putc(html, '\0');
    buf_putc(text, '\0');
}

/* Every '<' is one of ours. */
static void check_html(const char *html)
{
    for (const char *at = strchr(html, '<'); at != NULL; at = strchr(at + 1, '<'))
        check(strncmp(at, "<span style=\"", 13) == 0 || strncmp(at, "</span>", 7) == 0);
}

static void check_utf8(const char *text)
{
    AUTO_BUF struct buf clean = BUF_INIT;
    utf8_append_clean(&clean, text, strlen(text));
    check(clean.size == strlen(text) &&
          (clean.size == 0 || memcmp(clean.data, text, clean.size) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_BUF struct buf cut_html = BUF_INIT;
    AUTO_BUF struct buf cut_text = BUF_INIT;
    struct terminal *whole = terminal_new();
    struct terminal *cut = terminal_new();
    terminal_feed(whole, (const char *)data, size);
    for (size_t i = 0; i < size; i++)
        terminal_feed(cut, (const char *)data + i, 1);
    draw(whole, &html, &text);
    draw(cut, &cut_html, &cut_text);
    check(strcmp(html.data, cut_html.data) == 0 && strcmp(text.data, cut_text.data) == 0);
    check_html(html.data);
    check_utf8(html.data);
    check_utf8(text.data);
    terminal_free(whole);
    terminal_free(cut);
    return 0;
}
