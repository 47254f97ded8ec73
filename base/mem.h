/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Memory: allocation that aborts on exhaustion, and ownership by attribute.
 *
 * Use these for small allocations of our own making. A size that came from outside (a message, a
 * file, a cell) is bounded by a named limit first, and only then allocated.
 *
 * A local that owns something is declared with an AUTO_* attribute and is released when it goes out
 * of scope; ownership leaves the scope only through steal():
 *
 *     AUTO_FREE char *path = xasprintf("%s/run.json", dir);
 *     ...
 *     return steal(&path);
 */

#include <stddef.h>

#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define NORETURN __attribute__((noreturn))
#define UNUSED __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* malloc, calloc, realloc, strdup, strndup and asprintf that never return NULL: they abort with a
 * line on stderr. The caller owns what is returned and releases it with free(). */
MUST_CHECK void *xmalloc(size_t size);
MUST_CHECK void *xcalloc(size_t count, size_t size);
MUST_CHECK void *xrealloc(void *ptr, size_t size);
MUST_CHECK char *xstrdup(const char *text);
MUST_CHECK char *xstrndup(const char *text, size_t max);
MUST_CHECK void *xmemdup(const void *data, size_t size);
MUST_CHECK char *xasprintf(const char *fmt, ...) PRINTF(1, 2);

/* strdup that passes NULL through. */
MUST_CHECK char *xstrdup_or_null(const char *text);

/* Grows the array *array_ptr of elements of `element_size` bytes so that it holds at least `needed`
 * elements; *capacity is updated. Growth is geometric. */
void grow(void *array_ptr, size_t *capacity, size_t needed, size_t element_size);

/* Moves a pointer out of an owning variable: returns *pp and sets it to NULL. */
#define steal(pp)                          \
    __extension__({                        \
        __typeof__(*(pp)) stolen_ = *(pp); \
        *(pp) = NULL;                      \
        stolen_;                           \
    })

/* Replaces an owned string: frees *pp, then stores `value` (taken). */
void replace(char **pp, char *value);

void mem_auto_free(void *pp);
void mem_auto_close(int *fd);
void mem_auto_fclose(void *pp);

#define AUTO_FREE __attribute__((cleanup(mem_auto_free)))
#define AUTO_CLOSE __attribute__((cleanup(mem_auto_close))) /* int fd; -1 means none */
#define AUTO_FCLOSE __attribute__((cleanup(mem_auto_fclose)))

/* Defines `name_auto(struct name **)`, the cleanup function for a type with a NULL-safe
 * `name_free(struct name *)`; use as __attribute__((cleanup(name_auto))) through AUTO(name). */
#define DEFINE_AUTO(name)                                   \
    static inline UNUSED void name##_auto(struct name **pp) \
    {                                                       \
        name##_free(*pp);                                   \
    }
#define AUTO(name) __attribute__((cleanup(name##_auto)))
