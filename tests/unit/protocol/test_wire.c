/* SPDX-License-Identifier: BSD-3-Clause */

#include "protocol/wire.h"

#include <sodium.h>

#include "base/json.h"

#include "tests/unit/protocol/fixture.h"

#define HEADER "{\"msg_id\": \"m1\", \"msg_type\": \"execute_request\", \"session\": \"s\"}"
#define FRAMES_MAX 16

static const unsigned char *const key = (const unsigned char *)FIXTURE_KEY;
static const size_t key_size = sizeof FIXTURE_KEY - 1;

/* A message to be decoded: two identities, delimiter, signature, four parts. */
struct raw {
    struct frame frames[FRAMES_MAX];
    size_t count;
    char signature[WIRE_SIGNATURE_SIZE];
};

#define RAW_PARTS 4 /* where the header is */

static void raw_init(struct raw *raw, const char *header, const char *content)
{
    size_t size;
    raw->frames[0] = fixture_frame("client");
    raw->frames[1] = (struct frame){.data = "\0\xff", .size = 2};
    raw->frames[2] = fixture_frame(WIRE_DELIMITER);
    raw->frames[4] = fixture_frame(header);
    raw->frames[5] = fixture_frame("{}");
    raw->frames[6] = fixture_frame("{}");
    raw->frames[7] = fixture_frame(content);
    wire_sign(key, key_size, &raw->frames[RAW_PARTS], raw->signature, &size);
    raw->frames[3] = (struct frame){.data = raw->signature, .size = size};
    raw->count = 8;
}

static struct message *decode(const struct raw *raw, struct error *err)
{
    char signature[WIRE_SIGNATURE_SIZE + 1];
    return wire_decode(key, key_size, raw->frames, raw->count, signature, err);
}

static void expect_refused(const struct raw *raw, enum error_code code)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    assert_null(decode(raw, &err));
    assert_int_equal(err.code, code);
    assert_non_null(err.text);
}

static void signs_as_jupyter_does(void **state)
{
    (void)state;
    /* RFC 4231, test case 2: "what do ya want for nothing?" cut into four parts. */
    const struct frame parts[MESSAGE_PARTS] = {fixture_frame("what do "), fixture_frame("ya want "),
                                               fixture_frame("for "), fixture_frame("nothing?")};
    char signature[WIRE_SIGNATURE_SIZE];
    size_t size;
    wire_sign((const unsigned char *)"Jefe", 4, parts, signature, &size);
    assert_int_equal(size, WIRE_SIGNATURE_SIZE);
    assert_memory_equal(signature,
                        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", size);
    wire_sign(NULL, 0, parts, signature, &size);
    assert_int_equal(size, 0);
}

static void takes_a_good_message(void **state)
{
    (void)state;
    struct raw raw;
    struct error err = ERROR_INIT;
    char signature[WIRE_SIGNATURE_SIZE + 1];
    raw_init(&raw, HEADER, "{\"code\": \"1\\u00002\"}");
    raw.frames[raw.count++] = (struct frame){.data = "\0buffer", .size = 7};
    raw.frames[raw.count++] = (struct frame){.data = NULL, .size = 0};
    AUTO(message)
    struct message *message = wire_decode(key, key_size, raw.frames, raw.count, signature, &err);
    assert_non_null(message);
    assert_memory_equal(signature, raw.signature, WIRE_SIGNATURE_SIZE);
    assert_int_equal(signature[WIRE_SIGNATURE_SIZE], '\0');
    assert_int_equal(message->identity_count, 2);
    assert_int_equal(message->identities[1].size, 2);
    assert_memory_equal(message->identities[1].data, "\0\xff", 2);
    assert_string_equal(message->msg_id, "m1");
    assert_string_equal(message->type, "execute_request");
    assert_string_equal(message->session, "s");
    assert_string_equal(message->parts[MESSAGE_HEADER].data, HEADER);
    assert_int_equal(message->buffer_count, 2);
    assert_memory_equal(message->buffers[0].data, "\0buffer", 7);
    assert_int_equal(message->buffers[1].size, 0);
    const json_t *code = json_object_get(message_part(message, MESSAGE_CONTENT, &err), "code");
    assert_int_equal(json_string_length(code), 3);
}

static void refuses_what_is_forged(void **state)
{
    (void)state;
    struct raw raw;
    for (size_t i = RAW_PARTS; i < RAW_PARTS + MESSAGE_PARTS; i++) {
        raw_init(&raw, HEADER, "{}");
        raw.frames[i] = fixture_frame("{\"x\": 1}");
        expect_refused(&raw, ERROR_DENIED);
    }
    raw_init(&raw, HEADER, "{}");
    raw.signature[63] ^= 1;
    expect_refused(&raw, ERROR_DENIED);

    static const char *const signatures[] = {"", "0", "not hexadecimal"};
    for (size_t i = 0; i < ARRAY_SIZE(signatures); i++) {
        raw_init(&raw, HEADER, "{}");
        raw.frames[3] = fixture_frame(signatures[i]);
        expect_refused(&raw, ERROR_DENIED);
    }
    raw_init(&raw, HEADER, "{}");
    char longer[WIRE_SIGNATURE_SIZE + 1];
    memcpy(longer, raw.signature, WIRE_SIGNATURE_SIZE);
    longer[WIRE_SIGNATURE_SIZE] = '0';
    raw.frames[3] = (struct frame){.data = longer, .size = sizeof longer};
    expect_refused(&raw, ERROR_DENIED);
}

static void checks_the_signature_before_any_json(void **state)
{
    (void)state;
    struct raw raw;
    raw_init(&raw, "not json", "{}");
    raw.signature[0] ^= 1;
    expect_refused(&raw, ERROR_DENIED);
}

static void refuses_what_is_cut(void **state)
{
    (void)state;
    struct raw raw;
    for (size_t count = 0; count < 8; count++) {
        raw_init(&raw, HEADER, "{}");
        raw.count = count;
        expect_refused(&raw, ERROR_INVALID);
    }
    raw_init(&raw, HEADER, "{}");
    raw.frames[2] = fixture_frame("<IDS|MSG");
    expect_refused(&raw, ERROR_INVALID);
}

static void an_empty_key_takes_any_signature(void **state)
{
    (void)state;
    struct raw raw;
    struct error err = ERROR_INIT;
    char signature[WIRE_SIGNATURE_SIZE + 1] = "x";
    raw_init(&raw, HEADER, "{}");
    raw.frames[3] = fixture_frame("whatever");
    AUTO(message)
    struct message *message = wire_decode(NULL, 0, raw.frames, raw.count, signature, &err);
    assert_non_null(message);
    assert_string_equal(signature, "");
}

static void refuses_bad_headers(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "",
        "null",
        "[]",
        "{",
        "\xff",
        "{} {}",
        "{}",
        "{\"msg_id\": \"m\"}",
        "{\"msg_type\": \"t\"}",
        "{\"msg_id\": 1, \"msg_type\": \"t\"}",
        "{\"msg_id\": \"m\", \"msg_type\": [\"t\"]}",
        "{\"msg_id\": \"\", \"msg_type\": \"t\"}",
        "{\"msg_id\": \"m\", \"msg_type\": \"\"}",
        "{\"msg_id\": \"m\", \"msg_type\": \"t\\u0000x\"}",
        "{\"msg_id\": \"m\", \"msg_type\": \"t\", \"session\": 3}",
    };
    for (size_t i = 0; i < ARRAY_SIZE(headers); i++) {
        struct raw raw;
        raw_init(&raw, headers[i], "{}");
        expect_refused(&raw, ERROR_INVALID);
    }
}

/* Only the header decides whether a message is taken; the others fail when they are asked for. */
static void other_parts_fail_late_and_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *content;
        enum error_code code;
    } cases[] = {
        {"", ERROR_INVALID},
        {"null", ERROR_INVALID},
        {"[1]", ERROR_INVALID},
        {"{\"x\": NaN}", ERROR_INVALID},
        {"{\"x\": \"\\ud800\"}", ERROR_INVALID},
        {"{\"x\": 123456789012345678901234567890}", ERROR_INVALID},
        {"{\"x\": \"\xff\"}", ERROR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct raw raw;
        AUTO_ERROR struct error err = ERROR_INIT;
        raw_init(&raw, HEADER, cases[i].content);
        AUTO(message) struct message *message = decode(&raw, &err);
        assert_non_null(message);
        assert_null(message_part(message, MESSAGE_CONTENT, &err));
        assert_int_equal(err.code, cases[i].code);
        assert_non_null(strstr(err.text, "content"));
        assert_non_null(message_part(message, MESSAGE_METADATA, &err));
    }
}

/* {"x": [[[...]]]} with `depth` levels in all. */
static char *nested(size_t depth, const char *inside)
{
    AUTO_BUF struct buf text = BUF_INIT;
    buf_puts(&text, "{\"x\": ");
    for (size_t i = 1; i < depth; i++)
        buf_putc(&text, '[');
    buf_puts(&text, inside);
    for (size_t i = 1; i < depth; i++)
        buf_putc(&text, ']');
    buf_putc(&text, '}');
    return buf_steal(&text);
}

static void bounds_the_depth(void **state)
{
    (void)state;
    AUTO_FREE char *brackets = xasprintf("\"\\\"%0600d\"", 0);
    for (char *p = brackets; *p != '\0'; p++)
        if (*p == '0')
            *p = '['; /* brackets in a string are text */
    const struct {
        size_t depth;
        const char *inside;
        bool taken;
    } cases[] = {
        {MESSAGE_DEPTH_MAX, "", true},
        {MESSAGE_DEPTH_MAX + 1, "", false},
        {1000000, "", false},
        {2, brackets, true},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct raw raw;
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_FREE char *content = nested(cases[i].depth, cases[i].inside);
        raw_init(&raw, HEADER, content);
        AUTO(message) struct message *message = decode(&raw, &err);
        assert_non_null(message);
        assert_true((message_part(message, MESSAGE_CONTENT, &err) != NULL) == cases[i].taken);
        assert_int_equal(err.code, cases[i].taken ? ERROR_NONE : ERROR_LIMIT);

        raw_init(&raw, content, "{}"); /* and as a header */
        expect_refused(&raw, cases[i].taken ? ERROR_INVALID : ERROR_LIMIT);
    }
}

static void bounds_frames_and_header(void **state)
{
    (void)state;
    struct raw raw;
    AUTO_FREE struct frame *frames = xcalloc(WIRE_FRAMES_MAX + 1, sizeof *frames);
    AUTO_ERROR struct error err = ERROR_INIT;
    char signature[WIRE_SIGNATURE_SIZE + 1];
    raw_init(&raw, HEADER, "{}");
    memcpy(frames, raw.frames, raw.count * sizeof *frames);
    assert_null(wire_decode(key, key_size, frames, WIRE_FRAMES_MAX + 1, signature, &err));
    assert_int_equal(err.code, ERROR_LIMIT);
    error_clear(&err);
    AUTO(message)
    struct message *message = wire_decode(key, key_size, frames, WIRE_FRAMES_MAX, signature, &err);
    assert_non_null(message);
    assert_int_equal(message->buffer_count, WIRE_FRAMES_MAX - 8);

    AUTO_FREE char *name = xasprintf("%02000000d", 0);
    AUTO_FREE char *header =
        xasprintf("{\"msg_id\": \"m\", \"msg_type\": \"t\", \"username\": \"%s\"}", name);
    raw_init(&raw, header, "{}");
    expect_refused(&raw, ERROR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(signs_as_jupyter_does),  UNIT(takes_a_good_message),
        UNIT(refuses_what_is_forged), UNIT(checks_the_signature_before_any_json),
        UNIT(refuses_what_is_cut),    UNIT(an_empty_key_takes_any_signature),
        UNIT(refuses_bad_headers),    UNIT(other_parts_fail_late_and_by_name),
        UNIT(bounds_the_depth),       UNIT(bounds_frames_and_header),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
