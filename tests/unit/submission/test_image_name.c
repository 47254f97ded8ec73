/* SPDX-License-Identifier: BSD-3-Clause */
/* Image references are read as docker reads them. */
#include "submission/image_name.h"

#include <string.h>

#include "tests/unit.h"

#define DIGEST "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void reads_what_docker_reads(void **state)
{
    (void)state;
    static const struct {
        const char *text, *whole, *pulled;
    } cases[] = {
        {"python", "docker.io/library/python:latest", NULL},
        {"python:3.11", "docker.io/library/python:3.11", NULL},
        {"fastdotai/fastai2", "docker.io/fastdotai/fastai2:latest", NULL},
        {"docker.io/python", "docker.io/library/python:latest", NULL},
        {"index.docker.io/library/python", "docker.io/library/python:latest", NULL},
        {"localhost/a", "localhost/a:latest", NULL},
        {"localhost:5000/a/b:V1", "localhost:5000/a/b:V1", NULL},
        {"127.0.0.1:5000/a", "127.0.0.1:5000/a:latest", NULL},
        {"mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04",
         "mcr.microsoft.com/azureml/base:intelmpi2018.3-ubuntu16.04", NULL},
        {"a__b/c-----d.e_f", "docker.io/a__b/c-----d.e_f:latest", NULL},
        {"host.example/a@" DIGEST, "host.example/a@" DIGEST, NULL},
        {"host.example/a:1@" DIGEST, "host.example/a:1@" DIGEST, "host.example/a@" DIGEST},
        {"Registry.Example:80/a", "Registry.Example:80/a:latest", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
        if (image_name_parse(cases[i].text, &name, &err) != 0)
            fail_msg("%s: %s", cases[i].text, err.text);
        AUTO_FREE char *whole = image_name_text(&name);
        AUTO_FREE char *pulled = image_name_pulled(&name);
        assert_string_equal(whole, cases[i].whole);
        assert_string_equal(pulled, cases[i].pulled != NULL ? cases[i].pulled : cases[i].whole);
        AUTO_FREE char *repository = image_name_repository(&name);
        assert_memory_equal(whole, repository, strlen(repository));
    }
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *word;
    } cases[] = {
        {"", "no name"},
        {"https://host.example/a", "no name"},
        {"a b", "no name"},
        {"-a", "no name"},
        {"Python", "capital"},
        {"host.example/Team/a", "capital"},
        {"a//b", "name"},
        {"a/", "name"},
        {"/a", "name"},
        {"a..b", "name"},
        {"a___b", "name"},
        {"-.example/a", "no name"},
        {".example.org/a", "no host"},
        {"host:port/a", "no host"},
        {"host:/a", "no host"},
        {"a:", "tag"},
        {"a:-x", "tag"},
        {"a:x+y", "tag"},
        {"a@sha256:12", "digest"},
        {"a@md5:0123456789abcdef0123456789abcdef", "digest"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
        if (image_name_parse(cases[i].text, &name, &err) == 0)
            fail_msg("%s was taken", cases[i].text);
        if (strstr(err.text, cases[i].word) == NULL || err.hint == NULL)
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_null(name.repository);
    }
}

static void has_limits(void **state)
{
    (void)state;
    char text[400];
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(image_name_parse(text, &name, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    text[3] = ':';
    text[4 + 128] = '\0';
    assert_int_equal(image_name_parse(text, &name, &err), 0);
    image_name_done(&name);
    text[4 + 128] = 'a';
    text[4 + 129] = '\0';
    assert_int_equal(image_name_parse(text, &name, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_docker_reads),
        cmocka_unit_test(says_what_is_wrong),
        cmocka_unit_test(has_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
