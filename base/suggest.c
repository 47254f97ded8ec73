/* SPDX-License-Identifier: BSD-3-Clause */
/* "Did you mean": optimal string alignment distance over short words, costs doubled so that a
 * difference in case or in dash versus underscore can cost half an edit. */
#include "base/suggest.h"

#include <ctype.h>
#include <string.h>

#define WORD_MAX 64 /* longer words are not slips of a key or a name */

static char fold(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

static size_t substitution(char a, char b)
{
    if (a == b)
        return 0;
    return fold(a) == fold(b) ? 1 : 2;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

static size_t distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_size; j++)
        rows[0][j] = 2 * j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i - 1) % 3];
        row[0] = 2 * i;
        for (size_t j = 1; j <= b_size; j++) {
            row[j] =
                min3(above[j] + 2, row[j - 1] + 2, above[j - 1] + substitution(a[i - 1], b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                size_t swapped = rows[(i - 2) % 3][j - 2] + 2;
                row[j] = swapped < row[j] ? swapped : row[j];
            }
        }
    }
    return rows[a_size % 3][b_size];
}

const char *suggest(const char *word, const char *const *candidates, size_t count)
{
    size_t size = strlen(word);
    const char *nearest = NULL;
    size_t least = size <= 3 ? 2 : size <= 6 ? 4 : 6; /* one, two or three edits */
    if (size == 0 || size > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other = candidates[i] != NULL ? strlen(candidates[i]) : 0;
        if (other == 0 || other > WORD_MAX)
            continue;
        size_t cost = distance(word, size, candidates[i], other);
        if (cost < least || (cost == least && nearest == NULL)) {
            least = cost;
            nearest = candidates[i];
        }
    }
    return nearest;
}
