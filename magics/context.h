/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the cursor is at in a cell of Skiff's: the one thing completion and inspection both need to
 * know. Pure, and content with unfinished text.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/strlist.h"
#include "magics/magic.h"

enum context_kind {
    CONTEXT_NOTHING,
    CONTEXT_MAGIC,        /* a magic's name, % included */
    CONTEXT_ARGUMENT,     /* the first argument of `magic` */
    CONTEXT_OPTION,       /* an option of `magic` */
    CONTEXT_OPTION_VALUE, /* the value of `option` */
    CONTEXT_KEY,          /* a key in the body of `magic`, in the map at `path` */
    CONTEXT_VALUE,        /* the value of the key at the end of `path` */
};

struct context {
    enum context_kind kind;
    size_t start; /* bytes of the code: where the word begins; it ends at the cursor */
    char *prefix; /* the word up to the cursor; owned; never NULL */
    const struct magic *magic;
    const struct magic_option *option;
    struct strlist path; /* keys, outermost first */
    char *folder;        /* in a job's body: what its `code:` says, or NULL; owned */
};

/* `cursor` is a byte offset, at most the length of the code. */
void context_find(struct context *context, const char *code, size_t cursor);
void context_done(struct context *context);
#define AUTO_CONTEXT __attribute__((cleanup(context_done)))

/* The key a list of names leads to, canonical or synonym at each step; NULL when there is none. */
const struct spec_key *context_key(enum spec_kind kind, const struct strlist *path);

/* Where the value of a top-level key (given by its canonical name) stands in a body: line and column
 * from 1, within the body. False when the key is not there. */
bool context_value_place(enum spec_kind kind, const char *body, const char *key, int *ret_line,
                         int *ret_column);

/* The keys that may stand in the map at `path`; NULL when none are known. */
const struct spec_key *context_keys(enum spec_kind kind, const struct strlist *path);
