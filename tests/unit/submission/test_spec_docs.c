/* SPDX-License-Identifier: BSD-3-Clause */
/* docs/magics.md tells the truth: it names every key under the magic it belongs to, and each of its
 * examples parses as what its heading says. Run from the top folder, as make does. */
#include "submission/spec.h"

#include "tests/unit/submission/spec_fixture.h"

#define DOCUMENT "docs/magics.md"

static const char *const headings[SPEC_KIND_COUNT] = {
    [SPEC_ENVIRONMENT] = "\n## %%environment\n",
    [SPEC_COMPUTE] = "\n## %%compute\n",
    [SPEC_JOB] = "\n## %%submit\n",
};

/* What stands below the heading of a kind, up to the next one. The caller frees it. */
static char *section(enum spec_kind kind)
{
    AUTO_BUF struct buf text = BUF_INIT;
    assert_int_equal(file_read(DOCUMENT, FILE_SMALL_MAX, &text, NULL), 0);
    const char *start = strstr(text.data, headings[kind]);
    assert_non_null(start);
    start += strlen(headings[kind]);
    const char *end = strstr(start, "\n## ");
    return end != NULL ? xstrndup(start, (size_t)(end - start)) : xstrdup(start);
}

static void check_named(const char *text, enum spec_kind kind, const char *word)
{
    AUTO_FREE char *quoted = xasprintf("`%s`", word);
    if (strstr(text, quoted) == NULL)
        fail_msg(DOCUMENT " does not name `%s` of the %s", word, spec_kind_name(kind));
}

static void check_keys(const char *text, enum spec_kind kind, const struct spec_key *keys)
{
    for (const struct spec_key *key = keys; key->name != NULL; key++) {
        check_named(text, kind, key->name);
        for (size_t i = 0; key->synonyms != NULL && key->synonyms[i] != NULL; i++)
            check_named(text, kind, key->synonyms[i]);
        for (size_t i = 0; key->allowed != NULL && key->allowed[i] != NULL; i++)
            check_named(text, kind, key->allowed[i]);
        if (key->children != NULL)
            check_keys(text, kind, key->children);
    }
}

static void every_key_is_documented(void **state)
{
    (void)state;
    for (int kind = 0; kind < SPEC_KIND_COUNT; kind++) {
        AUTO_FREE char *text = section(kind);
        check_keys(text, kind, spec_keys(kind));
    }
}

/* One block; its first line may be the magic with the name. */
static void check_block(enum spec_kind kind, char *block, const char *base)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *name = NULL;
    if (strncmp(block, "%%", 2) == 0) {
        const char *magic = headings[kind] + strlen("\n## ");
        size_t size = strlen(magic) - 1;
        assert_memory_equal(block, magic, size);
        name = xstrndup(block + size + 1, strcspn(block + size + 1, " \n"));
        block = strchr(block, '\n') + 1;
    }
    const struct spec_source source = {
        .name = name, .text = block, .size = strlen(block), .first_line = 1, .base = base};
    AUTO_JSON json_t *definition = NULL;
    if (spec_parse(kind, &source, &definition, NULL, &err) != 0)
        fail_msg("an example of the %s: %s\n%s", spec_kind_name(kind), err.text, block);
}

static void every_example_parses(void **state)
{
    static const char fence[] = "\n```yaml\n";
    for (int kind = 0; kind < SPEC_KIND_COUNT; kind++) {
        AUTO_FREE char *text = section(kind);
        size_t count = 0;
        for (char *at = strstr(text, fence); at != NULL; at = strstr(at, fence)) {
            at += strlen(fence);
            char *end = strstr(at, "\n```");
            assert_non_null(end);
            AUTO_FREE char *block = xasprintf("%.*s\n", (int)(end - at), at);
            check_block(kind, block, *state);
            at = end;
            count++;
        }
        assert_true(count >= 3);
    }
}

static int make_folder(void **state)
{
    char *folder = spec_fixture_folder();
    spec_fixture_write(folder, "conda.yml", "dependencies: [python=3.11, numpy]\n");
    spec_fixture_write(folder, "requirements.txt", "numpy\n");
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    AUTO_FREE char *folder = *state;
    return file_remove_tree(folder, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(every_key_is_documented),
        UNIT(every_example_parses),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
