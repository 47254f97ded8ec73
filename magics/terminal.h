/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The end of a run's output as a terminal shows it: colours and weights (SGR), carriage returns and
 * backspaces (progress bars that draw over themselves), cursor movements of some lines (several bars
 * at once), erasing, tabs. Output of any size and kind goes in; the last lines come out, as HTML and as
 * text, in blocks that a page keeps while only the last of them changes. Sequences that are not known
 * are left out. Pure; what it holds is bounded whatever comes.
 *
 * Lines are numbered from 0, the first that ever came. Block b holds the lines from
 * b * TERMINAL_BLOCK_LINES on; the oldest blocks are dropped as a whole.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define TERMINAL_BLOCK_LINES 100 /* one block is some kB: what is sent again when a line is added */
#define TERMINAL_BLOCKS_MAX 10   /* 1,000 lines: more is looked for in the file */
#define TERMINAL_BYTES_MAX (96 * 1000) /* of HTML in all blocks: less lines when they are long */
#define TERMINAL_LINE_MAX 1000 /* columns; the rest of a longer line is left out, and "…" says so */
#define TERMINAL_SCREEN_LINES \
    40 /* how far up the cursor may go: lines above do not change any more */

struct terminal;

MUST_CHECK struct terminal *terminal_new(void);
void terminal_free(struct terminal *terminal); /* NULL is allowed */

/* Takes the next bytes. Sequences, of UTF-8 and of escapes, may be cut anywhere. */
void terminal_feed(struct terminal *terminal, const char *bytes, size_t size);

/* The blocks there are: from *ret_first to before *ret_end; equal when nothing came. The newest block is
 * never empty then. */
void terminal_blocks(const struct terminal *terminal, uint64_t *ret_first, uint64_t *ret_end);

/* Changes whenever a block's content does. Never 0. */
uint64_t terminal_version(const struct terminal *terminal, uint64_t block);

/* Appends a block: its lines joined by newlines, escaped, coloured by spans with inline styles that
 * read on light and dark pages; to be put into an element that keeps white space. */
void terminal_html(const struct terminal *terminal, uint64_t block, struct buf *html);

/* Appends the last `lines` lines as plain text, each with its newline, without colours; and the same as
 * HTML, as in terminal_html(). A last line that is empty is left out. */
void terminal_tail_text(const struct terminal *terminal, size_t lines, struct buf *text);
void terminal_tail_html(const struct terminal *terminal, size_t lines, struct buf *html);
