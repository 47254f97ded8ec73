/* SPDX-License-Identifier: BSD-3-Clause */
/* The script's environment variables, built from nothing. A kernel's own environment holds tokens of the
 * notebook server and settings of its Python; a script gets only what a program on this machine needs to
 * work at all. */
#include "submission/variables.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/secret.h"

static const char *const inherited[] = {
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_*",
    "NVIDIA_*",
    "ROCR_*",
    "HIP_*",
    "OMP_*",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "XDG_CACHE_HOME",
};

static const char *const inherited_by_builders[] = {"PIP_*", "UV_*", "MAMBA_*", "CONDA_*",
                                                    "CONDARC"};

static bool matches(const char *variable, const char *const *patterns, size_t count)
{
    AUTO_FREE char *name = xstrndup(variable, strcspn(variable, "="));
    for (size_t i = 0; i < count; i++)
        if (fnmatch(patterns[i], name, 0) == 0)
            return true;
    return false;
}

void variables_inherit(struct strlist *list, bool for_builder)
{
    for (char **at = environ; at != NULL && *at != NULL; at++)
        if (matches(*at, inherited, ARRAY_SIZE(inherited)) ||
            (for_builder && matches(*at, inherited_by_builders, ARRAY_SIZE(inherited_by_builders))))
            strlist_add(list, *at);
}

void variables_set(struct strlist *list, const char *name, const char *value)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < list->count; i++)
        if (strncmp(list->items[i], name, length) == 0 && list->items[i][length] == '=') {
            replace(&list->items[i], xasprintf("%s=%s", name, value));
            return;
        }
    strlist_addf(list, "%s=%s", name, value);
}

/* Narrower than secret_is_reference(): variables hold all kinds of text, and `docker` or a relative
 * `file:` are words and paths of their own there. */
static bool is_reference(const char *text)
{
    static const char *const forms[] = {"env:", "secret:", "file:/"};
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
        if (strncmp(text, forms[i], strlen(forms[i])) == 0)
            return secret_is_reference(text);
    return false;
}

int variables_define(struct strlist *list, json_t *variables, const char *home, struct error *err)
{
    for (void *at = json_object_iter(variables); at != NULL;
         at = json_object_iter_next(variables, at)) {
        const char *name = json_object_iter_key(at);
        const char *text = json_string_value(json_object_iter_value(at));
        AUTO_SECRET struct secret secret = SECRET_INIT;
        if (text == NULL)
            continue;
        if (home != NULL && is_reference(text)) {
            if (secret_resolve(home, text, &secret, err) != 0)
                return error_wrap(err, "the environment variable %s", name);
            text = secret.value;
        }
        variables_set(list, name, text);
    }
    return 0;
}

int variables_check(const json_t *environment, const json_t *job, const char *home,
                    struct error *err)
{
    AUTO_VARIABLES struct strlist resolved = STRLIST_INIT;
    if (variables_define(&resolved, json_object_get(environment, "environment_variables"), home,
                         err) != 0)
        return -1;
    return variables_define(&resolved, json_object_get(job, "environment_variables"), home, err);
}

void variables_identity(struct strlist *list, const char *run_id, const char *experiment,
                        const char *run_dir)
{
    AUTO_FREE char *outputs = file_join(run_dir, "outputs");
    AUTO_FREE char *metrics = file_join(run_dir, "metrics.jsonl");
    variables_set(list, "AZUREML_RUN_ID", run_id);
    variables_set(list, "AZUREML_EXPERIMENT_NAME", experiment);
    variables_set(list, "SKIFF_RUN_DIR", run_dir);
    variables_set(list, "SKIFF_OUTPUTS", outputs);
    variables_set(list, "SKIFF_METRICS", metrics);
}

json_t *variables_shown(const struct strlist *list)
{
    json_t *map = json_object();
    for (size_t i = 0; i < list->count; i++) {
        size_t length = strcspn(list->items[i], "=");
        AUTO_FREE char *name = xstrndup(list->items[i], length);
        json_set_string(map, name, list->items[i] + length + 1);
    }
    return map;
}

void variables_wipe(struct strlist *list)
{
    for (size_t i = 0; i < list->count; i++)
        explicit_bzero(list->items[i], strlen(list->items[i]));
    strlist_done(list);
}
