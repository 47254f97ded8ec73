/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "submission/notes.h"
#include "submission/snapshot.h"

/* Adds the notes a scanned snapshot deserves: files whose names say "secret" (keys, .env,
 * credentials), and links that will not resolve elsewhere because they leave the folder. One note
 * for each of the two, naming the first few. */
void snapshot_warn(const struct snapshot *snapshot, struct notes *notes);
