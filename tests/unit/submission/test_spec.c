/* SPDX-License-Identifier: BSD-3-Clause */
/* What all kinds share: names, places, hashes, and the tables of keys. */
#include "submission/spec.h"

#include "submission/yaml.h"
#include "tests/unit/submission/spec_fixture.h"

static int parse_named(enum spec_kind kind, const char *name, const char *text, const char *base,
                       json_t **ret, struct error *err)
{
    const struct spec_source source = {
        .name = name, .text = text, .size = strlen(text), .first_line = 1, .base = base};
    return spec_parse(kind, &source, ret, NULL, err);
}

static void takes_the_name_from_the_magic_or_the_text(void **state)
{
    (void)state;
    static const struct {
        enum spec_kind kind;
        const char *given;
        const char *text;
        const char *name; /* NULL: refused */
    } cases[] = {
        {SPEC_ENVIRONMENT, "a", "image: x", "a"},
        {SPEC_ENVIRONMENT, NULL, "name: b\nimage: x", "b"},
        {SPEC_ENVIRONMENT, "b", "name: b\nimage: x", "b"},
        {SPEC_ENVIRONMENT, "a", "name: b\nimage: x", NULL},
        {SPEC_ENVIRONMENT, NULL, "image: x", NULL},
        {SPEC_ENVIRONMENT, "a b", "image: x", NULL},
        {SPEC_ENVIRONMENT, NULL, "name: -b\nimage: x", NULL},
        {SPEC_COMPUTE, NULL, "name: abc", "abc"},
        {SPEC_COMPUTE, NULL, "", NULL},
        {SPEC_COMPUTE, "local", "", NULL},
        {SPEC_JOB, "exp", "command: x", "exp"},
        {SPEC_JOB, NULL, "command: x\nexperiment_name: exp", "exp"},
        {SPEC_JOB, "exp", "command: x\nname: job", "exp"},
        {SPEC_JOB, "a", "command: x\nexperiment_name: b", NULL},
        {SPEC_JOB, NULL, "command: x", "notebooks"},
        {SPEC_JOB, "a/b", "command: x", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_JSON json_t *definition = NULL;
        int result = parse_named(cases[i].kind, cases[i].given, cases[i].text, "/home/notebooks",
                                 &definition, &err);
        assert_int_equal(result, cases[i].name != NULL ? 0 : -1);
        const char *key = cases[i].kind == SPEC_JOB ? "experiment_name" : "name";
        if (cases[i].name != NULL)
            assert_string_equal(json_get_string(definition, key, ""), cases[i].name);
        else
            assert_non_null(err.hint);
    }
}

static void a_folder_with_an_odd_name_gives_the_default_experiment(void **state)
{
    (void)state;
    AUTO_JSON json_t *definition = NULL;
    assert_int_equal(
        parse_named(SPEC_JOB, NULL, "command: x", "/home/my notebooks", &definition, NULL), 0);
    assert_string_equal(json_get_string(definition, "experiment_name", ""), "default");
}

static void checks_names_of_environments_and_experiments(void **state)
{
    (void)state;
    char longest[257];
    memset(longest, 'a', 256);
    longest[256] = '\0';
    for (int kind = 0; kind < SPEC_KIND_COUNT; kind++) {
        if (kind == SPEC_COMPUTE)
            continue;
        assert_int_equal(spec_check_name(kind, "fastai-custom_image2", NULL), 0);
        assert_int_equal(spec_check_name(kind, longest + 1, NULL), 0);
        assert_int_equal(spec_check_name(kind, longest, NULL), -1);
        assert_int_equal(spec_check_name(kind, "", NULL), -1);
        assert_int_equal(spec_check_name(kind, "-a", NULL), -1);
        assert_int_equal(spec_check_name(kind, "a.b", NULL), -1);
        assert_int_equal(spec_check_name(kind, "a\nb", NULL), -1);
        assert_int_equal(spec_check_name(kind, "\xc3\xa9", NULL), -1);
    }
}

static void errors_of_a_file_name_the_file(void **state)
{
    (void)state;
    AUTO_ERROR struct error err = ERROR_INIT;
    json_t *definition = NULL;
    const char *text = "image: x\nimag: y\n";
    const struct spec_source source = {.name = "a",
                                       .text = text,
                                       .size = strlen(text),
                                       .first_line = 1,
                                       .file = "/nb/env.yml",
                                       .base = "/nb"};
    assert_int_equal(spec_parse(SPEC_ENVIRONMENT, &source, &definition, NULL, &err), -1);
    assert_string_equal(err.file, "/nb/env.yml");
    assert_int_equal(err.line, 2);
}

static void notes_have_their_line_in_the_cell(void **state)
{
    (void)state;
    AUTO_NOTES struct notes notes = NOTES_INIT;
    AUTO_JSON json_t *definition = spec_fixture_parse(
        SPEC_COMPUTE, "max_nodes: 1\nlocation: westeurope\n", "/nb", &notes, NULL);
    assert_non_null(definition);
    assert_int_equal(notes.count, 1);
    assert_int_equal(notes.items[0].level, NOTE_WARNING);
    assert_int_equal(notes.items[0].line, 3);
    assert_int_equal(notes.items[0].column, 1);
}

static void hash_text(const char *json, char hex[65])
{
    AUTO_JSON json_t *definition = json_loads(json, 0, NULL);
    spec_hash(definition, hex);
    assert_int_equal(strlen(hex), 64);
}

static void the_hash_is_of_what_counts(void **state)
{
    (void)state;
    char first[65];
    char second[65];
    hash_text("{\"name\":\"a\",\"image\":\"x\",\"tags\":{\"t\":\"1\"},\"python\":\"y\"}", first);
    hash_text("{\"python\":\"y\",\"image\":\"x\",\"name\":\"b\",\"description\":\"d\"}", second);
    assert_string_equal(first, second);
    hash_text("{\"python\":\"y\",\"image\":\"z\"}", second);
    assert_string_not_equal(first, second);
    hash_text("{\"name\":\"a\"}", first); /* SHA-256 of "{}" */
    assert_string_equal(first, "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

/* --- the tables ---------------------------------------------------------------------------------- */

static void check_table(const struct spec_key *keys)
{
    for (const struct spec_key *key = keys; key->name != NULL; key++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO(yaml_node)
        struct yaml_node *example = yaml_parse(key->example, strlen(key->example), 1, &err);
        if (example == NULL || yaml_get(example, key->name) == NULL)
            fail_msg("%s: its example does not show it: %s", key->name, key->example);
        assert_true(key->help != NULL && strchr(key->help, '\n') == NULL);
        assert_true(key->unserved == (key->instead != NULL));
        assert_true((key->type == SPEC_MAP) == (key->children != NULL));
        if (key->children != NULL)
            check_table(key->children);
    }
}

static void every_key_has_an_example_that_parses(void **state)
{
    (void)state;
    AUTO_FREE char *folder = spec_fixture_folder();
    spec_fixture_write(folder, "Dockerfile", "FROM python:3.11\n");
    spec_fixture_write(folder, "requirements.txt", "numpy\n");
    for (int kind = 0; kind < SPEC_KIND_COUNT; kind++) {
        check_table(spec_keys(kind));
        for (const struct spec_key *key = spec_keys(kind); key->name != NULL; key++) {
            AUTO_ERROR struct error err = ERROR_INIT;
            AUTO_JSON json_t *definition =
                spec_fixture_parse(kind, key->example, folder, NULL, &err);
            if (definition == NULL)
                fail_msg("%s of %s: %s", key->name, spec_kind_name(kind), err.text);
        }
    }
    assert_int_equal(file_remove_tree(folder, NULL), 0);
}

/* A synonym that is also a key, or belongs to two keys, would make one of them unreachable. */
static void every_spelling_means_one_key(void **state)
{
    (void)state;
    for (int kind = 0; kind < SPEC_KIND_COUNT; kind++) {
        AUTO_STRLIST struct strlist words = STRLIST_INIT;
        for (const struct spec_key *key = spec_keys(kind); key->name != NULL; key++) {
            assert_false(strlist_has(&words, key->name));
            strlist_add(&words, key->name);
            for (size_t i = 0; key->synonyms != NULL && key->synonyms[i] != NULL; i++) {
                assert_false(strlist_has(&words, key->synonyms[i]));
                strlist_add(&words, key->synonyms[i]);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(takes_the_name_from_the_magic_or_the_text),
        UNIT(a_folder_with_an_odd_name_gives_the_default_experiment),
        UNIT(checks_names_of_environments_and_experiments),
        UNIT(errors_of_a_file_name_the_file),
        UNIT(notes_have_their_line_in_the_cell),
        UNIT(the_hash_is_of_what_counts),
        UNIT(every_key_has_an_example_that_parses),
        UNIT(every_spelling_means_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
