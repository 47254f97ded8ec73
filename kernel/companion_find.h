/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Which kernel may be the companion, in the order they are tried:
 *
 *   1. what `skiff install --companion` was told: a Python, or a kernelspec's name; when it was told
 *      nothing, the Python of the environment that --sys-prefix or --prefix installed into, if it has
 *      one (a kernelspec for one user names none: it is there for all environments)
 *   2. python3 on PATH, as it is when the kernel was started
 *
 * "none" is none: nothing is looked for. A Python runs ipykernel; without ipykernel its start fails
 * and the next one is tried, with a note. A kernelspec is found as Jupyter finds it; one that starts
 * Skiff, by whatever path, is refused.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strlist.h"

struct candidate {
    struct strlist argv; /* "{connection_file}" stands for its path */
    json_t *env;         /* what the kernelspec adds to the environment; may be NULL */
    char *why;           /* for people: "python3 on PATH" */
    bool by_message;     /* it is interrupted by a message, not by SIGINT */
};

struct candidates {
    struct candidate *items;
    size_t count, capacity;
};

/* `choice` is the kernel's --companion: an interpreter's path (it has a slash), the name of a
 * kernelspec, "none", or NULL. What cannot be used is told in *notes, a line each. */
void candidates_find(const char *choice, struct candidates *ret_candidates, struct strlist *notes);

void candidates_done(struct candidates *candidates);
