/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* UTF-8 as the rest of the program needs it: validity, cleaning, and code points as positions
 * (Jupyter's cursor_pos and our columns count code points). */

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

/* The length in bytes of the well-formed sequence at the start of `bytes`, 0 if there is none
 * (overlong forms, surrogates and values past U+10FFFF are not well-formed). */
size_t utf8_sequence(const char *bytes, size_t size);

/* Appends `bytes` with every byte that is no part of well-formed UTF-8 replaced by U+FFFD. */
void utf8_append_clean(struct buf *buf, const char *bytes, size_t size);

/* A path or line of any bytes for people: clean UTF-8, with a `?` for each control character. Caller
 * frees. */
MUST_CHECK char *utf8_shown(const char *bytes);

/* How many trailing bytes (0 to 3) begin a sequence that is not complete yet: a stream cut there
 * keeps them back until the rest has come. */
size_t utf8_incomplete_tail(const char *bytes, size_t size);

/* The number of code points in the first `size` bytes of well-formed text. */
size_t utf8_count(const char *text, size_t size);

/* The byte offset of code point number `index` of a NUL-terminated text; its length when the text
 * has fewer. */
size_t utf8_offset(const char *text, size_t index);
