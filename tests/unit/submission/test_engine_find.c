/* SPDX-License-Identifier: BSD-3-Clause */
/* Which engine: the order of the rule, sockets that may not be opened, and what is named and
 * broken. Every test has a folder with a home, a runtime folder and a root of its own. */
#include "submission/engine_find.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "tests/unit.h"
#include "tests/unit/submission/home.h"

#define CANARY "canary-5up3r53cr3t"
#define NOBODY 65534

/* `printf colima | sha256sum` */
#define COLIMA "f24fd3749c1368328e2b149bec149cb6795619f244c5b584e844961215dadd16"

/* The folders, and an environment that says nothing else. */
static void enter(const char *dir)
{
    static const char *const unset[] = {"DOCKER_HOST",      "DOCKER_CONTEXT",    "DOCKER_CONFIG",
                                        "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "CONTAINER_HOST"};
    AUTO_FREE char *home = file_join(dir, "home");
    AUTO_FREE char *runtime_dir = file_join(dir, "runtime");
    for (size_t i = 0; i < ARRAY_SIZE(unset); i++)
        unsetenv(unset[i]);
    setenv("HOME", home, 1);
    setenv("XDG_RUNTIME_DIR", runtime_dir, 1);
    assert_int_equal(chmod(dir, 0755), 0); /* for the tests that are somebody else for a moment */
}

/* A socket at `dir`/`name`, which nobody listens to. */
static void make_socket(const char *dir, const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_FREE char *path = file_join(dir, name);
    AUTO_FREE char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(file_make_dirs(folder, NULL), 0);
    assert_true(strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
}

static void make_file(const char *dir, const char *name, const char *text)
{
    AUTO_FREE char *path = file_join(dir, name);
    AUTO_FREE char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(file_make_dirs(folder, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

static int find(const char *dir, const char *given, struct engine_place *ret_place,
                struct error *err)
{
    AUTO_FREE char *root = file_join(dir, "root");
    return engine_find_under(root, given, ret_place, err);
}

/* `address` and `why` with %s for the folder. */
static void expect(const char *dir, const char *given, const char *address, const char *why)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    AUTO_FREE char *expected = xasprintf(address, dir);
    AUTO_FREE char *reason = xasprintf(why, dir);
    if (find(dir, given, &place, &err) != 0)
        fail_msg("%s expected: %s", expected, err.text);
    assert_string_equal(place.address, expected);
    assert_string_equal(place.why, reason);
}

/* Fails with `code`, saying `says`. The whole error is the caller's. */
static char *expect_error(const char *dir, const char *given, enum error_code code,
                          const char *says)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    assert_int_equal(find(dir, given, &place, &err), -1);
    assert_null(place.address);
    AUTO_FREE char *shown = error_format(&err);
    if (err.code != code || strstr(shown, says) == NULL)
        fail_msg("%s: %s\nexpected: %s: %s", error_name(err.code), shown, error_name(code), says);
    assert_null(strstr(shown, CANARY));
    return steal(&shown);
}

/* --- the order -------------------------------------------------------------------------------- */

/* Each step is added before the one that was found: it then comes first. */
static void follows_the_order(void **state)
{
    const char *dir = *state;
    static const struct {
        const char *socket;
        const char *why;
    } sockets[] = {
        {"root/run/podman/podman.sock", "found at %s/root/run/podman/podman.sock"},
        {"runtime/podman/podman.sock", "found at %s/runtime/podman/podman.sock"},
        {"root/var/run/docker.sock", "found at %s/root/var/run/docker.sock"},
        {"root/run/docker.sock", "found at %s/root/run/docker.sock"},
        {"runtime/docker.sock", "found at %s/runtime/docker.sock"},
    };
    enter(dir);
    for (size_t i = 0; i < ARRAY_SIZE(sockets); i++) {
        AUTO_FREE char *address = xasprintf("unix://%%s/%s", sockets[i].socket);
        make_socket(dir, sockets[i].socket);
        expect(dir, NULL, address, sockets[i].why);
    }
    setenv("CONTAINER_HOST", "tcp://c:1", 1);
    expect(dir, NULL, "tcp://c:1", "CONTAINER_HOST");
    make_file(dir, "home/.docker/config.json", "{\"currentContext\": \"colima\"}");
    make_file(dir, "home/.docker/contexts/meta/" COLIMA "/meta.json",
              "{\"Name\": \"colima\", \"Endpoints\": {\"docker\": {\"Host\": \"tcp://x:2\"}}}");
    expect(dir, NULL, "tcp://x:2", "the docker context colima");
    setenv("DOCKER_HOST", "tcp://d:3", 1);
    expect(dir, NULL, "tcp://d:3", "DOCKER_HOST");
    expect(dir, "tcp://e:4", "tcp://e:4", "the compute");
    expect(dir, "podman", "tcp://c:1", "CONTAINER_HOST");
    unsetenv("CONTAINER_HOST");
    expect(dir, "podman", "unix://%s/runtime/podman/podman.sock",
           "found at %s/runtime/podman/podman.sock");
    expect(dir, "docker", "tcp://d:3", "DOCKER_HOST");
}

static void looks_only_for_what_is_named(void **state)
{
    const char *dir = *state;
    enter(dir);
    make_socket(dir, "runtime/podman/podman.sock");
    AUTO_FREE char *docker = expect_error(dir, "docker", ERROR_NOT_FOUND, "no Docker was found");
    assert_null(strstr(docker, "odman"));
    make_socket(dir, "runtime/docker.sock");
    setenv("DOCKER_HOST", "tcp://d:3", 1);
    expect(dir, "podman", "unix://%s/runtime/podman/podman.sock",
           "found at %s/runtime/podman/podman.sock");
}

static void says_where_it_looked(void **state)
{
    const char *dir = *state;
    static const char *const says[] = {
        "DOCKER_HOST: not set",
        "/home/.docker/config.json names none",
        "CONTAINER_HOST: not set",
        "/runtime/docker.sock: not there",
        "/root/run/docker.sock: not there",
        "/root/var/run/docker.sock: not there",
        "/runtime/podman/podman.sock: not there",
        "/root/run/podman/podman.sock: Socket operation on non-socket",
        "apt install docker.io",
        "systemctl --user start podman.socket",
    };
    enter(dir);
    make_file(dir, "root/run/podman/podman.sock", "");
    AUTO_FREE char *shown = expect_error(dir, NULL, ERROR_NOT_FOUND, "no container engine");
    for (size_t i = 0; i < ARRAY_SIZE(says); i++)
        if (strstr(shown, says[i]) == NULL)
            fail_msg("\"%s\" is not in:\n%s", says[i], shown);
}

/* --- permission ------------------------------------------------------------------------------- */

/* Root may open everything: for a moment we are nobody. */
static void forbid(const char *dir, const char *socket)
{
    AUTO_FREE char *path = file_join(dir, socket);
    assert_int_equal(chmod(path, 0), 0);
}

static bool become_nobody(void)
{
    return geteuid() == 0 && seteuid(NOBODY) == 0;
}

static void passes_over_what_may_not_be_opened(void **state)
{
    const char *dir = *state;
    enter(dir);
    make_socket(dir, "root/run/docker.sock");
    make_socket(dir, "runtime/podman/podman.sock");
    forbid(dir, "root/run/docker.sock");
    AUTO_FREE char *podman = file_join(dir, "runtime/podman/podman.sock");
    assert_int_equal(chmod(podman, 0666), 0);
    bool changed = become_nobody();
    expect(dir, NULL, "unix://%s/runtime/podman/podman.sock",
           "found at %s/runtime/podman/podman.sock");
    AUTO_FREE char *shown =
        expect_error(dir, "docker", ERROR_DENIED, "/root/run/docker.sock: Permission denied");
    assert_non_null(strstr(shown, "group docker"));
    AUTO_FREE char *address = xasprintf("unix://%s/root/run/docker.sock", dir);
    setenv("DOCKER_HOST", address, 1); /* is named: never passed over */
    AUTO_FREE char *named = expect_error(dir, NULL, ERROR_DENIED, "DOCKER_HOST names ");
    assert_non_null(strstr(named, "group docker"));
    if (changed)
        assert_int_equal(seteuid(0), 0);
}

/* --- addresses -------------------------------------------------------------------------------- */

static void reads_addresses(void **state)
{
    const char *dir = *state;
    static const struct {
        const char *given;
        const char *address;
    } good[] = {
        {"tcp://10.0.0.1", "tcp://10.0.0.1:2375"},
        {"tcp://10.0.0.1/", "tcp://10.0.0.1:2375/"},
        {"tcp://[::1]", "tcp://[::1]:2375"},
        {"tcp://[::1]:99", "tcp://[::1]:99"},
        {"tcp://h:1/x", "tcp://h:1/x"},
    };
    static const struct {
        const char *given;
        enum error_code code;
        const char *says;
    } bad[] = {
        {"ssh://sam:" CANARY "@gpu:22/x", ERROR_UNSUPPORTED, "ssh -nNT -L"},
        {"ssh://gpu", ERROR_UNSUPPORTED, "USER@gpu;"},
        {"unix:///nope/x.sock", ERROR_NOT_FOUND, "names /nope/x.sock: No such file"},
        {"unix:///etc/hosts", ERROR_INVALID, "/etc/hosts, which is not a socket"},
        {"/nope/x.sock", ERROR_NOT_FOUND, "names /nope/x.sock"},
        {"unix://x.sock", ERROR_INVALID, "\"x.sock\", which is no container engine's address"},
        {"tcp://", ERROR_INVALID, "no container engine's address"},
        {"tcp://sam:" CANARY "@", ERROR_INVALID, "no container engine's address"},
        {"https://sam:" CANARY "@h", ERROR_INVALID, "\"h\""},
        {"tcp://h\n" CANARY, ERROR_INVALID, "characters"},
        {"tcp://h\033[2J", ERROR_INVALID, "characters"},
    };
    enter(dir);
    make_socket(dir, "root/run/docker.sock");
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        expect(dir, good[i].given, good[i].address, "the compute");
        setenv("DOCKER_HOST", good[i].given, 1);
        expect(dir, NULL, good[i].address, "DOCKER_HOST");
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        free(expect_error(dir, bad[i].given, bad[i].code, bad[i].says));
        setenv("DOCKER_HOST", bad[i].given, 1);
        free(expect_error(dir, NULL, bad[i].code, bad[i].says));
        unsetenv("DOCKER_HOST");
        setenv("CONTAINER_HOST", bad[i].given, 1);
        free(expect_error(dir, NULL, bad[i].code, bad[i].says));
        unsetenv("CONTAINER_HOST");
    }
    free(expect_error(dir, "containerd", ERROR_INVALID, "write docker, podman, or an address"));
    free(expect_error(dir, "\033[2J", ERROR_INVALID, "no container engine's name"));
    AUTO_FREE char *path = file_join(dir, "root/run/docker.sock");
    expect(dir, path, "unix://%s/root/run/docker.sock", "the compute");
}

static void expect_tls(const char *dir, const char *tls_dir)
{
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    AUTO_FREE char *expected = tls_dir != NULL ? xasprintf(tls_dir, dir) : NULL;
    assert_int_equal(find(dir, NULL, &place, NULL), 0);
    if (expected == NULL)
        assert_null(place.tls_dir);
    else
        assert_string_equal(place.tls_dir, expected);
}

static void finds_certificates(void **state)
{
    const char *dir = *state;
    enter(dir);
    setenv("DOCKER_HOST", "tcp://h", 1);
    expect_tls(dir, NULL);
    setenv("DOCKER_TLS_VERIFY", "", 1);
    expect_tls(dir, NULL);
    setenv("DOCKER_TLS_VERIFY", "1", 1);
    expect_tls(dir, "%s/home/.docker");
    expect(dir, NULL, "tcp://h:2376", "DOCKER_HOST");
    setenv("DOCKER_CERT_PATH", "/certs", 1);
    expect_tls(dir, "/certs");
    unsetenv("DOCKER_HOST");
    make_socket(dir, "root/run/docker.sock");
    expect_tls(dir, NULL);
}

/* --- contexts --------------------------------------------------------------------------------- */

#define META(host) "{\"Name\":\"colima\",\"Endpoints\":{\"docker\":{\"Host\":" host "}}}"

static void reads_contexts(void **state)
{
    const char *dir = *state;
    static const char meta[] = "home/.docker/contexts/meta/" COLIMA "/meta.json";
    enter(dir);
    make_socket(dir, "root/run/docker.sock");
    AUTO_FREE char *host = xasprintf(META("\"unix://%s/root/run/docker.sock\""), dir);
    make_file(dir, meta, host);
    expect(dir, NULL, "unix://%s/root/run/docker.sock", "found at %s/root/run/docker.sock");
    setenv("DOCKER_CONTEXT", "colima", 1);
    expect(dir, NULL, "unix://%s/root/run/docker.sock", "the docker context colima");
    make_file(dir, meta, META("\"tcp://h:1\""));
    expect_tls(dir, NULL);
    make_file(dir, "home/.docker/contexts/tls/" COLIMA "/docker/ca.pem", "");
    expect_tls(dir, "%s/home/.docker/contexts/tls/" COLIMA "/docker");
    setenv("DOCKER_CONTEXT", "default", 1);
    make_file(dir, "home/.docker/config.json", "{\"currentContext\": \"colima\"}");
    expect(dir, NULL, "unix://%s/root/run/docker.sock", "found at %s/root/run/docker.sock");
    unsetenv("DOCKER_CONTEXT");
    AUTO_FREE char *other = file_join(dir, "other");
    setenv("DOCKER_CONFIG", other, 1); /* has no context */
    expect(dir, NULL, "unix://%s/root/run/docker.sock", "found at %s/root/run/docker.sock");
}

static void refuses_broken_contexts(void **state)
{
    const char *dir = *state;
    static const char config[] = "home/.docker/config.json";
    static const char meta[] = "home/.docker/contexts/meta/" COLIMA "/meta.json";
    static const struct {
        const char *config;
        const char *meta;
        enum error_code code;
        const char *says;
    } cases[] = {
        {"{\"auths\": \"" CANARY "\n", "{}", ERROR_INVALID,
         "config.json is not valid JSON (line 1"},
        {"[]", "{}", ERROR_INVALID, "config.json does not hold a JSON object"},
        {"{\"currentContext\": \"../../x\"}", "{}", ERROR_INVALID, "a name that no context has"},
        {"{\"currentContext\": \"a\\u001b[2J\"}", "{}", ERROR_INVALID, "no context has"},
        {"{\"currentContext\": \"gone\"}", "{}", ERROR_NOT_FOUND, "the docker context gone"},
        {NULL, "{\"x\": \"" CANARY "\n", ERROR_INVALID, "meta.json is not valid JSON"},
        {NULL, "{}", ERROR_INVALID, "Endpoints.docker.Host is missing"},
        {NULL, META("7"), ERROR_INVALID, "Endpoints.docker.Host is missing"},
        {NULL, META("\"ssh://sam@gpu\""), ERROR_UNSUPPORTED, "the docker context colima names"},
        {NULL, META("\"unix:///nope\""), ERROR_NOT_FOUND, "context colima names /nope"},
        {NULL, META("\"\\u001b[2J" CANARY "\""), ERROR_INVALID, "characters"},
        {NULL, META("\"npipe:////./x\""), ERROR_INVALID, "no container engine's address"},
    };
    enter(dir);
    make_socket(dir, "root/run/docker.sock");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        make_file(dir, config,
                  cases[i].config ? cases[i].config : "{\"currentContext\": \"colima\"}");
        make_file(dir, meta, cases[i].meta);
        free(expect_error(dir, NULL, cases[i].code, cases[i].says));
    }
    setenv("CONTAINER_HOST", "tcp://p:1", 1);
    expect(dir, "podman", "tcp://p:1", "CONTAINER_HOST"); /* Docker's files do not matter to it */
}

static void leaves_the_runtime_folder_to_be_guessed(void **state)
{
    const char *dir = *state;
    enter(dir);
    unsetenv("XDG_RUNTIME_DIR");
    AUTO_FREE char *guess = xasprintf("/run/user/%u/podman/podman.sock", getuid());
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    AUTO_ERROR struct error err = ERROR_INIT;
    int result = find(dir, "podman", &place, &err);
    assert_non_null(strstr(result == 0 ? place.address : err.text, guess));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(follows_the_order),
        UNIT_HOME(looks_only_for_what_is_named),
        UNIT_HOME(says_where_it_looked),
        UNIT_HOME(passes_over_what_may_not_be_opened),
        UNIT_HOME(reads_addresses),
        UNIT_HOME(finds_certificates),
        UNIT_HOME(reads_contexts),
        UNIT_HOME(refuses_broken_contexts),
        UNIT_HOME(leaves_the_runtime_folder_to_be_guessed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
