/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What a magic is: a table entry. Each is defined in a file of its own and listed in registry.c;
 * the same entry serves the parser, completion, help and %skiff.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/strlist.h"
#include "submission/spec.h"

struct magic_call;
struct submission;

struct magic_option {
    const char *name;  /* "--dry-run", "-n" */
    const char *value; /* what it takes ("PATH"), or NULL for a flag */
    const char *help;  /* one line */
};

struct magic {
    const char *name;                   /* without % */
    bool cell;                          /* %%name with a body; else %name on a line */
    enum spec_kind kind;                /* cell: what the body defines */
    const char *usage;                  /* one line, with % */
    const char *help;                   /* one line */
    const char *example;                /* valid as it stands */
    const struct magic_option *options; /* ends with a NULL name; NULL: none */
    size_t min_args, max_args;
    const char
        *argument; /* what the first argument is, for errors ("RUN"); NULL when max_args is 0 */

    /* Of a name that IPython has, too: whether these words after it, up to the line's end, are for us.
     * NULL: all are. */
    bool (*claims)(const char *words);

    /* Begins the work; ends by magic_call_ok() or magic_call_fail(), now or later. */
    void (*run)(struct magic_call *call);

    /* Adds what may stand as the first argument. NULL: nothing can be proposed. */
    void (*complete)(struct submission *submission, struct strlist *ret_names);
};
