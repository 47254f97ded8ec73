/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What jansson leaves to its users: loading and saving with limits, and fields read with errors
 * that name the key. Functions that take a `json_t *` borrow it unless they say "taken".
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

static inline void json_auto_decref(json_t **value)
{
    json_decref(*value);
}
#define AUTO_JSON __attribute__((cleanup(json_auto_decref)))

/* Parses text of `size` bytes (NULs and duplicate keys: refused in files of ours). New reference,
 * or NULL with line and column in the error. `what` names the source: a path, "the reply". */
MUST_CHECK json_t *json_parse(const char *text, size_t size, const char *what, struct error *err);

/* Reads a file of at most FILE_SMALL_MAX bytes that must hold one object. New reference or NULL. */
MUST_CHECK json_t *json_read(const char *path, struct error *err);

/* Writes durably (see file_write), indented by two, keys in their order, newline at the end. */
int json_write(const char *path, const json_t *value, mode_t mode, struct error *err);

/* Appends the value as one compact line, durably. */
int json_append_line(const char *path, const json_t *value, struct error *err);

/* Compact text, keys in their order. The caller frees it. */
MUST_CHECK char *json_text(const json_t *value);

/* Compact text with keys sorted: equal values give equal bytes. The caller frees it. */
MUST_CHECK char *json_canonical(const json_t *value);

/* Fields of an object that may be missing or of another type: then `fallback`. Borrowed. */
const char *json_get_string(const json_t *object, const char *key, const char *fallback);
int64_t json_get_int(const json_t *object, const char *key, int64_t fallback);
double json_get_number(const json_t *object, const char *key, double fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);

/* An instant written by json_set_time(); 0 when missing. */
int64_t json_get_time(const json_t *object, const char *key);

/* Sets text that may hold bytes that are not UTF-8 (each becomes U+FFFD); NULL sets null. */
void json_set_string(json_t *object, const char *key, const char *text);

/* Sets an instant as ISO 8601; 0 sets null. */
void json_set_time(json_t *object, const char *key, int64_t when_us);

/* A NULL-terminated list of texts (NULL: an empty one) as an array. New reference. */
MUST_CHECK json_t *json_strings(char *const *texts);

/* A JSON string of any bytes, with what is not UTF-8 replaced. Never NULL. New reference. */
MUST_CHECK json_t *json_text_value(const char *bytes, size_t size);
