/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A YAML map read by a table of keys. All that can be said of a key without knowing its neighbours
 * is checked here; what depends on several keys is the kinds' business.
 */
#include "submission/spec_read.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/suggest.h"
#include "submission/secret.h"
#include "submission/yaml_scalar.h"

/* --- keys ---------------------------------------------------------------------------------------- */

static bool is_spelling(const struct spec_key *key, const char *word)
{
    if (strcmp(key->name, word) == 0)
        return true;
    for (const char *const *other = key->synonyms; other != NULL && *other != NULL; other++)
        if (strcmp(*other, word) == 0)
            return true;
    return false;
}

static const struct spec_key *find_key(const struct spec_key *keys, const char *word)
{
    for (; keys->name != NULL; keys++)
        if (is_spelling(keys, word))
            return keys;
    return NULL;
}

const struct yaml_node *spec_node(const struct yaml_node *map, const struct spec_key *keys,
                                  const char *name, const char **ret_written)
{
    const struct spec_key *key = find_key(keys, name);
    for (size_t i = 0; key != NULL && i < map->count; i++) {
        if (!is_spelling(key, map->keys[i]->text))
            continue;
        if (ret_written != NULL)
            *ret_written = map->keys[i]->text;
        return map->items[i];
    }
    return NULL;
}

static void all_spellings(const struct spec_key *keys, struct strlist *ret_words)
{
    for (; keys->name != NULL; keys++) {
        strlist_add(ret_words, keys->name);
        for (const char *const *word = keys->synonyms; word != NULL && *word != NULL; word++)
            strlist_add(ret_words, *word);
    }
}

/* The canonical keys as a list to choose from, v1's names in brackets. */
static char *keys_allowed(const struct spec_key *keys)
{
    AUTO_STRLIST struct strlist words = STRLIST_INIT;
    for (; keys->name != NULL; keys++) {
        if (keys->name[0] == '$')
            continue;
        if (keys->synonyms != NULL)
            strlist_addf(&words, "%s (%s)", keys->name, keys->synonyms[0]);
        else
            strlist_add(&words, keys->name);
    }
    return strlist_join(&words, ", ");
}

static int fail_unknown(struct spec_context *context, enum spec_kind kind,
                        const struct spec_key *keys, const struct yaml_node *key)
{
    AUTO_STRLIST struct strlist words = STRLIST_INIT;
    all_spellings(keys, &words);
    AUTO_FREE char *quoted = spec_quote_key(key->text);
    const char *elsewhere = keys == spec_keys(kind) ? spec_keys_elsewhere(kind, key->text) : NULL;
    const char *near = suggest(key->text, (const char *const *)words.items, words.count);
    AUTO_FREE char *allowed = keys_allowed(keys);
    if (elsewhere != NULL) {
        spec_fail(context, key, "%s is no key here: %s", quoted, elsewhere);
        return error_hint(context->err, "the keys here are: %s", allowed);
    }
    if (near != NULL) {
        spec_fail(context, key, "unknown key %s; did you mean `%s`?", quoted, near);
        return error_hint(context->err, "write `%s:`; the keys here are: %s", near, allowed);
    }
    spec_fail(context, key, "unknown key %s", quoted);
    return error_hint(context->err, "the keys here are: %s", allowed);
}

/* Both spellings of one thing: the earlier key of the map that means the same. */
static int check_spellings(struct spec_context *context, const struct yaml_node *map, size_t index,
                           const struct spec_key *key)
{
    for (size_t i = 0; i < index; i++) {
        if (!is_spelling(key, map->keys[i]->text))
            continue;
        spec_fail(context, map->keys[index], "`%s` (line %d) and `%s` are two names of one thing",
                  map->keys[i]->text, map->keys[i]->line, map->keys[index]->text);
        return error_hint(context->err, "keep one of them; `%s` is Azure's newer name", key->name);
    }
    return 0;
}

/* --- values -------------------------------------------------------------------------------------- */

int spec_fail_type(struct spec_context *context, const char *key, const struct yaml_node *node,
                   const char *wanted)
{
    if (node->kind == YAML_NULL)
        return spec_fail(context, node, "`%s` has no value; it takes %s", key, wanted);
    if (!yaml_is_scalar(node) || spec_is_sensitive(key))
        return spec_fail(context, node, "`%s` is %s; it takes %s", key, yaml_kind_words(node),
                         wanted);
    AUTO_FREE char *value = spec_quote(node->text);
    return spec_fail(context, node, "`%s` is %s, %s; it takes %s", key, value,
                     yaml_kind_words(node), wanted);
}

static json_t *string_of(const struct yaml_node *node)
{
    return json_text_value(node->text, strlen(node->text));
}

/* Case, '-' and '_' do not matter: v1 says lowpriority, the REST API LowPriority. */
static bool same_word(const char *a, const char *b)
{
    for (;; a++, b++) {
        a += strspn(a, "-_");
        b += strspn(b, "-_");
        if (tolower((unsigned char)*a) != tolower((unsigned char)*b))
            return false;
        if (*a == '\0')
            return true;
    }
}

static json_t *read_string(struct spec_context *context, const struct spec_key *key,
                           const char *written, const struct yaml_node *node)
{
    if (!yaml_is_scalar(node) || node->kind == YAML_NULL || node->text[0] == '\0') {
        spec_fail_type(context, written, node, key->type == SPEC_PATH ? "a path" : "a text");
        return NULL;
    }
    if (key->allowed == NULL)
        return string_of(node);
    AUTO_STRLIST struct strlist words = STRLIST_INIT;
    for (const char *const *word = key->allowed; *word != NULL; word++) {
        if (same_word(*word, node->text))
            return json_string(*word);
        strlist_add(&words, *word);
    }
    AUTO_FREE char *value = spec_quote(node->text);
    AUTO_FREE char *allowed = spec_alternatives(&words);
    const char *near = suggest(node->text, (const char *const *)words.items, words.count);
    spec_fail(context, node, "`%s` is %s; it takes %s", written, value, allowed);
    if (near != NULL)
        error_hint(context->err, "did you mean `%s`? write %s: %s", near, written, near);
    return NULL;
}

static json_t *read_int(struct spec_context *context, const char *written,
                        const struct yaml_node *node)
{
    AUTO_JSON json_t *value = yaml_to_json(node);
    if (json_is_integer(value))
        return steal(&value);
    if (node->kind == YAML_INT) {
        AUTO_FREE char *quoted = spec_quote(node->text);
        spec_fail(context, node, "`%s` is %s, a number with too many digits", written, quoted);
        return NULL;
    }
    spec_fail_type(context, written, node, "a whole number");
    bool number = node->kind == YAML_STRING && yaml_scalar_kind(node->text) == YAML_INT;
    if (number && strlen(node->text) <= 10)
        error_hint(context->err, "write the number without quotes: %s: %s", written, node->text);
    return NULL;
}

static json_t *read_bool(struct spec_context *context, const char *written,
                         const struct yaml_node *node)
{
    if (node->kind == YAML_BOOL)
        return yaml_to_json(node);
    spec_fail_type(context, written, node, "true or false");
    bool yes = node->kind == YAML_STRING &&
               (strcasecmp(node->text, "yes") == 0 || strcasecmp(node->text, "on") == 0);
    bool no = node->kind == YAML_STRING &&
              (strcasecmp(node->text, "no") == 0 || strcasecmp(node->text, "off") == 0);
    if (yes || no)
        error_hint(context->err, "write %s: %s", written, yes ? "true" : "false");
    return NULL;
}

static int check_item(struct spec_context *context, const char *key, const struct yaml_node *item)
{
    if (item->kind == YAML_MAP) {
        spec_fail(context, item, "an item of `%s` is a map, and must be a text", key);
        return error_hint(context->err,
                          "a colon followed by a blank makes a map: put the item in quotes, or "
                          "write two items [--name, value]");
    }
    if (item->kind == YAML_LIST) {
        spec_fail(context, item, "an item of `%s` is a list, and must be a text", key);
        return error_hint(context->err, "write all items in one list");
    }
    if (item->plain && item->text[0] == '\0') {
        spec_fail(context, item, "an item of `%s` is empty", key);
        return error_hint(context->err, "remove it, or write \"\" for an empty text");
    }
    return 0;
}

json_t *spec_read_strings(struct spec_context *context, const char *key,
                          const struct yaml_node *node)
{
    AUTO_JSON json_t *list = json_array();
    if (node->kind == YAML_MAP || node->kind == YAML_NULL) {
        spec_fail_type(context, key, node, "a list: [a, b]");
        return NULL;
    }
    if (node->kind != YAML_LIST) {
        json_array_append_new(list, string_of(node));
        return steal(&list);
    }
    for (size_t i = 0; i < node->count; i++) {
        if (check_item(context, key, node->items[i]) != 0)
            return NULL;
        json_array_append_new(list, string_of(node->items[i]));
    }
    return steal(&list);
}

static json_t *read_string_map(struct spec_context *context, const char *written,
                               const struct yaml_node *node)
{
    AUTO_JSON json_t *map = json_object();
    if (node->kind != YAML_MAP) {
        spec_fail_type(context, written, node, "a map: {NAME: value}");
        return NULL;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct yaml_node *value = node->items[i];
        if (!yaml_is_scalar(value)) {
            AUTO_FREE char *name = spec_quote_key(node->keys[i]->text);
            spec_fail(context, value, "the value of %s in `%s` is %s, and must be a text", name,
                      written, yaml_kind_words(value));
            return NULL;
        }
        json_object_set_new(map, node->keys[i]->text, string_of(value));
    }
    return steal(&map);
}

static json_t *read_secret(struct spec_context *context, const char *written,
                           const struct yaml_node *node)
{
    if (!yaml_is_scalar(node) || node->kind == YAML_NULL || node->text[0] == '\0') {
        spec_fail_type(context, written, node, "a reference such as env:NAME or secret:NAME");
        return NULL;
    }
    bool docker = strcmp(written, "password") == 0; /* only engines have a credential store */
    AUTO_FREE char *what = xasprintf("`%s`", written);
    if (!secret_is_reference(node->text) || (!docker && strcmp(node->text, "docker") == 0)) {
        spec_fail_secret(context, node, what, docker);
        return NULL;
    }
    return string_of(node);
}

static json_t *read_value(struct spec_context *context, enum spec_kind kind,
                          const struct spec_key *key, const char *written,
                          const struct yaml_node *node)
{
    switch (key->type) {
    case SPEC_STRING:
    case SPEC_PATH:
        return read_string(context, key, written, node);
    case SPEC_INT:
        return read_int(context, written, node);
    case SPEC_BOOL:
        return read_bool(context, written, node);
    case SPEC_STRING_LIST:
        return spec_read_strings(context, written, node);
    case SPEC_STRING_MAP:
        return read_string_map(context, written, node);
    case SPEC_MAP:
        if (node->kind == YAML_MAP)
            return spec_read_map(context, kind, node, key->children);
        spec_fail_type(context, written, node, "a map: {key: value}");
        return NULL;
    case SPEC_SECRET:
        return read_secret(context, written, node);
    case SPEC_ANY:
        break;
    }
    return yaml_to_json(node);
}

json_t *spec_read_map(struct spec_context *context, enum spec_kind kind,
                      const struct yaml_node *map, const struct spec_key *keys)
{
    AUTO_JSON json_t *values = json_object();
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *node = map->items[i];
        const char *written = map->keys[i]->text;
        const struct spec_key *key = find_key(keys, written);
        if (key == NULL) {
            fail_unknown(context, kind, keys, map->keys[i]);
            return NULL;
        }
        if (check_spellings(context, map, i, key) != 0)
            return NULL;
        json_t *value = read_value(context, kind, key, written, node);
        if (value == NULL)
            return NULL;
        json_object_set_new(values, key->name, value);
        if (key->unserved)
            spec_note(context, NOTE_WARNING, map->keys[i],
                      "`%s` is known to Azure ML and not served here. %s", written, key->instead);
    }
    return steal(&values);
}

/* The last key that is not below the error: what stands there is its value. */
static const struct yaml_node *key_above(const struct yaml_node *map, const struct error *err,
                                         const struct yaml_node **ret_value)
{
    const struct yaml_node *found = NULL;
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_node *key = map->keys[i];
        if (key->line > err->line || (key->line == err->line && key->column > err->column))
            continue;
        if (found == NULL || key->line > found->line ||
            (key->line == found->line && key->column > found->column)) {
            found = key;
            *ret_value = map->items[i];
        }
    }
    return found;
}

/* The key's lines of its example, which may have other keys around them; NULL when they are not
 * found. The caller frees it. */
static char *example_of(const struct spec_key *key, const char *written)
{
    size_t size = strlen(key->name);
    const char *line = key->example;
    while (line != NULL && (strncmp(line, key->name, size) != 0 || line[size] != ':')) {
        line = strchr(line, '\n');
        line += line != NULL;
    }
    if (line == NULL)
        return NULL;
    size_t end = strcspn(line, "\n");
    while (line[end] == '\n' && line[end + 1] == ' ')
        end += 1 + strcspn(line + end + 1, "\n");
    return xasprintf("%s%.*s", written, (int)(end - size), line + size);
}

void spec_hint_example(struct spec_context *context, enum spec_kind kind,
                       const struct yaml_node *map)
{
    static const char *const magics[] = {"environment", "compute", "submit"};
    AUTO_FREE char *example = NULL;
    const struct spec_key *keys = spec_keys(kind);
    bool in_cell = context->err->file == NULL; /* else the place is one of another text */
    while (in_cell && context->err->hint == NULL && keys != NULL && map->kind == YAML_MAP) {
        const struct yaml_node *value = NULL;
        const struct yaml_node *written = key_above(map, context->err, &value);
        const struct spec_key *key = written != NULL ? find_key(keys, written->text) : NULL;
        if (key == NULL)
            break;
        replace(&example, example_of(key, written->text));
        keys = key->children;
        map = value;
    }
    if (context->err->hint == NULL && example != NULL)
        error_hint(context->err,
                   strchr(example, '\n') != NULL ? "for example:\n%s" : "for example: %s", example);
    else if (context->err->hint == NULL)
        error_hint(context->err, "%%%%%s? shows all keys with examples", magics[kind]);
}

int spec_read_file(struct spec_context *context, const struct yaml_node *at, const char *path,
                   struct buf *ret_text)
{
    AUTO_ERROR struct error fault = ERROR_INIT;
    if (file_read(path, FILE_SMALL_MAX, ret_text, &fault) == 0)
        return 0;
    error_move(context->err, &fault);
    error_hint(context->err, "relative paths begin at %s", context->base);
    return error_at(context->err, at->line, at->column);
}
