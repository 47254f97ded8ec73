/* SPDX-License-Identifier: BSD-3-Clause */
/* Multipart messages within limits: what is over one is gone as a whole, and what comes next is
 * whole. */

#include "protocol/multipart.h"

#include "base/mem.h"

#include "tests/unit.h"

#define SIZE_LIMIT 10

struct pipe {
    void *context;
    void *from;
    void *to;
};

static int open_pipe(void **state)
{
    struct pipe *pipe = xcalloc(1, sizeof *pipe);
    int unlimited = 0;
    pipe->context = zmq_ctx_new();
    pipe->from = zmq_socket(pipe->context, ZMQ_PAIR);
    pipe->to = zmq_socket(pipe->context, ZMQ_PAIR);
    zmq_setsockopt(pipe->from, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
    assert_int_equal(zmq_bind(pipe->to, "inproc://pipe"), 0);
    assert_int_equal(zmq_connect(pipe->from, "inproc://pipe"), 0);
    *state = pipe;
    return 0;
}

static int close_pipe(void **state)
{
    struct pipe *pipe = *state;
    zmq_close(pipe->from);
    zmq_close(pipe->to);
    zmq_ctx_term(pipe->context);
    free(pipe);
    return 0;
}

static void send_frames(struct pipe *pipe, size_t count, size_t size)
{
    static const char bytes[2 * SIZE_LIMIT] = "";
    for (size_t i = 0; i < count; i++)
        assert_true(multipart_send(pipe->from, bytes, size, i + 1 < count));
}

static void takes_what_is_within_the_limits(void **state)
{
    static const struct {
        size_t count, size;
        enum multipart_result result;
    } cases[] = {
        {1, 0, MULTIPART_TAKEN},
        {1, SIZE_LIMIT, MULTIPART_TAKEN},
        {1, SIZE_LIMIT + 1, MULTIPART_REFUSED},
        {2, SIZE_LIMIT / 2, MULTIPART_TAKEN},
        {3, SIZE_LIMIT / 2, MULTIPART_REFUSED},
        {100, SIZE_LIMIT, MULTIPART_REFUSED},
        {WIRE_FRAMES_MAX, 0, MULTIPART_TAKEN},
        {WIRE_FRAMES_MAX + 1, 0, MULTIPART_REFUSED},
        {3 * WIRE_FRAMES_MAX, 1, MULTIPART_REFUSED},
    };
    struct pipe *pipe = *state;
    AUTO_FREE struct multipart *inbox = xcalloc(1, sizeof *inbox);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        send_frames(pipe, cases[i].count, cases[i].size);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(multipart_receive(inbox, pipe->to, SIZE_LIMIT), cases[i].result);
        assert_int_equal(inbox->size, cases[i].count * cases[i].size);
        assert_int_equal(inbox->count, cases[i].result == MULTIPART_TAKEN ? cases[i].count : 0);
        multipart_release(inbox);
    }
    assert_int_equal(multipart_receive(inbox, pipe->to, SIZE_LIMIT), MULTIPART_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(takes_what_is_within_the_limits, open_pipe, close_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
