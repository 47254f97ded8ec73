/* SPDX-License-Identifier: BSD-3-Clause */
/* A bound on what front ends leave unread, which loses nothing for those that read.
 *
 * The facts of libzmq it is made of. Each subscriber of an XPUB has a queue of its own, bounded in
 * messages (ZMQ_SNDHWM), not bytes; what goes to several is held once. By default a message is
 * dropped for a subscriber whose queue is full, silently, an idle like any other, and a thousand
 * messages (its default) are a second of prints: so no. With ZMQ_XPUB_NODROP a send fails instead
 * when any queue is full: one that never reads would stop all. Both can be changed at any time, and
 * a subscriber for whom a message was dropped gets nothing more until it has read half its queue.
 *
 * So, always with NODROP:
 *  - A queue that is full may become longer, as long as somebody reads. Alive but slow is no reason
 *    to lose a state.
 *  - Above BACKLOG_OUTPUT_MAX bytes output is left out, for all (ZeroMQ cannot send to some of its
 *    subscribers), and channels_send.c says so where the output would be. States are still sent.
 *  - When nothing was taken for BACKLOG_PATIENCE_NS, somebody does not read at all. Then whose queue
 *    is full is cut off, by sending one message without NODROP; what it holds is written off, and
 *    the others get everything again. Until its queue is full nothing is left out for its sake,
 *    within BACKLOG_MAX.
 * For ROUTERs, whose peers get messages of their own, only BACKLOG_MAX counts. */
#include "protocol/backlog.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <zmq.h>

#include "base/log.h"
#include "base/mem.h"

/* The queue of one subscriber at first: more than anybody who reads leaves unread. */
#define QUEUE_FIRST 1000

/* By what part of itself a full queue becomes longer: little, so that it is soon full again when the
 * one behind it is to be cut off. */
#define QUEUE_GROWTH 8

struct parcel {
    struct backlog *backlog;
    size_t weight;
    char data[];
};

static void set_option(void *socket, int option, int value)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) != 0)
        log_warning("ZeroMQ option %d: %s", option, zmq_strerror(errno));
}

void backlog_init(struct backlog *backlog, void *socket, bool is_publisher)
{
    *backlog = (struct backlog){.socket = socket, .queue_max = is_publisher ? QUEUE_FIRST : 0};
    set_option(socket, ZMQ_SNDHWM, backlog->queue_max);
    if (is_publisher)
        set_option(socket, ZMQ_XPUB_NODROP, 1);
}

/* What is held for those that are not cut off, or may be: what they have taken since cannot be told
 * from what the others have, so the least that was held since is taken for what is written off. */
static size_t measure(struct backlog *backlog)
{
    size_t held = atomic_load(&backlog->held);
    if (backlog->written_off > held)
        backlog->written_off = held;
    size_t left = held - backlog->written_off;
    if (left < BACKLOG_OUTPUT_MAX / 2)
        backlog->high_since = 0;
    else if (backlog->high_since == 0)
        backlog->high_since = uv_hrtime();
    if (left >= BACKLOG_OUTPUT_MAX)
        backlog->leaving_out = true;
    else if (left < BACKLOG_OUTPUT_MAX / 2)
        backlog->leaving_out = false;
    return left;
}

static bool nobody_reads(const struct backlog *backlog)
{
    uint64_t since = atomic_load(&backlog->taken_at);
    if (since < backlog->high_since)
        since = backlog->high_since;
    return backlog->high_since != 0 && uv_hrtime() - since > BACKLOG_PATIENCE_NS;
}

bool backlog_admits(struct backlog *backlog, enum backlog_class class)
{
    size_t left = measure(backlog);
    if (class == BACKLOG_STATE)
        return true;
    if (left >= BACKLOG_MAX)
        return false;
    return class == BACKLOG_NEEDED || !backlog->leaving_out || nobody_reads(backlog);
}

/* Called by whichever thread has let go of the message last, mostly ZeroMQ's. */
static void on_taken(void *data, void *hint)
{
    struct parcel *parcel = hint;
    (void)data;
    atomic_store(&parcel->backlog->taken_at, uv_hrtime());
    atomic_fetch_sub(&parcel->backlog->held, parcel->weight);
    free(parcel);
}

bool backlog_send_last(struct backlog *backlog, const void *data, size_t size, size_t weight)
{
    struct parcel *parcel = xmalloc(sizeof *parcel + size);
    zmq_msg_t frame;
    int sent;
    if (weight > BACKLOG_OUTPUT_MAX)
        weight = BACKLOG_OUTPUT_MAX;
    *parcel = (struct parcel){.backlog = backlog, .weight = weight};
    if (size > 0)
        memcpy(parcel->data, data, size);
    atomic_fetch_add(&backlog->held, weight);
    if (zmq_msg_init_data(&frame, parcel->data, size, on_taken, parcel) != 0) {
        on_taken(NULL, parcel);
        return false;
    }
    do
        sent = zmq_msg_send(&frame, backlog->socket, ZMQ_DONTWAIT);
    while (sent < 0 && errno == EINTR);
    int fault = errno;
    if (sent < 0)
        zmq_msg_close(&frame);
    errno = fault;
    return sent >= 0;
}

void backlog_make_room(struct backlog *backlog)
{
    if (backlog->queue_max == 0)
        return;
    if (nobody_reads(backlog)) {
        log_warning("iopub: a front end does not read; it gets no more until it has read what "
                    "waits for it (%zu MB)",
                    atomic_load(&backlog->held) / (1024 * 1024));
        backlog->written_off = atomic_load(&backlog->held);
        set_option(backlog->socket, ZMQ_XPUB_NODROP, 0);
    } else if (backlog->queue_max < INT_MAX / 2) {
        backlog->queue_max += backlog->queue_max / QUEUE_GROWTH;
        set_option(backlog->socket, ZMQ_SNDHWM, backlog->queue_max);
    }
}

void backlog_sent(struct backlog *backlog)
{
    if (backlog->queue_max != 0)
        set_option(backlog->socket, ZMQ_XPUB_NODROP, 1);
}
