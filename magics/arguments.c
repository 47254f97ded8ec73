/* SPDX-License-Identifier: BSD-3-Clause */
/* Sorts words into arguments and options. Nothing is guessed: what the table does not list is an
 * error at its place in the cell. */
#include "magics/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strlist.h"
#include "base/suggest.h"

static const char *sigil(const struct magic *magic)
{
    return magic->cell ? "%%" : "%";
}

static int at_word(const struct parse_word *word, struct error *err)
{
    return error_at(err, word->line, word->column);
}

/* The next step, where the error does not tell a better one. */
static int usage_hint(const struct magic *magic, struct error *err)
{
    return err == NULL || err->hint != NULL ? -1 : error_hint(err, "write it as: %s", magic->usage);
}

/* Names the nearest option, and all: a magic has few enough to list. */
static int unknown_option(const struct magic *magic, const struct parse_word *word,
                          const char *name, struct error *err)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    for (const struct magic_option *option = magic->options; option && option->name; option++)
        strlist_add(&names, option->name);
    const char *near = suggest(name, (const char *const *)names.items, names.count);
    AUTO_FREE char *all = strlist_join(&names, ", ");
    error_set(err, ERROR_INVALID, "%s%s has no option %s", sigil(magic), magic->name, name);
    at_word(word, err);
    if (near != NULL)
        return error_hint(err, "did you mean %s? Its options: %s", near, all);
    if (names.count == 0)
        return error_hint(err, "it has no options; write it as: %s", magic->usage);
    return error_hint(err, "its options: %s", all);
}

static const struct magic_option *find_option(const struct magic *magic, const char *name)
{
    for (const struct magic_option *option = magic->options; option && option->name; option++)
        if (strcmp(option->name, name) == 0)
            return option;
    return NULL;
}

/* One option, and its value where it takes one. *i is moved past both. */
static int bind_option(const struct magic *magic, const struct parse_call *words, size_t *i,
                       struct arguments *arguments, struct error *err)
{
    const struct parse_word *word = &words->words[(*i)++];
    const char *equals = strchr(word->text, '=');
    AUTO_FREE char *name =
        equals != NULL ? xstrndup(word->text, (size_t)(equals - word->text)) : xstrdup(word->text);
    const struct magic_option *option = find_option(magic, name);
    if (option == NULL)
        return unknown_option(magic, word, name, err);
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (option->value == NULL && value != NULL) {
        error_set(err, ERROR_INVALID, "%s takes no value", name);
        return at_word(word, err);
    }
    if (option->value != NULL && value == NULL && *i < words->count)
        value = words->words[(*i)++].text;
    if (option->value != NULL && (value == NULL || *value == '\0')) {
        error_set(err, ERROR_INVALID, "%s needs a value: %s %s", name, name, option->value);
        return at_word(word, err);
    }
    if (arguments_has(arguments, name) || arguments->option_count == ARGUMENTS_MAX) {
        error_set(err, ERROR_INVALID, "%s is given twice", name);
        return at_word(word, err);
    }
    arguments->options[arguments->option_count++] =
        (struct arguments_option){.option = option, .word = word, .value = value};
    return 0;
}

/* Too many arguments were found while sorting, each at its own place; too few are known only now,
 * and the place is the magic itself. */
static int check_count(const struct magic *magic, const struct parse_call *words,
                       const struct arguments *arguments, struct error *err)
{
    if (arguments->count >= magic->min_args)
        return 0;
    error_set(err, ERROR_INVALID, "%s%s needs %s", sigil(magic), magic->name,
              magic->argument != NULL ? magic->argument : "an argument");
    error_at(err, words->name.line, words->name.column);
    return usage_hint(magic, err);
}

int arguments_bind(const struct magic *magic, const struct parse_call *words,
                   struct arguments *ret_arguments, struct error *err)
{
    struct arguments arguments = {.count = 0};
    /* A lone "-" and what follows "--" are arguments, as everywhere. */
    bool options = true;
    for (size_t i = 0; i < words->count;) {
        const struct parse_word *word = &words->words[i];
        if (options && strcmp(word->text, "--") == 0) {
            options = false;
            i++;
        } else if (options && word->text[0] == '-' && word->text[1] != '\0') {
            if (bind_option(magic, words, &i, &arguments, err) < 0)
                return usage_hint(magic, err);
        } else if (arguments.count == magic->max_args || arguments.count == ARGUMENTS_MAX) {
            error_set(err, ERROR_INVALID, "%s%s does not know what to do with '%s'", sigil(magic),
                      magic->name, word->text);
            at_word(word, err);
            return usage_hint(magic, err);
        } else {
            arguments.args[arguments.count++] = word;
            i++;
        }
    }
    if (check_count(magic, words, &arguments, err) < 0)
        return -1;
    *ret_arguments = arguments;
    return 0;
}

const char *arguments_first(const struct arguments *arguments)
{
    return arguments->count > 0 ? arguments->args[0]->text : NULL;
}

static const struct arguments_option *given(const struct arguments *arguments, const char *option)
{
    for (size_t i = 0; i < arguments->option_count; i++)
        if (strcmp(arguments->options[i].option->name, option) == 0)
            return &arguments->options[i];
    return NULL;
}

bool arguments_has(const struct arguments *arguments, const char *option)
{
    return given(arguments, option) != NULL;
}

const char *arguments_value(const struct arguments *arguments, const char *option)
{
    const struct arguments_option *found = given(arguments, option);
    return found != NULL ? found->value : NULL;
}

int arguments_number(const struct arguments *arguments, const char *option, long max, long fallback,
                     long *ret_number, struct error *err)
{
    const struct arguments_option *found = given(arguments, option);
    char *end = NULL;
    /* The table says that the option takes a value, so one was given when it was found. */
    errno = 0;
    long number = found != NULL ? strtol(found->value, &end, 10) : fallback;
    if (found != NULL && (*end != '\0' || errno != 0 || number < 1 || number > max)) {
        error_set(err, ERROR_INVALID, "%s takes a whole number from 1 to %ld, not '%s'", option,
                  max, found->value);
        error_hint(err, "write for example: %s %ld", option, max < 10 ? max : 10);
        return at_word(found->word, err);
    }
    *ret_number = number;
    return 0;
}
