/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's operations against an engine that answers as it is told. */
#include "submission/engine.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "tests/unit.h"
#include "tests/unit/submission/fake_http.h"

#define CANARY "canary-5up3r53cr3t"
#define OK(length) "HTTP/1.1 200 OK\r\nContent-Length: " #length "\r\n\r\n"
#define UNTIL_END "HTTP/1.1 200 OK\r\n\r\n"
#define PING(headers)                                                         \
    {                                                                         \
        .match = "GET /_ping ",                                               \
        .answer = "HTTP/1.1 200 OK\r\n" headers "Content-Length: 2\r\n\r\nOK" \
    }
#define DOCKER PING("Api-Version: 1.41\r\n")

struct place {
    uv_loop_t loop;
    struct http *http;
    struct engine *engine;
    struct fake_http fake;
    /* of the last operation */
    struct engine_op *op;
    bool done;
    int done_count;
    json_t *answer;
    struct error err;
    /* what it streamed */
    struct buf streamed;
    int count;
    int steps;
    const char *context;
    bool cancel_inside;
};

static void on_done(const json_t *answer, const struct error *err, void *data)
{
    struct place *place = data;
    engine_cancel(place->op); /* harmless */
    place->done = true;
    place->done_count++;
    place->answer = json_deep_copy(answer);
    if (err == NULL)
        return;
    error_set(&place->err, err->code, "%s", err->text);
    if (err->hint != NULL)
        error_hint(&place->err, "%s", err->hint);
}

/* Waits for the operation, whose outcome is in the place until the next. */
static void finish(struct place *place, struct engine_op *op)
{
    json_decref(place->answer);
    place->answer = NULL;
    error_clear(&place->err);
    place->done = false;
    place->done_count = 0;
    place->op = op;
    fake_run_until(&place->loop, &place->done);
    assert_int_equal(place->done_count, 1);
}

static void place_open(struct place *place, const struct fake_route *routes, size_t count)
{
    *place = (struct place){.done = false};
    uv_loop_init(&place->loop);
    place->http = http_new(&place->loop);
    fake_open(&place->fake, &place->loop, routes, count);
    AUTO_FREE char *address = xasprintf("unix://%s", place->fake.path);
    AUTO_ERROR struct error err = ERROR_INIT;
    place->engine = engine_new(place->http, address, NULL, &err);
    assert_non_null(place->engine);
    finish(place, engine_connect(place->engine, on_done, place));
}

static void place_close(struct place *place)
{
    engine_free(place->engine);
    http_free(place->http);
    fake_close(&place->fake);
    uv_run(&place->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&place->loop), 0);
    json_decref(place->answer);
    error_clear(&place->err);
    buf_done(&place->streamed);
}

static void sent(const struct place *place, const char *what)
{
    if (strstr(place->fake.seen.data, what) == NULL)
        fail_msg("%s\nis not in\n%s", what, place->fake.seen.data);
}

/* --- addresses and greeting ------------------------------------------------------------------- */

static void knows_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        const char *tls;
        enum error_code code;
        const char *says;
    } cases[] = {
        {"unix:///run/docker.sock", NULL, 0, "unix:///run/docker.sock"},
        {"/run/docker.sock", NULL, 0, "unix:///run/docker.sock"},
        {"tcp://engine:2375", NULL, 0, "tcp://engine:2375"},
        {"tcp://engine:2376/", "/nowhere", ERROR_NOT_FOUND, "/nowhere/ca.pem"},
        {"ssh://sam@far:22", NULL, ERROR_UNSUPPORTED, "ssh -nNT -L"},
        {"ssh://sam:" CANARY "@far", NULL, ERROR_UNSUPPORTED, "USER@far;"},
        {"npipe:////./pipe/x", NULL, ERROR_INVALID, "unix:///"},
        {"http://sam:" CANARY "@x", NULL, ERROR_INVALID, "tcp://"},
        {"tcp://", NULL, ERROR_INVALID, "tcp://host:port"},
        {"unix://relative", NULL, ERROR_INVALID, "unix:///"},
        {"", NULL, ERROR_INVALID, "unix:///"},
    };
    uv_loop_t loop;
    uv_loop_init(&loop);
    struct http *http = http_new(&loop);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        struct engine *engine = engine_new(http, cases[i].address, cases[i].tls, &err);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(engine != NULL, cases[i].code == 0);
        AUTO_FREE char *shown = engine != NULL ? xstrdup(engine_where(engine)) : error_format(&err);
        if (strstr(shown, cases[i].says) == NULL || strstr(shown, CANARY) != NULL)
            fail_msg("%s: %s", cases[i].address, shown);
        engine_free(engine);
    }
    http_free(http);
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
}

static void settles_on_a_version(void **state)
{
    (void)state;
    static const struct {
        struct fake_route route;
        enum error_code code;
        const char *api;
        bool podman;
    } cases[] = {
        {DOCKER, 0, "1.41", false},
        {PING("API-Version: 1.40\r\n"), 0, "1.40", false},
        {PING("Api-Version: 1.52\r\n"), 0, "1.44", false},
        {PING("Api-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\n"), 0, "1.41", true},
        {PING("Api-Version: 1.39\r\n"), ERROR_UNSUPPORTED, "", false},
        {PING("Api-Version: 2.0\r\n"), ERROR_UNSUPPORTED, "", false},
        {PING("Api-Version: new\r\n"), ERROR_UNSUPPORTED, "", false},
        {PING(""), ERROR_UNSUPPORTED, "", false},
        {{.match = "GET /_ping ", .answer = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"},
         ERROR_DENIED,
         "",
         false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct place place;
        place_open(&place, &cases[i].route, 1);
        assert_int_equal(place.err.code, cases[i].code);
        assert_string_equal(engine_api(place.engine), cases[i].api);
        assert_int_equal(engine_is_podman(place.engine), cases[i].podman);
        if (cases[i].code == 0)
            assert_string_equal(json_get_string(place.answer, "api", ""), cases[i].api);
        else
            assert_non_null(strstr(place.err.text, place.fake.path));
        place_close(&place);
    }
}

static void says_when_nobody_is_there(void **state)
{
    (void)state;
    static const struct fake_route route = DOCKER;
    struct place place;
    place_open(&place, &route, 1);
    AUTO_ERROR struct error err = ERROR_INIT;
    struct engine *gone = engine_new(place.http, "/nowhere/docker.sock", NULL, &err);
    finish(&place, engine_connect(gone, on_done, &place));
    assert_int_equal(place.err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(place.err.text, "unix:///nowhere/docker.sock"));
    engine_free(gone);
    place_close(&place);
}

/* --- looks and changes ------------------------------------------------------------------------ */

static void speaks_the_api(void **state)
{
    (void)state;
    static const struct fake_route routes[] = {
        DOCKER,
        {.match = "GET /v1.41/containers/0a/json ", .answer = OK(11) "{\"Id\":\"0a\"}"},
        {.match = "GET /v1.41/containers/json?all=1&filters=", .answer = OK(2) "[]"},
        {.match = "POST /v1.41/containers/create?name=a%2Fb ",
         .answer = "HTTP/1.1 201 Created\r\nContent-Length: 11\r\n\r\n{\"Id\":\"0a\"}"},
        {.match = "POST /v1.41/containers/0a/start ",
         .answer = "HTTP/1.1 304 Not Modified\r\n\r\n"},
        {.match = "POST /v1.41/containers/0a/stop?t=7 ",
         .answer = "HTTP/1.1 204 No Content\r\n\r\n"},
        {.match = "POST /v1.41/containers/0a/kill?signal=SIGTERM ",
         .answer = "HTTP/1.1 409 Conflict\r\nContent-Length: 44\r\n\r\n"
                   "{\"message\":\"Container 0a is not running now\"}"},
        {.match = "DELETE /v1.41/containers/0a?force=1&v=1 ",
         .answer = "HTTP/1.1 404 Not Found\r\nContent-Length: 37\r\n\r\n"
                   "{\"message\":\"No such container: 0a..\"}"},
        {.match = "POST /v1.41/containers/0a/wait ",
         .answer = OK(16) "{\"StatusCode\":3}",
         .cut = 1},
        {.match = "GET /v1.41/images/reg:5000/a/b@sha256:12/json ", .answer = OK(5) "{\"a\"x"},
        {.match = "POST /v1.41/images/0a/tag?repo=reg%2Fa&tag=1 ",
         .answer = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
        {.match = "DELETE /v1.41/images/reg/a:1 ", .answer = OK(2) "[]"},
        {.match = "GET /v1.41/images/json?filters=%7B%22label%22%3A%5B%22org.skiff%3D1%22%5D%7D ",
         .answer = OK(2) "[]"},
    };
    struct place place;
    place_open(&place, routes, ARRAY_SIZE(routes));
    struct engine *engine = place.engine;
    AUTO_JSON json_t *body = json_pack("{s:s}", "Image", "a");
    finish(&place, engine_inspect(engine, "0a", on_done, &place));
    assert_string_equal(json_get_string(place.answer, "Id", ""), "0a");
    finish(&place, engine_list(engine, "org.skiff.run", on_done, &place));
    assert_true(json_is_array(place.answer));
    finish(&place, engine_create(engine, "a/b", body, on_done, &place));
    assert_string_equal(json_get_string(place.answer, "Id", ""), "0a");
    sent(&place, "{\"Image\":\"a\"}");
    finish(&place, engine_start(engine, "0a", on_done, &place));
    assert_int_equal(place.err.code, 0);
    finish(&place, engine_stop(engine, "0a", 7, on_done, &place));
    assert_int_equal(place.err.code, 0);
    finish(&place, engine_kill(engine, "0a", "SIGTERM", on_done, &place));
    assert_int_equal(place.err.code, ERROR_BUSY);
    finish(&place, engine_remove(engine, "0a", on_done, &place));
    assert_int_equal(place.err.code, ERROR_NOT_FOUND);
    assert_string_equal(place.err.text, "removing the container 0a: No such container: 0a..");
    finish(&place, engine_wait(engine, "0a", on_done, &place));
    assert_int_equal(json_get_int(place.answer, "StatusCode", -1), 3);
    finish(&place, engine_image_inspect(engine, "reg:5000/a/b@sha256:12", on_done, &place));
    assert_int_equal(place.err.code, ERROR_CORRUPT);
    finish(&place, engine_image_tag(engine, "0a", "reg/a", "1", on_done, &place));
    assert_int_equal(place.err.code, 0);
    finish(&place, engine_image_remove(engine, "reg/a:1", on_done, &place));
    assert_int_equal(place.err.code, 0);
    finish(&place, engine_image_list(engine, "org.skiff=1", on_done, &place));
    assert_int_equal(place.err.code, 0);
    place_close(&place);
}

/* --- pulls ------------------------------------------------------------------------------------ */

static void on_pull(const struct engine_pull *pull, void *data)
{
    struct place *place = data;
    place->count = pull->layer_count;
    if (place->cancel_inside) {
        engine_cancel(place->op);
        place->done = true;
    }
}

#define LAYERS                                                                            \
    "{\"status\":\"Pulling fs layer\",\"progressDetail\":{},\"id\":\"aaaaaaaaaaaa\"}\r\n" \
    "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1,\"total\":2},\"id\":"  \
    "\"aaaaaaaaaaaa\"}\r\n"

static void pulls(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum error_code code;
        const char *says;
    } cases[] = {
        {UNTIL_END LAYERS "{\"status\":\"Digest: sha256:12\"}\r\n", 0, NULL},
        {UNTIL_END LAYERS
         "{\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"x\"}\r\n",
         ERROR_NOT_FOUND, "manifest unknown"},
        {UNTIL_END LAYERS "{\"errorDetail\":{\"message\":\"toomanyrequests: slow\"}}", ERROR_LIMIT,
         "rate limit"},
        {UNTIL_END LAYERS "{\"status\":", ERROR_BUSY, "in the middle"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}\r\n{\r\n", ERROR_BUSY,
         "in the middle"},
        {UNTIL_END LAYERS "<html>", ERROR_CORRUPT, "no stream"},
        {"HTTP/1.1 500 No\r\n\r\n{\"message\":\"Get \\\"https://r/v2/\\\": no basic auth "
         "credentials\"}",
         ERROR_DENIED, "refuses the user name or password"},
        {"HTTP/1.1 500 No\r\n\r\n{\"message\":\"x: unauthorized: incorrect username or password\"}",
         ERROR_DENIED, "refuses the user name or password"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        for (size_t cut = 0; cut < 30; cut += 7) {
            const struct fake_route routes[] = {
                DOCKER,
                {.match = "POST /v1.41/images/create?fromImage=r%2Fa&tag=latest ",
                 .answer = cases[i].answer,
                 .cut = cut,
                 .closes = true},
            };
            struct place place;
            place_open(&place, routes, 2);
            struct engine_pull_request request = {.image = "r/a",
                                                  .auth = CANARY,
                                                  .progress = on_pull,
                                                  .done = on_done,
                                                  .data = &place};
            finish(&place, engine_pull(place.engine, &request));
            sent(&place, "\r\nX-Registry-Auth: " CANARY "\r\n");
            if (place.err.code != cases[i].code)
                fail_msg("case %zu: %s", i, place.err.text);
            if (cases[i].code == 0) {
                assert_int_equal(place.count, 1);
                assert_string_equal(json_get_string(place.answer, "digest", ""), "sha256:12");
            } else {
                AUTO_FREE char *shown = error_format(&place.err);
                assert_non_null(strstr(shown, cases[i].says));
                assert_non_null(strstr(shown, "pulling r/a"));
                assert_null(strstr(shown, CANARY));
            }
            place_close(&place);
        }
    }
}

static void cancels_inside_and_out(void **state)
{
    (void)state;
    static const struct fake_route routes[] = {
        DOCKER,
        {.match = "POST /v1.41/images/create", .answer = UNTIL_END LAYERS LAYERS},
        {.match = "POST /v1.41/containers/0a/wait "},
    };
    struct place place;
    place_open(&place, routes, ARRAY_SIZE(routes));
    place.done = false;
    place.done_count = 0;
    place.cancel_inside = true;
    struct engine_pull_request request = {
        .image = "r/a:1", .progress = on_pull, .done = on_done, .data = &place};
    place.op = engine_pull(place.engine, &request);
    fake_run_until(&place.loop, &place.done);
    place.op = NULL;
    engine_cancel(engine_wait(place.engine, "0a", on_done, &place));
    engine_wait(place.engine, "0a", on_done, &place); /* engine_free() ends it */
    uv_run(&place.loop, UV_RUN_NOWAIT);
    place_close(&place);
    assert_int_equal(place.done_count, 0);
}

/* --- builds ----------------------------------------------------------------------------------- */

static ssize_t give_context(char *room, size_t size, struct error *err, void *data)
{
    struct place *place = data;
    if (place->context == NULL)
        return error_set(err, ERROR_IO, "cannot read the folder");
    size_t length = strlen(place->context);
    length = length < size ? length : size;
    memcpy(room, place->context, length);
    place->context += length;
    return (ssize_t)length;
}

static void on_build(const struct engine_steps *steps, bool step_changed, const char *bytes,
                     size_t size, void *data)
{
    struct place *place = data;
    place->count += step_changed;
    place->steps = steps->count;
    buf_append(&place->streamed, bytes, size);
}

#define STREAM(text) "{\"stream\":\"" text "\"}\r\n"

static void builds(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        const char *context;
        const char *id;
        enum error_code code;
        const char *says;
    } cases[] = {
        {UNTIL_END STREAM("Step 1/2 : FROM a") STREAM("\\n") STREAM(" ---\\u003e 0a\\n")
             STREAM("Step 2/2 : RUN x\\n") "{\"aux\":{\"ID\":\"sha256:12\"}}\r\n" STREAM(
                 "Successfully built 12\\n"),
         "the context", "sha256:12", 0, NULL},
        {UNTIL_END STREAM("STEP 1/2: FROM a\\n") STREAM("STEP 2/2: RUN x\\n")
             STREAM("Successfully built 12\\n"),
         "the context", "12", 0, NULL},
        {UNTIL_END STREAM("Step 1/2 : FROM a\\n") STREAM("Step 2/2 : RUN x\\n")
             STREAM("no x here\\n") "{\"errorDetail\":{\"message\":\"The command 'x' returned a "
                                    "non-zero code: 1\"}}",
         "the context", NULL, ERROR_FAILED,
         "building t:1: step 2 of 2 (RUN x): The command 'x' returned a non-zero code: 1\nno x "
         "here"},
        {"HTTP/1.1 400 Bad\r\n\r\n{\"message\":\"dockerfile parse error line 2: unknown "
         "instruction: X\"}",
         "the context", NULL, ERROR_INVALID, "line 2"},
        {UNTIL_END, "the context", NULL, ERROR_BUSY, "without an image"},
        {UNTIL_END, NULL, NULL, ERROR_IO, "cannot read the folder"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct fake_route routes[] = {
            DOCKER,
            {.match = "POST /v1.41/build?version=1&rm=1&forcerm=1&t=t%3A1&labels=%7B%22l%22",
             .answer = cases[i].answer,
             .closes = true},
        };
        struct place place;
        place_open(&place, routes, 2);
        AUTO_JSON json_t *labels = json_pack("{s:s}", "l", "v");
        place.context = cases[i].context;
        struct engine_build_request request = {.tag = "t:1",
                                               .labels = labels,
                                               .auth = CANARY,
                                               .pull = give_context,
                                               .output = on_build,
                                               .done = on_done,
                                               .data = &place};
        finish(&place, engine_build(place.engine, &request));
        if (place.err.code != cases[i].code)
            fail_msg("case %zu: %s", i, place.err.text);
        if (cases[i].code == 0) {
            assert_int_equal(place.count, 2);
            assert_int_equal(place.steps, 2);
            assert_string_equal(json_get_string(place.answer, "id", ""), cases[i].id);
            sent(&place, "\r\nContent-Type: application/x-tar\r\n");
            sent(&place, "\r\nX-Registry-Config: " CANARY "\r\n");
            sent(&place, "\r\nb\r\nthe context\r\n0\r\n\r\n");
        } else if (strstr(place.err.text, cases[i].says) == NULL) {
            fail_msg("case %zu: %s", i, place.err.text);
        }
        place_close(&place);
    }
}

/* --- output and events ------------------------------------------------------------------------ */

static void on_output(int stream, const char *bytes, size_t size, void *data)
{
    struct place *place = data;
    place->count += stream == 2;
    buf_append(&place->streamed, bytes, size);
}

static void reads_output(void **state)
{
    (void)state;
    static const char framed[] = UNTIL_END "\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\3err";
    static const char cut[] = UNTIL_END "\1\0\0\0\0\0\0\3on";
    static const struct fake_route routes[] = {
        DOCKER,
        {.match = "GET /v1.41/containers/0a/logs?stdout=1&stderr=1&follow=1 ",
         .answer = framed,
         .size = sizeof framed - 1,
         .closes = true},
        {.match = "GET /v1.41/containers/0b/logs?stdout=1&stderr=1 ",
         .answer = UNTIL_END "raw",
         .closes = true},
        {.match = "GET /v1.41/containers/0c/logs",
         .answer = cut,
         .size = sizeof cut - 1,
         .closes = true},
    };
    struct place place;
    place_open(&place, routes, ARRAY_SIZE(routes));
    finish(&place, engine_logs(place.engine, "0a", false, true, on_output, on_done, &place));
    assert_int_equal(place.err.code, 0);
    assert_string_equal(place.streamed.data, "oneerr");
    assert_int_equal(place.count, 1);
    finish(&place, engine_logs(place.engine, "0b", true, false, on_output, on_done, &place));
    assert_string_equal(place.streamed.data, "oneerrraw");
    finish(&place, engine_logs(place.engine, "0c", false, false, on_output, on_done, &place));
    assert_int_equal(place.err.code, ERROR_BUSY);
    place_close(&place);
}

static void on_event(const json_t *event, void *data)
{
    struct place *place = data;
    buf_puts(&place->streamed, json_get_string(event, "Action", "?"));
}

static void hears_events(void **state)
{
    (void)state;
    static const struct fake_route routes[] = {
        DOCKER,
        {.match =
             "GET /v1.41/events?filters=%7B%22label%22%3A%5B%22run%3D1%22%5D%2C%22type%22%3A%5B"
             "%22container%22%5D%7D&since=77 ",
         .answer = UNTIL_END "{\"Action\":\"start\"}\n{\"Action\":\"die\"}\n",
         .closes = true},
    };
    struct place place;
    place_open(&place, routes, 2);
    finish(&place, engine_events(place.engine, "run=1", 77, on_event, on_done, &place));
    assert_string_equal(place.streamed.data, "startdie");
    assert_int_equal(place.err.code, ERROR_BUSY);
    place_close(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(knows_addresses),
        UNIT(settles_on_a_version),
        UNIT(says_when_nobody_is_there),
        UNIT(speaks_the_api),
        UNIT(pulls),
        UNIT(cancels_inside_and_out),
        UNIT(builds),
        UNIT(reads_output),
        UNIT(hears_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
