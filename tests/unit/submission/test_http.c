/* SPDX-License-Identifier: BSD-3-Clause */
/* HTTP against a server that answers as it is told: whole, in pieces, too much, nothing. */
#include "submission/http.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "tests/unit.h"
#include "tests/unit/submission/fake_http.h"

#define CANARY "canary-5up3r53cr3t"
#define OK "HTTP/1.1 200 OK\r\n"

/* --- one request and what became of it -------------------------------------------------------- */

struct seen {
    bool done;
    int done_count;
    int status;
    struct buf body;
    struct buf streamed;
    char *header; /* X-Test of the answer */
    struct error err;
    struct http_call *call;
    bool headers_told;
    bool cancel_at_data;
    bool pause_once;
    const char *pull_text;
    bool pull_waits;
    bool pull_fails;
};

static void seen_done(struct seen *seen)
{
    buf_done(&seen->body);
    buf_done(&seen->streamed);
    free(seen->header);
    error_clear(&seen->err);
}
#define AUTO_SEEN __attribute__((cleanup(seen_done)))

static void on_done(const struct http_response *response, const struct error *err, void *data)
{
    struct seen *seen = data;
    seen->done = true;
    seen->done_count++;
    seen->status = response->status;
    buf_append(&seen->body, response->body.data != NULL ? response->body.data : "",
               response->body.size);
    replace(&seen->header, xstrdup_or_null(http_header(response, "x-test")));
    if (err != NULL) {
        error_set(&seen->err, err->code, "%s", err->text);
        if (err->hint != NULL)
            error_hint(&seen->err, "%s", err->hint);
    }
}

static void on_headers(const struct http_response *response, void *data)
{
    struct seen *seen = data;
    assert_int_not_equal(response->status, 0);
    assert_int_equal(seen->streamed.size, 0);
    seen->headers_told = true;
}

static int on_data(const char *bytes, size_t size, struct error *err, void *data)
{
    (void)err;
    struct seen *seen = data;
    buf_append(&seen->streamed, bytes, size);
    if (seen->cancel_at_data) {
        http_cancel(seen->call);
        seen->done = true;
    }
    if (seen->pause_once) {
        http_pause(seen->call);
        seen->done = true; /* leaves the loop, for the test to look */
    }
    return 0;
}

static int on_data_refused(const char *bytes, size_t size, struct error *err, void *data)
{
    (void)bytes;
    (void)size;
    (void)data;
    return error_set(err, ERROR_CORRUPT, "not what was wanted");
}

struct place {
    uv_loop_t loop;
    struct http *http;
    struct fake_http fake;
};

static void place_open(struct place *place, const struct fake_route *routes, size_t count)
{
    uv_loop_init(&place->loop);
    place->http = http_new(&place->loop);
    fake_open(&place->fake, &place->loop, routes, count);
}

/* All handles close: nothing is left behind. */
static void place_close(struct place *place)
{
    http_free(place->http);
    fake_close(&place->fake);
    uv_run(&place->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&place->loop), 0);
}

static struct http_request request_of(const struct place *place, struct seen *seen)
{
    return (struct http_request){.method = "GET",
                                 .url = "http://localhost/x",
                                 .unix_socket = place->fake.path,
                                 .done = on_done,
                                 .data = seen};
}

static void run(struct place *place, const struct http_request *request, struct seen *seen)
{
    seen->call = http_start(place->http, request);
    assert_false(seen->done);
    fake_run_until(&place->loop, &seen->done);
    assert_int_equal(seen->done_count, 1);
}

/* --- answers ---------------------------------------------------------------------------------- */

static void collects_answers(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        size_t cut;
        bool closes;
        int status;
        const char *body;
        enum error_code code;
    } cases[] = {
        {OK "Content-Length: 5\r\nX-Test: a b\r\n\r\nhello", 0, false, 200, "hello", 0},
        {OK "Content-Length: 5\r\nX-Test: a b\r\n\r\nhello", 1, false, 200, "hello", 0},
        {OK "Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", 3, false, 200,
         "hello", 0},
        {OK "\r\nuntil the end", 0, true, 200, "until the end", 0},
        {"HTTP/1.1 204 No Content\r\n\r\n", 0, false, 204, "", 0},
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 0, false, 404, "gone", 0},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", 0,
         false, 302, "", 0},
        {"HTTP/1.1 100 Continue\r\nX-Test: no\r\n\r\n" OK "Content-Length: 1\r\n\r\n1", 0, false,
         200, "1", 0},
        /* cut, wrong, or no HTTP at all */
        {OK "Content-Length: 50\r\n\r\nhello", 0, true, 200, "hello", ERROR_BUSY},
        {OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhel", 0, true, 200, "hel", ERROR_BUSY},
        {OK "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", 0, true, 200, "", ERROR_BUSY},
        {OK "Content-Length: -5\r\n\r\n", 0, true, 200, "", ERROR_CORRUPT},
        {"SSH-2.0-OpenSSH_9.2\r\n", 0, true, 0, "", ERROR_CORRUPT},
        {"HTTP/1.1 2", 0, true, 0, "", ERROR_BUSY},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fake_route route = {.match = "GET /x ",
                                   .answer = cases[i].answer,
                                   .cut = cases[i].cut,
                                   .closes = cases[i].closes};
        struct place place;
        AUTO_SEEN struct seen seen = {.done = false};
        place_open(&place, &route, 1);
        struct http_request request = request_of(&place, &seen);
        run(&place, &request, &seen);
        if (seen.err.code != cases[i].code)
            fail_msg("case %zu: %s", i, seen.err.text != NULL ? seen.err.text : "no error");
        if (cases[i].code == 0) {
            assert_int_equal(seen.status, cases[i].status);
            assert_string_equal(seen.body.data, cases[i].body);
        } else {
            assert_non_null(strstr(seen.err.text, place.fake.path));
        }
        if (i < 2)
            assert_string_equal(seen.header, "a b");
        place_close(&place);
    }
}

static void keeps_connections(void **state)
{
    (void)state;
    static const struct fake_route route = {.match = "GET",
                                            .answer = OK "Content-Length: 2\r\n\r\nok"};
    struct place place;
    place_open(&place, &route, 1);
    for (int i = 0; i < 5; i++) {
        AUTO_SEEN struct seen seen = {.done = false};
        struct http_request request = request_of(&place, &seen);
        run(&place, &request, &seen);
        assert_string_equal(seen.body.data, "ok");
    }
    assert_int_equal(place.fake.connections, 1);
    place_close(&place);
}

/* Of the descriptors past the first `from`, how many a program that is started would inherit. */
static int inheritable(int from)
{
    int count = 0;
    for (int fd = from; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        count += flags >= 0 && (flags & FD_CLOEXEC) == 0;
    }
    return count;
}

static void keeps_sockets_to_itself(void **state)
{
    (void)state;
    static const struct fake_route route = {.match = "GET",
                                            .answer = OK "Content-Length: 2\r\n\r\nok"};
    struct place place;
    place_open(&place, &route, 1);
    AUTO_SEEN struct seen first = {.done = false};
    struct http_request request = request_of(&place, &first);
    int before = inheritable(3);
    run(&place, &request, &first);
    assert_int_equal(inheritable(3), before);
    place_close(&place);
}

static void streams_good_answers_only(void **state)
{
    (void)state;
    static const struct fake_route routes[] = {
        {.match = "GET /x ", .answer = OK "Content-Length: 6\r\n\r\nabcdef", .cut = 2},
        {.match = "GET /bad ", .answer = "HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nwhy"},
    };
    struct place place;
    place_open(&place, routes, ARRAY_SIZE(routes));
    AUTO_SEEN struct seen good = {.done = false};
    struct http_request request = request_of(&place, &good);
    request.on_data = on_data;
    request.headers_done = on_headers;
    run(&place, &request, &good);
    assert_true(good.headers_told);
    assert_string_equal(good.streamed.data, "abcdef");
    assert_int_equal(good.body.size, 0);
    AUTO_SEEN struct seen bad = {.done = false};
    request.url = "http://localhost/bad";
    request.data = &bad;
    run(&place, &request, &bad);
    assert_int_equal(bad.status, 500);
    assert_string_equal(bad.body.data, "why");
    assert_int_equal(bad.streamed.size, 0);
    AUTO_SEEN struct seen refused = {.done = false};
    request = request_of(&place, &refused);
    request.on_data = on_data_refused;
    run(&place, &request, &refused);
    assert_int_equal(refused.err.code, ERROR_CORRUPT);
    assert_string_equal(refused.err.text, "not what was wanted");
    place_close(&place);
}

static void bounds_answers(void **state)
{
    (void)state;
    static const char endless[] = OK "\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    static const char headers[] =
        OK "X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n";
    const struct fake_route routes[] = {
        {.match = "GET /x ", .answer = endless, .repeat = 1000000, .repeat_from = 20},
        {.match = "GET /h ", .answer = headers, .repeat = 1000000, .repeat_from = strlen(OK)},
    };
    for (int i = 0; i < 2; i++) {
        struct place place;
        place_open(&place, routes, ARRAY_SIZE(routes));
        AUTO_SEEN struct seen seen = {.done = false};
        struct http_request request = request_of(&place, &seen);
        request.url = i == 0 ? "http://localhost/x" : "http://localhost/h";
        request.max_body = 1000;
        run(&place, &request, &seen);
        assert_int_equal(seen.err.code, ERROR_LIMIT);
        assert_true(seen.body.size <= 1000);
        place_close(&place);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static void sends_bodies(void **state)
{
    (void)state;
    static const struct fake_route route = {.match = "P", .answer = OK "Content-Length: 0\r\n\r\n"};
    static const char *const headers[] = {"X-Mine: 1", "Content-Type: text/x", NULL};
    struct place place;
    place_open(&place, &route, 1);
    AUTO_SEEN struct seen seen = {.done = false};
    struct http_request request = request_of(&place, &seen);
    AUTO_BUF struct buf body = BUF_INIT;
    buf_puts(&body, "a body");
    request.method = "PUT";
    request.body = &body;
    request.headers = headers;
    run(&place, &request, &seen);
    assert_int_equal(seen.status, 200);
    assert_int_equal(body.size, 0); /* taken */
    assert_null(strstr(place.fake.seen.data, "Expect"));
    assert_non_null(strstr(place.fake.seen.data, "PUT /x HTTP/1.1\r\n"));
    assert_non_null(strstr(place.fake.seen.data, "\r\nX-Mine: 1\r\n"));
    assert_non_null(strstr(place.fake.seen.data, "\r\nContent-Type: text/x\r\n"));
    assert_non_null(strstr(place.fake.seen.data, "\r\n\r\na body"));
    AUTO_SEEN struct seen empty = {.done = false};
    request = request_of(&place, &empty);
    request.method = "POST";
    run(&place, &request, &empty);
    assert_int_equal(empty.status, 200);
    assert_non_null(strstr(place.fake.seen.data, "POST /x"));
    assert_non_null(strstr(place.fake.seen.data, "Content-Length: 0\r\n"));
    place_close(&place);
}

/* Three bytes at a time, with a wait in the middle. */
static ssize_t pull(char *room, size_t size, struct error *err, void *data)
{
    struct seen *seen = data;
    if (seen->pull_fails)
        return error_set(err, ERROR_IO, "the disk is gone");
    if (seen->pull_waits && strlen(seen->pull_text) < 6) {
        seen->done = true; /* leaves the loop, for the test to resume */
        return HTTP_WAIT;
    }
    size_t length = strlen(seen->pull_text);
    length = length < 3 ? length : 3;
    length = length < size ? length : size;
    memcpy(room, seen->pull_text, length);
    seen->pull_text += length;
    return (ssize_t)length;
}

static void sends_streams(void **state)
{
    (void)state;
    static const struct fake_route route = {.match = "POST",
                                            .answer = OK "Content-Length: 0\r\n\r\n"};
    struct place place;
    place_open(&place, &route, 1);
    AUTO_SEEN struct seen seen = {.pull_text = "abcdefgh", .pull_waits = true};
    struct http_request request = request_of(&place, &seen);
    request.method = "POST";
    request.pull = pull;
    seen.call = http_start(place.http, &request);
    fake_run_until(&place.loop, &seen.done);
    assert_int_equal(seen.done_count, 0);
    seen.done = seen.pull_waits = false;
    http_resume(seen.call);
    fake_run_until(&place.loop, &seen.done);
    assert_int_equal(seen.status, 200);
    assert_non_null(strstr(place.fake.seen.data, "3\r\nabc\r\n3\r\ndef\r\n2\r\ngh\r\n0\r\n\r\n"));
    AUTO_SEEN struct seen failing = {.pull_fails = true};
    request.data = &failing;
    run(&place, &request, &failing);
    assert_string_equal(failing.err.text, "the disk is gone");
    place_close(&place);
}

static void refuses_bad_requests(void **state)
{
    (void)state;
    static const char *const split[] = {"X-A: " CANARY "\r\nX-Evil: 1", NULL};
    static const char *const shapeless[] = {CANARY, NULL};
    char longer[300];
    memset(longer, 'x', sizeof longer);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    const struct {
        const char *url;
        const char *unix_socket;
        const char *const *headers;
    } cases[] = {
        {"file:///etc/passwd", NULL, NULL},
        {"x", NULL, NULL},
        {"http://localhost/", "/nowhere.sock", split},
        {"http://localhost/", "/nowhere.sock", shapeless},
        {"http://localhost/", longer, NULL},
    };
    struct place place;
    place_open(&place, NULL, 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_SEEN struct seen seen = {.done = false};
        struct http_request request = request_of(&place, &seen);
        request.url = cases[i].url;
        request.unix_socket = cases[i].unix_socket;
        request.headers = cases[i].headers;
        run(&place, &request, &seen);
        assert_int_equal(seen.err.code, ERROR_INVALID);
        assert_null(strstr(seen.err.text, CANARY));
    }
    place_close(&place);
}

static void says_who_is_not_there(void **state)
{
    (void)state;
    struct place place;
    place_open(&place, NULL, 0);
    AUTO_FREE char *file = xasprintf("%s/not-a-socket", place.fake.dir);
    FILE *made = fopen(file, "we");
    assert_non_null(made);
    fclose(made);
    const struct {
        const char *unix_socket;
        const char *url;
        enum error_code code;
        const char *says;
    } cases[] = {
        {"/nowhere/x.sock", "http://localhost/?sig=" CANARY, ERROR_NOT_FOUND,
         "/nowhere/x.sock: No such file"},
        {file, "http://localhost/", ERROR_BUSY, "not-a-socket: Connection refused"},
        {NULL, "http://user:" CANARY "@127.0.0.1:1/?sig=" CANARY, ERROR_BUSY, "127.0.0.1:1"},
        {NULL, "http://no-such-host.invalid/" CANARY, ERROR_NOT_FOUND, "no-such-host.invalid"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_SEEN struct seen seen = {.done = false};
        struct http_request request = request_of(&place, &seen);
        request.unix_socket = cases[i].unix_socket;
        request.url = cases[i].url;
        run(&place, &request, &seen);
        if (seen.err.code != cases[i].code || strstr(seen.err.text, cases[i].says) == NULL)
            fail_msg("case %zu: %s", i, seen.err.text);
        AUTO_FREE char *shown = error_format(&seen.err);
        assert_null(strstr(shown, CANARY));
    }
    unlink(file);
    place_close(&place);
}

static void limits_time(void **state)
{
    (void)state;
    static const struct fake_route routes[] = {
        {.match = "GET /silent "},
        {.match = "GET /stalls ", .answer = OK "Content-Length: 9\r\n\r\nabc"},
    };
    static const struct {
        const char *url;
        int64_t idle;
        int64_t whole;
        const char *says;
    } cases[] = {
        {"http://localhost/silent", 40, 0, "silent for"},
        {"http://localhost/stalls", 40, 0, "silent for"},
        {"http://localhost/silent", 0, 500, "did not finish"},
        {"http://localhost/stalls", 0, 500, "did not finish"},
    };
    struct place place;
    place_open(&place, routes, ARRAY_SIZE(routes));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_SEEN struct seen seen = {.done = false};
        struct http_request request = request_of(&place, &seen);
        request.url = cases[i].url;
        request.idle_timeout_ms = cases[i].idle;
        request.timeout_ms = cases[i].whole;
        run(&place, &request, &seen);
        assert_int_equal(seen.err.code, ERROR_LIMIT);
        assert_non_null(strstr(seen.err.text, cases[i].says));
    }
    place_close(&place);
}

/* --- its course changed ----------------------------------------------------------------------- */

static void cancels_anywhere(void **state)
{
    (void)state;
    static const struct fake_route routes[] = {
        {.match = "GET /x ", .answer = OK "Content-Length: 6\r\n\r\nabcdef", .cut = 2},
        {.match = "GET /silent "},
    };
    struct place place;
    place_open(&place, routes, ARRAY_SIZE(routes));
    AUTO_SEEN struct seen at_once = {.done = false};
    struct http_request request = request_of(&place, &at_once);
    http_cancel(http_start(place.http, &request));
    AUTO_SEEN struct seen inside = {.cancel_at_data = true};
    request.data = &inside;
    request.on_data = on_data;
    inside.call = http_start(place.http, &request);
    fake_run_until(&place.loop, &inside.done);
    AUTO_SEEN struct seen left = {.done = false};
    request.url = "http://localhost/silent";
    request.data = &left;
    http_start(place.http, &request); /* http_free() ends it */
    uv_run(&place.loop, UV_RUN_NOWAIT);
    place_close(&place);
    assert_int_equal(at_once.done_count + inside.done_count + left.done_count, 0);
    assert_int_equal(inside.streamed.size, 2);
}

static void on_later(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void pauses_the_answer(void **state)
{
    (void)state;
    static const struct fake_route route = {
        .match = "GET", .answer = OK "Content-Length: 6\r\n\r\nabcdef", .cut = 1};
    struct place place;
    place_open(&place, &route, 1);
    AUTO_SEEN struct seen seen = {.pause_once = true};
    struct http_request request = request_of(&place, &seen);
    request.on_data = on_data;
    request.idle_timeout_ms = 400;
    seen.call = http_start(place.http, &request);
    fake_run_until(&place.loop, &seen.done);
    size_t before = seen.streamed.size;
    uv_timer_t later; /* than the idle limit: a pause does not count */
    bool is_later = false;
    uv_timer_init(&place.loop, &later);
    later.data = &is_later;
    uv_timer_start(&later, on_later, 600, 0);
    fake_run_until(&place.loop, &is_later);
    uv_close((uv_handle_t *)&later, NULL);
    assert_int_equal(seen.streamed.size, before);
    seen.done = seen.pause_once = false;
    http_resume(seen.call);
    fake_run_until(&place.loop, &seen.done);
    assert_int_equal(seen.done_count, 1);
    assert_string_equal(seen.streamed.data, "abcdef");
    assert_int_equal(seen.err.code, 0);
    place_close(&place);
}

/* A request begun in another's last callback. */
static void on_first_done(const struct http_response *response, const struct error *err, void *data)
{
    assert_null(err);
    assert_int_equal(response->status, 200);
    struct place *place = ((void **)data)[0];
    struct seen *seen = ((void **)data)[1];
    struct http_request request = request_of(place, seen);
    seen->call = http_start(place->http, &request);
}

static void starts_inside_callbacks(void **state)
{
    (void)state;
    static const struct fake_route route = {.match = "GET",
                                            .answer = OK "Content-Length: 2\r\n\r\nok"};
    struct place place;
    place_open(&place, &route, 1);
    AUTO_SEEN struct seen second = {.done = false};
    void *both[] = {&place, &second};
    struct http_request request = request_of(&place, &second);
    request.done = on_first_done;
    request.data = both;
    http_start(place.http, &request);
    fake_run_until(&place.loop, &second.done);
    assert_string_equal(second.body.data, "ok");
    place_close(&place);
}

static void escapes(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT;
    http_escape(&text, "a/b c&d=\xc3\xa9~", "/");
    assert_string_equal(text.data, "a/b%20c%26d%3D%C3%A9~");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(collects_answers),        UNIT(keeps_connections),
        UNIT(keeps_sockets_to_itself), UNIT(streams_good_answers_only),
        UNIT(bounds_answers),          UNIT(sends_bodies),
        UNIT(sends_streams),           UNIT(refuses_bad_requests),
        UNIT(says_who_is_not_there),   UNIT(limits_time),
        UNIT(cancels_anywhere),        UNIT(pauses_the_answer),
        UNIT(starts_inside_callbacks), UNIT(escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
