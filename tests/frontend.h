/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A front end for tests: real sockets, verbs, synchronous. A test reads like a script:
 *
 *     struct frontend *frontend = frontend_start("ipc", NULL);
 *     struct frontend_result *result = frontend_execute(frontend, "%computes");
 *     frontend_expect_ok(result);
 *     frontend_result_free(result);
 *     frontend_free(frontend);
 *
 * Every wait ends after FRONTEND_WAIT_MS, or as soon as the kernel has died, by failing the test
 * with the kernel's log. Every message received is checked like Jupyter's own clients do and more:
 * signature, no signature twice, one session for all messages, a complete header.
 *
 * Messages that come while another is waited for are kept for later, in their order.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "protocol/connection.h"
#include "protocol/message.h"
#include "protocol/wire.h"

#define FRONTEND_WAIT_MS 30000

struct frontend;

struct frontend_message {
    struct message *message; /* the bytes; identities[0] is the topic on IOPub */
    const char *type;
    const char *msg_id;
    const char *parent_id; /* the request it is about; "" when the parent is empty */
    json_t *header;
    json_t *parent;
    json_t *metadata; /* like content: NULL when jansson cannot hold what is in it */
    json_t *content;
};

void frontend_message_free(struct frontend_message *message); /* NULL is allowed */
DEFINE_AUTO(frontend_message)

struct frontend_messages {
    struct frontend_message **items; /* owned */
    size_t count;
    size_t capacity;
};

/* --- life ------------------------------------------------------------------------------------ */

/* A folder below /tmp with a connection file ("tcp": free ports; "ipc": socket files in it), and
 * nothing listening yet. */
MUST_CHECK struct frontend *frontend_new(const char *transport);

/* A second front end of the same running kernel, with an identity and a session of its own, ready
 * like the first; to be freed before the first. The first sees its welcome and status too. */
MUST_CHECK struct frontend *frontend_join(struct frontend *first);

/* Kills the kernel if it runs, removes the folder. NULL is allowed. */
void frontend_free(struct frontend *frontend);
DEFINE_AUTO(frontend)

/* Starts a kernel: argv with "-f", FILE appended; `env` as NULL-ended "NAME=value", may be NULL.
 * SKIFF_HOME points into the folder and JPY_PARENT_PID is the test, unless `env` says otherwise.
 * Does not wait. Called again, it kills the old kernel, forgets what came from it and starts one at
 * the same addresses, as on a restart; joined front ends are then of no more use. */
void frontend_start_kernel(struct frontend *frontend, const char *const *argv,
                           const char *const *env);

/* Waits for iopub_welcome and the first status after it. */
void frontend_wait_ready(struct frontend *frontend);

/* frontend_new() + `$SKIFF_BUILD/skiff kernel` + frontend_wait_ready(). */
MUST_CHECK struct frontend *frontend_start(const char *transport, const char *const *env);

/* The kernel process. kill: any signal. wait_exit: the status as waitpid(2) gives it. log: its
 * stdout and stderr so far; the caller frees it. */
pid_t frontend_pid(const struct frontend *frontend);
void frontend_kill(struct frontend *frontend, int signal);
int frontend_wait_exit(struct frontend *frontend);
MUST_CHECK char *frontend_log(const struct frontend *frontend);

/* Borrowed from the front end. */
const char *frontend_folder(const struct frontend *frontend);
const char *frontend_connection_file(const struct frontend *frontend);
const struct connection *frontend_connection(const struct frontend *frontend);

/* --- sending: each returns the message's id, borrowed from the front end ----------------------- */

/* `content` is taken; NULL means {}. */
const char *frontend_send(struct frontend *frontend, enum channel channel, const char *type,
                          json_t *content);

/* The same with metadata (taken) and buffers, and fields added to the header (taken, for
 * "subshell_id"); each may be NULL. */
struct frontend_extras {
    json_t *header;
    json_t *metadata;
    const struct frame *buffers;
    size_t buffer_count;
};
const char *frontend_send_with(struct frontend *frontend, enum channel channel, const char *type,
                               json_t *content, const struct frontend_extras *extras);

/* The content as text, JSON or not; well signed. */
const char *frontend_send_text(struct frontend *frontend, enum channel channel, const char *type,
                               const char *content, size_t size);

/* One digit of the signature is wrong. */
const char *frontend_send_forged(struct frontend *frontend, enum channel channel, const char *type,
                                 json_t *content);

/* Only the first `frame_count` of <IDS|MSG>, signature, header, parent, metadata, content. */
const char *frontend_send_cut(struct frontend *frontend, enum channel channel, const char *type,
                              json_t *content, size_t frame_count);

/* The very same message twice. */
const char *frontend_send_replayed(struct frontend *frontend, enum channel channel,
                                   const char *type, json_t *content);

/* Four parts of any bytes, well signed; and frames of any kind. */
void frontend_send_parts(struct frontend *frontend, enum channel channel,
                         const struct frame parts[MESSAGE_PARTS]);
void frontend_send_raw(struct frontend *frontend, enum channel channel, const struct frame *frames,
                       size_t count);

/* --- receiving: the caller frees --------------------------------------------------------------- */

/* The next message on the channel, whatever it is. */
MUST_CHECK struct frontend_message *frontend_recv(struct frontend *frontend, enum channel channel);

/* The reply to a message of ours, on the channel it was sent on. */
MUST_CHECK struct frontend_message *frontend_recv_reply(struct frontend *frontend,
                                                        const char *msg_id);

/* The next IOPub message about `msg_id` ("" for an empty parent, NULL for any) of that type (NULL
 * for any). */
MUST_CHECK struct frontend_message *frontend_recv_iopub(struct frontend *frontend,
                                                        const char *msg_id, const char *type);

/* Waits for idle and collects what came on IOPub about `msg_id`, from busy to idle. */
void frontend_recv_idle(struct frontend *frontend, const char *msg_id,
                        struct frontend_messages *ret_messages);
void frontend_messages_done(struct frontend_messages *messages);

/* True when a message has been kept for later, or is there to be read now. */
bool frontend_pending(struct frontend *frontend, enum channel channel);

/* Waits for an input_request with that prompt (NULL for any) and answers it. */
void frontend_answer_input(struct frontend *frontend, const char *prompt, const char *answer);

/* Sends a heartbeat and waits for its echo. */
void frontend_expect_heartbeat(struct frontend *frontend);

/* --- whole requests (frontend_result.c) -------------------------------------------------------- */

struct frontend_result {
    const char *msg_id; /* borrowed from the front end */
    struct frontend_message *reply;
    struct frontend_messages outputs; /* IOPub, from busy to idle */
};

/* Sends, waits for the reply and for idle. `content` is taken. */
MUST_CHECK struct frontend_result *frontend_request(struct frontend *frontend, enum channel channel,
                                                    const char *type, json_t *content);

/* The reply and the outputs of a message sent before. */
MUST_CHECK struct frontend_result *frontend_collect(struct frontend *frontend, const char *msg_id);

/* An execute_request as JupyterLab sends it (allow_stdin and stop_on_error true), and its content
 * alone, to be changed and sent otherwise. */
MUST_CHECK struct frontend_result *frontend_execute(struct frontend *frontend, const char *code);
MUST_CHECK json_t *frontend_execute_content(const char *code);

void frontend_result_free(struct frontend_result *result); /* NULL is allowed */
DEFINE_AUTO(frontend_result)

/* The n-th (from 0) output of a type, or NULL; and how many there are. */
struct frontend_message *frontend_output(const struct frontend_result *result, const char *type,
                                         size_t n);
size_t frontend_output_count(const struct frontend_result *result, const char *type);

/* All text of a stream ("stdout", "stderr"), or of one MIME type in display_data and
 * execute_result, joined. Caller frees. */
MUST_CHECK char *frontend_stream_text(const struct frontend_result *result, const char *stream);
MUST_CHECK char *frontend_display_text(const struct frontend_result *result, const char *mime);

/* The reply's status; busy first and idle last, each once. */
void frontend_expect_ok(const struct frontend_result *result);
void frontend_expect_error(const struct frontend_result *result, const char *ename);
void frontend_expect_aborted(const struct frontend_result *result);

/* A stream, or any display, holds this text. */
void frontend_expect_stream(const struct frontend_result *result, const char *stream,
                            const char *text);
void frontend_expect_display(const struct frontend_result *result, const char *mime,
                             const char *text);

/* A kernel_info_request on the channel is answered, and nothing came on it before the answer: what
 * was sent until now was dropped in silence. */
void frontend_expect_silence(struct frontend *frontend, enum channel channel);
