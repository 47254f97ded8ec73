/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's streams on any bytes. The first byte says what they are and how they are cut; cut
 * otherwise, they must give the same. Everything that an object may say is read. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "submission/engine_fault.h"
#include "submission/engine_pull.h"
#include "submission/engine_steps.h"
#include "submission/engine_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct reader {
    struct engine_pull pull;
    struct engine_steps steps;
    struct buf seen;
    int64_t now_us;
};

static int on_object(const json_t *object, struct error *err, void *data)
{
    (void)err;
    struct reader *reader = data;
    struct engine_message message;
    AUTO_ERROR struct error fault = ERROR_INIT;
    engine_message_read(object, &message);
    if (message.error != NULL)
        assert(engine_fault(&fault, 200, message.error, ENGINE_ASKED_WITH_PASSWORD) == -1 &&
               fault.text != NULL);
    if (message.text != NULL)
        engine_steps_feed(&reader->steps, message.text, message.text_size);
    reader->now_us += 700000;
    if (engine_pull_note(&reader->pull, &message, reader->now_us))
        free(engine_pull_text(&reader->pull));
    assert(reader->pull.layers_done <= reader->pull.layer_count);
    assert(reader->steps.step <= reader->steps.count);
    AUTO_FREE char *text = json_text(object);
    buf_puts(&reader->seen, text);
    return 0;
}

static void on_output(int stream, const char *bytes, size_t size, void *data)
{
    struct reader *reader = data;
    assert(size > 0 && (stream == 1 || stream == 2));
    buf_append(&reader->seen, bytes, size);
}

/* The bytes, `cut` at a time. */
static int read_all(struct reader *reader, bool frames, const char *bytes, size_t size, size_t cut)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct engine_stream stream = ENGINE_STREAM_INIT;
    struct engine_frames frame = {.left = 0};
    int result = 0;
    for (size_t at = 0; at < size && result == 0; at += cut) {
        size_t length = cut < size - at ? cut : size - at;
        result = frames ? engine_frames_feed(&frame, bytes + at, length, on_output, reader, &err)
                        : engine_stream_feed(&stream, bytes + at, length, on_object, reader, &err);
    }
    if (result == 0 && !frames)
        result = engine_stream_end(&stream, &err);
    assert(result == 0 || err.text != NULL);
    engine_stream_done(&stream);
    free(engine_steps_tail(&reader->steps));
    return result;
}

static void reader_free(struct reader *reader)
{
    engine_steps_done(&reader->steps);
    buf_done(&reader->seen);
    free(reader);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    bool frames = data[0] & 1;
    size_t cut = (data[0] >> 1) + 1;
    const char *bytes = (const char *)data + 1;
    struct reader *whole = xcalloc(1, sizeof *whole);
    struct reader *pieces = xcalloc(1, sizeof *pieces);
    int first = read_all(whole, frames, bytes, size - 1, size);
    int second = read_all(pieces, frames, bytes, size - 1, cut);
    assert(first == second && whole->seen.size == pieces->seen.size);
    assert(whole->seen.size == 0 ||
           memcmp(whole->seen.data, pieces->seen.data, whole->seen.size) == 0);
    free(engine_fault_message(500, bytes, size - 1));
    reader_free(whole);
    reader_free(pieces);
    return 0;
}
