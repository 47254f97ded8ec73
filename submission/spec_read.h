/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The inside of spec.h, shared by spec*.c: reading a YAML map by a table of keys, and failing with a
 * place. Everybody else uses spec.h.
 */

#include "base/buf.h"
#include "submission/spec.h"
#include "submission/yaml.h"

/* What the checks of one text share. Borrows everything. */
struct spec_context {
    const char *base; /* the folder relative paths begin at */
    struct notes *notes;
    struct error *err;
};

/* --- errors and notes ---------------------------------------------------------------------------- */

/* Sets ERROR_INVALID with the node's place (NULL: no place). Returns -1. */
int spec_fail(struct spec_context *context, const struct yaml_node *at, const char *fmt, ...)
    PRINTF(3, 4);

/* Fails with what the key's value is (quoted, unless the key's name is that of a secret) and what it
 * takes, as in "a whole number". Returns -1. */
int spec_fail_type(struct spec_context *context, const char *key, const struct yaml_node *node,
                   const char *wanted);

/* Notes something about the node (NULL: no place). */
void spec_note(struct spec_context *context, enum note_level level, const struct yaml_node *at,
               const char *fmt, ...) PRINTF(4, 5);

/* "a, b or c" for an error. The caller frees it. */
MUST_CHECK char *spec_alternatives(const struct strlist *words);

/* A value as an error may quote it: in quotes, cut when long, and without what stands before the @ of
 * an address. The caller frees it. */
MUST_CHECK char *spec_quote(const char *value);

/* The same for a key, cut before a "=": {password=x} is a key without a value. */
MUST_CHECK char *spec_quote_key(const char *key);

/* May a value of this name be a secret? (*PASSWORD*, *TOKEN*, *SECRET*, *KEY*, ...) */
bool spec_is_sensitive(const char *name);

/* The error for a secret that was written into the cell: says the ways to do it right, has no place
 * (the line would show it) and tells the line in words. Returns -1. */
int spec_fail_secret(struct spec_context *context, const struct yaml_node *at, const char *what,
                     bool docker);

/* --- maps with a table of keys --------------------------------------------------------------------- */

/* Reads a map by a table: unknown keys, both spellings of a key, wrong types and values that are not
 * allowed are errors; unserved keys are noted; SPEC_ANY values come as plain JSON, for the kind's own
 * check to replace. New reference: canonical keys to values; NULL with an error. `kind` is the kind the words
 * of an error speak of. */
MUST_CHECK json_t *spec_read_map(struct spec_context *context, enum spec_kind kind,
                                 const struct yaml_node *map, const struct spec_key *keys);

/* Gives an error that has no hint yet the example of the key it stands at, in the spelling that was
 * used; without such a key, and for a fault in a file the cell names, where examples are. */
void spec_hint_example(struct spec_context *context, enum spec_kind kind,
                       const struct yaml_node *map);

/* The value of a key of a map under any of its spellings, or NULL. *ret_written, when not NULL,
 * receives the spelling that was used (borrowed). */
const struct yaml_node *spec_node(const struct yaml_node *map, const struct spec_key *keys,
                                  const char *name, const char **ret_written);

/* Checks the names of environment variables and warns of literal values that look like secrets.
 * `node` may be NULL. */
int spec_check_variables(struct spec_context *context, const struct yaml_node *node);

/* --- values, for the checks of SPEC_ANY keys -------------------------------------------------------- */

/* A list of scalars, or one scalar, as an array of strings. New reference or NULL. */
MUST_CHECK json_t *spec_read_strings(struct spec_context *context, const char *key,
                                     const struct yaml_node *node);

/* Reads a size ("2g", "512m", bytes) into values[written], in bytes. */
int spec_read_size(struct spec_context *context, const char *written, const struct yaml_node *node,
                   json_t *values);

/* --- files a definition names ------------------------------------------------------------------------ */

/* The absolute path of what a cell names: `~` expanded, relative to the base, without "./" and
 * trailing slashes; ".." is kept, for only the file system knows what it means. Caller frees. */
MUST_CHECK char *spec_path(const struct spec_context *context, const char *path);

/* Reads a small file named by a value of the cell; errors are placed at that value. */
int spec_read_file(struct spec_context *context, const struct yaml_node *at, const char *path,
                   struct buf *ret_text);

/* --- the kinds ---------------------------------------------------------------------------------------- */

/* What is known of a key that is no key here: words that follow "unknown key ...", or NULL. Static
 * storage. */
const char *spec_keys_elsewhere(enum spec_kind kind, const char *key);

/* Each checks what its table alone cannot, and gives the definition without its name (a job's
 * without its experiment). New reference or NULL. */
MUST_CHECK json_t *spec_environment_check(struct spec_context *context,
                                          const struct yaml_node *map);
MUST_CHECK json_t *spec_compute_check(struct spec_context *context, const struct yaml_node *map);
MUST_CHECK json_t *spec_job_check(struct spec_context *context, const struct yaml_node *map);

/* The `container` section of a compute: `values` is what the table read of `map`, and is made canonical. */
int spec_container_check(struct spec_context *context, const struct yaml_node *map, json_t *values);

/* The conda file (inline, or read from the path the node holds): {"name","channels","dependencies"}.
 * New reference or NULL. */
MUST_CHECK json_t *spec_packages_conda(struct spec_context *context, const struct yaml_node *node);

/* Appends the requirement lines of a `pip:` value (a list, a text, or the path of a .txt file), or
 * of the file a `pip_requirements:` value names. */
int spec_packages_pip(struct spec_context *context, const struct yaml_node *node,
                      json_t *requirements);
int spec_packages_file(struct spec_context *context, const struct yaml_node *node,
                       json_t *requirements);

/* Checks every ${{...}} of a text of the job against its inputs and outputs (objects or NULL). */
int spec_argv_check(struct spec_context *context, const struct yaml_node *at, const char *text,
                    json_t *inputs, json_t *outputs);
