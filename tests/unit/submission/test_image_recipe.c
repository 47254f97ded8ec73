/* SPDX-License-Identifier: BSD-3-Clause */
/* The Dockerfile of an environment's packages. */
#include "submission/image_recipe.h"

#include <string.h>

#include "base/json.h"
#include "tests/unit.h"

static void says_when_it_is_needed(void **state)
{
    (void)state;
    static const struct {
        const char *definition;
        bool needed;
    } cases[] = {
        {"{\"image\": \"a\"}", false},
        {"{\"image\": \"a\", \"pip\": [\"numpy\"]}", true},
        {"{\"image\": \"a\", \"conda_file\": {}}", true},
        {"{\"image\": \"a\", \"user_managed_dependencies\": true}", false},
        {"{\"build\": {\"dockerfile\": \"FROM a\"}}", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_JSON json_t *definition = json_loads(cases[i].definition, 0, NULL);
        assert_int_equal(image_recipe_needed(definition), cases[i].needed);
    }
}

static void puts_packages_on_top(void **state)
{
    (void)state;
    AUTO_IMAGE_RECIPE struct image_recipe recipe = IMAGE_RECIPE_INIT;
    AUTO_JSON json_t *definition =
        json_loads("{\"image\": \"a\", \"pip\": [\"numpy\", \"x; echo \\\"$HOME\\\"\"],"
                   " \"conda_file\": {\"dependencies\": [\"python=3.11\"]}}",
                   0, NULL);
    image_recipe_write(definition, "ab12", "train", &recipe);
    const char *text = recipe.dockerfile.data;
    assert_memory_equal(text, "FROM ab12\nUSER root\n", 20);
    assert_non_null(strstr(text, "COPY requirements.txt /opt/skiff/\n"));
    assert_non_null(strstr(text, "COPY environment.yml /opt/skiff/\n"));
    assert_string_equal(text + strlen(text) - 11, "USER train\n");
    assert_string_equal(recipe.requirements.data, "numpy\nx; echo \"$HOME\"\n");
    assert_string_equal(recipe.conda.data, "{\"dependencies\":[\"python=3.11\"]}\n");
    /* what a user wrote is in files, never in a line that a shell reads */
    assert_null(strstr(text, "numpy"));
    assert_null(strstr(text, "echo \""));
}

static void leaves_out_what_is_not_asked_for(void **state)
{
    (void)state;
    AUTO_IMAGE_RECIPE struct image_recipe recipe = IMAGE_RECIPE_INIT;
    AUTO_JSON json_t *definition = json_loads("{\"image\": \"a\", \"pip\": [\"numpy\"]}", 0, NULL);
    image_recipe_write(definition, "ab12", "", &recipe);
    assert_null(strstr(recipe.dockerfile.data, "USER"));
    assert_null(strstr(recipe.dockerfile.data, "conda"));
    assert_int_equal(recipe.conda.size, 0);
}

static void finds_the_registry_of_a_build(void **state)
{
    (void)state;
    static const struct {
        const char *dockerfile, *registry;
    } cases[] = {
        {"FROM python\n", "docker.io"},
        {"# a comment\nARG X=1\nFROM --platform=linux/amd64 r.example/a:1 AS base\n", "r.example"},
        {"  from  localhost:5000/a\nRUN true\n", "localhost:5000"},
        {"FROM ${BASE}\n", NULL},
        {"RUN echo FROM a\n", NULL},
        {"FROMAGE\n", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *registry = image_recipe_registry(cases[i].dockerfile);
        assert_int_equal(registry == NULL, cases[i].registry == NULL);
        if (registry != NULL)
            assert_string_equal(registry, cases[i].registry);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_when_it_is_needed),
        cmocka_unit_test(puts_packages_on_top),
        cmocka_unit_test(leaves_out_what_is_not_asked_for),
        cmocka_unit_test(finds_the_registry_of_a_build),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
