/* SPDX-License-Identifier: BSD-3-Clause */
/* Which workspace is open: Azure's search rule, its keys, and files that are somebody else's. */
#include "submission/workspace.h"

#include <string.h>
#include <sys/stat.h>

#include "tests/unit.h"
#include "tests/unit/submission/home.h"

#define KEYS(name) \
    "{\"subscription_id\": \"s\", \"resource_group\": \"g\", \"workspace_name\": \"" name "\"}"
#define SCOPE \
    "/subscriptions/S/resourceGroups/G/providers/Microsoft.MachineLearningServices/workspaces/W"

/* In each case these files exist below the test's folder, and a notebook in a/b asks. */
static const struct workspace_case {
    const char *files[3][2];
    const char *name;   /* NULL: local */
    const char *config; /* the file that decided */
    int code;           /* of the error, or 0 */
} cases[] = {
    {{{NULL}}, NULL, NULL, 0},
    {{{"a/b/config.json", KEYS("here")}}, "here", "a/b/config.json", 0},
    {{{"config.json", KEYS("above")}}, "above", "config.json", 0},
    /* each candidate is walked to the root before the next */
    {{{"a/b/config.json", KEYS("here")}, {".azureml/config.json", KEYS("above")}},
     "above",
     ".azureml/config.json",
     0},
    {{{"a/b/.azureml/project.json", KEYS("project")}, {"aml_config/config.json", KEYS("aml")}},
     "project",
     "a/b/.azureml/project.json",
     0},
    {{{"a/b/config.json", KEYS("config")}, {"aml_config/project.json", KEYS("aml")}},
     "aml",
     "aml_config/project.json",
     0},
    {{{"a/b/project.json", KEYS("project")}, {"config.json", KEYS("config")}},
     "config",
     "config.json",
     0},
    {{{"a/b/project.json", KEYS("project")}}, "project", "a/b/project.json", 0},
    {{{"a/config.json", KEYS("near")}, {"config.json", KEYS("far")}}, "near", "a/config.json", 0},
    /* keys */
    {{{"a/b/config.json", "\xef\xbb\xbf" KEYS("bom")}}, "bom", "a/b/config.json", 0},
    {{{"a/b/config.json", KEYS("")}}, "", "a/b/config.json", 0},
    {{{"a/b/config.json", "{\"Scope\": \"" SCOPE "\"}"}}, "W", "a/b/config.json", 0},
    {{{"a/b/config.json", "{\"Scope\": \"" SCOPE "\", \"subscription_id\": \"s\","
                          " \"resource_group\": \"g\", \"workspace_name\": \"n\"}"}},
     "W",
     "a/b/config.json",
     0},
    /* somebody else's */
    {{{"a/b/config.json", "{\"model_type\": \"bert\"}"}}, NULL, NULL, 0},
    {{{"a/b/config.json", "{\"model_type\": \"bert\"}"}, {"config.json", KEYS("above")}},
     "above",
     "config.json",
     0},
    {{{"a/b/config.json", "[1, 2]"}}, NULL, NULL, 0},
    {{{"a/b/config.json", "{\"Scope\": \"global\"}"}}, NULL, NULL, 0},
    {{{"a/project.json", "{ // a comment\n}"}}, NULL, NULL, 0},
    /* errors that name the file */
    {{{"a/b/config.json", "{\"subscription_id\": "}}, NULL, "a/b/config.json", ERROR_CORRUPT},
    {{{".azureml/config.json", "{}"}}, NULL, ".azureml/config.json", ERROR_INVALID},
    {{{"a/b/.azureml/config.json", "{\"subscription_id\": 1}"}, {"a/b/config.json", KEYS("here")}},
     NULL,
     "a/b/.azureml/config.json",
     ERROR_INVALID},
    {{{"aml_config/project.json", "nonsense"}}, NULL, "aml_config/project.json", ERROR_CORRUPT},
};

static void write_files(const char *root, const struct workspace_case *c)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->files) && c->files[i][0] != NULL; i++) {
        AUTO_FREE char *path = file_join(root, c->files[i][0]);
        AUTO_FREE char *dir = xstrndup(path, (size_t)(strrchr(path, '/') - path));
        assert_int_equal(file_make_dirs(dir, NULL), 0);
        assert_int_equal(file_write(path, c->files[i][1], strlen(c->files[i][1]), 0644, NULL), 0);
    }
}

static void check(const char *root, const struct workspace_case *c)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(workspace) struct workspace *workspace = NULL;
    AUTO_FREE char *start = file_join(root, "a/b");
    AUTO_FREE char *config = c->config != NULL ? file_join(root, c->config) : NULL;
    int result = workspace_find(start, "/home/me/skiff", &workspace, &err);
    if (c->code != 0) {
        assert_int_equal(result, -1);
        assert_int_equal(err.code, c->code);
        assert_non_null(strstr(err.text, config));
        assert_non_null(err.hint);
        return;
    }
    assert_int_equal(result, 0);
    assert_string_equal(workspace->home, "/home/me/skiff");
    assert_int_equal(workspace->local, c->name == NULL);
    assert_non_null(workspace->why);
    if (c->name == NULL) {
        assert_null(workspace->config_path);
        return;
    }
    assert_string_equal(workspace->name, c->name);
    assert_string_equal(workspace->config_path, config);
    assert_non_null(strstr(workspace->why, config));
}

static void finds_by_azures_rule(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *root = xasprintf("%s/%zu", (char *)*state, i);
        AUTO_FREE char *start = file_join(root, "a/b");
        assert_int_equal(file_make_dirs(start, NULL), 0);
        write_files(root, &cases[i]);
        check(root, &cases[i]);
    }
}

static void takes_a_file_and_its_scope(void **state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(workspace) struct workspace *workspace = NULL;
    AUTO_FREE char *path = file_join(*state, "mine.json");
    struct workspace *none = NULL;
    static const char text[] = "{\"Scope\": \"" SCOPE "\"}";
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
    assert_int_equal(workspace_find(path, "/h", &workspace, &err), 0);
    assert_string_equal(workspace->subscription_id, "S");
    assert_string_equal(workspace->resource_group, "G");
    assert_string_equal(workspace->name, "W");
    assert_int_equal(file_write(path, "{}", 2, 0644, NULL), 0);
    assert_int_equal(workspace_find(path, "/h", &none, &err), -1);
    assert_int_equal(workspace_find("/nowhere/at/all", "/h", &none, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(finds_by_azures_rule),
        UNIT_HOME(takes_a_file_and_its_scope),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
