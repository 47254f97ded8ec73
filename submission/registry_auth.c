/* SPDX-License-Identifier: BSD-3-Clause */
/* The order in which credentials are looked for. A call goes from store to store, from its timer
 * (so never before registry_auth_find() has returned) and from helpers' ends; it ends in
 * finish(), once, and is freed when its timer has closed. At any time it has at most one helper
 * running. */
#include "submission/registry_auth.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strlist.h"
#include "submission/engine_config.h"
#include "submission/registry_auth_private.h"

#define STORES_MAX 4
#define HOST_MAX 300 /* a DNS name has at most 253 characters; and a port */

struct store {
    char *path;
    bool docker; /* Docker's own, where the Hub is called otherwise */
};

struct registry_auth_call {
    uv_timer_t turn; /* begins the search */
    char *home;
    char *host;
    char *repository;
    char *username;  /* of the definition, when it is for this host; or NULL */
    char *reference; /* its password; or NULL */
    void (*done)(const struct registry_auth *auth, const struct error *err, void *data);
    void *data;
    struct store stores[STORES_MAX];
    size_t count;
    size_t next;                    /* store to read */
    struct registry_auth_plan plan; /* of the one before */
    size_t next_helper;
    struct registry_auth_helper *helper; /* under way, or NULL */
    struct strlist looked;               /* "/home/sam/.docker/config.json: nothing for it" */
};

/* --- the end ---------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct registry_auth_call *call = handle->data;
    for (size_t i = 0; i < call->count; i++)
        free(call->stores[i].path);
    registry_auth_plan_done(&call->plan);
    strlist_done(&call->looked);
    free(call->home);
    free(call->host);
    free(call->repository);
    free(call->username);
    free(call->reference);
    free(call);
}

static void finish(struct registry_auth_call *call, const struct registry_auth *auth,
                   const struct error *err)
{
    call->done(err != NULL ? NULL : auth, err, call->data);
    uv_close((uv_handle_t *)&call->turn, on_closed);
}

static void finish_with(struct registry_auth_call *call,
                        const struct registry_auth_credentials *credentials, const char *source)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct registry_auth auth = {.source = source};
    registry_auth_encode(call->host, credentials, &auth, &err);
    finish(call, &auth, error_is_set(&err) ? &err : NULL);
    secret_done(&auth.header);
    secret_done(&auth.config);
}

static void finish_without(struct registry_auth_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const struct registry_auth anonymous = {.source = "none"};
    if (call->reference == NULL) {
        finish(call, &anonymous, NULL);
        return;
    }
    AUTO_FREE char *looked = strlist_join(&call->looked, "\n  ");
    error_set(&err, ERROR_NOT_FOUND,
              "there is no login to the registry %s, which `password: docker` asks for. Looked "
              "in:\n  %s",
              call->host, looked);
    error_hint(&err, "`docker login %s` (or `podman login %s`) in a terminal stores one",
               call->host, call->host);
    finish(call, NULL, &err);
}

/* --- the definition's ------------------------------------------------------------------------- */

static void use_reference(struct registry_auth_call *call)
{
    AUTO_CREDENTIALS struct registry_auth_credentials credentials = REGISTRY_AUTH_CREDENTIALS_INIT;
    AUTO_ERROR struct error err = ERROR_INIT;
    if (call->username == NULL)
        error_set(&err, ERROR_INVALID, "the registry %s is given a password and no username",
                  call->host);
    else
        secret_resolve(call->home, call->reference, &credentials.password, &err);
    if (error_is_set(&err)) {
        error_wrap(&err, "the password for the registry %s", call->host);
        finish(call, NULL, &err);
        return;
    }
    credentials.username = xstrdup(call->username);
    finish_with(call, &credentials, call->reference);
}

/* --- the stores ------------------------------------------------------------------------------- */

/* With ~ for the home folder. The caller frees it. */
static char *for_people(const char *path)
{
    AUTO_FREE char *home = file_expand_home("~");
    size_t length = strlen(home);
    if (length > 1 && strncmp(path, home, length) == 0 && path[length] == '/')
        return xasprintf("~%s", path + length);
    return xstrdup(path);
}

static void go_on(struct registry_auth_call *call);

static void on_helper(const struct registry_auth_credentials *credentials, const struct error *err,
                      void *data)
{
    struct registry_auth_call *call = data;
    const char *name = call->plan.helpers[call->next_helper++];
    call->helper = NULL;
    if (err != NULL)
        finish(call, NULL, err);
    else if (credentials->password.value != NULL)
        finish_with(call, credentials, name);
    else
        go_on(call);
}

static int read_store(struct registry_auth_call *call, const struct store *store, struct error *err)
{
    registry_auth_plan_done(&call->plan);
    call->next_helper = 0;
    int result = registry_auth_plan(store->path, call->host, call->repository, &call->plan, err);
    if (result >= 0)
        strlist_addf(&call->looked, "%s: %s", store->path,
                     result == 0 ? "nothing for it" : "not there");
    return result < 0 ? -1 : 0;
}

/* The next step: a helper of the store that was read, what it holds itself, or the next store. */
static void go_on(struct registry_auth_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    for (;;) {
        const struct store *store = call->next > 0 ? &call->stores[call->next - 1] : NULL;
        if (call->next_helper < call->plan.helper_count) {
            const char *server = store->docker ? registry_auth_server(call->host) : call->host;
            call->helper =
                registry_auth_helper_start(call->turn.loop, call->plan.helpers[call->next_helper],
                                           server, REGISTRY_AUTH_HELPER_MS, on_helper, call);
            return;
        }
        if (call->plan.stored.password.value != NULL) {
            AUTO_FREE char *source = for_people(store->path);
            finish_with(call, &call->plan.stored, source);
            return;
        }
        if (call->next == call->count) {
            finish_without(call);
            return;
        }
        if (read_store(call, &call->stores[call->next++], &err) != 0) {
            finish(call, NULL, &err);
            return;
        }
    }
}

static void add_store(struct registry_auth_call *call, char *path, bool docker)
{
    call->stores[call->count++] = (struct store){.path = path, .docker = docker};
}

static void add_stores(struct registry_auth_call *call)
{
    const char *named = getenv("REGISTRY_AUTH_FILE");
    AUTO_FREE char *config_dir = engine_config_dir();
    AUTO_FREE char *runtime_dir = engine_config_runtime_dir();
    if (named != NULL && named[0] != '\0')
        add_store(call, xstrdup(named), false);
    add_store(call, file_join(config_dir, "config.json"), true);
    add_store(call, file_join(runtime_dir, "containers/auth.json"), false);
    add_store(call, file_expand_home("~/.config/containers/auth.json"), false);
}

/* --- the call --------------------------------------------------------------------------------- */

/* The host is told to helpers on a line of its own and shown in errors. */
static bool is_host(const char *host)
{
    size_t length = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 ".-_:[]");
    return length > 0 && length <= HOST_MAX && host[length] == '\0';
}

static void on_turn(uv_timer_t *timer)
{
    struct registry_auth_call *call = timer->data;
    if (!is_host(call->host)) {
        AUTO_ERROR struct error err = ERROR_INIT;
        error_set(&err, ERROR_INVALID, "the image's registry is no name of a host");
        error_hint(&err, "write it as myregistry.azurecr.io or localhost:5000");
        finish(call, NULL, &err);
    } else if (call->reference != NULL && strcmp(call->reference, "docker") != 0) {
        use_reference(call);
    } else {
        add_stores(call);
        go_on(call);
    }
}

/* Takes from a definition what is for this host. */
static void take_registry(struct registry_auth_call *call, const json_t *registry)
{
    AUTO_FREE char *host = registry_auth_host(json_get_string(registry, "address", ""));
    if (strcasecmp(host, call->host) != 0)
        return;
    call->username = xstrdup_or_null(json_get_string(registry, "username", NULL));
    call->reference = xstrdup_or_null(json_get_string(registry, "password", NULL));
}

struct registry_auth_call *registry_auth_find(const struct registry_auth_request *request)
{
    struct registry_auth_call *call = xcalloc(1, sizeof *call);
    call->home = xstrdup(request->home);
    call->host = registry_auth_host(request->host);
    call->repository = xstrdup_or_null(request->repository);
    call->done = request->done;
    call->data = request->data;
    call->turn.data = call;
    take_registry(call, request->registry);
    uv_timer_init(request->loop, &call->turn);
    uv_timer_start(&call->turn, on_turn, 0, 0);
    return call;
}

void registry_auth_cancel(struct registry_auth_call *call)
{
    if (call == NULL)
        return;
    if (call->helper != NULL)
        registry_auth_helper_cancel(call->helper);
    uv_close((uv_handle_t *)&call->turn, on_closed);
}
