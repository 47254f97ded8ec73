/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's streams. Objects are found by counting braces outside strings, which needs no lookahead
 * and works wherever the bytes are cut; only then are they parsed. An object that came whole is parsed
 * where it lies, without a copy. */
#include "submission/engine_stream.h"

#include <string.h>

#include "base/mem.h"

#define FRAME_HEADER 8

void engine_stream_done(struct engine_stream *stream)
{
    buf_done(&stream->part);
    *stream = (struct engine_stream)ENGINE_STREAM_INIT;
}

/* --- objects ---------------------------------------------------------------------------------- */

/* Goes on to the end of the object that was begun: how many bytes of it are here. */
static size_t scan(struct engine_stream *stream, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = bytes[i];
        if (stream->escaped) {
            stream->escaped = false;
        } else if (stream->in_string) {
            stream->escaped = c == '\\';
            stream->in_string = c != '"';
        } else if (c == '"') {
            stream->in_string = true;
        } else if (c == '{') {
            stream->depth++;
        } else if (c == '}' && --stream->depth == 0) {
            return i + 1;
        }
    }
    return size;
}

static int too_large(struct error *err)
{
    return error_set(err, ERROR_LIMIT, "the engine sends an object of more than %d kB",
                     ENGINE_OBJECT_MAX / 1024);
}

static int deliver(const char *text, size_t size, engine_object_fn object, void *data,
                   struct error *err)
{
    json_error_t fault;
    if (size > ENGINE_OBJECT_MAX)
        return too_large(err);
    /* The output of a build may hold any character, NUL too. */
    json_t *root = json_loadb(text, size, JSON_ALLOW_NUL, &fault);
    if (root == NULL)
        return error_set(err, ERROR_CORRUPT, "the engine sends what is no JSON: %s", fault.text);
    int result = object(root, err, data);
    json_decref(root);
    return result;
}

static size_t skip_space(const char *bytes, size_t size)
{
    size_t i = 0;
    while (i < size &&
           (bytes[i] == ' ' || bytes[i] == '\t' || bytes[i] == '\r' || bytes[i] == '\n'))
        i++;
    return i;
}

/* The bytes up to the end of an object, or all of them: it goes on. */
static int take(struct engine_stream *stream, const char *bytes, size_t size,
                engine_object_fn object, void *data, struct error *err)
{
    struct buf *part = &stream->part;
    if (stream->depth == 0 && part->size == 0)
        return deliver(bytes, size, object, data, err);
    if (size > ENGINE_OBJECT_MAX - part->size)
        return too_large(err);
    buf_append(part, bytes, size);
    if (stream->depth > 0)
        return 0;
    int result = deliver(part->data, part->size, object, data, err);
    buf_clear(part);
    return result;
}

int engine_stream_feed(struct engine_stream *stream, const char *bytes, size_t size,
                       engine_object_fn object, void *data, struct error *err)
{
    while (size > 0) {
        if (stream->depth == 0) {
            size_t space = skip_space(bytes, size);
            bytes += space;
            size -= space;
            if (size == 0)
                break;
            if (*bytes != '{')
                return error_set(err, ERROR_CORRUPT,
                                 "the engine sends what is no stream of JSON objects");
        }
        size_t length = scan(stream, bytes, size);
        if (take(stream, bytes, length, object, data, err) != 0)
            return -1;
        bytes += length;
        size -= length;
    }
    return 0;
}

int engine_stream_end(const struct engine_stream *stream, struct error *err)
{
    if (stream->depth == 0)
        return 0;
    return error_set(err, ERROR_BUSY, "the engine's answer ends in the middle");
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL && text[0] != '\0' ? text : NULL;
}

static int64_t bytes_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? value : 0;
}

void engine_message_read(const json_t *object, struct engine_message *ret_message)
{
    const json_t *detail = json_object_get(object, "progressDetail");
    const json_t *fault = json_object_get(object, "errorDetail");
    const json_t *aux = json_object_get(object, "aux");
    const json_t *text = json_object_get(object, "stream");
    /* Podman 4 gives the old `error` alone. */
    const char *error = text_of(fault, "message");
    *ret_message = (struct engine_message){
        .status = text_of(object, "status"),
        .id = text_of(object, "id"),
        .current = bytes_of(detail, "current"),
        .total = bytes_of(detail, "total"),
        .text = json_string_value(text),
        .text_size = json_string_length(text),
        .aux_id = text_of(aux, "ID"),
        .error = error != NULL ? error : text_of(object, "error"),
    };
    if (ret_message->error == NULL && json_is_object(fault))
        ret_message->error = "the engine does not say why";
}

/* --- frames ----------------------------------------------------------------------------------- */

/* Four bytes: the stream (0 stdin, 1, 2, 3 the engine's own errors) and three zeros; then the length. */
static int begin_frame(struct engine_frames *frames, struct error *err)
{
    const unsigned char *h = frames->header;
    if (h[0] > 3 || h[1] != 0 || h[2] != 0 || h[3] != 0)
        return error_set(err, ERROR_CORRUPT, "the engine sends output that is not in frames");
    frames->left = (size_t)h[4] << 24 | (size_t)h[5] << 16 | (size_t)h[6] << 8 | (size_t)h[7];
    frames->header_size = frames->left > 0 ? FRAME_HEADER : 0;
    return 0;
}

int engine_frames_feed(struct engine_frames *frames, const char *bytes, size_t size,
                       engine_output_fn output, void *data, struct error *err)
{
    while (size > 0) {
        if (frames->left == 0) {
            frames->header[frames->header_size++] = (unsigned char)*bytes++;
            size--;
            if (frames->header_size == FRAME_HEADER && begin_frame(frames, err) != 0)
                return -1;
            continue;
        }
        size_t length = size < frames->left ? size : frames->left;
        output(frames->header[0] == 1 ? 1 : 2, bytes, length, data);
        frames->left -= length;
        if (frames->left == 0)
            frames->header_size = 0;
        bytes += length;
        size -= length;
    }
    return 0;
}
