/* SPDX-License-Identifier: BSD-3-Clause */

#include "protocol/session.h"

#include "base/clock.h"
#include "base/json.h"

#include "tests/unit/protocol/fixture.h"

/* Signature number `n`: all fall into a few buckets, so that chains are long and are cut in the
 * middle as well as at the ends. */
static const char *signature(unsigned n)
{
    static char text[WIRE_SIGNATURE_SIZE + 1];
    snprintf(text, sizeof text, "%04x%052u%08x", n % 3, 0, n);
    return text;
}

static void drops_what_was_seen(void **state)
{
    (void)state;
    AUTO(session) struct session *session = session_new(NULL);
    for (unsigned n = 0; n < 100; n++)
        assert_true(session_remember(session, signature(n)));
    for (unsigned n = 0; n < 100; n++)
        assert_false(session_remember(session, signature(n)));
    assert_true(session_remember(session, ""));
    assert_true(session_remember(session, ""));
    assert_false(session_remember(session, "abc"));
}

static void forgets_the_oldest_first(void **state)
{
    (void)state;
    AUTO(session) struct session *session = session_new(NULL);
    char text[WIRE_SIGNATURE_SIZE + 1];
    /* Spread over the buckets here: this is the ring's full size. */
    for (unsigned n = 0; n < SESSION_REPLAY_MAX + 10; n++) {
        snprintf(text, sizeof text, "%04x%052u%08x", (n * 40503u) & 0xffff, 0, n);
        assert_true(session_remember(session, text));
    }
    for (unsigned n = 10; n < SESSION_REPLAY_MAX + 10; n++) {
        snprintf(text, sizeof text, "%04x%052u%08x", (n * 40503u) & 0xffff, 0, n);
        assert_false(session_remember(session, text));
    }
    for (unsigned n = 0; n < 10; n++) {
        snprintf(text, sizeof text, "%04x%052u%08x", (n * 40503u) & 0xffff, 0, n);
        assert_true(session_remember(session, text));
    }
}

static void headers_are_one_speakers(void **state)
{
    (void)state;
    AUTO(session) struct session *session = session_new(NULL);
    AUTO(session) struct session *other = session_new(NULL);
    clock_set_for_test(1795394340123456);
    AUTO_JSON json_t *first = session_header(session, "status");
    AUTO_JSON json_t *second = session_header(session, "stream");
    clock_set_for_test(0);
    assert_string_equal(json_get_string(first, "msg_type", ""), "status");
    assert_string_equal(json_get_string(first, "session", ""), session_id(session));
    assert_string_equal(json_get_string(second, "session", ""), session_id(session));
    assert_string_equal(json_get_string(first, "date", ""), "2026-11-23T00:39:00.123456Z");
    assert_string_equal(json_get_string(first, "version", ""), SESSION_PROTOCOL_VERSION);
    assert_true(json_get_string(first, "username", "")[0] != '\0');
    assert_string_not_equal(json_get_string(first, "msg_id", ""),
                            json_get_string(second, "msg_id", ""));
    assert_string_not_equal(session_id(session), session_id(other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(drops_what_was_seen),
        UNIT(forgets_the_oldest_first),
        UNIT(headers_are_one_speakers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
