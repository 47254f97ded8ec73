/* SPDX-License-Identifier: BSD-3-Clause */
/* Credentials for a registry: where they come from, how they are written, helpers that answer,
 * fail, hang and flood, and that no error holds a password. Every test has a home and a PATH of
 * its own. */
#include "submission/registry_auth.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "submission/registry_auth_private.h"
#include "tests/unit.h"
#include "tests/unit/submission/home.h"

#define CANARY "canary-5up3r53cr3t"
#define HUB "https://index.docker.io/v1/"
#define CONFIG "home/.docker/config.json"

/* --- a place ---------------------------------------------------------------------------------- */

static void enter(const char *dir)
{
    AUTO_FREE char *home = file_join(dir, "home");
    AUTO_FREE char *runtime_dir = file_join(dir, "runtime");
    AUTO_FREE char *path = xasprintf("%s/bin:/usr/bin:/bin", dir);
    unsetenv("REGISTRY_AUTH_FILE");
    unsetenv("DOCKER_CONFIG");
    setenv("HOME", home, 1);
    setenv("XDG_RUNTIME_DIR", runtime_dir, 1);
    setenv("PATH", path, 1);
    setenv("TEST_DIR", dir, 1);
}

static void make_file(const char *dir, const char *name, const char *text, mode_t mode)
{
    AUTO_FREE char *path = file_join(dir, name);
    AUTO_FREE char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
    assert_int_equal(file_make_dirs(folder, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), mode, NULL), 0);
}

/* docker-credential-NAME; it notes what it was asked in the file NAME.asked. */
static void make_helper(const char *dir, const char *name, const char *script)
{
    AUTO_FREE char *path = xasprintf("bin/docker-credential-%s", name);
    AUTO_FREE char *text =
        xasprintf("#!/bin/sh\nread -r s\necho \"$1 $s\" >>$TEST_DIR/%s.asked\n%s\n", name, script);
    make_file(dir, path, text, 0755);
}

static void expect_asked(const char *dir, const char *name, const char *asked)
{
    AUTO_FREE char *file = xasprintf("%s/%s.asked", dir, name);
    AUTO_BUF struct buf text = BUF_INIT;
    assert_int_equal(file_read(file, 4096, &text, NULL), 0);
    assert_string_equal(text.data, asked);
}

/* --- one call and what became of it ----------------------------------------------------------- */

struct seen {
    int count;
    char *header; /* decoded; NULL: anonymous */
    char *config;
    char *source;
    struct error err;
};

static void seen_done(struct seen *seen)
{
    free(seen->header);
    free(seen->config);
    free(seen->source);
    error_clear(&seen->err);
}
#define AUTO_SEEN __attribute__((cleanup(seen_done)))

static char *decode(const struct secret *text)
{
    if (text->value == NULL)
        return NULL;
    char *decoded = xcalloc(1, text->size + 1);
    size_t size = 0;
    assert_int_equal(strlen(text->value), text->size);
    assert_int_equal(sodium_base642bin((unsigned char *)decoded, text->size, text->value,
                                       text->size, NULL, &size, NULL,
                                       sodium_base64_VARIANT_URLSAFE),
                     0);
    assert_int_equal(strlen(decoded), size);
    return decoded;
}

static void keep_error(struct seen *seen, const struct error *err)
{
    error_set(&seen->err, err->code, "%s", err->text);
    if (err->hint != NULL)
        error_hint(&seen->err, "%s", err->hint);
}

static void on_done(const struct registry_auth *auth, const struct error *err, void *data)
{
    struct seen *seen = data;
    seen->count++;
    assert_true((auth == NULL) != (err == NULL));
    if (err != NULL) {
        keep_error(seen, err);
        return;
    }
    seen->header = decode(&auth->header);
    seen->config = decode(&auth->config);
    seen->source = xstrdup(auth->source);
}

static void find(const char *dir, const json_t *registry, const char *host, const char *repository,
                 struct seen *seen)
{
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct registry_auth_request request = {.loop = &loop,
                                            .home = dir,
                                            .registry = registry,
                                            .host = host,
                                            .repository = repository,
                                            .done = on_done,
                                            .data = seen};
    assert_non_null(registry_auth_find(&request));
    assert_int_equal(seen->count, 0); /* never before it returns */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(seen->count, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

/* With user:password in both headers; `source` NULL: anonymous. */
static void expect(const char *dir, const char *host, const char *repository,
                   const char *user_and_password, const char *source)
{
    AUTO_SEEN struct seen seen = {.count = 0};
    find(dir, NULL, host, repository, &seen);
    if (error_is_set(&seen.err))
        fail_msg("%s: %s", host, seen.err.text);
    if (source == NULL) {
        assert_null(seen.header);
        assert_null(seen.config);
        assert_string_equal(seen.source, "none");
        return;
    }
    const char *colon = strchr(user_and_password, ':');
    AUTO_FREE char *pair =
        xasprintf("\"username\":\"%.*s\",\"password\":\"%s\"", (int)(colon - user_and_password),
                  user_and_password, colon + 1);
    const char *server = strcmp(host, "docker.io") == 0 ? HUB : host;
    AUTO_FREE char *header = xasprintf("{%s,\"serveraddress\":\"%s\"}", pair, server);
    AUTO_FREE char *config = xasprintf("{\"%s\":{%s}}", server, pair);
    assert_non_null(seen.header);
    assert_string_equal(seen.header, header);
    assert_string_equal(seen.config, config);
    assert_string_equal(seen.source, source);
}

static void expect_error(const char *dir, const json_t *registry, const char *host,
                         enum error_code code, const char *says)
{
    AUTO_SEEN struct seen seen = {.count = 0};
    find(dir, registry, host, NULL, &seen);
    AUTO_FREE char *shown = error_format(&seen.err);
    if (seen.err.code != code || strstr(shown, says) == NULL)
        fail_msg("%s: %s\nexpected: %s: %s", error_name(seen.err.code), shown, error_name(code),
                 says);
    assert_null(strstr(shown, CANARY));
}

/* --- the definition's ------------------------------------------------------------------------- */

static void uses_the_definition(void **state)
{
    const char *dir = *state;
    enter(dir);
    setenv("TEST_PASSWORD", "a\"b\\c\x01/\xc3\xa9?>", 1);
    AUTO_JSON json_t *registry = json_pack("{s:s, s:s, s:s}", "address", "https://r.example/v2/",
                                           "username", "s\"am", "password", "env:TEST_PASSWORD");
    AUTO_SEEN struct seen seen = {.count = 0};
    find(dir, registry, "r.example", NULL, &seen);
    AUTO_JSON json_t *header = json_loads(seen.header, 0, NULL);
    assert_string_equal(json_get_string(header, "username", ""), "s\"am");
    assert_string_equal(json_get_string(header, "password", ""), getenv("TEST_PASSWORD"));
    assert_string_equal(json_get_string(header, "serveraddress", ""), "r.example");
    AUTO_JSON json_t *config = json_loads(seen.config, 0, NULL);
    const json_t *entry = json_object_get(config, "r.example");
    assert_string_equal(json_get_string(entry, "password", ""), getenv("TEST_PASSWORD"));
    assert_string_equal(seen.source, "env:TEST_PASSWORD");
    /* It is for that registry only. */
    AUTO_SEEN struct seen other = {.count = 0};
    find(dir, registry, "docker.io", NULL, &other);
    assert_null(other.header);
    assert_string_equal(other.source, "none");
    /* Each is a name of Docker Hub. */
    json_set_string(registry, "address", "registry-1.docker.io");
    AUTO_SEEN struct seen hub = {.count = 0};
    find(dir, registry, "index.docker.io", NULL, &hub);
    assert_non_null(strstr(hub.header, "\"serveraddress\":\"" HUB "\""));
}

static void refuses_a_broken_definition(void **state)
{
    const char *dir = *state;
    enter(dir);
    unsetenv("TEST_PASSWORD");
    AUTO_JSON json_t *registry = json_pack("{s:s, s:s, s:s}", "address", "r", "username", "sam",
                                           "password", "env:TEST_PASSWORD");
    expect_error(dir, registry, "r", ERROR_NOT_FOUND, "TEST_PASSWORD is not set");
    json_set_string(registry, "password", CANARY); /* no reference: it may be the password */
    expect_error(dir, registry, "r", ERROR_INVALID, "by reference");
    json_set_string(registry, "password", "env:TEST_PASSWORD");
    json_object_del(registry, "username");
    expect_error(dir, registry, "r", ERROR_INVALID, "no username");
    expect_error(dir, NULL, "r\n" CANARY, ERROR_INVALID, "no name of a host");
    expect_error(dir, NULL, "", ERROR_INVALID, "no name of a host");
}

static void says_where_it_looked(void **state)
{
    const char *dir = *state;
    enter(dir);
    make_file(dir, CONFIG, "{\"auths\": {\"other\": {\"auth\": \"YTpi\"}}}", 0600);
    AUTO_JSON json_t *registry =
        json_pack("{s:s, s:s}", "address", "r.example:5000", "password", "docker");
    const char *const says[] = {"/home/.docker/config.json: nothing for it",
                                "/runtime/containers/auth.json: not there",
                                "/home/.config/containers/auth.json: not there",
                                "`docker login r.example:5000`", "the registry r.example:5000"};
    for (size_t i = 0; i < ARRAY_SIZE(says); i++)
        expect_error(dir, registry, "r.example:5000", ERROR_NOT_FOUND, says[i]);
    expect(dir, "r.example:5000", NULL, NULL, NULL); /* nobody asked for a login */
}

/* --- stores ----------------------------------------------------------------------------------- */

/* YTpi is a:b, YzpkOmU= is c:d:e, ZTpm is e:f, Zzpo is g:h. */
static void follows_the_order_of_stores(void **state)
{
    const char *dir = *state;
    enter(dir);
    make_file(dir, "home/.config/containers/auth.json", "{\"auths\":{\"r\":{\"auth\":\"YTpi\"}}}",
              0600);
    expect(dir, "r", NULL, "a:b", "~/.config/containers/auth.json");
    make_file(dir, "runtime/containers/auth.json", "{\"auths\":{\"r\":{\"auth\":\"YzpkOmU=\"}}}",
              0600);
    AUTO_FREE char *runtime = file_join(dir, "runtime/containers/auth.json");
    expect(dir, "r", NULL, "c:d:e", runtime);
    make_file(dir, CONFIG, "{\"auths\":{\"r\":{\"auth\":\"ZTpm\"}}}", 0600);
    expect(dir, "r", NULL, "e:f", "~/.docker/config.json");
    make_file(dir, "named.json", "{\"auths\":{\"r\":{\"auth\":\"Zzpo\"}}}", 0600);
    AUTO_FREE char *named = file_join(dir, "named.json");
    setenv("REGISTRY_AUTH_FILE", named, 1);
    expect(dir, "r", NULL, "g:h", named);
    unsetenv("REGISTRY_AUTH_FILE");
    AUTO_FREE char *other = file_join(dir, "other");
    setenv("DOCKER_CONFIG", other, 1); /* empty: the next one's turn */
    expect(dir, "r", NULL, "c:d:e", runtime);
}

static void matches_keys(void **state)
{
    const char *dir = *state;
    static const struct {
        const char *key;
        const char *host;
        const char *repository;
        bool matches;
    } cases[] = {
        {"r.io", "r.io", NULL, true},
        {"https://r.io", "r.io", NULL, true},
        {"http://r.io/v2/", "r.io", NULL, true},
        {"https://r.io/any/path", "r.io", NULL, true},
        {"R.io/v1/", "r.io", "a/b", true},
        {"r.io", "r.io:5000", NULL, false},
        {"r.io:5000", "r.io:5000", NULL, true},
        {"r.io.evil", "r.io", NULL, false},
        {"x.r.io", "r.io", NULL, false},
        {"r.io/team", "r.io", NULL, false},
        {"r.io/team", "r.io", "team/train", true},
        {"r.io/team/", "r.io", "team", true},
        {"r.io/team", "r.io", "teams/train", false},
        {"r.io/team/train", "r.io", "team", false},
        {HUB, "docker.io", NULL, true},
        {"index.docker.io", "docker.io", NULL, true},
        {"https://registry-1.docker.io/v2/", "docker.io", NULL, true},
        {"docker.io/library", "docker.io", "library/python", true},
        {"docker.io", "docker.io.evil", NULL, false},
    };
    enter(dir);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_FREE char *text = xasprintf("{\"auths\":{\"%s\":{\"auth\":\"YTpi\"}}}", cases[i].key);
        make_file(dir, CONFIG, text, 0600);
        print_message("%s for %s\n", cases[i].key, cases[i].host);
        expect(dir, cases[i].host, cases[i].repository, "a:b",
               cases[i].matches ? "~/.docker/config.json" : NULL);
    }
    make_file(
        dir, CONFIG,
        "{\"auths\":{\"r\":{\"auth\":\"YTpi\"},\"r/t/u\":{\"auth\":\"ZTpm\"},\"r/t\":{\"auth\":"
        "\"Zzpo\"}, \"https://r\":{}}}",
        0600);
    expect(dir, "r", "t/u/v", "e:f", "~/.docker/config.json"); /* the longest */
    expect(dir, "r", "t/x", "g:h", "~/.docker/config.json");
    expect(dir, "r", "x", "a:b", "~/.docker/config.json");
}

static void reads_entries(void **state)
{
    const char *dir = *state;
    enter(dir);
    make_file(dir, CONFIG, "{\"auths\":{\"r\":{\"username\":\"sam\",\"password\":\"p\"}}}", 0600);
    expect(dir, "r", NULL, "sam:p", "~/.docker/config.json");
    make_file(dir, CONFIG, "{\"auths\":{\"r\":{\"auth\":\"YTpiAAA=\"}}}", 0600); /* a:b and NULs */
    expect(dir, "r", NULL, "a:b", "~/.docker/config.json");
    make_file(dir, CONFIG, "{\"auths\":{\"r\":{}}, \"credsStore\": \"\"}", 0600);
    expect(dir, "r", NULL, NULL, NULL);
    make_file(dir, CONFIG, "{\"auths\":{\"r\":{\"auth\":\"YTo=\",\"identitytoken\":\"tok\"}}}",
              0600);
    AUTO_SEEN struct seen seen = {.count = 0};
    find(dir, NULL, "r", NULL, &seen);
    assert_string_equal(seen.header, "{\"identitytoken\":\"tok\",\"serveraddress\":\"r\"}");
    assert_string_equal(seen.config, "{\"r\":{\"identitytoken\":\"tok\"}}");
}

static void refuses_malformed_stores(void **state)
{
    const char *dir = *state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"{\"auths\": {\"r\": {\"auth\": \"" CANARY "\n",
         "config.json is not valid JSON (line 1, "},
        {"[\"" CANARY "\"]", "config.json does not hold a JSON object"},
        {"{\"auths\": {\"r\": {\"auth\": \"" CANARY "\"}}}", "config.json, for the registry r: "},
        {"{\"auths\": {\"r\": {\"auth\": \"YWI=\"}}}", "is not the base64 of user:password"},
        {"{\"auths\": {\"r\": {\"auth\": \"YTpiAGM=\"}}}", "is not the base64 of user:password"},
        {"{\"credsStore\": \"../../" CANARY "\"}", "config.json, for the registry r: "},
        {"{\"credHelpers\": {\"r\": \"/bin/" CANARY "\"}}", "a name that none may have"},
        {"{\"credsStore\": \"a b\"}", "a name that none may have"},
    };
    enter(dir);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        make_file(dir, CONFIG, cases[i].text, 0600);
        expect_error(dir, NULL, "r", ERROR_INVALID, cases[i].says);
    }
    AUTO_BUF struct buf large = BUF_INIT;
    buf_puts(&large, "{\"auths\":{\"r\":{\"username\":\"a\",\"password\":\"");
    memset(buf_reserve(&large, SECRET_SIZE_MAX + 1), 'x', SECRET_SIZE_MAX + 1);
    large.size += SECRET_SIZE_MAX + 1;
    buf_puts(&large, "\"}}}");
    make_file(dir, CONFIG, large.data, 0600);
    expect_error(dir, NULL, "r", ERROR_LIMIT, "config.json");
}

/* --- helpers ---------------------------------------------------------------------------------- */

#define ANSWER(user, password) \
    "echo '{\"ServerURL\":\"x\",\"Username\":\"" user "\",\"Secret\":\"" password "\"}'"
#define NONE "echo credentials not found in native keychain; exit 1"

static void asks_helpers(void **state)
{
    const char *dir = *state;
    enter(dir);
    make_helper(dir, "own", ANSWER("sam", "p1"));
    make_helper(dir, "all", ANSWER("kim", "p2"));
    make_helper(dir, "none", NONE);
    make_file(dir, CONFIG, "{\"credHelpers\":{\"r\":\"own\"},\"credsStore\":\"all\"}", 0600);
    expect(dir, "r", NULL, "sam:p1", "docker-credential-own");
    expect(dir, "docker.io", NULL, "kim:p2", "docker-credential-all");
    expect_asked(dir, "own", "get r\n");
    expect_asked(dir, "all", "get " HUB "\n");
    /* One that knows none: the next, then what the file holds, then the next file. */
    make_file(dir, CONFIG, "{\"credHelpers\":{\"r\":\"none\"},\"credsStore\":\"all\"}", 0600);
    expect(dir, "r", NULL, "kim:p2", "docker-credential-all");
    make_file(dir, CONFIG,
              "{\"auths\":{\"r\":{\"auth\":\"YTpi\"}},\"credHelpers\":{\"r\":\"none\"},"
              "\"credsStore\":\"none\"}",
              0600);
    expect(dir, "r", NULL, "a:b", "~/.docker/config.json");
    make_file(dir, CONFIG, "{\"auths\":{\"r\":{}},\"credsStore\":\"none\"}", 0600);
    expect(dir, "r", NULL, NULL, NULL);
    make_helper(dir, "podmans", ANSWER("<token>", "tok"));
    make_file(dir, "runtime/containers/auth.json", "{\"credHelpers\":{\"docker.io\":\"podmans\"}}",
              0600);
    AUTO_SEEN struct seen seen = {.count = 0};
    find(dir, NULL, "docker.io", NULL, &seen);
    assert_string_equal(seen.header, "{\"identitytoken\":\"tok\",\"serveraddress\":\"" HUB "\"}");
    expect_asked(dir, "podmans", "get docker.io\n");
}

static void tells_what_helpers_did_wrong(void **state)
{
    const char *dir = *state;
    static const struct {
        const char *script;
        enum error_code code;
        const char *says;
    } cases[] = {
        {"echo " CANARY "; echo " CANARY " >&2; exit 1", ERROR_FAILED, "ended with status 1"},
        {"kill -KILL $$", ERROR_FAILED, "was killed by signal 9"},
        {"exit 0", ERROR_FAILED, "answered something else than JSON"},
        {"echo '{\"Secret\": \"" CANARY "\"}'", ERROR_FAILED, "answered something else"},
        {"echo '{\"Username\":\"u\",\"Secret\":" CANARY "}'", ERROR_FAILED, "something else"},
        {"echo '[]'", ERROR_FAILED, "something else"},
        {"yes " CANARY, ERROR_LIMIT, "printed more than 64 kB"},
    };
    enter(dir);
    make_file(dir, CONFIG, "{\"credsStore\":\"bad\"}", 0600);
    expect_error(dir, NULL, "r", ERROR_NOT_FOUND, "docker-credential-bad, which keeps");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        make_helper(dir, "bad", cases[i].script);
        expect_error(dir, NULL, "r", cases[i].code, cases[i].says);
    }
    make_helper(dir, "bad", ANSWER("sam", "")); /* no password is none */
    expect(dir, "r", NULL, NULL, NULL);
    make_file(dir, "bin/docker-credential-bad", "#!/nope/interpreter\n", 0755);
    expect_error(dir, NULL, "r", ERROR_IO, "cannot start ");
}

/* --- helpers that do not end ------------------------------------------------------------------ */

static void on_helper(const struct registry_auth_credentials *credentials, const struct error *err,
                      void *data)
{
    struct seen *seen = data;
    seen->count++;
    if (err != NULL)
        keep_error(seen, err);
    else if (credentials->password.value != NULL)
        seen->header = xstrdup(credentials->password.value);
}

/* The process whose id a helper has written ends, or has ended. */
static void expect_end(const char *dir, const char *name)
{
    AUTO_FREE char *file = file_join(dir, name);
    AUTO_BUF struct buf text = BUF_INIT;
    assert_int_equal(file_read(file, 64, &text, NULL), 0);
    AUTO_CLOSE int pidfd =
        (int)syscall(SYS_pidfd_open, (pid_t)strtol(text.data, NULL, 10), 0); /* CLOEXEC by itself */
    if (pidfd < 0) {
        assert_int_equal(errno, ESRCH);
        return;
    }
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    assert_int_equal(poll(&poll_fd, 1, 10000), 1);
}

static void kills_helpers_that_hang(void **state)
{
    const char *dir = *state;
    enter(dir);
    AUTO_SEEN struct seen seen = {.count = 0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    make_helper(dir, "slow", "echo " CANARY "; sleep 600 & echo $! >$TEST_DIR/child; wait");
    registry_auth_helper_start(&loop, "docker-credential-slow", "r", 300, on_helper, &seen);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.err.code, ERROR_LIMIT);
    assert_non_null(strstr(seen.err.text, "did not answer within 0.3 s"));
    assert_null(strstr(seen.err.text, CANARY));
    expect_end(dir, "child");
}

/* A daemon that keeps the pipe open does not keep the answer back. */
static void does_not_wait_for_daemons(void **state)
{
    const char *dir = *state;
    enter(dir);
    AUTO_SEEN struct seen seen = {.count = 0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    make_helper(dir, "agent", "sleep 600 & echo $! >$TEST_DIR/child\n" ANSWER("sam", "p"));
    registry_auth_helper_start(&loop, "docker-credential-agent", "r", REGISTRY_AUTH_HELPER_MS,
                               on_helper, &seen);
    uint64_t before = uv_now(&loop);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_true(uv_now(&loop) - before < REGISTRY_AUTH_HELPER_MS / 2);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.header, "p");
    AUTO_FREE char *file = file_join(dir, "child");
    AUTO_BUF struct buf text = BUF_INIT;
    assert_int_equal(file_read(file, 64, &text, NULL), 0);
    assert_int_equal(kill((pid_t)strtol(text.data, NULL, 10), SIGKILL), 0);
}

/* --- cancelling ------------------------------------------------------------------------------- */

struct cancelling {
    struct registry_auth_call *call;
    uv_fs_event_t event;
};

static void on_asked(uv_fs_event_t *event, const char *name, int events, int status)
{
    (void)events;
    assert_int_equal(status, 0);
    struct cancelling *cancelling = event->data;
    if (name == NULL || strcmp(name, "child") != 0 || cancelling->call == NULL)
        return;
    registry_auth_cancel(steal(&cancelling->call));
    uv_close((uv_handle_t *)event, NULL);
}

static void can_be_cancelled(void **state)
{
    const char *dir = *state;
    enter(dir);
    AUTO_SEEN struct seen seen = {.count = 0};
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct registry_auth_request request = {
        .loop = &loop, .home = dir, .host = "r", .done = on_done, .data = &seen};
    registry_auth_cancel(NULL);
    registry_auth_cancel(registry_auth_find(&request)); /* at once */
    uv_run(&loop, UV_RUN_DEFAULT);
    /* and while a helper runs */
    struct cancelling cancelling = {.call = NULL};
    make_file(dir, CONFIG, "{\"credsStore\":\"slow\"}", 0600);
    make_helper(dir, "slow", "echo $$ >$TEST_DIR/x; mv $TEST_DIR/x $TEST_DIR/child; sleep 600");
    cancelling.event.data = &cancelling;
    uv_fs_event_init(&loop, &cancelling.event);
    assert_int_equal(uv_fs_event_start(&cancelling.event, on_asked, dir, 0), 0);
    cancelling.call = registry_auth_find(&request);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    assert_int_equal(seen.count, 0);
    expect_end(dir, "child");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(uses_the_definition),
        UNIT_HOME(refuses_a_broken_definition),
        UNIT_HOME(says_where_it_looked),
        UNIT_HOME(follows_the_order_of_stores),
        UNIT_HOME(matches_keys),
        UNIT_HOME(reads_entries),
        UNIT_HOME(refuses_malformed_stores),
        UNIT_HOME(asks_helpers),
        UNIT_HOME(tells_what_helpers_did_wrong),
        UNIT_HOME(kills_helpers_that_hang),
        UNIT_HOME(does_not_wait_for_daemons),
        UNIT_HOME(can_be_cancelled),
    };
    alarm(120); /* a call that never ends */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
