/* SPDX-License-Identifier: BSD-3-Clause */
/* Kernelspecs: kernels/NAME/kernel.json in Jupyter's data folders. Of two of one name the first folder's
 * counts, unless it cannot be read. */
#include "kernelspec/lookup.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"

char *lookup_user_dir(void)
{
    const char *jupyter = getenv("JUPYTER_DATA_DIR");
    const char *data = getenv("XDG_DATA_HOME");
    if (jupyter != NULL && jupyter[0] != '\0')
        return xstrdup(jupyter);
    if (data != NULL && data[0] == '/')
        return file_join(data, "jupyter");
    return file_expand_home("~/.local/share/jupyter");
}

/* In Jupyter's order. Where it has its own sys.prefix we have that of python3 on PATH. */
static void data_dirs(struct strlist *dirs)
{
    const char *more = getenv("JUPYTER_PATH");
    AUTO_FREE char *copy = xstrdup(more != NULL ? more : "");
    AUTO_FREE char *python = file_find_program("python3");
    char *rest = copy;
    for (char *dir = strsep(&rest, ":"); dir != NULL; dir = strsep(&rest, ":"))
        if (*dir != '\0')
            strlist_add(dirs, dir);
    strlist_take(dirs, lookup_user_dir());
    if (python != NULL)
        strlist_addf(dirs, "%.*s../share/jupyter", (int)(file_base_name(python) - python), python);
    strlist_add(dirs, "/usr/local/share/jupyter");
    strlist_add(dirs, "/usr/share/jupyter");
}

static json_t *read_spec(const char *data_dir, const char *name, char **ret_dir)
{
    AUTO_FREE char *dir = xasprintf("%s/kernels/%s", data_dir, name);
    AUTO_FREE char *path = file_join(dir, "kernel.json");
    json_t *spec = json_read(path, NULL);
    if (spec != NULL)
        *ret_dir = steal(&dir);
    return spec;
}

json_t *lookup_kernelspec(const char *name, char **ret_dir)
{
    AUTO_STRLIST struct strlist dirs = STRLIST_INIT;
    json_t *spec = NULL;
    data_dirs(&dirs);
    for (size_t i = 0; i < dirs.count && spec == NULL; i++)
        spec = read_spec(dirs.items[i], name, ret_dir);
    return spec;
}

static void add_names(const char *data_dir, struct strlist *names)
{
    AUTO_FREE char *kernels = file_join(data_dir, "kernels");
    DIR *dir = opendir(kernels);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        AUTO_FREE char *found = NULL;
        AUTO_JSON json_t *spec = read_spec(data_dir, entry->d_name, &found);
        const char *program = json_string_value(json_array_get(json_object_get(spec, "argv"), 0));
        if (program != NULL && !lookup_is_skiff(program) && !strlist_has(names, entry->d_name))
            strlist_add(names, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
}

void lookup_names(struct strlist *names)
{
    AUTO_STRLIST struct strlist dirs = STRLIST_INIT;
    data_dirs(&dirs);
    for (size_t i = 0; i < dirs.count; i++)
        add_names(dirs.items[i], names);
    strlist_sort(names);
}

bool lookup_is_skiff(const char *program)
{
    AUTO_FREE char *path = file_find_program(program);
    AUTO_FREE char *running = file_real("/proc/self/exe", NULL);
    struct stat one;
    struct stat other;
    if (strcmp(file_base_name(program), "skiff") == 0)
        return true;
    return path != NULL && running != NULL && stat(path, &one) == 0 && stat(running, &other) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino; /* a hard link, too */
}
