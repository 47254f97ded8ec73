/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * YAML (libyaml) as a tree that knows its places, within limits. One document; aliases are expanded
 * by reference and counted, so that a bomb is an error and not a gigabyte. Tags other than the core
 * ones, several documents, duplicate keys and keys that are not scalars are errors with a place and
 * a hint in words (libyaml's own complaints are translated: tabs, odd indentation, a missing
 * quote).
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

#define YAML_SIZE_MAX (1024 * 1024) /* people write kilobytes */
#define YAML_DEPTH_MAX 32           /* Azure's deepest documents have seven levels */
#define YAML_NODES_MAX 20000        /* with aliases counted each time they are used */

enum yaml_kind { YAML_NULL, YAML_BOOL, YAML_INT, YAML_FLOAT, YAML_STRING, YAML_LIST, YAML_MAP };

struct yaml {
    enum yaml_kind kind; /* a plain scalar by YAML 1.2's core schema (yes/no/on/off are strings) */
    int line;            /* 1-based, of the first character */
    int column;          /* 1-based, in code points */
    char *text;          /* scalars: as written, without quotes; never NULL for them */
    bool plain;          /* scalars: written without quotes */
    struct yaml **items; /* lists and the values of maps */
    struct yaml **keys;  /* maps: the keys, string scalars by `text` */
    size_t count;
};

/* The root of the document; an empty or comment-only text gives an empty map at line 1. */
MUST_CHECK struct yaml *yaml_parse(const char *text, size_t size, struct error *err);
void yaml_free(struct yaml *root);
DEFINE_AUTO(yaml)

/* The value of a key of a map, or NULL. */
const struct yaml *yaml_get(const struct yaml *map, const char *key);

/* The same as JSON (numbers as numbers). New reference. */
MUST_CHECK json_t *yaml_to_json(const struct yaml *node);
