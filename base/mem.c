/* SPDX-License-Identifier: BSD-3-Clause */
/* Allocation that aborts on exhaustion. A kernel that cannot get a few bytes cannot answer either,
 * so there is nothing better to do; large, outside-controlled sizes are bounded by their callers.
 */
#include "base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static NORETURN void out_of_memory(void)
{
    static const char text[] = "skiff: out of memory\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    abort();
}

static void *checked(void *ptr)
{
    if (ptr == NULL)
        out_of_memory();
    return ptr;
}

void *xmalloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1));
}

void *xcalloc(size_t count, size_t size)
{
    return checked(calloc(count > 0 ? count : 1, size > 0 ? size : 1));
}

void *xrealloc(void *ptr, size_t size)
{
    return checked(realloc(ptr, size > 0 ? size : 1));
}

char *xstrdup(const char *text)
{
    return checked(strdup(text));
}

char *xstrndup(const char *text, size_t max)
{
    return checked(strndup(text, max));
}

char *xstrdup_or_null(const char *text)
{
    return text != NULL ? xstrdup(text) : NULL;
}

void *xmemdup(const void *data, size_t size)
{
    void *copy = xmalloc(size);
    if (size > 0)
        memcpy(copy, data, size);
    return copy;
}

char *xasprintf(const char *fmt, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, fmt);
    int length = vasprintf(&text, fmt, args);
    va_end(args);
    if (length < 0)
        out_of_memory();
    return text;
}

void grow(void *array_ptr, size_t *capacity, size_t needed, size_t element_size)
{
    if (needed <= *capacity)
        return;
    size_t wanted = *capacity > 0 ? *capacity : 8;
    while (wanted < needed)
        wanted *= 2;
    if (wanted > SIZE_MAX / element_size)
        out_of_memory();
    void **array = array_ptr;
    *array = xrealloc(*array, wanted * element_size);
    *capacity = wanted;
}

void replace(char **pp, char *value)
{
    free(*pp);
    *pp = value;
}

void mem_auto_free(void *pp)
{
    free(*(void **)pp);
}

void mem_auto_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

void mem_auto_fclose(void *pp)
{
    FILE *file = *(FILE **)pp;
    if (file != NULL)
        fclose(file);
}
