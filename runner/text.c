/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Bounded text and JSON strings. What does not fit sets `cut`, so that a half record is never
 * written; callers check it once at the end.
 */
#include "runner/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

void text_clear(struct text *text)
{
    text->size = 0;
    text->cut = false;
    text->data[0] = '\0';
}

void text_add(struct text *text, const char *fmt, ...)
{
    size_t room = sizeof text->data - text->size;
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(text->data + text->size, room, fmt, args);
    va_end(args);
    if (length < 0 || (size_t)length >= room)
        text->cut = true;
    else
        text->size += (size_t)length;
}

/* The length of the well-formed UTF-8 sequence at `s` (NUL-terminated), or 0. */
static int sequence_length(const unsigned char *s)
{
    int length = s[0] < 0x80                   ? 1
                 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3
                 : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                               : 0;
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    }
    bool overlong = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool outside = (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf4 && s[1] >= 0x90);
    return overlong || outside ? 0 : length;
}

void text_add_string(struct text *text, const char *value)
{
    if (value == NULL) {
        text_add(text, "null");
        return;
    }
    text_add(text, "\"");
    const unsigned char *s = (const unsigned char *)value;
    while (*s != '\0') {
        int length = sequence_length(s);
        if (length == 0)
            text_add(text, "\\ufffd");
        else if (*s == '"' || *s == '\\')
            text_add(text, "\\%c", *s);
        else if (*s < 0x20 || *s == 0x7f)
            text_add(text, "\\u%04x", *s);
        else
            text_add(text, "%.*s", length, (const char *)s);
        s += length > 0 ? length : 1;
    }
    text_add(text, "\"");
}

void text_add_time(struct text *text, int64_t when_us)
{
    time_t seconds = (time_t)(when_us / 1000000);
    struct tm parts;
    char day[TEXT_TIME_SIZE];
    if (when_us <= 0 || gmtime_r(&seconds, &parts) == NULL ||
        strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts) == 0)
        text_add(text, "null");
    else
        text_add(text, "\"%s.%06dZ\"", day, (int)(when_us % 1000000));
}

int64_t text_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t text_steady_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}
