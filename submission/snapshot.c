/* SPDX-License-Identifier: BSD-3-Clause */
/* What a snapshot is once it is there: its manifest, its end. The steps that make it are
 * snapshot_scan.c, snapshot_store.c and snapshot_lay_out.c. */
#include "submission/snapshot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/json.h"

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    for (size_t i = 0; i < snapshot->count; i++) {
        free(snapshot->entries[i].path);
        free(snapshot->entries[i].target);
        free(snapshot->entries[i].kept_by);
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
