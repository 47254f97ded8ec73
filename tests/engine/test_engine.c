/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's operations against a real Docker Engine and a private registry: see with-docker and
 * with-registry beside this file. */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit.h"
/* keep apart */
#include "tests/engine/engine_fixture.h"

#define IMAGE "skiff.test/tiny:1"
#define DOCKERFILE "FROM scratch\nCOPY tiny /tiny\nENTRYPOINT [\"/tiny\"]\n"

static void greets(void **state)
{
    struct place *place = *state;
    assert_string_equal(json_get_string(place->answer, "engine", ""), "Docker");
    assert_true(strlen(engine_api(place->engine)) >= 4);
    DO(place, engine_info(place->engine, ON));
    SUCCEEDS(place);
    assert_non_null(json_get_string(place->answer, "ServerVersion", NULL));
}

static void builds(void **state)
{
    struct place *place = *state;
    place_build(place, IMAGE, DOCKERFILE);
    SUCCEEDS(place);
    AUTO_FREE char *id = xstrdup(json_get_string(place->answer, "id", ""));
    assert_int_equal(strncmp(id, "sha256:", 7), 0);
    assert_true(place->changes >= 3);
    assert_int_equal(place->cached, 0);
    assert_non_null(strstr(place->text.data, "COPY tiny /tiny"));
    place_build(place, IMAGE, DOCKERFILE);
    SUCCEEDS(place);
    assert_string_equal(json_get_string(place->answer, "id", ""), id);
    assert_true(place->cached >= 2);
    DO(place, engine_image_inspect(place->engine, IMAGE, ON));
    SUCCEEDS(place);
    assert_string_equal(json_get_string(place->answer, "Id", ""), id);
    DO(place, engine_image_list(place->engine, LABEL "=yes", ON));
    SUCCEEDS(place);
    assert_int_equal(json_array_size(place->answer), 1);
    DO(place, engine_image_list(place->engine, LABEL "=no", ON));
    assert_int_equal(json_array_size(place->answer), 0);
}

static void explains_a_failed_build(void **state)
{
    struct place *place = *state;
    place_build(place, "skiff.test/bad:1", "FROM scratch\nCOPY nothing /x\n");
    assert_true(error_is_set(&place->err));
    if (strstr(place->err.text, "building skiff.test/bad:1: step 2 of 3 (COPY nothing /x): ") ==
        NULL)
        fail_msg("%s", place->err.text);
    place_build(place, "skiff.test/bad:1",
                "FROM scratch\nCOPY tiny /tiny\nRUN [\"/tiny\", \"a\", \"b\"]\n");
    assert_int_equal(place->err.code, ERROR_FAILED);
    if (strstr(place->err.text, "step 3 of 4 (RUN [\"/tiny\", \"a\", \"b\"])") == NULL ||
        strstr(place->err.text, "non-zero code: 2") == NULL)
        fail_msg("%s", place->err.text);
    place_build(place, "skiff.test/bad:1", "FROM scratch\nNONSENSE\n");
    assert_true(error_is_set(&place->err));
    assert_non_null(strstr(place->err.text, "NONSENSE"));
}

static void runs(void **state)
{
    struct place *place = *state;
    struct engine *engine = place->engine;
    place_build(place, IMAGE, DOCKERFILE);
    place_create(place, "skiff-test-runs", IMAGE, json_pack("[s,s,s]", "one", "two", "three"));
    SUCCEEDS(place);
    AUTO_FREE char *id = xstrdup(json_get_string(place->answer, "Id", ""));
    place_create(place, "skiff-test-runs", IMAGE, json_pack("[s]", "x"));
    assert_int_equal(place->err.code, ERROR_EXISTS);
    DO(place, engine_list(engine, LABEL "=skiff-test-runs", ON));
    assert_int_equal(json_array_size(place->answer), 1);
    assert_string_equal(json_get_string(json_array_get(place->answer, 0), "Id", ""), id);
    DO(place, engine_start(engine, id, ON));
    SUCCEEDS(place);
    DO(place, engine_wait(engine, id, ON));
    SUCCEEDS(place);
    assert_int_equal(json_get_int(place->answer, "StatusCode", -1), 3);
    DO(place, engine_inspect(engine, id, ON));
    SUCCEEDS(place);
    assert_string_equal(json_get_string(json_object_get(place->answer, "State"), "Status", ""),
                        "exited");
    buf_clear(&place->text);
    DO(place, engine_logs(engine, id, false, true, place_log, ON));
    SUCCEEDS(place);
    assert_string_equal(place->text.data, "two\n");
    assert_string_equal(place->errors.data, "one\nthree\n");
    DO(place, engine_stop(engine, id, 1, ON)); /* it does not run: nothing to do */
    SUCCEEDS(place);
    DO(place, engine_kill(engine, id, "SIGTERM", ON));
    assert_int_equal(place->err.code, ERROR_BUSY);
    DO(place, engine_remove(engine, id, ON));
    SUCCEEDS(place);
    DO(place, engine_remove(engine, id, ON));
    assert_int_equal(place->err.code, ERROR_NOT_FOUND);
}

static void note_event(const json_t *event, void *data)
{
    struct place *place = data;
    buf_printf(&place->text, "%s ", json_get_string(event, "Action", "?"));
    place->heard = place->heard || strcmp(json_get_string(event, "Action", ""), "die") == 0;
}

static void hears_of_the_end(void **state)
{
    struct place *place = *state;
    struct engine *engine = place->engine;
    place_build(place, IMAGE, DOCKERFILE);
    place_create(place, "skiff-test-end", IMAGE, json_pack("[s]", "pause"));
    SUCCEEDS(place);
    buf_clear(&place->text);
    place->heard = false;
    struct engine_op *events =
        engine_events(engine, LABEL "=skiff-test-end", 1, note_event, place_done, place);
    DO(place, engine_start(engine, "skiff-test-end", ON));
    SUCCEEDS(place);
    DO(place, engine_kill(engine, "skiff-test-end", "SIGKILL", ON));
    SUCCEEDS(place);
    place_wait(place, &place->heard);
    engine_cancel(events);
    assert_non_null(strstr(place->text.data, "start "));
    DO(place, engine_wait(engine, "skiff-test-end", ON)); /* over already */
    SUCCEEDS(place);
    assert_int_equal(json_get_int(place->answer, "StatusCode", -1), 137);
    DO(place, engine_remove(engine, "skiff-test-end", ON));
    SUCCEEDS(place);
}

static void tells_faults_apart(void **state)
{
    struct place *place = *state;
    struct engine *engine = place->engine;
    DO(place, engine_image_inspect(engine, "skiff.test/none:1", ON));
    assert_int_equal(place->err.code, ERROR_NOT_FOUND);
    DO(place, engine_inspect(engine, "skiff-test-none", ON));
    assert_int_equal(place->err.code, ERROR_NOT_FOUND);
    DO(place, engine_image_inspect(engine, "Not/An:Image:at all", ON));
    assert_true(error_is_set(&place->err));
    place_create(place, "skiff-test-none", "skiff.test/none:1", json_pack("[s]", "x"));
    assert_int_equal(place->err.code, ERROR_NOT_FOUND);
    struct engine_pull_request request = {
        .image = "127.0.0.1:1/a:1", .done = place_done, .data = place};
    DO(place, engine_pull(engine, &request));
    if (place->err.code != ERROR_BUSY)
        fail_msg("%s", place->err.text);
    assert_non_null(strstr(place->err.text, "cannot be reached"));
}

static void on_pull(const struct engine_pull *pull, void *data)
{
    struct place *place = data;
    if (pull->layer_count > place->layers)
        place->layers = pull->layer_count;
    assert_true(pull->layers_done <= pull->layer_count);
}

/* {"username": ..., "password": ...} as the header wants it. */
static char *auth_of(const char *password)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    AUTO_FREE char *text =
        xasprintf("{\"username\":\"sam\",\"password\":\"%s\",\"serveraddress\":\"%s\"}", password,
                  getenv("REGISTRY"));
    AUTO_BUF struct buf encoded = BUF_INIT;
    size_t size = strlen(text);
    for (size_t i = 0; i < size; i += 3) {
        unsigned bits = (unsigned)(unsigned char)text[i] << 16;
        bits |= i + 1 < size ? (unsigned)(unsigned char)text[i + 1] << 8 : 0;
        bits |= i + 2 < size ? (unsigned)(unsigned char)text[i + 2] : 0;
        buf_putc(&encoded, digits[bits >> 18]);
        buf_putc(&encoded, digits[bits >> 12 & 63]);
        buf_putc(&encoded, i + 1 < size ? digits[bits >> 6 & 63] : '=');
        buf_putc(&encoded, i + 2 < size ? digits[bits & 63] : '=');
    }
    return buf_steal(&encoded);
}

/* What the engine's own client does; ours has no need to push. */
static void push(const char *image)
{
    AUTO_FREE char *folder = xasprintf("%s/tests/engine/docker-config", getenv("SKIFF_BUILD"));
    setenv("DOCKER_CONFIG", folder, 1);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("sh", "sh", "-c",
               "echo letmein | docker login -u sam --password-stdin \"$REGISTRY\" && exec docker "
               "push \"$0\"",
               image, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void pulls_from_a_private_registry(void **state)
{
    struct place *place = *state;
    struct engine *engine = place->engine;
    AUTO_FREE char *image = xasprintf("%s/team/tiny:1", getenv("REGISTRY"));
    AUTO_FREE char *unknown_tag = xasprintf("%s/team/tiny:2", getenv("REGISTRY"));
    AUTO_FREE char *unknown_name = xasprintf("%s/team/none:1", getenv("REGISTRY"));
    AUTO_FREE char *right = auth_of("letmein");
    AUTO_FREE char *wrong = auth_of("letmeout");
    place_build(place, image, DOCKERFILE);
    SUCCEEDS(place);
    push(image);
    DO(place, engine_image_remove(engine, image, ON));
    SUCCEEDS(place);
    DO(place, engine_image_remove(engine, IMAGE, ON)); /* it has the same layer */
    place->layers = 0;
    const struct {
        const char *image;
        const char *auth;
        enum error_code code;
        const char *says;
    } cases[] = {
        {image, NULL, ERROR_DENIED, "the registry wants a user name and password"},
        {image, wrong, ERROR_DENIED, "the registry refuses the user name or password"},
        {unknown_tag, right, ERROR_NOT_FOUND, "there is no such image"},
        {unknown_name, right, ERROR_NOT_FOUND, "there is no such image"},
        {image, right, ERROR_NONE, NULL},
        {image, right, ERROR_NONE, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct engine_pull_request request = {.image = cases[i].image,
                                              .auth = cases[i].auth,
                                              .progress = on_pull,
                                              .done = place_done,
                                              .data = place};
        DO(place, engine_pull(engine, &request));
        if (place->err.code != cases[i].code ||
            (cases[i].says != NULL && strstr(place->err.text, cases[i].says) == NULL))
            fail_msg("case %zu: %s", i, place->err.text);
    }
    assert_int_equal(place->layers, 1);
    assert_int_equal(strncmp(json_get_string(place->answer, "digest", ""), "sha256:", 7), 0);
    assert_true(json_get_bool(place->answer, "up_to_date", false));
    /* By its digest it is the same one. */
    AUTO_FREE char *pinned = xasprintf("%s/team/tiny@%s", getenv("REGISTRY"),
                                       json_get_string(place->answer, "digest", ""));
    struct engine_pull_request request = {
        .image = pinned, .auth = right, .done = place_done, .data = place};
    DO(place, engine_pull(engine, &request));
    SUCCEEDS(place);
    DO(place, engine_image_inspect(engine, pinned, ON));
    SUCCEEDS(place);
    DO(place, engine_image_remove(engine, image, ON));
    SUCCEEDS(place);
    DO(place, engine_image_remove(engine, pinned, ON));
    assert_true(place->err.code == ERROR_NONE || place->err.code == ERROR_NOT_FOUND);
}

static void names_and_removes_images(void **state)
{
    struct place *place = *state;
    struct engine *engine = place->engine;
    place_build(place, IMAGE, DOCKERFILE);
    DO(place, engine_image_tag(engine, IMAGE, "skiff.test/other", "2", ON));
    SUCCEEDS(place);
    DO(place, engine_image_remove(engine, IMAGE, ON));
    SUCCEEDS(place);
    DO(place, engine_image_inspect(engine, "skiff.test/other:2", ON));
    SUCCEEDS(place);
    DO(place, engine_image_remove(engine, "skiff.test/other:2", ON));
    SUCCEEDS(place);
    DO(place, engine_image_list(engine, LABEL "=yes", ON));
    assert_int_equal(json_array_size(place->answer), 0);
}

static void on_events_ended(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct place *place = data;
    assert_int_equal(err->code, ERROR_BUSY);
    place->heard = true;
}

/* The last test: there is no engine after it. */
static void tells_that_the_engine_was_killed(void **state)
{
    struct place *place = *state;
    struct engine *engine = place->engine;
    AUTO_BUF struct buf text = BUF_INIT;
    assert_int_equal(file_read(getenv("WITH_DOCKER_PIDFILE"), FILE_SMALL_MAX, &text, NULL), 0);
    pid_t pid = (pid_t)strtol(text.data, NULL, 10);
    place_build(place, IMAGE, DOCKERFILE);
    place_create(place, "skiff-test-killed", IMAGE, json_pack("[s]", "pause"));
    DO(place, engine_start(engine, "skiff-test-killed", ON));
    SUCCEEDS(place);
    place->heard = false;
    engine_events(engine, LABEL, 0, note_event, on_events_ended, place);
    place_forget(place);
    engine_wait(engine, "skiff-test-killed", ON);
    assert_int_equal(kill(pid, SIGKILL), 0);
    place_wait(place, &place->done);
    assert_int_equal(place->err.code, ERROR_BUSY);
    place_wait(place, &place->heard);
    do { /* while it dies a connection may still be taken, and is cut */
        DO(place, engine_connect(engine, ON));
        assert_int_equal(place->err.code, ERROR_BUSY);
    } while (place->err.hint == NULL);
    assert_non_null(strstr(place->err.hint, "is the service running?"));
}

#define REAL(test) cmocka_unit_test_setup_teardown(test, place_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        REAL(greets),
        REAL(builds),
        REAL(explains_a_failed_build),
        REAL(runs),
        REAL(hears_of_the_end),
        REAL(tells_faults_apart),
        REAL(pulls_from_a_private_registry),
        REAL(names_and_removes_images),
        REAL(tells_that_the_engine_was_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
