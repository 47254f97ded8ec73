/* SPDX-License-Identifier: BSD-3-Clause */
/* Nothing of a definition stands in a RUN line: packages are in files that are copied in, so that no
 * requirement can be read as a command. */
#include "submission/image_recipe.h"

#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "submission/image_name.h"

#define PLACE "/opt/skiff" /* in the image */
#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* Which Python the image has: `python` where there is one, for that is what a run executes. */
#define FIND_PYTHON "$(command -v python || command -v python3)"

void image_recipe_done(struct image_recipe *recipe)
{
    buf_done(&recipe->dockerfile);
    buf_done(&recipe->requirements);
    buf_done(&recipe->conda);
}

bool image_recipe_needed(const json_t *environment)
{
    return !json_get_bool(environment, "user_managed_dependencies", false) &&
           (json_object_get(environment, "pip") != NULL ||
            json_object_get(environment, "conda_file") != NULL);
}

static void add_conda(const json_t *conda, struct image_recipe *recipe)
{
    AUTO_FREE char *text = json_text(conda); /* JSON is YAML */
    buf_printf(&recipe->conda, "%s\n", text);
    buf_puts(&recipe->dockerfile,
             "COPY " IMAGE_RECIPE_CONDA " " PLACE "/\n"
             "RUN if command -v micromamba >/dev/null; then micromamba create --yes"
             " --prefix " PLACE "/conda --file " PLACE "/" IMAGE_RECIPE_CONDA "; \\\n"
             "    elif command -v mamba >/dev/null; then mamba env create --prefix " PLACE
             "/conda --file " PLACE "/" IMAGE_RECIPE_CONDA "; \\\n"
             "    elif command -v conda >/dev/null; then conda env create --prefix " PLACE
             "/conda --file " PLACE "/" IMAGE_RECIPE_CONDA "; \\\n"
             "    else echo 'the image has no micromamba, mamba or conda' >&2; exit 1; fi\n"
             "ENV CONDA_PREFIX=" PLACE "/conda PATH=" PLACE "/conda/bin:${PATH:-" USUAL_PATH "}\n");
}

static void add_pip(const json_t *pip, struct image_recipe *recipe)
{
    size_t i;
    json_t *line;
    json_array_foreach (pip, i, line)
        buf_printf(&recipe->requirements, "%s\n", json_string_value(line));
    buf_puts(&recipe->dockerfile,
             "COPY " IMAGE_RECIPE_REQUIREMENTS " " PLACE "/\n"
             "RUN " FIND_PYTHON " -m venv --system-site-packages " PLACE "/python || \\\n"
             "    { echo 'the image has no Python with the module venv (on Debian: "
             "python3-venv)' >&2; exit 1; }\n"
             "RUN " PLACE "/python/bin/python -m pip install --no-cache-dir "
             "--disable-pip-version-check --requirement " PLACE "/" IMAGE_RECIPE_REQUIREMENTS "\n"
             "ENV VIRTUAL_ENV=" PLACE "/python PATH=" PLACE "/python/bin:${PATH:-" USUAL_PATH
             "}\n");
}

void image_recipe_write(const json_t *environment, const char *base, const char *user,
                        struct image_recipe *ret_recipe)
{
    const json_t *conda = json_object_get(environment, "conda_file");
    const json_t *pip = json_object_get(environment, "pip");
    buf_printf(&ret_recipe->dockerfile, "FROM %s\n", base);
    if (user[0] != '\0')
        buf_puts(&ret_recipe->dockerfile, "USER root\n");
    if (conda != NULL)
        add_conda(conda, ret_recipe);
    if (pip != NULL)
        add_pip(pip, ret_recipe);
    if (user[0] != '\0')
        buf_printf(&ret_recipe->dockerfile, "USER %s\n", user);
}

char *image_recipe_registry(const char *dockerfile)
{
    for (const char *line = dockerfile; *line != '\0'; line += strcspn(line, "\n")) {
        line += strspn(line, " \t\r\n");
        if (strncasecmp(line, "FROM", 4) != 0 || (line[4] != ' ' && line[4] != '\t'))
            continue;
        const char *word = line + 4 + strspn(line + 4, " \t");
        while (strncmp(word, "--", 2) == 0) { /* --platform=... */
            word += strcspn(word, " \t\r\n");
            word += strspn(word, " \t");
        }
        AUTO_IMAGE_NAME struct image_name name = IMAGE_NAME_INIT;
        AUTO_FREE char *text = xstrndup(word, strcspn(word, " \t\r\n"));
        return image_name_parse(text, &name, NULL) == 0 ? xstrdup(name.registry) : NULL;
    }
    return NULL;
}
