/* SPDX-License-Identifier: BSD-3-Clause */
/* Docker's contexts: named engines in ~/.docker, each in a folder that is called by the SHA-256
 * of its name. A context that is named is used or is an error; the one called "default" has no
 * files and stands for what the environment says. */
#include "submission/engine_find_private.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/engine_config.h"

/* Docker's rule for names, so that one from a file can be shown. */
static int check_name(const char *name, const char *source, struct error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
    if (strspn(name, letters) > 0 && name[strspn(name, allowed)] == '\0')
        return 0;
    error_set(err, ERROR_INVALID, "%s names a docker context with a name that no context has",
              source);
    return error_hint(err, "`docker context ls` shows the names; `docker context use default` goes "
                           "back to none");
}

/* The name of the current context, or NULL for none; and where it is named. Both are the
 * caller's. */
static int current_name(const char *dir, char **ret_name, char **ret_source, struct error *err)
{
    AUTO_JSON json_t *config = NULL;
    AUTO_FREE char *path = file_join(dir, "config.json");
    const char *name = getenv("DOCKER_CONTEXT");
    bool from_variable = name != NULL && name[0] != '\0';
    if (!from_variable) {
        if (engine_config_read(path, &config, err) != 0)
            return -1;
        name = json_get_string(config, "currentContext", "");
    }
    *ret_name = name[0] != '\0' && strcmp(name, "default") != 0 ? xstrdup(name) : NULL;
    *ret_source = from_variable ? xstrdup("DOCKER_CONTEXT") : steal(&path);
    return 0;
}

/* The context's folder below contexts/meta and contexts/tls. */
static char *folder_name(const char *name)
{
    unsigned char hash[crypto_hash_sha256_BYTES];
    char *text = xmalloc(2 * sizeof hash + 1);
    crypto_hash_sha256(hash, (const unsigned char *)name, strlen(name));
    return sodium_bin2hex(text, 2 * sizeof hash + 1, hash, sizeof hash);
}

/* Endpoints.docker.Host of the context's file. */
static int read_host(const char *name, const char *source, const char *path, char **ret_host,
                     struct error *err)
{
    AUTO_JSON json_t *meta = NULL;
    if (engine_config_read(path, &meta, err) != 0)
        return error_wrap(err, "the docker context %s", name);
    if (meta == NULL) {
        error_set(err, ERROR_NOT_FOUND, "%s names the docker context %s, and there is no %s",
                  source, name, path);
        return error_hint(err, "`docker context ls` shows those there are; `docker context use "
                               "default` goes back to none");
    }
    const json_t *endpoint = json_object_get(json_object_get(meta, "Endpoints"), "docker");
    const char *host = json_get_string(endpoint, "Host", "");
    if (host[0] == '\0')
        return error_set(err, ERROR_INVALID,
                         "the docker context %s has no address of an engine: "
                         "Endpoints.docker.Host is missing in %s",
                         name, path);
    *ret_host = xstrdup(host);
    return 0;
}

int engine_find_context(struct engine_place *ret_place, char **ret_why, struct error *err)
{
    AUTO_FREE char *dir = engine_config_dir();
    AUTO_FREE char *name = NULL;
    AUTO_FREE char *source = NULL;
    AUTO_FREE char *host = NULL;
    if (current_name(dir, &name, &source, err) != 0)
        return -1;
    if (name == NULL) {
        *ret_why = xasprintf("the docker context: %s names none", source);
        return 1;
    }
    if (check_name(name, source, err) != 0)
        return -1;
    AUTO_FREE char *folder = folder_name(name);
    AUTO_FREE char *path = xasprintf("%s/contexts/meta/%s/meta.json", dir, folder);
    AUTO_FREE char *tls_dir = xasprintf("%s/contexts/tls/%s/docker", dir, folder);
    if (read_host(name, source, path, &host, err) != 0)
        return -1;
    *ret_place = (struct engine_place){
        .address = steal(&host),
        .tls_dir = file_is_dir(tls_dir) ? steal(&tls_dir) : NULL,
        .why = xasprintf("the docker context %s", name),
    };
    return 0;
}
