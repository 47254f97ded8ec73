/* SPDX-License-Identifier: BSD-3-Clause */
/* Candidates for the companion. Only looks at files: whether a Python has ipykernel is known when it
 * was started. https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs */
#include "kernel/companion_find.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"

#define CONNECTION_FILE "{connection_file}"

static struct candidate *add(struct candidates *candidates, char *why)
{
    grow(&candidates->items, &candidates->capacity, candidates->count + 1,
         sizeof *candidates->items);
    struct candidate *candidate = &candidates->items[candidates->count++];
    *candidate = (struct candidate){.why = why};
    return candidate;
}

/* As ipykernel's own kernelspec has it; frozen modules would hide lines from the debugger. */
static void add_python(struct candidates *candidates, const char *python, char *why)
{
    const char *const argv[] = {python, "-Xfrozen_modules=off", "-m", "ipykernel_launcher",
                                "-f",   CONNECTION_FILE};
    struct candidate *candidate = add(candidates, why);
    for (size_t i = 0; i < ARRAY_SIZE(argv); i++)
        strlist_add(&candidate->argv, argv[i]);
    /* History is one, and Skiff keeps it: it has Skiff's cells, too, and is there before Python. */
    strlist_add(&candidate->argv, "--HistoryManager.enabled=False");
}

/* --- kernelspecs ------------------------------------------------------------------------------ */

static void add_variable_paths(struct strlist *paths, const char *variable)
{
    const char *value = getenv(variable);
    AUTO_FREE char *copy = xstrdup(value != NULL ? value : "");
    char *rest = copy;
    for (char *path = strsep(&rest, ":"); path != NULL; path = strsep(&rest, ":"))
        if (*path != '\0')
            strlist_add(paths, path);
}

/* Jupyter's data folders in its order, less the one it derives from its own sys.prefix: ours is that
 * of python3 on PATH. */
static void data_paths(struct strlist *paths)
{
    const char *data = getenv("JUPYTER_DATA_DIR");
    const char *xdg = getenv("XDG_DATA_HOME");
    AUTO_FREE char *python = file_find_program("python3");
    add_variable_paths(paths, "JUPYTER_PATH");
    if (data != NULL && *data != '\0')
        strlist_add(paths, data);
    else if (xdg != NULL && *xdg == '/')
        strlist_take(paths, file_join(xdg, "jupyter"));
    else
        strlist_take(paths, file_expand_home("~/.local/share/jupyter"));
    if (python != NULL)
        strlist_addf(paths, "%.*s../share/jupyter", (int)(file_base_name(python) - python), python);
    strlist_add(paths, "/usr/local/share/jupyter");
    strlist_add(paths, "/usr/share/jupyter");
}

/* The kernel.json of that name, or NULL. *ret_path is where it is. */
static json_t *find_spec(const char *name, char **ret_path)
{
    AUTO_STRLIST struct strlist paths = STRLIST_INIT;
    data_paths(&paths);
    for (size_t i = 0; i < paths.count; i++) {
        AUTO_FREE char *path = xasprintf("%s/kernels/%s/kernel.json", paths.items[i], name);
        json_t *spec = json_read(path, NULL);
        if (spec != NULL) {
            *ret_path = steal(&path);
            return spec;
        }
    }
    return NULL;
}

static int read_argv(const json_t *spec, const char *resource_dir, struct strlist *argv)
{
    static const char mark[] = "{resource_dir}";
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(spec, "argv"), i, item) {
        const char *text = json_string_value(item);
        const char *found = text != NULL ? strstr(text, mark) : NULL;
        if (text == NULL)
            return -1;
        if (found != NULL)
            strlist_addf(argv, "%.*s%s%s", (int)(found - text), text, resource_dir,
                         found + sizeof mark - 1);
        else
            strlist_add(argv, text);
    }
    return argv->count > 0 ? 0 : -1;
}

static void add_spec(struct candidates *candidates, const char *name, struct strlist *notes)
{
    AUTO_FREE char *path = NULL;
    AUTO_JSON json_t *spec = find_spec(name, &path);
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    if (spec == NULL) {
        strlist_addf(notes, "no kernelspec is named \"%s\" (jupyter kernelspec list shows them)",
                     name);
        return;
    }
    AUTO_FREE char *dir = xstrndup(path, (size_t)(file_base_name(path) - path - 1));
    if (read_argv(spec, dir, &argv) < 0) {
        strlist_addf(notes, "%s has no argv that can be used", path);
        return;
    }
    if (strcmp(file_base_name(argv.items[0]), "skiff") ==
        0) { /* it would start another, and so on */
        strlist_addf(notes, "the kernelspec \"%s\" is Skiff itself", name);
        return;
    }
    struct candidate *candidate =
        add(candidates, xasprintf("the kernelspec \"%s\", chosen at skiff install", name));
    candidate->argv = argv;
    argv = (struct strlist)STRLIST_INIT;
    candidate->env = json_incref(json_object_get(spec, "env"));
    candidate->by_message =
        strcmp(json_get_string(spec, "interrupt_mode", "signal"), "message") == 0;
}

/* --- the rule --------------------------------------------------------------------------------- */

void candidates_find(const char *choice, struct candidates *ret_candidates, struct strlist *notes)
{
    AUTO_FREE char *python = file_find_program("python3");
    if (choice != NULL && strcmp(choice, "none") == 0) {
        strlist_add(notes, "none was chosen at skiff install (--companion none)");
        return;
    }
    if (choice != NULL && strchr(choice, '/') == NULL)
        add_spec(ret_candidates, choice, notes);
    else if (choice != NULL && file_exists(choice))
        add_python(ret_candidates, choice,
                   xstrdup("the Python of the environment Skiff was installed into"));
    else if (choice != NULL)
        strlist_addf(notes, "%s, which Skiff was installed with, is not there any more", choice);
    if (python == NULL)
        strlist_add(notes, "there is no python3 on PATH");
    else if (choice == NULL || strcmp(choice, python) != 0)
        add_python(ret_candidates, python, xstrdup("python3 on PATH"));
}

void candidates_done(struct candidates *candidates)
{
    for (size_t i = 0; i < candidates->count; i++) {
        strlist_done(&candidates->items[i].argv);
        json_decref(candidates->items[i].env);
        free(candidates->items[i].why);
    }
    free(candidates->items);
    *candidates = (struct candidates){0};
}
