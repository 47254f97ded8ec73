/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which runs, and tables of runs, the notebooks of a folder display: $SKIFF_HOME/notebooks/HASH.jsonl, a
 * line {"notebook","run","below"} or {"notebook","table":{options}} each, HASH being the folder's. When a notebook is opened with another kernel, its
 * widgets are brought back from this list. A notebook is known by its file's name in the folder
 * ($JPY_SESSION_NAME, which Jupyter's server sets; without it all of the folder's are one).
 *
 * Best effort: what cannot be read or written costs widgets after a restart, nothing else.
 */

#include <jansson.h>
#include <stddef.h>

#include "base/mem.h"

/* Notes that this kernel's notebook displays the run; `below` is the run in whose widget it stands, or
 * NULL. */
void displayed_note(const char *home, const char *directory, const char *run_id, const char *below);

/* The lines with different runs, at most `max`: this notebook's first, each part newest first. New
 * reference to an array. */
MUST_CHECK json_t *displayed_read(const char *home, const char *directory, size_t max);

/* The same of tables of runs: `options` (borrowed) are what runs_widget.h makes of them. */
void displayed_note_table(const char *home, const char *directory, json_t *options);
MUST_CHECK json_t *displayed_read_tables(const char *home, const char *directory, size_t max);
