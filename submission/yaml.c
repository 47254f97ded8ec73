/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libyaml's events to a tree. The bytes are checked before libyaml sees them, so that its reader
 * has nothing to complain of; what its scanner and parser complain of goes to yaml_fault.c.
 *
 * An alias shares its anchor's node (nodes count their parents), and each node knows how many
 * nodes it stands for: the limits hold for the expanded document, at the cost of the written one.
 */
#include "submission/yaml.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/json.h"
#include "base/utf8.h"
#include "submission/yaml_fault.h"
#include "submission/yaml_scalar.h"

#define ANCHORS_MAX 100 /* people use a handful; the list is searched from its start */

struct anchor {
    char *name;
    struct yaml_node *node; /* borrowed from the tree; NULL while it is being read */
};

struct builder {
    yaml_parser_t parser;
    const char *text;
    size_t size;
    int first_line; /* of the text, where it stands */
    struct anchor anchors[ANCHORS_MAX];
    size_t anchor_count;
    unsigned created;
    struct error *err;
};

void yaml_node_free(struct yaml_node *root)
{
    if (root == NULL || --root->refs > 0)
        return;
    for (size_t i = 0; i < root->count; i++) {
        yaml_node_free(root->items[i]);
        if (root->keys != NULL)
            yaml_node_free(root->keys[i]);
    }
    free(root->items);
    free(root->keys);
    free(root->text);
    free(root);
}

static int fail_at(struct builder *builder, enum error_code code, yaml_mark_t mark,
                   const char *text, const char *hint)
{
    error_set(builder->err, code, "%s", text);
    error_hint(builder->err, "%s", hint);
    return error_at(builder->err, (int)mark.line + builder->first_line, (int)mark.column + 1);
}

static struct yaml_node *new_node(struct builder *builder, enum yaml_kind kind, yaml_mark_t mark)
{
    if (++builder->created > YAML_NODES_MAX) {
        fail_at(builder, ERROR_LIMIT, mark, "this is far more YAML than a definition needs",
                "put data in files and give their paths");
        return NULL;
    }
    struct yaml_node *node = xcalloc(1, sizeof *node);
    node->kind = kind;
    node->line = (int)mark.line + builder->first_line;
    node->column = (int)mark.column + 1;
    node->refs = node->weight = node->height = 1;
    return node;
}

/* --- scalars ----------------------------------------------------------------------------------- */

/* Legal YAML that is surely a slip: it would silently mean something else. */
static int check_plain(struct builder *builder, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    if (strncmp(text, "“", 3) == 0 || strncmp(text, "‘", 3) == 0)
        return fail_at(builder, ERROR_INVALID, event->start_mark,
                       "typographic quotes do not quote in YAML",
                       "use the straight ones: \"...\" or '...'");
    if (event->end_mark.line == event->start_mark.line)
        return 0;
    /* A text over several lines: does one of the following lines look like a list item? */
    size_t line = 0;
    for (const char *at = builder->text; at < builder->text + builder->size; line++) {
        const char *end = memchr(at, '\n', (size_t)(builder->text + builder->size - at));
        size_t blanks = strspn(at, " ");
        if (line > event->start_mark.line && line <= event->end_mark.line && at[blanks] == '-' &&
            at[blanks + 1] == ' ')
            return fail_at(builder, ERROR_INVALID, (yaml_mark_t){.line = line, .column = blanks},
                           "this line continues the text above it, for it is indented deeper",
                           "begin all items of a list in the same column");
        if (end == NULL || line > event->end_mark.line)
            break;
        at = end + 1;
    }
    return 0;
}

static struct yaml_node *build_scalar(struct builder *builder, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    if (strlen(text) != event->data.scalar.length) {
        fail_at(builder, ERROR_INVALID, event->start_mark, "a text here holds a NUL (\\0)",
                "remove it: no name, path or argument can hold one");
        return NULL;
    }
    if (plain && check_plain(builder, event) != 0)
        return NULL;
    struct yaml_node *node =
        new_node(builder, plain ? yaml_scalar_kind(text) : YAML_STRING, event->start_mark);
    if (node == NULL)
        return NULL;
    node->plain = plain;
    node->text = xstrdup(text);
    return node;
}

/* --- anchors and aliases ------------------------------------------------------------------------- */

static struct anchor *find_anchor(struct builder *builder, const char *name)
{
    for (size_t i = builder->anchor_count; i > 0; i--) /* the newest of a name counts */
        if (strcmp(builder->anchors[i - 1].name, name) == 0)
            return &builder->anchors[i - 1];
    return NULL;
}

/* Registers an event's anchor, if it has one, as being read; *ret_index is its number or -1. */
static int begin_anchor(struct builder *builder, const yaml_char_t *name, yaml_mark_t mark,
                        int *ret_index)
{
    *ret_index = -1;
    if (name == NULL)
        return 0;
    if (builder->anchor_count == ANCHORS_MAX)
        return fail_at(builder, ERROR_LIMIT, mark, "too many anchors (&name) in one text",
                       "write the values out, or quote values that begin with &");
    *ret_index = (int)builder->anchor_count++;
    builder->anchors[*ret_index] = (struct anchor){.name = xstrdup((const char *)name)};
    return 0;
}

static struct yaml_node *build_alias(struct builder *builder, const yaml_event_t *event,
                                     unsigned depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    const struct anchor *anchor = find_anchor(builder, name);
    if (anchor == NULL || anchor->node == NULL) {
        fail_at(builder, ERROR_INVALID, event->start_mark,
                anchor == NULL ? "a value that begins with * is an alias, and nothing above has "
                                 "the anchor (&) of this name"
                               : "this alias stands inside of what it names",
                "a value that begins with * needs quotes, as in \"*.csv\"");
        return NULL;
    }
    if (depth + anchor->node->height > YAML_DEPTH_MAX) {
        fail_at(builder, ERROR_LIMIT, event->start_mark, "the aliases nest too deep",
                "write the value out");
        return NULL;
    }
    anchor->node->refs++;
    return anchor->node;
}

/* --- lists and maps ------------------------------------------------------------------------------ */

static struct yaml_node *build(struct builder *builder, yaml_event_t *event, unsigned depth);

static int next_event(struct builder *builder, yaml_event_t *ret_event)
{
    const yaml_parser_t *parser = &builder->parser;
    if (yaml_parser_parse(&builder->parser, ret_event))
        return 0;
    const struct yaml_fault fault = {
        .text = builder->text,
        .size = builder->size,
        .first_line = builder->first_line,
        .problem = parser->problem != NULL ? parser->problem : "",
        .context = parser->context != NULL ? parser->context : "",
        .line = (int)parser->problem_mark.line + 1,
        .column = (int)parser->problem_mark.column + 1,
        .context_line = (int)parser->context_mark.line + 1,
        .context_column = (int)parser->context_mark.column + 1,
    };
    return yaml_fault_explain(&fault, builder->err);
}

/* Adds the child's share to its parent; the sum stays within the limit of the expanded document. */
static int weigh(struct builder *builder, struct yaml_node *parent, const struct yaml_node *child)
{
    parent->weight += child->weight;
    if (child->height >= parent->height)
        parent->height = child->height + 1;
    if (parent->weight <= YAML_NODES_MAX)
        return 0;
    error_set(builder->err, ERROR_LIMIT, "with its aliases written out, this is over %d values",
              YAML_NODES_MAX);
    error_hint(builder->err, "use fewer aliases (*name)");
    return error_at(builder->err, child->line, child->column);
}

static int append(struct builder *builder, struct yaml_node *list, size_t *capacity,
                  struct yaml_node *item)
{
    grow(&list->items, capacity, list->count + 1, sizeof *list->items);
    list->items[list->count++] = item;
    return weigh(builder, list, item);
}

static int build_items(struct builder *builder, struct yaml_node *list, unsigned depth)
{
    size_t capacity = 0;
    for (;;) {
        yaml_event_t event;
        if (next_event(builder, &event) != 0)
            return -1;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        struct yaml_node *item = end ? NULL : build(builder, &event, depth + 1);
        yaml_event_delete(&event);
        if (end)
            return 0;
        if (item == NULL || append(builder, list, &capacity, item) != 0)
            return -1;
    }
}

/* `seen` maps the keys so far to their lines. */
static int check_key(struct builder *builder, const struct yaml_node *key, yaml_mark_t mark,
                     json_t *seen)
{
    if (!yaml_is_scalar(key))
        return fail_at(builder, ERROR_INVALID, mark,
                       "a key must be a word, and this is a list or a map",
                       "put quotes around a value that begins with { or [");
    if (key->plain && strcmp(key->text, "<<") == 0)
        return fail_at(builder, ERROR_UNSUPPORTED, mark,
                       "merge keys (<<) belong to YAML 1.1 and are not read here",
                       "write the keys out");
    const json_t *first = json_object_get(seen, key->text);
    if (first == NULL) {
        json_object_set_new(seen, key->text, json_integer(key->line));
        return 0;
    }
    error_set(builder->err, ERROR_INVALID,
              "the key `%.*s` is there twice: in line %d and in line %d",
              (int)strcspn(key->text, "="), key->text, (int)json_integer_value(first), key->line);
    error_hint(builder->err, "keep one of the two");
    return error_at(builder->err, key->line, key->column);
}

/* `image:foo` where a key belongs. An address (https://...) is not meant. */
static int check_blank_after_colon(struct builder *builder, const struct yaml_node *word)
{
    const char *colon = word->plain ? strchr(word->text, ':') : NULL;
    int length = colon != NULL ? (int)(colon - word->text) : 0;
    if (length == 0 || strncmp(colon, "://", 3) == 0 || strcspn(word->text, " \n") < (size_t)length)
        return 0;
    error_set(builder->err, ERROR_INVALID, "there is no blank after the colon of `%.*s:`", length,
              word->text);
    error_hint(builder->err, "write `%.*s: ` and then the value", length, word->text);
    return error_at(builder->err, word->line, word->column);
}

/* {epochs:3} is one key with no value; nobody means that. */
static int check_flow_pair(struct builder *builder, const struct yaml_node *key,
                           const struct yaml_node *value)
{
    bool empty = value->kind == YAML_NULL && value->plain && value->text[0] == '\0';
    return empty ? check_blank_after_colon(builder, key) : 0;
}

/* One key and its value; *ret_end when the map has ended instead. */
static int build_pair(struct builder *builder, struct yaml_node *map, size_t capacities[2],
                      json_t *seen, unsigned depth, bool *ret_end)
{
    yaml_event_t event;
    if (next_event(builder, &event) != 0)
        return -1;
    *ret_end = event.type == YAML_MAPPING_END_EVENT;
    AUTO(yaml_node)
    struct yaml_node *key = *ret_end ? NULL : build(builder, &event, depth + 1);
    yaml_mark_t mark = event.start_mark;
    yaml_event_delete(&event);
    if (*ret_end)
        return 0;
    if (key == NULL || check_key(builder, key, mark, seen) != 0 || next_event(builder, &event) != 0)
        return -1;
    struct yaml_node *value = build(builder, &event, depth + 1);
    yaml_event_delete(&event);
    if (value == NULL)
        return -1;
    grow(&map->keys, &capacities[0], map->count + 1, sizeof *map->keys);
    map->keys[map->count] = key;
    int result = append(builder, map, &capacities[1], value);
    result = result == 0 ? check_flow_pair(builder, key, value) : -1;
    key = NULL; /* the map's now */
    return result;
}

static int build_pairs(struct builder *builder, struct yaml_node *map, unsigned depth)
{
    AUTO_JSON json_t *seen = json_object();
    size_t capacities[2] = {0, 0};
    bool end = false;
    while (!end)
        if (build_pair(builder, map, capacities, seen, depth, &end) != 0)
            return -1;
    return 0;
}

/* --- any node ------------------------------------------------------------------------------------- */

static int check_tag(struct builder *builder, const yaml_char_t *tag, yaml_mark_t mark)
{
    if (tag == NULL)
        return 0;
    return fail_at(builder, ERROR_UNSUPPORTED, mark, "YAML tags (!name) are not read here",
                   "remove the tag, or put the value in quotes when the ! belongs to it");
}

static struct yaml_node *build_collection(struct builder *builder, const yaml_event_t *event,
                                          unsigned depth)
{
    bool list = event->type == YAML_SEQUENCE_START_EVENT;
    const yaml_char_t *tag = list ? event->data.sequence_start.tag : event->data.mapping_start.tag;
    const yaml_char_t *name =
        list ? event->data.sequence_start.anchor : event->data.mapping_start.anchor;
    int anchor;
    if (check_tag(builder, tag, event->start_mark) != 0 ||
        begin_anchor(builder, name, event->start_mark, &anchor) != 0)
        return NULL;
    AUTO(yaml_node)
    struct yaml_node *node = new_node(builder, list ? YAML_LIST : YAML_MAP, event->start_mark);
    if (node == NULL || (list ? build_items : build_pairs)(builder, node, depth) != 0)
        return NULL;
    if (anchor >= 0)
        builder->anchors[anchor].node = node;
    return steal(&node);
}

static struct yaml_node *build(struct builder *builder, yaml_event_t *event, unsigned depth)
{
    if (depth > YAML_DEPTH_MAX) {
        fail_at(builder, ERROR_LIMIT, event->start_mark, "lists and maps nest too deep here",
                "a definition needs a few levels: is a bracket missing?");
        return NULL;
    }
    if (event->type == YAML_ALIAS_EVENT)
        return build_alias(builder, event, depth);
    if (event->type != YAML_SCALAR_EVENT)
        return build_collection(builder, event, depth);
    int anchor;
    if (check_tag(builder, event->data.scalar.tag, event->start_mark) != 0 ||
        begin_anchor(builder, event->data.scalar.anchor, event->start_mark, &anchor) != 0)
        return NULL;
    struct yaml_node *node = build_scalar(builder, event);
    if (anchor >= 0)
        builder->anchors[anchor].node = node;
    return node;
}

/* --- the document ---------------------------------------------------------------------------------- */

static int bad_byte(struct builder *builder, size_t offset, const char *what, const char *hint)
{
    size_t start = offset;
    size_t lines = 0;
    while (start > 0 && builder->text[start - 1] != '\n')
        start--;
    for (size_t i = 0; i < start; i++)
        lines += builder->text[i] == '\n';
    size_t column = utf8_count(builder->text + start, offset - start);
    return fail_at(builder, ERROR_INVALID, (yaml_mark_t){.line = lines, .column = column}, what,
                   hint);
}

/* Characters libyaml would choke on, and blanks that look like spaces and are not. */
static int check_bytes(struct builder *builder)
{
    bool indentation = true;
    size_t length;
    for (size_t i = 0; i < builder->size; i += length) {
        const unsigned char *at = (const unsigned char *)builder->text + i;
        length = utf8_sequence(builder->text + i, builder->size - i);
        if (length == 0)
            return bad_byte(builder, i, "the text is not valid UTF-8 here",
                            "save the file as UTF-8");
        bool control = (at[0] < 0x20 && at[0] != '\t' && at[0] != '\n' && at[0] != '\r') ||
                       at[0] == 0x7f || (at[0] == 0xc2 && at[1] < 0xa0 && at[1] != 0x85);
        if (control)
            return bad_byte(builder, i, "there is an invisible control character here",
                            "delete it, and type the line again if need be");
        bool odd_blank = (at[0] == 0xc2 && at[1] == 0xa0) ||                  /* no-break space */
                         (at[0] == 0xe2 && at[1] == 0x80 && at[2] == 0x8b) || /* zero width */
                         (at[0] == 0xe3 && at[1] == 0x80 && at[2] == 0x80);   /* ideographic */
        if (indentation && odd_blank)
            return bad_byte(builder, i,
                            "this line is indented with a blank that is not a plain space",
                            "it often comes with text copied from a web page: type the spaces "
                            "again");
        indentation = at[0] == '\n' || (indentation && at[0] == ' ');
    }
    return 0;
}

static int expect_end(struct builder *builder, const struct yaml_node *root)
{
    yaml_event_t event;
    if (next_event(builder, &event) != 0) /* the document's end */
        return -1;
    yaml_event_delete(&event);
    if (next_event(builder, &event) != 0)
        return -1;
    bool more = event.type != YAML_STREAM_END_EVENT;
    yaml_mark_t mark = event.start_mark;
    yaml_event_delete(&event);
    if (more)
        return fail_at(builder, ERROR_INVALID, mark, "a second document begins here (---)",
                       "one cell or file holds one definition: use a cell for each");
    return root->kind == YAML_STRING ? check_blank_after_colon(builder, root) : 0;
}

static struct yaml_node *build_document(struct builder *builder)
{
    yaml_event_t event;
    for (;;) { /* the stream's start, the document's start, then what is in it */
        if (next_event(builder, &event) != 0)
            return NULL;
        yaml_mark_t none = {.line = 0};
        if (event.type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&event);
            return new_node(builder, YAML_MAP, none);
        }
        if (event.type != YAML_STREAM_START_EVENT && event.type != YAML_DOCUMENT_START_EVENT)
            break;
        yaml_event_delete(&event);
    }
    AUTO(yaml_node) struct yaml_node *root = build(builder, &event, 1);
    yaml_event_delete(&event);
    if (root == NULL || expect_end(builder, root) != 0)
        return NULL;
    return steal(&root);
}

struct yaml_node *yaml_parse(const char *text, size_t size, int first_line, struct error *err)
{
    static const char byte_order_mark[] = "\xef\xbb\xbf";
    if (size > YAML_SIZE_MAX) {
        error_set(err, ERROR_LIMIT, "the text is larger than %d bytes", YAML_SIZE_MAX);
        error_hint(err, "put data in files and give their paths");
        error_at(err, first_line, 1);
        return NULL;
    }
    if (size >= 3 && memcmp(text, byte_order_mark, 3) == 0) {
        text += 3;
        size -= 3;
    }
    /* A copy with a NUL after it: the checks look at the next character without counting. */
    AUTO_FREE char *copy = xmalloc(size + 1);
    if (size > 0)
        memcpy(copy, text, size);
    copy[size] = '\0';
    struct builder builder = {.text = copy, .size = size, .first_line = first_line, .err = err};
    if (check_bytes(&builder) != 0)
        return NULL;
    if (!yaml_parser_initialize(&builder.parser))
        abort(); /* out of memory */
    yaml_parser_set_encoding(&builder.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&builder.parser, (const unsigned char *)copy, size);
    struct yaml_node *root = build_document(&builder);
    yaml_parser_delete(&builder.parser);
    for (size_t i = 0; i < builder.anchor_count; i++)
        free(builder.anchors[i].name);
    return root;
}

/* --- reading the tree ------------------------------------------------------------------------------ */

const struct yaml_node *yaml_get(const struct yaml_node *map, const char *key)
{
    for (size_t i = 0; map->kind == YAML_MAP && i < map->count; i++)
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

const char *yaml_kind_words(const struct yaml_node *node)
{
    static const char *const words[] = {
        [YAML_NULL] = "nothing",   [YAML_BOOL] = "true or false", [YAML_INT] = "a whole number",
        [YAML_FLOAT] = "a number", [YAML_STRING] = "text",        [YAML_LIST] = "a list",
        [YAML_MAP] = "a map",
    };
    return words[node->kind];
}

json_t *yaml_to_json(const struct yaml_node *node)
{
    if (yaml_is_scalar(node))
        return yaml_scalar_to_json(node);
    json_t *result = node->kind == YAML_LIST ? json_array() : json_object();
    for (size_t i = 0; i < node->count; i++) {
        if (node->kind == YAML_LIST)
            json_array_append_new(result, yaml_to_json(node->items[i]));
        else
            json_object_set_new(result, node->keys[i]->text, yaml_to_json(node->items[i]));
    }
    return result;
}
