/* SPDX-License-Identifier: BSD-3-Clause */
/* What the steps of a snapshot share: entries from stats, the one hash over all of them, paths as
 * people see them. */
#include "submission/snapshot_tree.h"

#include <sodium.h>
#include <string.h>

static int64_t nanoseconds(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void snapshot_tree_take_stat(struct snapshot_entry *entry, const struct stat *st)
{
    entry->mode = st->st_mode & 0777;
    entry->size = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0;
    entry->device = st->st_dev;
    entry->inode = st->st_ino;
    entry->mtime_ns = nanoseconds(st->st_mtim);
    entry->ctime_ns = nanoseconds(st->st_ctim);
}

/* Each field ends with a NUL, which none can hold: no two trees give the same bytes. */
void snapshot_tree_hash(struct snapshot *snapshot)
{
    static const char kinds[] = {
        [SNAPSHOT_FILE] = 'f', [SNAPSHOT_LINK] = 'l', [SNAPSHOT_DIR] = 'd'};
    crypto_generichash_state state;
    unsigned char hash[32];
    crypto_generichash_init(&state, NULL, 0, sizeof hash);
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_entry *entry = &snapshot->entries[i];
        const char *content = entry->kind == SNAPSHOT_LINK ? entry->target : entry->hash;
        bool program = entry->kind == SNAPSHOT_FILE && (entry->mode & 0100) != 0;
        const unsigned char head[2] = {(unsigned char)kinds[entry->kind], program ? 'x' : '-'};
        crypto_generichash_update(&state, head, sizeof head);
        crypto_generichash_update(&state, (const void *)entry->path, strlen(entry->path) + 1);
        crypto_generichash_update(&state, (const void *)content, strlen(content) + 1);
    }
    crypto_generichash_final(&state, hash, sizeof hash);
    sodium_bin2hex(snapshot->hash, sizeof snapshot->hash, hash, sizeof hash);
}
