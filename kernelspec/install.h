/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Installs Skiff where Jupyter looks for kernels: kernels/NAME/ with kernel.json and the logos.
 * https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs
 */

#include "base/error.h"

struct install_options {
    enum {
        INSTALL_USER,       /* Jupyter's data folder of this user (the default) */
        INSTALL_SYS_PREFIX, /* the active virtual or conda environment, else that of python3 on PATH */
        INSTALL_PREFIX,     /* `prefix`/share/jupyter */
    } where;
    const char *prefix;
    const char *name;         /* NULL: "skiff"; letters, digits, '.', '_' and '-' */
    const char *display_name; /* NULL: "Skiff" */

    /* What runs plain cells: a Python's path (it has a slash), the name of a kernelspec, or "none";
     * it must be there. NULL: the Python of the environment this is installed into, when it has one;
     * else none is named, and python3 on PATH is taken at run time. That is so for one user, too, also
     * when an environment is active: that kernelspec is there for all of them. */
    const char *companion;
};

/* Writes the kernelspec, replacing one of the same name as a whole; nothing when an option is wrong. *ret_path (the caller frees it)
 * is where it is now. */
int install_kernelspec(const struct install_options *options, char **ret_path, struct error *err);
