/* SPDX-License-Identifier: BSD-3-Clause */
/* Five places. A folder is added last, when its sum is known: it takes the places of what is in it,
 * unless one thing there is half of it, which then says more than the folder would. */
#include "submission/build_context_heavy.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/utf8.h"
#include "submission/dockerignore.h"

void build_context_heavy_done(struct build_context_heavy *heavy)
{
    for (size_t i = 0; i < heavy->count; i++)
        free(heavy->items[i].path);
    heavy->count = 0;
}

void build_context_heavy_add(struct build_context_heavy *heavy, const char *path, uint64_t weight)
{
    size_t at = heavy->count;
    while (at > 0 && heavy->items[at - 1].weight < weight)
        at--;
    if (at == BUILD_CONTEXT_HEAVY_MAX || weight == 0)
        return;
    if (heavy->count == BUILD_CONTEXT_HEAVY_MAX)
        free(heavy->items[--heavy->count].path);
    memmove(&heavy->items[at + 1], &heavy->items[at], (heavy->count - at) * sizeof heavy->items[0]);
    heavy->items[at].path = xstrdup(path);
    heavy->items[at].weight = weight;
    heavy->count++;
}

static bool is_below(const char *path, const char *folder)
{
    size_t size = strlen(folder);
    return strncmp(path, folder, size) == 0 && path[size] == '/';
}

void build_context_heavy_add_folder(struct build_context_heavy *heavy, const char *path,
                                    uint64_t weight)
{
    size_t kept = 0;
    for (size_t i = 0; i < heavy->count; i++)
        if (is_below(heavy->items[i].path, path) && heavy->items[i].weight >= weight - weight / 2)
            return;
    for (size_t i = 0; i < heavy->count; i++)
        if (is_below(heavy->items[i].path, path))
            free(heavy->items[i].path);
        else
            heavy->items[kept++] = heavy->items[i];
    heavy->count = kept;
    build_context_heavy_add(heavy, path, weight);
}

void build_context_heavy_put(const struct build_context_heavy *heavy, bool bytes, struct buf *text)
{
    for (size_t i = 0; i < heavy->count; i++) {
        unsigned long long weight = heavy->items[i].weight;
        AUTO_FREE char *shown = utf8_shown(heavy->items[i].path);
        AUTO_FREE char *line = dockerignore_line(heavy->items[i].path);
        AUTO_FREE char *size = bytes ? file_size_text(weight) : xasprintf("%llu files", weight);
        buf_printf(text, "\n  %s (%s): %s", shown, size, line);
    }
}
