/* SPDX-License-Identifier: BSD-3-Clause */
/* One store of `docker login` or `podman login`. Its keys have been written in many ways over the
 * years (Docker Hub's is a URL); Podman's may go on with a path, and then the longest that the
 * repository begins with counts. Nothing of a store's content is in an error but the path of the
 * file: a value may be a password that was put in the wrong place. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "submission/engine_config.h"
#include "submission/registry_auth_private.h"

#define NAME_SIZE_MAX 64 /* of a helper; people type these */
#define NO_MATCH (-1)

void registry_auth_plan_done(struct registry_auth_plan *plan)
{
    for (size_t i = 0; i < plan->helper_count; i++)
        free(plan->helpers[i]);
    registry_auth_credentials_done(&plan->stored);
    *plan = (struct registry_auth_plan){.helper_count = 0};
}

/* --- keys ------------------------------------------------------------------------------------- */

static const char *after_scheme(const char *address)
{
    if (strncasecmp(address, "https://", 8) == 0)
        return address + 8;
    return strncasecmp(address, "http://", 7) == 0 ? address + 7 : address;
}

char *registry_auth_host(const char *address)
{
    const char *start = after_scheme(address);
    AUTO_FREE char *host = xstrndup(start, strcspn(start, "/"));
    if (strcasecmp(host, "index.docker.io") == 0 || strcasecmp(host, "registry-1.docker.io") == 0)
        return xstrdup("docker.io");
    return steal(&host);
}

/* How many bytes of the repository's name a key says; NO_MATCH when it is for something else. */
static ssize_t match(const char *key, const char *host, const char *repository)
{
    AUTO_FREE char *of = registry_auth_host(key);
    const char *start = after_scheme(key);
    const char *path = start + strcspn(start, "/");
    path += strspn(path, "/");
    size_t length = strlen(path);
    while (length > 0 && path[length - 1] == '/')
        length--;
    if (strcasecmp(of, host) != 0)
        return NO_MATCH;
    /* A URL's path, and the API's, says nothing. */
    if (length == 0 || start != key || (length == 2 && path[0] == 'v'))
        return 0;
    bool begins = repository != NULL && strncmp(path, repository, length) == 0 &&
                  (repository[length] == '/' || repository[length] == '\0');
    return begins ? (ssize_t)length : NO_MATCH;
}

/* --- what a store holds itself ---------------------------------------------------------------- */

static const char *text_of(const json_t *entry, const char *key)
{
    const char *text = json_get_string(entry, key, NULL);
    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* Docker leaves an empty entry behind for what a helper keeps. */
static bool holds_any(const json_t *entry)
{
    return text_of(entry, "identitytoken") != NULL || text_of(entry, "auth") != NULL ||
           (text_of(entry, "username") != NULL && text_of(entry, "password") != NULL);
}

static const json_t *best_entry(json_t *auths, const char *host, const char *repository)
{
    const json_t *best = NULL;
    ssize_t longest = NO_MATCH;
    const char *key;
    json_t *entry;
    json_object_foreach (auths, key, entry) {
        ssize_t length = match(key, host, repository);
        if (length <= longest || !holds_any(entry))
            continue;
        best = entry;
        longest = length;
    }
    return best;
}

/* "auth": base64 of user:password. */
static int decode(const char *auth, struct registry_auth_credentials *ret_credentials,
                  struct error *err)
{
    AUTO_SECRET struct secret text = SECRET_INIT;
    size_t length = strlen(auth);
    if (registry_auth_room(length, &text, err) != 0)
        return -1;
    int fault = sodium_base642bin((unsigned char *)text.value, length, auth, length, " \r\n",
                                  &text.size, NULL, sodium_base64_VARIANT_ORIGINAL);
    while (fault == 0 && text.size > 0 && text.value[text.size - 1] == '\0')
        text.size--; /* old versions of Docker padded with NULs */
    const char *colon = fault == 0 ? memchr(text.value, ':', text.size) : NULL;
    if (colon == NULL || memchr(text.value, '\0', text.size) != NULL)
        return error_set(err, ERROR_INVALID, "\"auth\" is not the base64 of user:password");
    size_t user = (size_t)(colon - text.value);
    if (registry_auth_copy(colon + 1, text.size - user - 1, &ret_credentials->password, err) != 0)
        return -1;
    ret_credentials->username = xstrndup(text.value, user);
    return 0;
}

static int read_entry(const json_t *entry, struct registry_auth_credentials *ret_credentials,
                      struct error *err)
{
    const char *token = text_of(entry, "identitytoken");
    const char *auth = text_of(entry, "auth");
    if (token == NULL && auth != NULL)
        return decode(auth, ret_credentials, err);
    const char *password = token != NULL ? token : text_of(entry, "password");
    if (registry_auth_copy(password, strlen(password), &ret_credentials->password, err) != 0)
        return -1;
    ret_credentials->username = token != NULL ? NULL : xstrdup(text_of(entry, "username"));
    return 0;
}

/* --- its helpers ------------------------------------------------------------------------------ */

/* A file may name a program on $PATH, never a path. */
static bool is_name(const char *name)
{
    size_t length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");
    return length > 0 && length <= NAME_SIZE_MAX && name[length] == '\0';
}

static int add_helper(struct registry_auth_plan *plan, const char *name, struct error *err)
{
    if (name[0] == '\0')
        return 0;
    if (!is_name(name)) {
        error_set(err, ERROR_INVALID, "a credential helper there has a name that none may have");
        return error_hint(err, "use letters, digits, _ and -: pass, for docker-credential-pass");
    }
    plan->helpers[plan->helper_count++] = xasprintf("docker-credential-%s", name);
    return 0;
}

static int add_helpers(const json_t *config, const char *host, struct registry_auth_plan *plan,
                       struct error *err)
{
    const char *own = "";
    const char *key;
    json_t *name;
    json_object_foreach (json_object_get(config, "credHelpers"), key, name) {
        if (json_is_string(name) && match(key, host, NULL) == 0)
            own = json_string_value(name);
    }
    if (add_helper(plan, own, err) != 0)
        return -1;
    return add_helper(plan, json_get_string(config, "credsStore", ""), err);
}

int registry_auth_plan(const char *path, const char *host, const char *repository,
                       struct registry_auth_plan *ret_plan, struct error *err)
{
    AUTO_JSON json_t *config = NULL;
    struct registry_auth_plan plan = {.helper_count = 0};
    if (engine_config_read(path, &config, err) != 0)
        return -1;
    if (config == NULL)
        return 1;
    const json_t *entry = best_entry(json_object_get(config, "auths"), host, repository);
    if (add_helpers(config, host, &plan, err) != 0 ||
        (entry != NULL && read_entry(entry, &plan.stored, err) != 0)) {
        registry_auth_plan_done(&plan);
        return error_wrap(err, "%s, for the registry %s", path, host);
    }
    *ret_plan = plan;
    return 0;
}
