/* SPDX-License-Identifier: BSD-3-Clause */
/* The script's environment variables, built from nothing. A kernel's own environment holds tokens of the
 * notebook server and settings of its Python; a script gets only what a program on this machine needs to
 * work at all. */
#include "submission/variables.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

void variables_wipe(struct strlist *list)
{
    for (size_t i = 0; i < list->count; i++)
        explicit_bzero(list->items[i], strlen(list->items[i]));
    strlist_done(list);
}
