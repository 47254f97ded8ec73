/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * YAML (libyaml) as a tree that knows its places, within limits. One document; aliases are expanded
 * by reference and counted, so that a bomb is an error and not a gigabyte. Tags, several documents,
 * duplicate keys, merge keys (<<) and keys that are not scalars are errors with a place and a hint
 * in words (libyaml's own complaints are translated: tabs, odd indentation, a missing quote).
 *
 * The type is not `struct yaml`: libyaml exports a yaml_free() of its own, which a yaml_free() of
 * ours would replace inside the library.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define YAML_SIZE_MAX (1024 * 1024) /* people write kilobytes */
#define YAML_DEPTH_MAX 32           /* Azure's deepest documents have seven levels */
#define YAML_NODES_MAX 20000        /* with aliases counted each time they are used */

enum yaml_kind { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_STRING, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind; /* a plain scalar by YAML 1.2's core schema (yes/no/on/off are strings) */
    int line;            /* 1-based, of the first character */
    int column;          /* 1-based, in code points */
    char *text;          /* scalars: as written, without quotes; never NULL for them */
    bool plain;          /* scalars: written without quotes */
    struct yaml_node **items; /* lists and the values of maps */
    struct yaml_node **keys;  /* maps: the keys, string scalars by `text` */
    size_t count;
    unsigned refs;   /* parents; an alias shares the anchor's node */
    unsigned weight; /* nodes below and itself, aliases counted each time */
    unsigned height; /* levels below and itself */
};

/* The root of the document; an empty or comment-only text gives an empty map. Lines, in the tree and
 * in errors, count from `first_line`, the one in which the text begins where the user sees it. NULL
 * with a code, a place and a hint. Error texts quote keys, never values: one may be a password. */
MUST_CHECK struct yaml_node *yaml_parse(const char *text, size_t size, int first_line,
                                        struct error *err);
void yaml_node_free(struct yaml_node *root); /* NULL is allowed */
DEFINE_AUTO(yaml_node)

/* The value of a key of a map, or NULL. */
const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key);

/* "a list", "a map", "text", "a number", "true or false", "nothing". Static storage. */
const char *yaml_kind_words(const struct yaml_node *node);

static inline bool yaml_is_scalar(const struct yaml_node *node)
{
    return node->kind != YAML_LIST && node->kind != YAML_MAP;
}

/* The same as JSON (numbers as numbers; what JSON cannot hold, infinities and NaN, as text). New
 * reference. */
MUST_CHECK json_t *yaml_to_json(const struct yaml_node *node);
