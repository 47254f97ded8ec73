/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What engine_find*.c share. */

#include "submission/engine_find.h"

/* The address of Docker's current context with its TLS folder, and why it is that one; 1 when
 * there is none but the default, which says nothing: then *ret_why says so for people, and the
 * caller frees it. Otherwise 0 (the address is not checked yet) or -1. */
int engine_find_context(struct engine_place *ret_place, char **ret_why, struct error *err);
