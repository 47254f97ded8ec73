/* SPDX-License-Identifier: BSD-3-Clause */
/* Flat objects of numbers as JSON writers and Python's print() make them. A JSON library would
 * refuse the NaN that Python's json module writes, and single quotes; a dozen lines of our own
 * take both, and anything else (nesting, escapes in names) is simply no record. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "submission/metrics_line.h"

static const char *const times[] = {"time",      "timestamp", "_timestamp", "_runtime",
                                    "wall_time", "date",      NULL};

bool metrics_name_in(const char *const *list, const char *name, size_t size)
{
    for (; *list != NULL; list++)
        if (strlen(*list) == size && strncasecmp(*list, name, size) == 0)
            return true;
    return false;
}

int metrics_step_rank(const char *name, size_t size)
{
    static const char *const global[] = {"global_step", "_step", NULL};
    static const char *const step[] = {"step", NULL};
    static const char *const epoch[] = {"epoch", NULL};
    static const char *const iteration[] = {"iteration", "iter", NULL};
    static const char *const *const by_rank[] = {iteration, epoch, step, global};
    for (int rank = (int)ARRAY_SIZE(by_rank); rank > 0; rank--)
        if (metrics_name_in(by_rank[rank - 1], name, size))
            return rank;
    return 0;
}

static const char *number_word(const char *p, const char *end, double *ret_value)
{
    static const struct {
        const char *word;
        double value;
    } words[] = {{"nan", NAN}, {"infinity", INFINITY}, {"inf", INFINITY}};
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t length = strlen(words[i].word);
        if ((size_t)(end - p) >= length && strncasecmp(p, words[i].word, length) == 0) {
            *ret_value = words[i].value;
            return p + length;
        }
    }
    return NULL;
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return p;
}

/* The end of "e-05" after a number, or `p` itself. */
static const char *exponent(const char *p, const char *end)
{
    if (p >= end || (*p != 'e' && *p != 'E'))
        return p;
    const char *start = p + 1 + (p + 1 < end && (p[1] == '-' || p[1] == '+'));
    const char *after = digits(start, end);
    return after > start ? after : p;
}

const char *metrics_number(const char *p, const char *end, double *ret_value, bool *ret_integer)
{
    const char *start = p;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    const char *after = number_word(p, end, ret_value);
    if (after != NULL) {
        *ret_value = *start == '-' ? -*ret_value : *ret_value;
        *ret_integer = false;
        return after;
    }
    const char *whole = digits(p, end);
    bool has_whole = whole > p;
    const char *fraction = whole;
    if (whole < end && *whole == '.') {
        fraction = digits(whole + 1, end);
        if (fraction == whole + 1 && (!has_whole || fraction < end)) /* "3." ends a sentence */
            fraction = whole;
    }
    if (!has_whole && fraction == whole)
        return NULL;
    after = exponent(fraction, end);
    *ret_integer = after == whole;
    *ret_value = strtod(start, NULL); /* checked above: a plain decimal, ended by other text */
    return after;
}

/* --- objects --------------------------------------------------------------------------------- */

struct cursor {
    const char *p;
    const char *end;
};

static void skip_spaces(struct cursor *at)
{
    while (at->p < at->end && (*at->p == ' ' || *at->p == '\t' || *at->p == '\r'))
        at->p++;
}

static bool take(struct cursor *at, char c)
{
    skip_spaces(at);
    if (at->p >= at->end || *at->p != c)
        return false;
    at->p++;
    return true;
}

/* A string in either kind of quotes, as it stands. */
static bool take_string(struct cursor *at, const char **ret_text, size_t *ret_size)
{
    skip_spaces(at);
    if (at->p >= at->end || (*at->p != '"' && *at->p != '\''))
        return false;
    char quote = *at->p++;
    const char *start = at->p;
    while (at->p < at->end && *at->p != quote)
        at->p += *at->p == '\\' ? 2 : 1;
    if (at->p >= at->end)
        return false;
    *ret_text = start;
    *ret_size = (size_t)(at->p - start);
    at->p++;
    return true;
}

struct value {
    bool is_number, is_text;
    double number;
    const char *text;
    size_t size;
};

static bool take_word(struct cursor *at)
{
    static const char *const words[] = {"true", "false", "null", "None", NULL};
    const char *start = at->p;
    while (at->p < at->end &&
           ((*at->p >= 'a' && *at->p <= 'z') || (*at->p >= 'A' && *at->p <= 'Z')))
        at->p++;
    return metrics_name_in(words, start, (size_t)(at->p - start));
}

static bool take_value(struct cursor *at, struct value *value)
{
    bool integer;
    *value = (struct value){.text = ""};
    if (take_string(at, &value->text, &value->size)) {
        /* Some trainers print their numbers as text: {'loss': '0.1'}. */
        const char *end = value->text + value->size;
        const char *after = metrics_number(value->text, end, &value->number, &integer);
        value->is_number = after == end && value->size > 0;
        value->is_text = !value->is_number;
        return true;
    }
    const char *after = metrics_number(at->p, at->end, &value->number, &integer);
    if (after == NULL)
        return take_word(at);
    value->is_number = true;
    at->p = after;
    return true;
}

struct record {
    struct value name, value; /* of {"name":..,"value":..} */
    bool has_text;            /* some value is neither number nor bool nor null */
};

static bool is_key(const char *key, size_t size, const char *wanted)
{
    return strlen(wanted) == size && memcmp(key, wanted, size) == 0;
}

/* Names go on to people and to JSON: printable UTF-8 as it stands, without escapes. */
static bool is_name(const char *key, size_t size)
{
    size_t length;
    if (size == 0 || size > METRICS_NAME_MAX || memchr(key, '\\', size) != NULL)
        return false;
    for (; size > 0; key += length, size -= length) {
        length = utf8_sequence(key, size);
        if (length == 0 || (unsigned char)*key < ' ' || *key == 0x7f)
            return false;
    }
    return true;
}

static void note(struct metrics_line *line, struct record *record, const char *key, size_t size,
                 const struct value *value)
{
    int rank = metrics_step_rank(key, size);
    if (is_key(key, size, "name"))
        record->name = *value;
    if (is_key(key, size, "value"))
        record->value = *value;
    if (metrics_name_in(times, key, size))
        return;
    record->has_text = record->has_text || value->is_text;
    if (!value->is_number)
        return;
    if (rank > line->step_rank) {
        line->step_rank = rank;
        line->step = value->number;
    }
    if (rank == 0 && is_name(key, size) && line->count < METRICS_PAIRS_MAX)
        line->pairs[line->count++] =
            (struct metrics_pair){.name = key, .name_size = size, .value = value->number};
}

static bool take_members(struct cursor *at, struct metrics_line *line, struct record *record)
{
    do {
        const char *key;
        size_t size;
        struct value value;
        if (!take_string(at, &key, &size) || !take(at, ':'))
            return false;
        skip_spaces(at);
        if (!take_value(at, &value))
            return false;
        note(line, record, key, size, &value);
    } while (take(at, ','));
    return take(at, '}');
}

bool metrics_record_parse(const char *text, size_t size, struct metrics_line *ret_line)
{
    struct cursor at = {text, text + size};
    struct record record = {.has_text = false};
    ret_line->count = 0;
    ret_line->step_rank = 0;
    if (!take(&at, '{') || !take_members(&at, ret_line, &record))
        return false;
    skip_spaces(&at);
    if (at.p != at.end)
        return false;
    if (record.name.is_text && record.value.is_number) {
        if (!is_name(record.name.text, record.name.size))
            return false;
        ret_line->count = 1;
        ret_line->pairs[0] = (struct metrics_pair){
            .name = record.name.text, .name_size = record.name.size, .value = record.value.number};
        return true;
    }
    return !record.has_text && ret_line->count > 0;
}
