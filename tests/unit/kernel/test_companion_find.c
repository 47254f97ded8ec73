/* SPDX-License-Identifier: BSD-3-Clause */
/* Which kernels may be the companion, in which order, and what is said of those that may not. */
#include "kernel/companion_find.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/unit.h"

/* A folder with a python3 in bin/, which is PATH, and Jupyter's data in jupyter/. */
static int setup(void **state)
{
    char *folder = xstrdup("/tmp/skiff-test-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    AUTO_FREE char *bin = file_join(folder, "bin");
    AUTO_FREE char *python = file_join(bin, "python3");
    AUTO_FREE char *jupyter = file_join(folder, "jupyter");
    setenv("JUPYTER_PATH", jupyter, 1);
    setenv("JUPYTER_DATA_DIR", folder, 1);
    setenv("PATH", bin, 1);
    *state = folder;
    return file_make_dirs(bin, NULL) == 0 ? file_write(python, "", 0, 0755, NULL) : -1;
}

static int teardown(void **state)
{
    file_remove_tree(*state, NULL);
    free(*state);
    return 0;
}

static void put_spec(const char *folder, const char *name, const char *text)
{
    AUTO_FREE char *dir = xasprintf("%s/jupyter/kernels/%s", folder, name);
    AUTO_FREE char *path = file_join(dir, "kernel.json");
    assert_int_equal(file_make_dirs(dir, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

/* The programs in their order, the one on PATH as "python3"; then a line for each note. The caller frees
 * it. */
static char *find(const char *folder, const char *choice)
{
    struct candidates candidates = {0};
    AUTO_STRLIST struct strlist notes = STRLIST_INIT;
    AUTO_STRLIST struct strlist lines = STRLIST_INIT;
    AUTO_FREE char *python = xasprintf("%s/bin/python3", folder);
    candidates_find(choice, &candidates, &notes);
    for (size_t i = 0; i < candidates.count; i++) {
        const char *program = candidates.items[i].argv.items[0];
        strlist_add(&lines, strcmp(program, python) == 0 ? "python3" : program);
    }
    for (size_t i = 0; i < notes.count; i++)
        strlist_add(&lines, notes.items[i]);
    candidates_done(&candidates);
    return strlist_join(&lines, "\n");
}

static void test_order(void **state)
{
    AUTO_FREE char *python = xasprintf("%s/bin/python3", (char *)*state);
    AUTO_FREE char *link = file_join(*state, "link");
    const struct {
        const char *choice, *found;
    } cases[] = {
        {NULL, "python3"},
        {"/bin/sh", "/bin/sh\npython3"},
        {python, "python3"}, /* once */
        {"other", "/bin/other\npython3"},
        {"none", "none was chosen at skiff install (--companion none)"},
        {"/nowhere/python3",
         "python3\n/nowhere/python3, which Skiff was installed with, is not there any more"},
        {"unknown",
         "python3\nno kernelspec is named \"unknown\" (jupyter kernelspec list shows them)"},
        {"itself", "python3\nthe kernelspec \"itself\" is Skiff itself"},
        {"older", "python3\nthe kernelspec \"older\" is Skiff itself"},
    };
    AUTO_FREE char *itself = xasprintf("{\"argv\":[\"%s\",\"kernel\"]}", link);
    AUTO_FREE char *self = file_real("/proc/self/exe", NULL);
    assert_int_equal(symlink(self, link), 0);
    put_spec(*state, "other", "{\"argv\":[\"/bin/other\",\"-f\",\"{connection_file}\"]}");
    put_spec(*state, "itself", itself);
    put_spec(*state, "older", "{\"argv\":[\"/usr/bin/skiff\",\"kernel\"]}");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *found = find(*state, cases[i].choice);
        assert_string_equal(found, cases[i].found);
    }
}

/* All of a kernelspec that a start needs. */
static void test_kernelspec(void **state)
{
    struct candidates candidates = {0};
    AUTO_STRLIST struct strlist notes = STRLIST_INIT;
    put_spec(*state, "other",
             "{\"argv\":[\"/bin/other\",\"{resource_dir}/start\",\"{connection_file}\"],"
             "\"env\":{\"A\":\"b\"},\"interrupt_mode\":\"message\"}");
    candidates_find("other", &candidates, &notes);
    assert_int_equal(candidates.count, 2);
    const struct candidate *other = &candidates.items[0];
    AUTO_FREE char *start = xasprintf("%s/jupyter/kernels/other/start", (char *)*state);
    assert_string_equal(other->argv.items[1], start);
    assert_string_equal(other->argv.items[2], "{connection_file}");
    assert_string_equal(json_get_string(other->env, "A", ""), "b");
    assert_true(other->by_message);
    assert_false(candidates.items[1].by_message);
    assert_non_null(strstr(other->why, "\"other\""));
    candidates_done(&candidates);
}

static void test_kernelspecs_that_are_broken(void **state)
{
    static const char *const specs[] = {"{}",
                                        "{\"argv\":[]}",
                                        "{\"argv\":\"x\"}",
                                        "{\"argv\":[7]}",
                                        "{\"argv\":[\"x\",null]}",
                                        "[]",
                                        "not json",
                                        ""};
    for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
        put_spec(*state, "broken", specs[i]);
        AUTO_FREE char *found = find(*state, "broken");
        assert_memory_equal(found, "python3\n", 8); /* and a note */
    }
}

static void test_no_python(void **state)
{
    setenv("PATH", "/nowhere", 1);
    AUTO_FREE char *found = find(*state, NULL);
    assert_string_equal(found, "there is no python3 on PATH");
}

#define UNIT_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_FOLDER(test_order),
        UNIT_FOLDER(test_kernelspec),
        UNIT_FOLDER(test_kernelspecs_that_are_broken),
        UNIT_FOLDER(test_no_python),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
