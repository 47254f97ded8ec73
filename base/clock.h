/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Time. Wall-clock instants are int64_t microseconds since 1970 in UTC (`_us`), 0 meaning unknown;
 * in files they are written as ISO 8601 with microseconds and "Z".
 */

#include <stdint.h>

#include "base/mem.h"

#define CLOCK_TEXT_SIZE 32 /* room for "2026-11-23T00:39:00.123456Z" and its NUL */

/* Now, or what clock_set_for_test() said. */
int64_t clock_now(void);

/* Freezes clock_now() for tests; 0 sets it going again. */
void clock_set_for_test(int64_t now_us);

/* Writes the instant as ISO 8601 into `text`; an unknown one as "". Returns `text`. */
char *clock_format(int64_t when_us, char text[static CLOCK_TEXT_SIZE]);

/* Reads what clock_format() writes; 0 for NULL, "" or anything else. */
int64_t clock_parse(const char *text);

/* A duration for people: "0.4 s", "12 s", "3 min 07 s", "2 h 05 min". The caller frees it. */
MUST_CHECK char *clock_duration(int64_t duration_us);
