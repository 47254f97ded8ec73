/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The answer of a magic that removes things from a container engine: shown in the cell when it comes.
 */

#include "magics/magic_call.h"

enum magic_sweep_kind { MAGIC_SWEEP_IMAGES, MAGIC_SWEEP_CONTAINERS };

struct magic_sweep;

/* Keeps the call. */
struct magic_sweep *magic_sweep_new(struct magic_call *call, enum magic_sweep_kind kind,
                                    bool dry_run);

/* The removal could not begin: ends the call; frees. */
void magic_sweep_fail(struct magic_sweep *sweep, struct error *err);

/* A housekeeping_done_fn: shows the result and ends the call; `data` is the sweep, which is freed. */
void magic_sweep_done(const json_t *result, const struct error *err, void *data);
