/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Logging to stderr, which Jupyter shows in the server's log. One line a call, "[skiff] ..." with
 * the level where it is not plain. Never a key, token, password or cell text.
 *
 * The level is the one mutable global of the program: set once from SKIFF_LOG by main.c (error,
 * warning, info, debug; warning by default).
 */

#include "base/mem.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

void log_set_level(enum log_level level);

/* Sets the level by its name; an unknown name leaves it alone. NULL is allowed. */
void log_set_level_name(const char *name);

void log_error(const char *fmt, ...) PRINTF(1, 2);
void log_warning(const char *fmt, ...) PRINTF(1, 2);
void log_info(const char *fmt, ...) PRINTF(1, 2);
void log_debug(const char *fmt, ...) PRINTF(1, 2);
