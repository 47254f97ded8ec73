/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What one line says: pure functions from text to names and numbers. Private to metrics*.c.
 */

#include <stdbool.h>
#include <stddef.h>

#define METRICS_PAIRS_MAX 64 /* per line; people print a handful */
#define METRICS_NAME_MAX 64  /* bytes; longer words are no names of metrics */

struct metrics_pair {
    const char *name; /* borrowed from the line, not terminated */
    size_t name_size;
    double value;
    bool integer;  /* written without point, exponent, nan or inf */
    bool equals;   /* `name=1`, not `name: 1` */
    bool attached; /* nothing between separator and number */
};

struct metrics_line {
    struct metrics_pair pairs[METRICS_PAIRS_MAX];
    size_t count;
    double step;
    int step_rank; /* 0: no step; more trusted words are higher */
};

/* Reads a line of output, already free of escape sequences, NUL-terminated at text[size]. */
void metrics_line_parse(const char *text, size_t size, struct metrics_line *ret_line);

/* Reads a flat object of numbers, JSON or as Python prints a dict; true and null values are passed
 * over. {"name": "loss", "value": 0.1} gives the pair it names. False when the text is anything
 * else. */
bool metrics_record_parse(const char *text, size_t size, struct metrics_line *ret_line);

/* A number at the start of [p, end): the byte after it, or NULL. */
const char *metrics_number(const char *p, const char *end, double *ret_value, bool *ret_integer);

/* How much a name is worth as the step: 0 for one that is a metric's. */
int metrics_step_rank(const char *name, size_t size);

/* Is the name one of a NULL-terminated list, whatever the case of its letters? */
bool metrics_name_in(const char *const *list, const char *name, size_t size);
