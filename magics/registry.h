/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The table of all magics, and what it says about names: which cells are Skiff's, and which magic a
 * slip of the pen meant.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "magics/magic.h"
#include "magics/parse.h"

/* Cell magics first, then line magics, in the order %skiff lists them; ends with NULL. */
extern const struct magic *const registry_magics[];

/* A magic by its name without %, or NULL. */
const struct magic *registry_find(const char *name);

/* Is this cell ours? Its first significant line is one of our magics (or help on one), or a slip
 * of one that is not the name of a well-known magic of IPython's. Pure, any text. */
bool registry_claims(const char *code);

/* The magic a call means. Errors: unknown names with "did you mean", %name for %%name and the other
 * way round, Python's magics among ours. */
const struct magic *registry_resolve(const struct parse_call *call, struct error *err);
