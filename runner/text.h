/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Text of bounded size, and the little JSON the runner writes. Nothing here allocates.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest record or line: 16 GPUs make a usage line of 3 kB, and paths in errors are cut. */
#define TEXT_MAX 16384

#define TEXT_TIME_SIZE 32 /* room for "2026-11-23T00:39:00.123456Z" and its NUL */

struct text {
    size_t size;
    bool cut;            /* something did not fit: the text is not to be used */
    char data[TEXT_MAX]; /* always NUL-terminated once something was added */
};

void text_clear(struct text *text);
void text_add(struct text *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Adds a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. NULL adds null. */
void text_add_string(struct text *text, const char *value);

/* Adds an instant as a JSON string in ISO 8601 (UTC, microseconds); 0 adds null. */
void text_add_time(struct text *text, int64_t when_us);

/* The wall clock in microseconds since 1970, and a steady clock in milliseconds for deadlines. */
int64_t text_now_us(void);
int64_t text_steady_ms(void);
