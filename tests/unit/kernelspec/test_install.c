/* SPDX-License-Identifier: BSD-3-Clause */
/* Where Jupyter looks, what is put there, and that what was there is replaced whole or left alone. */
#include "kernelspec/install.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/unit.h"

static const char *const variables[] = {"JUPYTER_DATA_DIR", "JUPYTER_PATH", "XDG_DATA_HOME", "HOME",
                                        "VIRTUAL_ENV",      "CONDA_PREFIX"};

static int setup(void **state)
{
    char *folder = xstrdup("/tmp/skiff-test-XXXXXX");
    for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
        unsetenv(variables[i]);
    if (mkdtemp(folder) == NULL)
        return -1;
    *state = folder;
    return 0;
}

static int teardown(void **state)
{
    file_remove_tree(*state, NULL);
    free(*state);
    return 0;
}

#define UNIT_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static char *install(const struct install_options *options)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    char *path = NULL;
    if (install_kernelspec(options, &path, &err) != 0)
        fail_msg("%s", err.text);
    return path;
}

static void expect_refused(const struct install_options *options, const char *why)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    char *path = NULL;
    assert_int_equal(install_kernelspec(options, &path, &err), -1);
    assert_null(path);
    if (strstr(err.text, why) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static json_t *read_spec(const char *path)
{
    AUTO_FREE char *file = file_join(path, "kernel.json");
    json_t *spec = json_load_file(file, 0, NULL);
    assert_non_null(spec);
    return spec;
}

static size_t count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    const struct dirent *entry;
    size_t count = 0;
    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return count;
}

/* --- where ------------------------------------------------------------------------------------------ */

static void test_places(void **state)
{
    static const struct {
        const char *variable; /* set to the folder of the test, */
        const char *also;     /* and this one to a folder that must not be taken */
        int where;
        const char *below;
    } cases[] = {
        {"HOME", NULL, INSTALL_USER, ".local/share/jupyter/kernels/skiff"},
        {"XDG_DATA_HOME", "HOME", INSTALL_USER, "jupyter/kernels/skiff"},
        {"JUPYTER_DATA_DIR", "XDG_DATA_HOME", INSTALL_USER, "kernels/skiff"},
        {"VIRTUAL_ENV", "CONDA_PREFIX", INSTALL_SYS_PREFIX, "share/jupyter/kernels/skiff"},
        {"CONDA_PREFIX", NULL, INSTALL_SYS_PREFIX, "share/jupyter/kernels/skiff"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        setenv(cases[i].variable, *state, 1);
        if (cases[i].also != NULL)
            setenv(cases[i].also, "/nonexistent", 1);
        AUTO_FREE char *path = install(&(struct install_options){.where = cases[i].where});
        AUTO_FREE char *expected = file_join(*state, cases[i].below);
        assert_string_equal(path, expected);
        unsetenv(cases[i].variable);
        if (cases[i].also != NULL)
            unsetenv(cases[i].also);
    }
}

/* A python3 on PATH that is a wrapper, as version managers install them. */
static void test_prefix_of_python(void **state)
{
    AUTO_FREE char *python = file_join(*state, "python3");
    AUTO_FREE char *script = xasprintf("#!/bin/sh\necho '%s/real'\n", (char *)*state);
    AUTO_FREE char *path_before = xstrdup(getenv("PATH"));
    AUTO_FREE char *expected = file_join(*state, "real/share/jupyter/kernels/skiff");
    assert_int_equal(file_write(python, script, strlen(script), 0755, NULL), 0);
    setenv("PATH", *state, 1);
    AUTO_FREE char *path = install(&(struct install_options){.where = INSTALL_SYS_PREFIX});
    assert_string_equal(path, expected);
    assert_int_equal(file_write(python, "#!/bin/echo here\n", 17, 0755, NULL), 0);
    expect_refused(&(struct install_options){.where = INSTALL_SYS_PREFIX}, "does not say where");
    assert_int_equal(unlink(python), 0);
    expect_refused(&(struct install_options){.where = INSTALL_SYS_PREFIX}, "no python3 on PATH");
    setenv("PATH", path_before, 1);
}

/* --- what --------------------------------------------------------------------------------------------- */

static void test_contents(void **state)
{
    AUTO_FREE char *path = install(&(struct install_options){.where = INSTALL_PREFIX,
                                                             .prefix = *state,
                                                             .name = "Skiff-0.1_x",
                                                             .display_name = "Skiff \"x\""});
    AUTO_JSON json_t *spec = read_spec(path);
    AUTO_FREE char *self = file_real("/proc/self/exe", NULL);
    AUTO_JSON json_t *argv = json_pack("[s, s, s, s]", self, "kernel", "-f", "{connection_file}");
    assert_string_equal(file_base_name(path), "Skiff-0.1_x");
    assert_true(json_equal(json_object_get(spec, "argv"), argv));
    assert_string_equal(json_get_string(spec, "display_name", ""), "Skiff \"x\"");
    assert_string_equal(json_get_string(spec, "interrupt_mode", ""), "message");
    assert_string_equal(json_get_string(spec, "language", ""), "python");
    assert_true(json_get_bool(json_object_get(spec, "metadata"), "debugger", false));
    assert_int_equal(count_files(path), 4);
}

static void test_names(void **state)
{
    static const char *const names[] = {"",    ".",    "..",   ".hidden", "a b",
                                        "a/b", "../x", "a\nb", "\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        expect_refused(
            &(struct install_options){.where = INSTALL_PREFIX, .prefix = *state, .name = names[i]},
            "cannot be the name of a kernel");
    assert_int_equal(count_files(*state), 0);
}

static void test_no_prefix(void **state)
{
    (void)state;
    expect_refused(&(struct install_options){.where = INSTALL_PREFIX, .prefix = ""}, "--prefix");
}

/* --- the companion ---------------------------------------------------------------------------- */

static char *put(const char *folder, const char *name, const char *text, mode_t mode)
{
    AUTO_FREE char *path = file_join(folder, name);
    AUTO_FREE char *parent = xstrndup(path, (size_t)(file_base_name(path) - path));
    assert_int_equal(file_make_dirs(parent, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), mode, NULL), 0);
    return steal(&path);
}

/* What follows --companion in argv, or "" when it is not there. */
static char *companion_of(const struct install_options *options)
{
    AUTO_FREE char *path = install(options);
    AUTO_JSON json_t *spec = read_spec(path);
    const json_t *argv = json_object_get(spec, "argv");
    const char *option = json_string_value(json_array_get(argv, 2));
    if (strcmp(option, "-f") == 0)
        return xstrdup("");
    assert_string_equal(option, "--companion");
    assert_string_equal(json_string_value(json_array_get(argv, 4)), "-f");
    return xstrdup(json_string_value(json_array_get(argv, 3)));
}

static void test_python_of_the_environment(void **state)
{
    const struct install_options prefix = {.where = INSTALL_PREFIX, .prefix = *state};
    const struct install_options sys_prefix = {.where = INSTALL_SYS_PREFIX};
    const struct install_options user = {.where = INSTALL_USER};
    AUTO_FREE char *none = companion_of(&prefix);
    assert_string_equal(none, "");
    AUTO_FREE char *python = put(*state, "bin/python", "", 0755);
    AUTO_FREE char *second = companion_of(&prefix);
    assert_string_equal(second, python);
    AUTO_FREE char *python3 = put(*state, "bin/python3", "", 0755);
    AUTO_FREE char *first = companion_of(&prefix);
    assert_string_equal(first, python3);
    setenv("VIRTUAL_ENV", *state, 1);
    setenv("HOME", *state, 1);
    AUTO_FREE char *active = companion_of(&sys_prefix);
    assert_string_equal(active, python3);
    AUTO_FREE char *of_a_user = companion_of(&user); /* there for all environments */
    assert_string_equal(of_a_user, "");
    unsetenv("VIRTUAL_ENV");
    unsetenv("HOME");
}

/* A path is whole in kernel.json, and its links stay: they make a virtual environment. */
static void test_chosen_python(void **state)
{
    AUTO_FREE char *python = put(*state, "real/python3", "", 0755);
    AUTO_FREE char *link = file_join(*state, "link");
    AUTO_FREE char *here = getcwd(NULL, 0);
    struct install_options options = {
        .where = INSTALL_PREFIX, .prefix = *state, .companion = "./link"};
    assert_int_equal(symlink(python, link), 0);
    assert_int_equal(chdir(*state), 0);
    AUTO_FREE char *relative = companion_of(&options);
    AUTO_FREE char *expected = xasprintf("%s/./link", (char *)*state);
    assert_string_equal(relative, expected);
    assert_int_equal(chdir(here), 0);
    options.companion = link;
    AUTO_FREE char *whole = companion_of(&options);
    assert_string_equal(whole, link);
    options.companion = "none";
    AUTO_FREE char *none = companion_of(&options);
    assert_string_equal(none, "none");
}

#define SPEC(program) "{\"argv\":[\"" program "\",\"{connection_file}\"]}"

static void test_chosen_kernelspec(void **state)
{
    const struct install_options options = {
        .where = INSTALL_PREFIX, .prefix = *state, .companion = "other"};
    free(put(*state, "jupyter/kernels/other/kernel.json", SPEC("/bin/true"), 0644));
    AUTO_FREE char *path = file_join(*state, "jupyter");
    expect_refused(&options, "no kernelspec has this name");
    setenv("JUPYTER_PATH", path, 1);
    AUTO_FREE char *companion = companion_of(&options);
    assert_string_equal(companion, "other");
}

/* Nothing is written then. */
static void test_refused_companions(void **state)
{
    AUTO_FREE char *jupyter = file_join(*state, "jupyter");
    AUTO_FREE char *self = file_real("/proc/self/exe", NULL);
    AUTO_FREE char *link = file_join(*state, "link");
    AUTO_FREE char *loop = xasprintf(SPEC("%s"), link);
    AUTO_FREE char *plain = put(*state, "plain", "", 0644);
    const struct {
        const char *companion, *why;
    } cases[] = {
        {"/nowhere/python3", "there is no Python at /nowhere/python3"},
        {plain, "there is no Python"},
        {*state, "there is no Python"},
        {link, "is Skiff itself"},
        {"loop", "is Skiff itself"},
        {"skiff", "is Skiff itself"},
        {"empty", "has no argv"},
        {"othr", "there are: other"},
        {"", "no kernelspec has this name"},
        {"..", "no kernelspec has this name"},
    };
    assert_int_equal(symlink(self, link), 0);
    free(put(jupyter, "kernels/other/kernel.json", SPEC("/bin/true"), 0644));
    free(put(jupyter, "kernels/loop/kernel.json", loop, 0644));
    free(put(jupyter, "kernels/skiff/kernel.json", SPEC("/elsewhere/skiff"), 0644));
    free(put(jupyter, "kernels/empty/kernel.json", "{}", 0644));
    setenv("JUPYTER_PATH", jupyter, 1);
    setenv("PATH", "/nowhere", 1); /* no other kernelspecs by way of a Python */
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_refused(&(struct install_options){.where = INSTALL_PREFIX,
                                                 .prefix = *state,
                                                 .companion = cases[i].companion},
                       cases[i].why);
    AUTO_FREE char *share = file_join(*state, "share");
    assert_false(file_exists(share));
}

static void test_did_you_mean(void **state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    char *path = NULL;
    free(put(*state, "kernels/python3/kernel.json", SPEC("/bin/true"), 0644));
    setenv("JUPYTER_PATH", *state, 1);
    const struct install_options options = {
        .where = INSTALL_PREFIX, .prefix = *state, .companion = "pyhton3"};
    assert_int_equal(install_kernelspec(&options, &path, &err), -1);
    assert_string_equal(err.hint, "did you mean --companion python3?");
}

/* --- again ------------------------------------------------------------------------------------------- */

static void test_replaces_whole(void **state)
{
    struct install_options options = {.where = INSTALL_PREFIX, .prefix = *state};
    AUTO_FREE char *first = install(&options);
    AUTO_FREE char *other = file_join(first, "left-by-an-older-one");
    AUTO_FREE char *kernels = file_join(*state, "share/jupyter/kernels");
    assert_int_equal(file_write(other, "x", 1, 0644, NULL), 0);
    options.display_name = "Second";
    AUTO_FREE char *second = install(&options);
    AUTO_JSON json_t *spec = read_spec(second);
    assert_string_equal(json_get_string(spec, "display_name", ""), "Second");
    assert_false(file_exists(other));
    assert_int_equal(count_files(kernels), 1);
}

/* A folder made by hand may be a link into a checkout: the link goes, what it leads to stays. */
static void test_replaces_a_link(void **state)
{
    AUTO_FREE char *kernels = file_join(*state, "share/jupyter/kernels");
    AUTO_FREE char *elsewhere = file_join(*state, "elsewhere");
    AUTO_FREE char *kept = file_join(elsewhere, "kept");
    AUTO_FREE char *link = file_join(kernels, "skiff");
    assert_int_equal(file_make_dirs(kernels, NULL), 0);
    assert_int_equal(file_make_dirs(elsewhere, NULL), 0);
    assert_int_equal(file_write(kept, "x", 1, 0644, NULL), 0);
    assert_int_equal(symlink(elsewhere, link), 0);
    AUTO_FREE char *path =
        install(&(struct install_options){.where = INSTALL_PREFIX, .prefix = *state});
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_true(file_exists(kept));
    assert_int_equal(count_files(elsewhere), 1);
    assert_int_equal(count_files(kernels), 1);
}

static void test_prefix_is_a_file(void **state)
{
    AUTO_FREE char *file = file_join(*state, "file");
    assert_int_equal(file_write(file, "x", 1, 0644, NULL), 0);
    expect_refused(&(struct install_options){.where = INSTALL_PREFIX, .prefix = file},
                   "installing the kernel");
    assert_int_equal(count_files(*state), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_FOLDER(test_places),
        UNIT_FOLDER(test_prefix_of_python),
        UNIT_FOLDER(test_contents),
        UNIT_FOLDER(test_names),
        UNIT_FOLDER(test_no_prefix),
        UNIT_FOLDER(test_replaces_whole),
        UNIT_FOLDER(test_replaces_a_link),
        UNIT_FOLDER(test_prefix_is_a_file),
        UNIT_FOLDER(test_python_of_the_environment),
        UNIT_FOLDER(test_chosen_python),
        UNIT_FOLDER(test_chosen_kernelspec),
        UNIT_FOLDER(test_refused_companions),
        UNIT_FOLDER(test_did_you_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
