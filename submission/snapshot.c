/* SPDX-License-Identifier: BSD-3-Clause */
/* What a snapshot is once it is there: its one hash, its manifest, its end. The steps that make it
 * are snapshot_scan.c, snapshot_store.c and snapshot_lay_out.c. */
#include "submission/snapshot.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/utf8.h"
#include "submission/snapshot_tree.h"

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (size_t i = 0; i < snapshot->count; i++) {
        free(snapshot->entries[i].path);
        free(snapshot->entries[i].target);
    }
    for (size_t i = 0; i < snapshot->dropped_count; i++) {
        free(snapshot->dropped[i].path);
        free(snapshot->dropped[i].rule);
    }
    free(snapshot->entries);
    free(snapshot->dropped);
    free(snapshot->root);
    free(snapshot->ignore_file);
    free(snapshot);
}

/* Each field ends with a NUL, which none can hold: no two trees give the same bytes. */
void snapshot_tree_hash(struct snapshot *snapshot)
{
    static const char kinds[] = {[SNAPSHOT_FILE] = 'f', [SNAPSHOT_LINK] = 'l', [SNAPSHOT_DIR] = 'd'};
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

char *snapshot_tree_display(const char *path)
{
    AUTO_BUF struct buf text = BUF_INIT;
    utf8_append_clean(&text, path, strlen(path));
    for (size_t i = 0; i < text.size; i++)
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 127)
            text.data[i] = '?';
    return buf_steal(&text);
}

static json_t *manifest_entry(const struct snapshot_entry *entry)
{
    json_t *row = json_object();
    char mode[8];
    snprintf(mode, sizeof mode, "%04o", (unsigned)entry->mode);
    json_set_string(row, "path", entry->path);
    if (entry->kind == SNAPSHOT_LINK) {
        json_set_string(row, "target", entry->target);
        return row;
    }
    json_set_string(row, "mode", mode);
    if (entry->kind == SNAPSHOT_FILE) {
        json_object_set_new(row, "size", json_integer((json_int_t)entry->size));
        json_set_string(row, "hash", entry->hash);
    }
    return row;
}

json_t *snapshot_manifest(const struct snapshot *snapshot)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < snapshot->count; i++)
        json_array_append_new(entries, manifest_entry(&snapshot->entries[i]));
    return json_pack("{s:s, s:I, s:I, s:o}", "hash", snapshot->hash, "files",
                     (json_int_t)snapshot->file_count, "size", (json_int_t)snapshot->size,
                     "entries", entries);
}
