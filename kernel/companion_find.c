/* SPDX-License-Identifier: BSD-3-Clause */
/* Candidates for the companion. Only looks at files: whether a Python has ipykernel is known when it
 * was started. https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs */
#include "kernel/companion_find.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "kernelspec/lookup.h"

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
    /* History is one, and Skiff keeps it: it has Skiff's cells, too, and is there before Python. What
     * %history -g searches is this session. */
    strlist_add(&candidate->argv, "--HistoryManager.hist_file=:memory:");
}

/* --- kernelspecs ------------------------------------------------------------------------------ */

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
    AUTO_FREE char *dir = NULL;
    AUTO_JSON json_t *spec = lookup_kernelspec(name, &dir);
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    if (spec == NULL) {
        strlist_addf(notes, "no kernelspec is named \"%s\" (jupyter kernelspec list shows them)",
                     name);
        return;
    }
    if (read_argv(spec, dir, &argv) < 0) {
        strlist_addf(notes, "%s/kernel.json has no argv that can be used", dir);
        return;
    }
    if (lookup_is_skiff(argv.items[0])) { /* it would start another, and so on */
        strlist_addf(notes, "the kernelspec \"%s\" is Skiff itself", name);
        return;
    }
    struct candidate *candidate =
        add(candidates, xasprintf("the kernelspec \"%s\", set when Skiff was installed", name));
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
    else if (choice != NULL && lookup_is_skiff(choice))
        strlist_addf(notes, "%s, set when Skiff was installed, is Skiff itself", choice);
    else if (choice != NULL && file_exists(choice))
        add_python(ret_candidates, choice, xstrdup("set when Skiff was installed"));
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
