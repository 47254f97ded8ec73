/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the files of the companion share: companion.c is its life, forward.c what is asked of it and
 * answered, relay.c what it says.
 */

#include "base/buf.h"
#include "base/strlist.h"
#include "kernel/companion.h"
#include "kernel/companion_find.h"
#include "kernel/companion_process.h"
#include "kernel/server_private.h"
#include "protocol/client.h"

enum companion_state {
    COMPANION_NONE,     /* nothing to start, or nothing that starts */
    COMPANION_ASLEEP,   /* not needed yet, or died */
    COMPANION_STARTING, /* the process is there; it has not answered */
    COMPANION_READY,
    COMPANION_CLOSING,
};

struct forward;

struct companion {
    uv_loop_t *loop;
    struct companion_options options;
    struct server *server; /* NULL before server_open() and after server_close() */
    enum companion_state state;

    struct candidates candidates;
    bool looked;          /* candidates_find() was called */
    size_t candidate;     /* the one that runs, or is tried next */
    struct strlist notes; /* what could not be used */
    struct companion_process *process;
    struct client *client;
    uv_timer_t timer; /* asleep: start soon; starting: ask again; closing: kill */
    unsigned open_handles;

    char *ended; /* how the last one ended, until a cell has said so; or NULL */

    json_t *info;      /* the content of its kernel_info_reply; NULL before it is ready */
    bool is_ipython;   /* it has In, Out and an execution counter that can be set */
    bool heard;        /* something came on its IOPub */
    int count;         /* the number its next cell gets */
    bool interrupted;  /* as soon as what it is asked to run has begun */
    json_t *untold;    /* [[number, code]...]: cells of ours that its In has not */
    struct buf before; /* Python to be run before its next cell */

    struct message *held; /* relay.c: a stream that waits for more of it, or NULL */
    struct buf held_text;
    uv_timer_t held_timer;
    uint64_t streamed_at; /* on the loop's clock */

    struct forward *forwards; /* forward.c: asked and not answered, oldest first */
    uv_timer_t patience;      /* forward.c: runs while questions wait behind a cell */
};

/* --- companion.c ------------------------------------------------------------------------------ */

/* Starts it when it is not there. False when there is none to start. */
bool companion_wake(struct companion *companion);

/* Before a cell of that number (0: whatever it is) goes out: what the companion must know first. */
void companion_catch_up(struct companion *companion, int number);

/* Something has begun that can be interrupted. */
void companion_begun(struct companion *companion);

/* --- forward.c -------------------------------------------------------------------------------- */

/* The end of what was forwarded. `reply`, taken over by the callee, is the companion's; NULL when
 * there is none: a comm message has none, a question was given up, the companion died. */
typedef void (*forward_fn)(struct companion *companion, struct message *reply, void *data);

/* Passes a request on, now or when the companion is there (it is started). `message` is borrowed
 * until `done` is called; that may be during this call, when there is no companion. */
void forward_message(struct companion *companion, enum channel channel,
                     const struct message *message, forward_fn done, void *data);

/* The same for a cell, which is what `done` is given. */
void forward_cell(struct companion *companion, struct cell *cell, forward_fn done);

/* The same for a question, which is not worth waiting for long while a cell runs. */
void forward_question(struct companion *companion, const struct message *message, forward_fn done,
                      void *data);

/* Sends a request of our own. `content` is taken; `done` may be NULL for what is not to be
 * interrupted. It waits for the companion, but for the kernel_info_request of its start, whose reply
 * alone is its end. */
void forward_own(struct companion *companion, const char *type, json_t *content, forward_fn done,
                 void *data);

/* Sends all that waited for the companion. */
void forward_send_waiting(struct companion *companion);

/* Forgets what waits for the companion still; `done` is not called. False when it was sent. */
bool forward_forget(struct companion *companion, const void *data);

/* Ends all without a reply: the companion died, or there is none. */
void forward_end_all(struct companion *companion);

/* A reply from shell or control; taken over. */
void forward_replied(struct companion *companion, struct message *reply);

/* The companion says that it has begun a request: first busy, then (`shown`) the input, but for what
 * is silent. */
void forward_began(struct companion *companion, const char *msg_id, bool shown);

/* What an interrupt would stop: nothing, code that has not begun yet, or code that runs. */
enum forward_code { FORWARD_NO_CODE, FORWARD_CODE_WAITS, FORWARD_CODE_RUNS };
enum forward_code forward_code(const struct companion *companion);

/* The code that runs was interrupted. Asks something: ipykernel may end without a reply, and one that
 * awaits looks for signals only when something comes. */
void forward_interrupted(struct companion *companion);

/* A reply on this channel was too large to be taken: replies come in order, so it was the oldest's. */
void forward_reply_lost(struct companion *companion, enum channel channel);

/* The companion has said idle about a request. */
void forward_idle(struct companion *companion, const char *msg_id);

/* --- relay.c ---------------------------------------------------------------------------------- */

/* A message of the companion's, which is `data`; taken over. */
void relay_message(enum channel channel, struct message *message, void *data);

/* A message that was too large to be taken was dropped; `data` is the companion. */
void relay_refused(enum channel channel, size_t size, void *data);

/* Sends what is held back. */
void relay_flush(struct companion *companion);
