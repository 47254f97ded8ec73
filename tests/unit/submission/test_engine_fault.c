/* SPDX-License-Identifier: BSD-3-Clause */
/* The engines' wordings, each told apart: what Docker 20.10 to 29 and Podman 4 and 5 say. */
#include "submission/engine_fault.h"

#include <string.h>

#include "tests/unit.h"

struct wording {
    int status;
    enum error_code code;
    const char *says; /* in our words or the hint */
    const char *message;
};

static const struct wording of_registries[] = {
    /* wrong password */
    {500, ERROR_DENIED, "refuses the user name or password",
     "Get \"https://registry-1.docker.io/v2/\": unauthorized: incorrect username or password"},
    {500, ERROR_DENIED, "refuses the user name or password",
     "initializing source docker://quay.io/a/b:1: unable to retrieve auth token: invalid "
     "username/password: unauthorized: Invalid Username or Password"},
    {500, ERROR_DENIED, "refuses the user name or password",
     "failed to resolve reference \"x.azurecr.io/a:1\": failed to authorize: failed to fetch oauth "
     "token: unexpected status from GET request to https://x.azurecr.io/oauth2/token: 401 "
     "Unauthorized"},
    {500, ERROR_DENIED, "refuses the user name or password",
     "denied: Your authorization token has expired. Reauthenticate and try again."},
    /* none given */
    {500, ERROR_DENIED, "wants a user name and password",
     "Get \"https://localhost:5000/v2/\": no basic auth credentials"},
    {500, ERROR_DENIED, "wants a user name and password",
     "Head \"https://localhost:5000/v2/a/manifests/1\": no basic auth credentials"},
    {500, ERROR_DENIED, "wants a user name and password",
     "failed to resolve reference \"localhost:5000/a:1\": unexpected status from HEAD request to "
     "http://localhost:5000/v2/a/manifests/1: 401 Unauthorized"},
    {500, ERROR_DENIED, "wants a user name and password",
     "initializing source docker://localhost:5000/a:1: reading manifest 1 in localhost:5000/a: "
     "unauthorized: authentication required"},
    {500, ERROR_DENIED, "wants a user name and password",
     "Head \"https://x.azurecr.io/v2/a/manifests/1\": unauthorized: authentication required, visit "
     "https://aka.ms/acr/authorization for more information."},
    /* no access */
    {500, ERROR_DENIED, "no access",
     "unauthorized: access to the requested resource is not authorized"},
    {500, ERROR_DENIED, "no access", "Head \"https://ghcr.io/v2/a/b/manifests/1\": denied: denied"},
    {500, ERROR_DENIED, "no access",
     "initializing source docker://x/a:1: Requesting bearer token: invalid status code from "
     "registry "
     "403 (Forbidden)"},
    /* no such image */
    {404, ERROR_NOT_FOUND, "no such image",
     "manifest for localhost:5000/a:nope not found: manifest unknown: manifest unknown"},
    {404, ERROR_NOT_FOUND, "no such image",
     "pull access denied for nosuchimage, repository does not exist or may require 'docker login': "
     "denied: requested access to the resource is denied"},
    {404, ERROR_NOT_FOUND, "no such image",
     "pull access denied, repository does not exist or may require authorization: server message: "
     "insufficient_scope: authorization failed"},
    {404, ERROR_NOT_FOUND, "no such image",
     "failed to resolve reference \"localhost:5000/a:nope\": localhost:5000/a:nope: not found"},
    {500, ERROR_NOT_FOUND, "no such image",
     "initializing source docker://localhost:5000/a:nope: reading manifest nope in "
     "localhost:5000/a: "
     "manifest unknown"},
    {500, ERROR_NOT_FOUND, "no such image",
     "repository localhost:5000/b not found: name unknown: repository name not known to registry"},
    {200, ERROR_NOT_FOUND, "no such image", "No such image: a:1"},
    /* not for this machine */
    {404, ERROR_UNSUPPORTED, "this kind of machine",
     "no matching manifest for linux/arm64/v8 in the manifest list entries"},
    {500, ERROR_UNSUPPORTED, "this kind of machine",
     "choosing an image from manifest list docker://a:1: no image found in manifest list for "
     "architecture arm64, variant \"v8\", OS linux"},
    /* rate limit */
    {500, ERROR_LIMIT, "rate limit",
     "toomanyrequests: You have reached your pull rate limit. You may increase the limit by "
     "authenticating and upgrading: https://www.docker.com/increase-rate-limit"},
    {429, ERROR_LIMIT, "rate limit",
     "failed to resolve reference \"docker.io/library/a:1\": unexpected status from HEAD request "
     "to "
     "https://registry-1.docker.io/v2/library/a/manifests/1: 429 Too Many "
     "Requests\ntoomanyrequests: "
     "You have reached your unauthenticated pull rate limit."},
    {500, ERROR_LIMIT, "rate limit",
     "initializing source docker://a:1: reading manifest 1 in docker.io/library/a: "
     "toomanyrequests: "
     "You have reached your pull rate limit."},
    /* unreachable */
    {500, ERROR_BUSY, "no such registry host",
     "Get \"https://nope.invalid/v2/\": dial tcp: lookup nope.invalid on 10.0.0.2:53: no such "
     "host"},
    {500, ERROR_BUSY, "cannot be reached",
     "Get \"https://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused"},
    {500, ERROR_BUSY, "cannot be reached",
     "Get \"https://r/v2/\": net/http: request canceled while waiting for connection "
     "(Client.Timeout "
     "exceeded while awaiting headers)"},
    {500, ERROR_BUSY, "cannot be reached", "Get \"https://r/v2/\": context deadline exceeded"},
    {500, ERROR_BUSY, "cannot be reached", "Get \"https://r/v2/\": EOF"},
    {500, ERROR_BUSY, "cannot be reached",
     "initializing source docker://r:1/a:1: pinging container registry r:1: Get "
     "\"https://r:1/v2/\": "
     "dial tcp 10.0.0.1:1: i/o timeout"},
    {500, ERROR_BUSY, "cannot be reached",
     "received unexpected HTTP status: 503 Service Unavailable"},
    /* TLS */
    {500, ERROR_DENIED, "certificate",
     "Get \"https://r/v2/\": x509: certificate signed by unknown authority"},
    {500, ERROR_DENIED, "certificate",
     "Get \"https://r/v2/\": tls: failed to verify certificate: x509: certificate has expired"},
    {500, ERROR_FAILED, "plain HTTP",
     "Get \"https://r:5000/v2/\": http: server gave HTTP response to HTTPS client"},
    /* the engine's own */
    {500, ERROR_IO, "disk is full",
     "failed to register layer: Error processing tar file(exit status 1): write /x: no space left "
     "on "
     "device"},
    {400, ERROR_INVALID, "no image's name", "invalid reference format"},
    {200, ERROR_FAILED, "non-zero code",
     "The command '/bin/sh -c echo 'denied: unauthorized: toomanyrequests: EOF'; false' returned a "
     "non-zero code: 1"},
    {200, ERROR_FAILED, "while running runtime",
     "building at STEP \"RUN echo connection refused\": while running runtime: exit status 1"},
};

static const struct wording of_engines[] = {
    {404, ERROR_NOT_FOUND, "No such container", "No such container: x"},
    {409, ERROR_BUSY, "not running", "Container 0a is not running"},
    {409, ERROR_EXISTS, "--clean",
     "Conflict. The container name \"/a\" is already in use by container \"0a\". You have to "
     "remove "
     "(or rename) that container to be able to reuse that name."},
    {409, ERROR_BUSY, "remove the containers",
     "conflict: unable to delete 0a (cannot be forced) - image is being used by running container "
     "1b"},
    {409, ERROR_BUSY, "remove the containers",
     "conflict: unable to remove repository reference \"a:2\" (must force) - container 36c7 is "
     "using "
     "its referenced image 8141"},
    {500, ERROR_UNSUPPORTED, "NVIDIA",
     "could not select device driver \"\" with capabilities: [[gpu]]"},
    {500, ERROR_UNSUPPORTED, "NVIDIA",
     "failed to create task: CDI device injection failed: unresolvable CDI devices "
     "nvidia.com/gpu=all"},
    {500, ERROR_DENIED, "ulimits",
     "failed to create shim task: OCI runtime create failed: error setting rlimits for ready "
     "process: "
     "error setting rlimit type 7: operation not permitted: unknown"},
    {500, ERROR_FAILED, "dial unix", "dial unix /run/containerd.sock: connect: connection refused"},
    {501, ERROR_UNSUPPORTED, "not here", "not here"},
    {418, ERROR_FAILED, "odd", "odd"},
};

static void check(const struct wording *wording, enum engine_asked asked)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_int_equal(engine_fault(&err, wording->status, wording->message, asked), -1);
    AUTO_FREE char *shown = error_format(&err);
    if (err.code != wording->code || strstr(shown, wording->says) == NULL)
        fail_msg("%s\ngives %s: %s", wording->message, error_name(err.code), shown);
    assert_non_null(strstr(err.text, wording->message)); /* the engine's words stay */
}

static void tells_registries_faults_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(of_registries); i++)
        check(&of_registries[i], ENGINE_ASKED_REGISTRY);
}

static void tells_engines_faults_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(of_engines); i++)
        check(&of_engines[i], ENGINE_ASKED_ALONE);
}

static void knows_that_a_password_was_given(void **state)
{
    (void)state;
    static const char message[] = "unauthorized: authentication required";
    AUTO_ERROR struct error none = ERROR_INIT;
    AUTO_ERROR struct error wrong = ERROR_INIT;
    engine_fault(&none, 500, message, ENGINE_ASKED_REGISTRY);
    engine_fault(&wrong, 500, message, ENGINE_ASKED_WITH_PASSWORD);
    assert_non_null(strstr(none.text, "wants a user name and password"));
    assert_non_null(strstr(wrong.text, "refuses the user name or password"));
    assert_string_not_equal(none.hint, wrong.hint);
}

static void finds_the_message(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        const char *message;
    } cases[] = {
        {"{\"message\":\"No such container: x\"}\n", "No such container: x"},
        {"{\"cause\":\"c\",\"message\":\"m\",\"response\":404}", "m"},
        {"{\"cause\":\"c\",\"response\":404}", "c"},
        {"{\"message\":\"{\\\"message\\\":\\\"inner\\\"}\"}", "inner"},
        {"{\"message\":\"{ odd\"}", "{ odd"},
        {"404 page not found\n", "404 page not found"},
        {"", "the engine answers with HTTP status 404 and no reason"},
        {"\n", "the engine answers with HTTP status 404 and no reason"},
        {"bad \xff byte", "bad \xef\xbf\xbd byte"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *message = engine_fault_message(404, cases[i].body, strlen(cases[i].body));
        assert_string_equal(message, cases[i].message);
    }
    AUTO_FREE char *nothing = engine_fault_message(404, NULL, 0);
    assert_non_null(strstr(nothing, "404"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(tells_registries_faults_apart),
        UNIT(tells_engines_faults_apart),
        UNIT(knows_that_a_password_was_given),
        UNIT(finds_the_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
