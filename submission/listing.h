/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "base/error.h"
#include "base/strlist.h"

/* The names in a folder, sorted by bytes, without those that begin with a dot. A folder that is not
 * there has none. Blocks. */
int listing_read(const char *dir, struct strlist *ret_names, struct error *err);
