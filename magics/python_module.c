/* SPDX-License-Identifier: BSD-3-Clause */
/* The module's text is part of the program. JSON of texts and lists is Python, too: that is how
 * everything gets in. */
#include "magics/python_module.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "kernel/companion.h"
#include "magics/registry.h"

__asm__(".section .rodata\n"
        "python_module_source: .incbin \"magics/python_module.py\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char python_module_source[];

struct python_module {
    char *home;
    char *last_run; /* NULL: none was submitted */
};

struct python_module *python_module_new(const char *home)
{
    struct python_module *module = xcalloc(1, sizeof *module);
    module->home = xstrdup(home);
    return module;
}

void python_module_free(struct python_module *module)
{
    if (module == NULL)
        return;
    free(module->home);
    free(module->last_run);
    free(module);
}

/* A text, or NULL, as Python. The caller frees it. */
static char *literal(const char *text)
{
    AUTO_JSON json_t *value = text != NULL ? json_text_value(text, strlen(text)) : NULL;
    return value != NULL ? json_text(value) : xstrdup("None");
}

static char *magics_literal(void)
{
    AUTO_JSON json_t *names = json_pack("{s:[], s:[]}", "line", "cell");
    for (size_t i = 0; registry_magics[i] != NULL; i++)
        json_array_append_new(json_object_get(names, registry_magics[i]->cell ? "cell" : "line"),
                              json_string(registry_magics[i]->name));
    return json_text(names);
}

/* This program: Python runs it for what needs Skiff's rules. By its folder, for the file may have
 * been replaced by a newer one since. */
static char *program_path(void)
{
    AUTO_FREE char *dir = file_program_dir();
    return file_join(dir != NULL ? dir : "", "skiff");
}

/* No name of it stays in the user's namespace. */
char *python_module_prelude(void *data)
{
    const struct python_module *module = data;
    AUTO_FREE char *path = program_path();
    AUTO_FREE char *source = literal(python_module_source);
    AUTO_FREE char *home = literal(module->home);
    AUTO_FREE char *program = literal(path);
    AUTO_FREE char *magics = magics_literal();
    AUTO_FREE char *last_run = literal(module->last_run);
    return xasprintf("def _skiff_module():\n"
                     "    import sys, types\n"
                     "    module = sys.modules['skiff'] = types.ModuleType('skiff')\n"
                     "    exec(compile(%s, '<skiff>', 'exec'), module.__dict__)\n"
                     "    module._start(get_ipython(), module, %s, %s, %s, %s)\n"
                     "_skiff_module()\n"
                     "del _skiff_module\n",
                     source, home, program, magics, last_run);
}

void python_module_submitted(struct python_module *module, struct companion *companion,
                             const char *run_id)
{
    replace(&module->last_run, xstrdup(run_id));
    if (companion == NULL)
        return;
    AUTO_FREE char *id = literal(run_id);
    AUTO_FREE char *code = xasprintf("get_ipython()._skiff_submitted(%s)", id);
    companion_tell(companion, code);
}
