/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a snapshot. The steps that make it are snapshot_scan.c, snapshot_store.c and
 * snapshot_lay_out.c; what is written about it, snapshot_manifest.c. */
#include "submission/snapshot.h"

#include <stdlib.h>

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
