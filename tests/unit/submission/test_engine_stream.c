/* SPDX-License-Identifier: BSD-3-Clause */
/* What engines stream: objects and frames however they are cut, a pull's progress, a build's steps. */
#include "submission/engine_stream.h"

#include <string.h>

#include "base/json.h"
#include "submission/engine_pull.h"
#include "submission/engine_steps.h"
#include "tests/unit.h"

/* --- objects ---------------------------------------------------------------------------------- */

static int note_object(const json_t *object, struct error *err, void *data)
{
    (void)err;
    AUTO_FREE char *text = json_text(object);
    buf_puts(data, text);
    buf_puts(data, ";");
    return 0;
}

/* Feeds `size` bytes a time. */
static int feed(const char *text, size_t length, size_t size, struct buf *seen, struct error *err)
{
    struct engine_stream stream = ENGINE_STREAM_INIT;
    int result = 0;
    for (size_t at = 0; at < length && result == 0; at += size)
        result = engine_stream_feed(&stream, text + at, at + size < length ? size : length - at,
                                    note_object, seen, err);
    if (result == 0)
        result = engine_stream_end(&stream, err);
    engine_stream_done(&stream);
    return result;
}

static void takes_objects_however_cut(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *seen;
        enum error_code code;
    } cases[] = {
        {"", "", 0},
        {"\r\n \t\n", "", 0},
        {"{}", "{};", 0},
        {"{\"a\":1}\r\n{\"b\":{\"c\":[{}]}}\r\n", "{\"a\":1};{\"b\":{\"c\":[{}]}};", 0},
        {"{\"a\":1}{\"b\":2}", "{\"a\":1};{\"b\":2};", 0},
        {"{\"a\":\"}{\\\"}\\\\\"}{}", "{\"a\":\"}{\\\"}\\\\\"};{};", 0},
        {"{\"a\":\"\xc3\xa9\"}", "{\"a\":\"\xc3\xa9\"};", 0},
        {"{\"a\":\"x\\u0000y\"}", "{\"a\":\"x\\u0000y\"};", 0},
        {"{\"a\":1}\n[1]", "{\"a\":1};", ERROR_CORRUPT},
        {"<html>", "", ERROR_CORRUPT},
        {"{\"a\":1}}", "{\"a\":1};", ERROR_CORRUPT},
        {"{a}", "", ERROR_CORRUPT},
        {"{\"a\":\"\xff\"}", "", ERROR_CORRUPT},
        {"{\"a\":1}{\"b\":", "{\"a\":1};", ERROR_BUSY},
        {"{\"a\":\"\\", "", ERROR_BUSY},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = strlen(cases[i].text);
        for (size_t size = 1; size <= length + 1; size++) {
            AUTO_ERROR struct error err = ERROR_INIT;
            AUTO_BUF struct buf seen = BUF_INIT;
            buf_puts(&seen, "");
            assert_int_equal(feed(cases[i].text, length, size, &seen, &err),
                             cases[i].code == 0 ? 0 : -1);
            assert_int_equal(err.code, cases[i].code);
            assert_string_equal(seen.data, cases[i].seen);
        }
    }
}

static void bounds_objects(void **state)
{
    (void)state;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_BUF struct buf seen = BUF_INIT;
    buf_puts(&text, "{\"a\":\"");
    while (text.size < ENGINE_OBJECT_MAX + 10)
        buf_putc(&text, 'x');
    buf_puts(&text, "\"}");
    static const size_t sizes[] = {1000, 65536, SIZE_MAX / 2};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        assert_int_equal(feed(text.data, text.size, sizes[i], &seen, &err), -1);
        assert_int_equal(err.code, ERROR_LIMIT);
    }
}

static void reads_messages(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"{\"errorDetail\":{\"message\":\"m\"},\"error\":\"e\"}", "m"},
        {"{\"error\":\"e\"}", "e"},
        {"{\"errorDetail\":{\"code\":1}}", "the engine does not say why"},
        {"{\"errorDetail\":{},\"error\":\"e\"}", "e"},
        {"{\"error\":\"\"}", NULL},
        {"{\"error\":7,\"status\":[],\"stream\":{},\"aux\":\"x\",\"progressDetail\":3}", NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_JSON json_t *root = json_loads(cases[i].text, 0, NULL);
        struct engine_message message;
        engine_message_read(root, &message);
        if (cases[i].error == NULL)
            assert_null(message.error);
        else
            assert_string_equal(message.error, cases[i].error);
        assert_null(message.status);
        assert_int_equal(message.text_size, 0);
    }
}

/* --- frames ----------------------------------------------------------------------------------- */

static void note_output(int stream, const char *bytes, size_t size, void *data)
{
    struct buf *streams = data;
    buf_append(&streams[stream], bytes, size);
}

static void takes_frames_however_cut(void **state)
{
    (void)state;
    static const char good[] = "\1\0\0\0\0\0\0\3one"
                               "\2\0\0\0\0\0\0\3err"
                               "\1\0\0\0\0\0\0\0"
                               "\1\0\0\0\0\0\0\4 two";
    for (size_t size = 1; size < sizeof good; size++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        struct engine_frames frames = {.left = 0};
        struct buf streams[3] = {BUF_INIT, BUF_INIT, BUF_INIT};
        for (size_t at = 0; at < sizeof good - 1; at += size) {
            size_t left = sizeof good - 1 - at;
            assert_int_equal(engine_frames_feed(&frames, good + at, size < left ? size : left,
                                                note_output, streams, &err),
                             0);
        }
        assert_string_equal(streams[1].data, "one two");
        assert_string_equal(streams[2].data, "err");
        assert_int_equal(frames.left + frames.header_size, 0);
        buf_done(&streams[1]);
        buf_done(&streams[2]);
    }
}

static void refuses_what_is_no_frame(void **state)
{
    (void)state;
    static const char *const cases[] = {"plain te", "\4\0\0\0\0\0\0\1", "\1\1\0\0\0\0\0\1"};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        struct engine_frames frames = {.left = 0};
        assert_int_equal(engine_frames_feed(&frames, cases[i], 8, note_output, NULL, &err), -1);
        assert_int_equal(err.code, ERROR_CORRUPT);
    }
}

/* --- pulls ------------------------------------------------------------------------------------ */

static void note(struct engine_pull *pull, int64_t now_us, const char *text)
{
    AUTO_JSON json_t *root = json_loads(text, 0, NULL);
    struct engine_message message;
    assert_non_null(root);
    engine_message_read(root, &message);
    engine_pull_note(pull, &message, now_us);
}

#define LAYER(id, status) "{\"status\":\"" status "\",\"progressDetail\":{},\"id\":\"" id "\"}"
#define MOVED(id, status, current, total)                                                       \
    "{\"status\":\"" status "\",\"progressDetail\":{\"current\":" #current ",\"total\":" #total \
    "},\"progress\":\"[=> ]\",\"id\":\"" id "\"}"

static void follows_dockers_pull(void **state)
{
    (void)state;
    struct engine_pull *pull = xcalloc(1, sizeof *pull);
    note(pull, 1, "{\"status\":\"Pulling from library/debian\",\"id\":\"12\"}");
    assert_int_equal(pull->layer_count, 0);
    note(pull, 1, LAYER("aaaaaaaaaaaa", "Already exists"));
    note(pull, 1, LAYER("bbbbbbbbbbbb", "Pulling fs layer"));
    note(pull, 1, LAYER("cccccccccccc", "Pulling fs layer"));
    note(pull, 1000000, MOVED("bbbbbbbbbbbb", "Downloading", 1000000, 11000000));
    assert_int_equal(pull->layer_count, 3);
    assert_int_equal(pull->layers_done, 1);
    assert_false(pull->sizes_known);
    assert_int_equal(pull->left_us, -1);
    note(pull, 1000001, MOVED("cccccccccccc", "Downloading", 0, 9000000));
    assert_true(pull->sizes_known);
    assert_int_equal(pull->bytes_total, 20000000);
    note(pull, 2000001, MOVED("bbbbbbbbbbbb", "Downloading", 5000000, 11000000));
    AUTO_FREE char *text = engine_pull_text(pull);
    assert_non_null(strstr(text, "1 of 3 layers, 5.0 MB of 20 MB (25 %), "));
    assert_non_null(strstr(text, " left"));
    assert_true(pull->rate > 0);
    note(pull, 3000000, LAYER("bbbbbbbbbbbb", "Verifying Checksum"));
    note(pull, 3000000, LAYER("bbbbbbbbbbbb", "Download complete"));
    assert_int_equal(pull->bytes_done, 11000000);
    note(pull, 3000000, MOVED("bbbbbbbbbbbb", "Extracting", 32768, 11000000));
    assert_int_equal(pull->layers[1].unpacked, 32768);
    note(pull, 3000000, LAYER("bbbbbbbbbbbb", "Pull complete"));
    note(pull, 3000000, LAYER("cccccccccccc", "Pull complete"));
    note(pull, 3000000, "{\"status\":\"Digest: sha256:0123\"}");
    note(pull, 3000000, "{\"status\":\"Status: Downloaded newer image for debian:12\"}");
    assert_int_equal(pull->layers_done, 3);
    assert_int_equal(pull->bytes_done, pull->bytes_total);
    assert_string_equal(pull->digest, "sha256:0123");
    assert_false(pull->up_to_date);
    free(pull);
}

static void follows_podmans_pull(void **state)
{
    (void)state;
    struct engine_pull *pull = xcalloc(1, sizeof *pull);
    note(pull, 1, LAYER("aaaaaaaaaaaa", "Pulling fs layer"));
    note(pull, 1, MOVED("aaaaaaaaaaaa", "Downloading", 50, 100));
    note(pull, 1, MOVED("aaaaaaaaaaaa", "Download complete", 100, 100));
    note(pull, 1, LAYER("ffffffffffff", "Pull complete")); /* the image's own id */
    assert_int_equal(pull->layer_count, 1);
    assert_int_equal(pull->bytes_done, 100);
    free(pull);
}

static void survives_wrong_pulls(void **state)
{
    (void)state;
    struct engine_pull *pull = xcalloc(1, sizeof *pull);
    note(pull, 1, MOVED("aaaaaaaaaaaa", "Downloading", 9223372036854775807, 9223372036854775807));
    note(pull, 2, MOVED("bbbbbbbbbbbb", "Downloading", 9223372036854775807, 9223372036854775807));
    note(pull, 3, MOVED("cccccccccccc", "Downloading", 50, 10));
    note(pull, 4, MOVED("dddddddddddd", "Downloading", -1, -1));
    note(pull, 5, LAYER("an id that is far too long", "Downloading"));
    AUTO_FREE char *text = engine_pull_text(pull);
    assert_true(pull->bytes_done >= 0 && pull->bytes_total >= 0);
    for (int i = 0; i < 2 * ENGINE_LAYERS_MAX; i++) {
        AUTO_FREE char *layer = xasprintf(LAYER("%d", "Waiting"), i);
        note(pull, 6, layer);
    }
    assert_int_equal(pull->layer_count, ENGINE_LAYERS_MAX);
    free(pull);
}

/* --- builds ----------------------------------------------------------------------------------- */

static void reads_steps(void **state)
{
    (void)state;
    static const struct {
        const char *output;
        int step, count, cached;
        const char *instruction;
        const char *image_id;
        const char *tail;
    } cases[] = {
        {"Step 1/2 : FROM scratch\n ---> \nStep 2/2 : RUN make\n ---> Running in 1a\ncc x.c\n", 2,
         2, 0, "RUN make", NULL, " ---> Running in 1a\ncc x.c\n"},
        {"Step 1/1 : RUN x\n ---> Using cache\n ---> 0a1b\nSuccessfully built 0a1b\n", 1, 1, 1,
         "RUN x", "0a1b", " ---> 0a1b\n"},
        {"STEP 1/2: FROM a\nSTEP 2/2: RUN y\n--> Using cache 77\n--> 77\n", 2, 2, 1, "RUN y", NULL,
         "--> 77\n"},
        {"[1/2] STEP 3/4: COPY a b\nx\n", 3, 4, 0, "COPY a b", NULL, "x\n"},
        {"Step 1/1 : RUN x\n\033[91mred\033[0m\nold\rnew\n", 1, 1, 0, "RUN x", NULL, "red\nnew\n"},
        {"Step x/1 : RUN\nStep 5/2 : RUN\nStep 1/99999999999 : RUN\nStepping 1/2 : a\n", 0, 0, 0,
         NULL, NULL,
         "Step x/1 : RUN\nStep 5/2 : RUN\nStep 1/99999999999 : RUN\nStepping 1/2 : a\n"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t length = strlen(cases[i].output);
        for (size_t size = 1; size <= length; size += 7) {
            struct engine_steps steps = ENGINE_STEPS_INIT;
            for (size_t at = 0; at < length; at += size)
                engine_steps_feed(&steps, cases[i].output + at,
                                  size < length - at ? size : length - at);
            assert_int_equal(steps.step, cases[i].step);
            assert_int_equal(steps.count, cases[i].count);
            assert_int_equal(steps.cached_count, cases[i].cached);
            if (cases[i].instruction != NULL)
                assert_string_equal(steps.instruction, cases[i].instruction);
            if (cases[i].image_id != NULL)
                assert_string_equal(steps.image_id, cases[i].image_id);
            AUTO_FREE char *tail = engine_steps_tail(&steps);
            assert_string_equal(tail, cases[i].tail);
            engine_steps_done(&steps);
        }
    }
}

static void keeps_the_last_lines(void **state)
{
    (void)state;
    struct engine_steps steps = ENGINE_STEPS_INIT;
    engine_steps_feed(&steps, "Step 1/1 : RUN x\n", 17);
    for (int i = 0; i < 100; i++) {
        AUTO_FREE char *line = xasprintf("line %d\n", i);
        engine_steps_feed(&steps, line, strlen(line));
    }
    AUTO_FREE char *tail = engine_steps_tail(&steps);
    assert_int_equal(strncmp(tail, "line 80\n", 8), 0);
    assert_non_null(strstr(tail, "line 99\n"));
    engine_steps_done(&steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(takes_objects_however_cut), UNIT(bounds_objects),           UNIT(reads_messages),
        UNIT(takes_frames_however_cut),  UNIT(refuses_what_is_no_frame), UNIT(follows_dockers_pull),
        UNIT(follows_podmans_pull),      UNIT(survives_wrong_pulls),     UNIT(reads_steps),
        UNIT(keeps_the_last_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
