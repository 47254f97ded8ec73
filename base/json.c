/* SPDX-License-Identifier: BSD-3-Clause */
/* jansson with limits, durable files, and errors that name what was read. */
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/utf8.h"

json_t *json_parse(const char *text, size_t size, const char *what, struct error *err)
{
    json_error_t fault;
    json_t *value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &fault);
    if (value == NULL)
        error_set(err, ERROR_CORRUPT, "%s is not valid JSON (line %d, column %d: %s)", what,
                  fault.line, fault.column, fault.text);
    return value;
}

json_t *json_read(const char *path, struct error *err)
{
    AUTO_BUF struct buf text = BUF_INIT;
    if (file_read(path, FILE_SMALL_MAX, &text, err) != 0)
        return NULL;
    AUTO_JSON json_t *value = json_parse(text.data, text.size, path, err);
    if (value != NULL && !json_is_object(value)) {
        error_set(err, ERROR_CORRUPT, "%s does not hold a JSON object", path);
        return NULL;
    }
    return steal(&value);
}

static char *dump(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags | JSON_ENCODE_ANY);
    if (text == NULL)
        abort(); /* a value of ours holds valid UTF-8 only: see json_text_value() */
    return text;
}

int json_write(const char *path, const json_t *value, mode_t mode, struct error *err)
{
    AUTO_FREE char *text = dump(value, JSON_INDENT(2));
    AUTO_FREE char *line = xasprintf("%s\n", text);
    return file_write(path, line, strlen(line), mode, err);
}

int json_append_line(const char *path, const json_t *value, struct error *err)
{
    AUTO_FREE char *text = json_text(value);
    AUTO_FREE char *line = xasprintf("%s\n", text);
    return file_append(path, line, strlen(line), err);
}

char *json_text(const json_t *value)
{
    return dump(value, JSON_COMPACT);
}

char *json_canonical(const json_t *value)
{
    return dump(value, JSON_COMPACT | JSON_SORT_KEYS);
}

const char *json_get_string(const json_t *object, const char *key, const char *fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) ? json_string_value(value) : fallback;
}

int64_t json_get_int(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}

double json_get_number(const json_t *object, const char *key, double fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *value = json_object_get(object, key);
    return json_is_boolean(value) ? json_is_true(value) : fallback;
}

int64_t json_get_time(const json_t *object, const char *key)
{
    return clock_parse(json_get_string(object, key, NULL));
}

void json_set_string(json_t *object, const char *key, const char *text)
{
    json_t *value = text != NULL ? json_text_value(text, strlen(text)) : json_null();
    json_object_set_new(object, key, value);
}

void json_set_time(json_t *object, const char *key, int64_t when_us)
{
    char text[CLOCK_TEXT_SIZE];
    json_set_string(object, key, when_us > 0 ? clock_format(when_us, text) : NULL);
}

json_t *json_text_value(const char *bytes, size_t size)
{
    json_t *value = json_stringn(bytes, size);
    if (value != NULL)
        return value;
    AUTO_BUF struct buf clean = BUF_INIT;
    utf8_append_clean(&clean, bytes, size);
    return json_stringn(clean.data, clean.size);
}

json_t *json_strings(char *const *texts)
{
    json_t *array = json_array();
    for (; texts != NULL && *texts != NULL; texts++)
        json_array_append_new(array, json_text_value(*texts, strlen(*texts)));
    return array;
}
