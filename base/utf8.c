/* SPDX-License-Identifier: BSD-3-Clause */
/* UTF-8 validity, cleaning and code-point positions. */
#include "base/utf8.h"

#include <string.h>

/* The length a lead byte announces (0 for a byte that leads nothing) and the bounds that its second
 * byte must keep: Unicode 15, table 3-7. */
static size_t lead(unsigned char first, unsigned char *ret_low, unsigned char *ret_high)
{
    *ret_low = 0x80;
    *ret_high = 0xbf;
    if (first < 0x80)
        return 1;
    if (first < 0xc2 || first > 0xf4)
        return 0;
    if (first < 0xe0)
        return 2;
    if (first == 0xe0)
        *ret_low = 0xa0;
    if (first == 0xed)
        *ret_high = 0x9f;
    if (first < 0xf0)
        return 3;
    if (first == 0xf0)
        *ret_low = 0x90;
    if (first == 0xf4)
        *ret_high = 0x8f;
    return 4;
}

/* How many of the announced bytes are there and in range; *ret_length is what was announced. */
static size_t matched(const char *bytes, size_t size, size_t *ret_length)
{
    unsigned char low;
    unsigned char high;
    *ret_length = size > 0 ? lead((unsigned char)bytes[0], &low, &high) : 0;
    if (*ret_length == 0)
        return 0;
    size_t good = 1;
    while (good < *ret_length && good < size) {
        unsigned char c = (unsigned char)bytes[good];
        if (c < (good == 1 ? low : 0x80) || c > (good == 1 ? high : 0xbf))
            break;
        good++;
    }
    return good;
}

size_t utf8_sequence(const char *bytes, size_t size)
{
    size_t length;
    size_t good = matched(bytes, size, &length);
    return length > 0 && good == length ? length : 0;
}

void utf8_append_clean(struct buf *buf, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t length = utf8_sequence(bytes + i, size - i);
        if (length > 0)
            buf_append(buf, bytes + i, length);
        else
            buf_puts(buf, "\xef\xbf\xbd");
        i += length > 0 ? length : 1;
    }
}

char *utf8_shown(const char *bytes)
{
    AUTO_BUF struct buf text = BUF_INIT;
    utf8_append_clean(&text, bytes, strlen(bytes));
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127)
            text.data[i] = '?';
    return buf_steal(&text);
}

size_t utf8_incomplete_tail(const char *bytes, size_t size)
{
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char c = (unsigned char)bytes[size - back];
        if (c < 0x80)
            return 0;
        if (c < 0xc0)
            continue;
        size_t length;
        size_t good = matched(bytes + size - back, back, &length);
        return length > back && good == back ? back : 0;
    }
    return 0;
}

size_t utf8_count(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < size; i++)
        count += ((unsigned char)text[i] & 0xc0) != 0x80;
    return count;
}

size_t utf8_offset(const char *text, size_t index)
{
    size_t offset = 0;
    while (text[offset] != '\0' && index > 0) {
        offset++;
        while (((unsigned char)text[offset] & 0xc0) == 0x80)
            offset++;
        index--;
    }
    return offset;
}
