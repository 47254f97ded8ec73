/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The words after a magic's name, sorted into arguments and options by the magic's table entry.
 * Pure. "--name value" and "--name=value" mean the same; "--" ends the options.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "magics/magic.h"
#include "magics/parse.h"

#define ARGUMENTS_MAX 8 /* no magic takes more of either */

struct arguments_option {
    const struct magic_option *option;
    const struct parse_word *word; /* where it was given */
    const char *value;             /* NULL for a flag; borrowed from the word */
};

struct arguments {
    const struct parse_word *args[ARGUMENTS_MAX];
    size_t count;
    struct arguments_option options[ARGUMENTS_MAX];
    size_t option_count;
};

/* Borrows from `magic` and `words`. Errors name the word, what is allowed and its place. */
int arguments_bind(const struct magic *magic, const struct parse_call *words,
                   struct arguments *ret_arguments, struct error *err);

/* The first argument, or NULL. */
const char *arguments_first(const struct arguments *arguments);

bool arguments_has(const struct arguments *arguments, const char *option);
const char *arguments_value(const struct arguments *arguments, const char *option);

/* The option's value as a whole number from 1 to `max`; `fallback` when it is not given. */
int arguments_number(const struct arguments *arguments, const char *option, long max, long fallback,
                     long *ret_number, struct error *err);
