/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What the files of kernel/ share: the server, a request, and the state each file keeps in the
 * server. Everybody else uses server.h, cell.h, question.h, comm.h and outlet.h.
 */

#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "kernel/interpreter.h"
#include "kernel/server.h"
#include "protocol/channels.h"
#include "protocol/session.h"

struct cell;
struct comm_target;
struct companion;
struct history;
struct input;
struct outlet;
struct question;
struct widgets;

/* One request that has not been answered yet. Busy was sent when it began; request_end() sends the reply
 * and idle, and is the only place that does. */
struct request {
    struct server *server;
    enum channel channel;
    struct message *message;
    struct message
        *relayed;         /* the companion's reply, which is passed on; NULL: the reply is ours */
    struct request *next; /* in the execute queue */
};

struct server {
    uv_loop_t *loop;
    struct server_options options;
    struct interpreter_slot *interpreters; /* a copy of the options' */
    struct companion *companion;           /* NULL: none, ever */
    struct session *session;
    struct channels *channels;
    int busy_count; /* requests between busy and idle */
    bool stopping;
    bool closed;
    unsigned open_handles;

    /* execute.c */
    struct request *queue; /* execute requests that wait, oldest first */
    size_t queue_size;
    struct cell *cell; /* the running one, or NULL */
    int execution_count;
    uv_idle_t next_cell;    /* runs while there is something to begin, or to abort */
    struct request *failed; /* NULL, or its reply waits until what was sent before it is here */
    json_t *failed_reply;
    uv_timer_t quiet; /* runs while there is a failed one */
    int quiet_ticks;  /* of it without a new cell */

    struct outlet *outlets;             /* alive; told when the server closes */
    struct question *questions;         /* not answered yet; aborted when the server closes */
    json_t *comms;                      /* comm.c: the open ones by id */
    struct comm_target *targets;        /* comm.c */
    struct message *comm_request;       /* comm.c: what a comm's handler is called for, or NULL */
    struct widgets *widgets;            /* what front ends know of widgets */
    json_t *widget_sessions;            /* widget_control.c: the sessions that draw them */
    struct history *history;            /* opened at the first use */
    uint64_t usage_at_us, usage_cpu_us; /* info.c: at the last usage_request */
    uint64_t usage_host_busy, usage_host_idle;

    uv_signal_t sigint;
    uv_signal_t sigterm;
    uv_poll_t parent; /* the parent's pidfd */
    int parent_fd;    /* -1: not watched */
};

/* --- requests (request.c) -------------------------------------------------------------------------- */

/* Sends busy. */
void request_begin(struct request *request);

/* Sends the reply (taken; NULL for messages that have none, and for one that is relayed) and idle, and
 * frees the request. */
void request_end(struct request *request, json_t *reply);

/* The same with a reply that tells what was wrong. */
void request_fail(struct request *request, const struct error *err);

/* The content as an object; NULL after request_fail() was called for it. */
json_t *request_content(struct request *request);

/* An IOPub message about the request (NULL: about nothing). `content` is taken. */
void server_publish(struct server *server, const struct message *about, const char *type,
                    json_t *content);

/* Fields of a content, with errors that name them. A missing one gives `fallback`; so does null. */
int field_string(const json_t *content, const char *name, const char *fallback, const char **ret,
                 struct error *err);
int field_bool(const json_t *content, const char *name, bool fallback, bool *ret,
               struct error *err);
int field_int(const json_t *content, const char *name, int64_t fallback, int64_t *ret,
              struct error *err);

/* --- handlers: each ends its request, now or later --------------------------------------------------- */

typedef void (*request_fn)(struct request *request);

void dispatch(struct server *server, enum channel channel, struct message *message);

void execute_enqueue(struct request *request);          /* execute.c */
void execute_interrupt(struct server *server);          /* the running cell, and what it asks */
void execute_abort_queue(struct server *server);        /* ends a failed cell, then all that wait */
void execute_input_reply(struct request *request);      /* cell.c */
void question_handle_complete(struct request *request); /* question.c */
void question_handle_inspect(struct request *request);
void question_handle_is_complete(struct request *request);
void question_abort_all(struct server *server); /* replies "aborted" to all that are open */
void comm_handle_open(struct request *request); /* comm.c */
void comm_handle_msg(struct request *request);
void comm_handle_close(struct request *request);
void comm_handle_info(struct request *request);
void comm_init(struct server *server);
void comm_free_all(struct server *server);
void comm_observe(struct server *server, struct message *message); /* the companion's, to IOPub */
void comm_companion_gone(struct server *server);
void widget_control_register(struct server *server); /* widget_control.c */
void widget_control_asked(struct server *server, const struct message *message);
bool widget_control_draws(const struct server *server, struct message *message);
void history_handle(struct request *request);     /* history_request.c */
void info_handle_kernel(struct request *request); /* info.c */
void info_handle_connect(struct request *request);
void info_handle_usage(struct request *request);

/* The companion answers a question; a reply (taken over) or NULL for none. */
const struct message *question_message(const struct question *question);
void question_answer_relayed(struct question *question, struct message *reply);

/* Passes the request on to the companion and ends it with what comes back, or with nothing. */
void companion_handle(struct request *request);
void companion_input_reply(struct companion *companion, const struct message *message);
/* A cell of ours takes a number; NULL is allowed. */
void companion_note_cell(struct companion *companion, int number, const char *code);
/* A front end is there. NULL is allowed. */
void companion_start_soon(struct companion *companion);
/* CPU in microseconds and memory in bytes of the companion's processes; zeros when there is none. */
void companion_usage(const struct companion *companion, uint64_t *ret_cpu_us, int64_t *ret_memory);
void companion_attach(struct companion *companion, struct server *server);

/* --- cells (cell.c) ------------------------------------------------------------------------------------ */

/* Makes the running cell of an execute request whose content is valid; see cell.h for what happens to it.
 * The request is taken over. */
struct cell_options {
    const char *code;
    bool silent, store_history, allow_stdin, stop_on_error;
};
struct cell *cell_new(struct request *request, const struct cell_options *options, int number);
const struct message *cell_message(const struct cell *cell); /* its request */
int cell_number(const struct cell *cell);                    /* In[number] */
void cell_hand_on(struct cell *cell); /* to the last interpreter: this one cannot */
void cell_relay_question(struct cell *cell, const struct message *message); /* input_request */
void cell_finish_relayed(struct cell *cell, struct message *reply);         /* taken over */
void cell_drop_input(struct cell *cell); /* interrupted: whoever asked is told NULL */
void cell_abandon(
    struct cell *cell); /* the server closes: ends it with an error; NULL is allowed */
const struct interpreter_slot *cell_interpreter(const struct cell *cell);

/* Called by a finishing cell: replies, aborts what waits if it failed, and lets the next one begin. */
void execute_cell_ended(struct server *server, struct request *request, json_t *reply, bool failed);

/* --- outlets (outlet.c) -------------------------------------------------------------------------------- */

/* A new outlet for the request's output, which is swallowed when it is silent; one reference. */
struct outlet *outlet_new(struct server *server, const struct message *message, bool silent);
void outlet_server_closed(struct server *server);
/* The request it writes about: as much of it as a parent takes. */
const struct message *outlet_request(const struct outlet *outlet);

/* --- stopping -------------------------------------------------------------------------------------------- */

void server_stop(struct server *server, bool restart);
