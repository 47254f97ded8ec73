/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What Python knows of Skiff: the module `skiff` (python_module.py), given to each companion as it
 * starts, without a file on Python's path; and which run was submitted last.
 */

#include "base/mem.h"

struct companion;
struct python_module;

/* `home` is copied. */
MUST_CHECK struct python_module *python_module_new(const char *home);
void python_module_free(struct python_module *module); /* NULL is allowed */

/* For struct companion_options: the Python that gives a new companion the module, with the run that
 * was submitted last. The caller frees it. */
MUST_CHECK char *python_module_prelude(void *module);

/* A run was submitted: the companion, if it runs, is told before its next cell. */
void python_module_submitted(struct python_module *module, struct companion *companion,
                             const char *run_id);
