/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Definitions in tables: a text and what becomes of it. The text begins in line 2, as below a magic. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/spec.h"
#include "tests/unit.h"

struct spec_good {
    const char *text;
    const char *json; /* the definition named "example", compact, keys sorted, without its name */
    const char *note; /* part of a note; NULL: there is none */
};

struct spec_bad {
    const char *text;
    int line, column; /* 0: no place, the line may hold a secret */
    const char *says; /* part of the error */
    const char *hint; /* part of its hint, or NULL */
};

static inline json_t *spec_fixture_parse(enum spec_kind kind, const char *text, const char *base,
                                         struct notes *notes, struct error *err)
{
    const struct spec_source source = {
        .name = "example", .text = text, .size = strlen(text), .first_line = 2, .base = base};
    json_t *definition = NULL;
    spec_parse(kind, &source, &definition, notes, err);
    return definition;
}

static inline bool spec_fixture_noted(const struct notes *notes, const char *text)
{
    for (size_t i = 0; i < notes->count; i++)
        if (strstr(notes->items[i].text, text) != NULL)
            return true;
    return false;
}

static inline void spec_fixture_good(enum spec_kind kind, const struct spec_good *cases,
                                     size_t count, const char *base)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_NOTES struct notes notes = NOTES_INIT;
        AUTO_JSON json_t *definition = spec_fixture_parse(kind, cases[i].text, base, &notes, &err);
        if (definition == NULL)
            fail_msg("%s\nwas refused: %s", cases[i].text, err.text);
        json_object_del(definition, kind == SPEC_JOB ? "experiment_name" : "name");
        AUTO_FREE char *json = json_canonical(definition);
        if (strcmp(json, cases[i].json) != 0)
            fail_msg("%s\ngave   %s\nwanted %s", cases[i].text, json, cases[i].json);
        if (cases[i].note != NULL ? !spec_fixture_noted(&notes, cases[i].note) : notes.count > 0)
            fail_msg("%s\nnotes: %s", cases[i].text,
                     notes.count > 0 ? notes.items[0].text : "none");
    }
}

static inline void spec_fixture_bad(enum spec_kind kind, const struct spec_bad *cases, size_t count,
                                    const char *base)
{
    for (size_t i = 0; i < count; i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_JSON json_t *definition = spec_fixture_parse(kind, cases[i].text, base, NULL, &err);
        if (definition != NULL)
            fail_msg("was read: %s", cases[i].text);
        const char *hint = err.hint != NULL ? err.hint : "";
        if (strstr(err.text, cases[i].says) == NULL ||
            (cases[i].hint != NULL && strstr(hint, cases[i].hint) == NULL))
            fail_msg("%s\nsays: %s\nhint: %s", cases[i].text, err.text, hint);
        if (hint[0] == '\0')
            fail_msg("%s\nsays: %s\nand no next step", cases[i].text, err.text);
        if (err.line != cases[i].line || err.column != cases[i].column)
            fail_msg("%s\nplaced at %d:%d", cases[i].text, err.line, err.column);
    }
}

/* A folder of a test's own below the build's temporary folder; the caller frees and removes it. */
static inline char *spec_fixture_folder(void)
{
    char path[] = "/tmp/skiff-spec-XXXXXX";
    assert_non_null(mkdtemp(path));
    return xstrdup(path);
}

static inline void spec_fixture_write(const char *folder, const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(folder, name);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}
