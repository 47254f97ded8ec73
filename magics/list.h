/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The magics, one file each (magic_NAME.c); registry.c lists them in order. */

#include "magics/magic.h"

extern const struct magic magic_environment;
extern const struct magic magic_compute;
extern const struct magic magic_submit;
extern const struct magic magic_environments;
extern const struct magic magic_computes;
extern const struct magic magic_workspace;
extern const struct magic magic_runs;
extern const struct magic magic_status;
extern const struct magic magic_logs;
extern const struct magic magic_metrics;
extern const struct magic magic_outputs;
extern const struct magic magic_attach;
extern const struct magic magic_wait;
extern const struct magic magic_cancel;
extern const struct magic magic_rerun;
extern const struct magic magic_secret;
extern const struct magic magic_skiff;
