/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The files of kernelspec/logos, built into the program so that it can install itself from anywhere. */

#include <stddef.h>

struct logo {
    const char *name; /* the file's name in a kernelspec */
    const unsigned char *data;
    size_t size;
};

/* All of them; *ret_count says how many. Static storage. */
const struct logo *logos(size_t *ret_count);
