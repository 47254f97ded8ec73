/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "submission/snapshot.h"

/* Fails with ERROR_LIMIT when the (sorted) snapshot is past its limits. The text names what takes
 * the most: files, or whole folders where no single thing in them does, each with the line that
 * drops it. `whole` is false when the walk was given up, so that the counts are "more than". */
int snapshot_limits_check(const struct snapshot *snapshot, const struct snapshot_limits *limits,
                          bool whole, struct error *err);
