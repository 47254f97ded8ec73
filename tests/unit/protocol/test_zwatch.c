/* SPDX-License-Identifier: BSD-3-Clause */
/* ZMQ_FD's trap, set on purpose: an input arrives after the watch has looked at its socket and
 * before the loop sleeps, and a send on the same socket eats the edge. */

#include "protocol/zwatch.h"

#include <poll.h>
#include <unistd.h>
#include <zmq.h>

#include "base/mem.h"

#include "tests/unit.h"

struct trap {
    uv_loop_t loop;
    uv_prepare_t
        hooks[2];   /* one started before the watch and one after it: one of them runs last */
    int hook_count; /* hooks called in this turn of the loop */
    struct zwatch *watch;
    void *context;
    void *watched;
    void *peer;
    int received_count;
    bool sprung;
};

static bool edge_is_there(void *socket, int timeout_ms)
{
    int fd;
    size_t size = sizeof fd;
    zmq_getsockopt(socket, ZMQ_FD, &fd, &size);
    struct pollfd item = {.fd = fd, .events = POLLIN};
    return poll(&item, 1, timeout_ms) == 1;
}

static void eat_edge(struct trap *trap)
{
    zmq_send(trap->peer, "x", 1, 0);
    assert_true(edge_is_there(trap->watched, 30000));
    /* libzmq looks at its mailbox during a send, but not at every send. */
    while (edge_is_there(trap->watched, 0))
        assert_int_equal(zmq_send(trap->watched, "y", 1, 0), 1);
    zwatch_kick(trap->watch);
}

static void on_hook(uv_prepare_t *hook)
{
    struct trap *trap = hook->data;
    if (++trap->hook_count < 2)
        return;
    trap->hook_count = 0;
    if (!trap->sprung)
        eat_edge(trap);
    trap->sprung = true;
}

static void on_readable(void *data)
{
    struct trap *trap = data;
    char byte;
    if (zmq_recv(trap->watched, &byte, 1, ZMQ_DONTWAIT) != 1)
        return;
    trap->received_count++;
    zwatch_close(trap->watch); /* allowed from here */
    zwatch_close(trap->watch); /* and harmless twice */
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&trap->hooks[i], NULL);
}

static void start_hook(struct trap *trap, int index)
{
    uv_prepare_init(&trap->loop, &trap->hooks[index]);
    trap->hooks[index].data = trap;
    uv_prepare_start(&trap->hooks[index], on_hook);
}

static void *pair(void *context, bool binds)
{
    int unlimited = 0;
    void *socket = zmq_socket(context, ZMQ_PAIR);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &unlimited, sizeof unlimited);
    zmq_setsockopt(socket, ZMQ_LINGER, &unlimited, sizeof unlimited);
    assert_int_equal((binds ? zmq_bind : zmq_connect)(socket, "inproc://trap"), 0);
    return socket;
}

static void an_edge_eaten_by_a_send_is_not_lost(void **state)
{
    (void)state;
    struct trap trap = {.context = zmq_ctx_new()};
    trap.watched = pair(trap.context, true);
    trap.peer = pair(trap.context, false);
    uv_loop_init(&trap.loop);
    start_hook(&trap, 0);
    trap.watch = zwatch_new(&trap.loop, trap.watched, on_readable, &trap);
    assert_non_null(trap.watch);
    start_hook(&trap, 1);
    uv_run(&trap.loop, UV_RUN_DEFAULT);
    assert_int_equal(trap.received_count, 1);
    assert_int_equal(uv_loop_close(&trap.loop), 0);
    zmq_close(trap.watched);
    zmq_close(trap.peer);
    zmq_ctx_term(trap.context);
}

static void a_watch_needs_a_socket(void **state)
{
    (void)state;
    uv_loop_t loop;
    uv_loop_init(&loop);
    assert_null(zwatch_new(&loop, NULL, on_readable, NULL));
    zwatch_close(NULL);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(an_edge_eaten_by_a_send_is_not_lost),
        UNIT(a_watch_needs_a_socket),
    };
    alarm(60); /* an edge that is lost leaves the loop asleep */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
