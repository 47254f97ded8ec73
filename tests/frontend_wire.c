/* SPDX-License-Identifier: BSD-3-Clause */
/* The test front end's messages. It speaks through the protocol layer's own wire and session, whose
 * signatures are checked against RFC 4231 elsewhere.
 *
 * Each channel has a queue of messages that arrived while another was waited for; a wait looks
 * there first. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#include "base/json.h"
#include "tests/frontend_private.h"

/* The frames of a message from the delimiter on. */
#define MESSAGE_FRAMES (2 + MESSAGE_PARTS)

void frontend_message_free(struct frontend_message *message)
{
    if (message == NULL)
        return;
    message_free(message->message);
    free(message);
}

static void messages_add(struct frontend_messages *messages, struct frontend_message *message)
{
    grow(&messages->items, &messages->capacity, messages->count + 1, sizeof *messages->items);
    messages->items[messages->count++] = message;
}

static struct frontend_message *messages_take(struct frontend_messages *messages, size_t index)
{
    struct frontend_message *message = messages->items[index];
    memmove(&messages->items[index], &messages->items[index + 1],
            (messages->count - index - 1) * sizeof *messages->items);
    messages->count--;
    return message;
}

void frontend_messages_done(struct frontend_messages *messages)
{
    for (size_t i = 0; i < messages->count; i++)
        frontend_message_free(messages->items[i]);
    free(messages->items);
    *messages = (struct frontend_messages){.items = NULL};
}

/* --- sending ------------------------------------------------------------------------------------
 */

void frontend_send_raw(struct frontend *frontend, enum channel channel, const struct frame *frames,
                       size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_true(multipart_send(frontend->sockets[channel], frames[i].data, frames[i].size,
                                   i + 1 < count));
}

static struct frame frame_of(const char *text)
{
    return (struct frame){.data = text, .size = strlen(text)};
}

/* Delimiter, signature and parts as frames; the signature's bytes are the caller's. */
static void make_frames(const struct frontend *frontend, const struct frame parts[MESSAGE_PARTS],
                        char signature[WIRE_SIGNATURE_SIZE], struct frame frames[MESSAGE_FRAMES])
{
    size_t size;
    wire_sign(frontend->connection->key, frontend->connection->key_size, parts, signature, &size);
    frames[0] = frame_of(WIRE_DELIMITER);
    frames[1] = (struct frame){.data = signature, .size = size};
    memcpy(&frames[2], parts, MESSAGE_PARTS * sizeof *parts);
}

void frontend_send_parts(struct frontend *frontend, enum channel channel,
                         const struct frame parts[MESSAGE_PARTS])
{
    char signature[WIRE_SIGNATURE_SIZE];
    struct frame frames[MESSAGE_FRAMES];
    make_frames(frontend, parts, signature, frames);
    frontend_send_raw(frontend, channel, frames, MESSAGE_FRAMES);
}

/* A message being written; released by draft_done(). */
struct draft {
    char *texts[MESSAGE_PARTS];
    struct frame frames[MESSAGE_FRAMES];
    char signature[WIRE_SIGNATURE_SIZE];
};

static void draft_done(struct draft *draft)
{
    for (size_t i = 0; i < MESSAGE_PARTS; i++)
        free(draft->texts[i]);
}

static char *text_or_empty(const json_t *value)
{
    return value != NULL ? json_text(value) : xstrdup("{}");
}

/* Writes a message and notes it as sent; returns its id. The content is taken as text. */
static const char *draft_init(struct draft *draft, struct frontend *frontend, enum channel channel,
                              const char *type, struct frame content,
                              const struct frontend_extras *extras)
{
    AUTO_JSON json_t *header = session_header(frontend->session, type);
    if (extras->header != NULL)
        json_object_update(header, extras->header);
    draft->texts[MESSAGE_HEADER] = json_text(header);
    draft->texts[MESSAGE_PARENT] = xstrdup("{}");
    draft->texts[MESSAGE_METADATA] = text_or_empty(extras->metadata);
    draft->texts[MESSAGE_CONTENT] = NULL;
    const struct frame parts[MESSAGE_PARTS] = {frame_of(draft->texts[MESSAGE_HEADER]),
                                               frame_of(draft->texts[MESSAGE_PARENT]),
                                               frame_of(draft->texts[MESSAGE_METADATA]), content};
    make_frames(frontend, parts, draft->signature, draft->frames);
    grow(&frontend->sent, &frontend->sent_capacity, frontend->sent_count + 1,
         sizeof *frontend->sent);
    struct sent *sent = &frontend->sent[frontend->sent_count++];
    *sent =
        (struct sent){.msg_id = xstrdup(json_get_string(header, "msg_id", "")), .channel = channel};
    return sent->msg_id;
}

static const char *draft_json(struct draft *draft, struct frontend *frontend, enum channel channel,
                              const char *type, json_t *content)
{
    char *text = text_or_empty(content);
    json_decref(content);
    const char *msg_id = draft_init(draft, frontend, channel, type, frame_of(text),
                                    &(struct frontend_extras){.header = NULL});
    draft->texts[MESSAGE_CONTENT] = text;
    return msg_id;
}

const char *frontend_send_with(struct frontend *frontend, enum channel channel, const char *type,
                               json_t *content, const struct frontend_extras *extras)
{
    struct draft draft;
    AUTO_FREE char *text = text_or_empty(content);
    const char *msg_id = draft_init(&draft, frontend, channel, type, frame_of(text), extras);
    for (size_t i = 0; i < MESSAGE_FRAMES; i++)
        assert_true(multipart_send(frontend->sockets[channel], draft.frames[i].data,
                                   draft.frames[i].size,
                                   i + 1 < MESSAGE_FRAMES || extras->buffer_count > 0));
    frontend_send_raw(frontend, channel, extras->buffers, extras->buffer_count);
    draft_done(&draft);
    json_decref(content);
    json_decref(extras->header);
    json_decref(extras->metadata);
    return msg_id;
}

const char *frontend_send(struct frontend *frontend, enum channel channel, const char *type,
                          json_t *content)
{
    return frontend_send_with(frontend, channel, type, content,
                              &(struct frontend_extras){.header = NULL});
}

const char *frontend_send_text(struct frontend *frontend, enum channel channel, const char *type,
                               const char *content, size_t size)
{
    struct draft draft;
    const char *msg_id =
        draft_init(&draft, frontend, channel, type, (struct frame){.data = content, .size = size},
                   &(struct frontend_extras){.header = NULL});
    frontend_send_raw(frontend, channel, draft.frames, MESSAGE_FRAMES);
    draft_done(&draft);
    return msg_id;
}

const char *frontend_send_forged(struct frontend *frontend, enum channel channel, const char *type,
                                 json_t *content)
{
    struct draft draft;
    const char *msg_id = draft_json(&draft, frontend, channel, type, content);
    draft.signature[0] = draft.signature[0] == '0' ? '1' : '0';
    frontend_send_raw(frontend, channel, draft.frames, MESSAGE_FRAMES);
    draft_done(&draft);
    return msg_id;
}

const char *frontend_send_cut(struct frontend *frontend, enum channel channel, const char *type,
                              json_t *content, size_t frame_count)
{
    struct draft draft;
    const char *msg_id = draft_json(&draft, frontend, channel, type, content);
    assert_true(frame_count <= MESSAGE_FRAMES);
    frontend_send_raw(frontend, channel, draft.frames, frame_count);
    draft_done(&draft);
    return msg_id;
}

const char *frontend_send_replayed(struct frontend *frontend, enum channel channel,
                                   const char *type, json_t *content)
{
    struct draft draft;
    const char *msg_id = draft_json(&draft, frontend, channel, type, content);
    for (int i = 0; i < 2; i++)
        frontend_send_raw(frontend, channel, draft.frames, MESSAGE_FRAMES);
    draft_done(&draft);
    return msg_id;
}

/* --- receiving ----------------------------------------------------------------------------------
 */

static void fail_with_log(const struct frontend *frontend, const char *what)
{
    AUTO_FREE char *log = frontend_log(frontend);
    fail_msg("%s; the kernel's log:\n%s", what, log);
}

/* What any client may rely on, whatever the message. */
static void check_header(struct frontend *frontend, const struct message *message)
{
    if (json_get_string(message->header, "date", "")[0] == '\0' ||
        json_get_string(message->header, "version", "")[0] != '5' ||
        json_get_string(message->header, "username", NULL) == NULL)
        fail_msg("the header of a %s is not complete", message->type);
    if (frontend->kernel_session == NULL)
        frontend->kernel_session = xstrdup(message->session);
    if (message->session[0] == '\0' || strcmp(message->session, frontend->kernel_session) != 0)
        fail_msg("a %s has another session than the messages before", message->type);
}

/* Decodes and checks what is in the inbox. */
static struct frontend_message *open_message(struct frontend *frontend, enum channel channel)
{
    const struct connection *connection = frontend->connection;
    AUTO_ERROR struct error err = ERROR_INIT;
    char signature[WIRE_SIGNATURE_SIZE + 1];
    struct message *message =
        wire_decode(connection->key, connection->key_size, frontend->inbox.frames,
                    frontend->inbox.count, signature, &err);
    multipart_release(&frontend->inbox);
    if (message == NULL)
        fail_msg("on %s came %s", connection_channel_name(channel), err.text);
    if (!session_remember(frontend->session, signature))
        fail_msg("a %s came twice with one signature", message->type);
    check_header(frontend, message);
    if (channel == CHANNEL_IOPUB && message->identity_count != 1)
        fail_msg("a %s has no topic", message->type);
    struct frontend_message *opened = xcalloc(1, sizeof *opened);
    *opened = (struct frontend_message){
        .message = message,
        .type = message->type,
        .msg_id = message->msg_id,
        .header = message->header,
        .parent = message_part(message, MESSAGE_PARENT, NULL),
        .metadata = message_part(message, MESSAGE_METADATA, NULL),
        .content = message_part(message, MESSAGE_CONTENT, NULL),
    };
    opened->parent_id = json_get_string(opened->parent, "msg_id", "");
    return opened;
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What a kernel sent before it ended may still have to pass our own I/O thread. */
#define LAST_WORDS_MS 2000

/* Waits until the socket is readable. Fails the test after the deadline, or when the kernel is gone
 * and has left nothing to read. */
static void wait_readable(struct frontend *frontend, enum channel channel, long deadline,
                          const char *what)
{
    struct frontend_process *process = process_of(frontend);
    zmq_pollitem_t items[2] = {{.socket = frontend->sockets[channel], .events = ZMQ_POLLIN}};
    int count = 1;
    if (process != NULL)
        items[count++] = (zmq_pollitem_t){.fd = frontend_process_fd(process), .events = ZMQ_POLLIN};
    for (;;) {
        long left = deadline - now_ms();
        int ready = zmq_poll(items, count, left > 0 ? left : 0);
        if (ready > 0 && items[0].revents != 0)
            return;
        if (ready > 0 && zmq_poll(items, 1, LAST_WORDS_MS) == 1)
            return;
        AUTO_FREE char *text =
            xasprintf("waiting for %s on %s: %s", what, connection_channel_name(channel),
                      ready > 0 ? "the kernel has ended" : "nothing came");
        if (ready > 0 || left <= 0)
            fail_with_log(frontend, text);
    }
}

static bool fits(const struct frontend_message *message, const char *msg_id, const char *type)
{
    return (msg_id == NULL || strcmp(message->parent_id, msg_id) == 0) &&
           (type == NULL || strcmp(message->type, type) == 0);
}

/* The next message about `msg_id` of type `type` (NULL: any); others are kept. */
static struct frontend_message *take(struct frontend *frontend, enum channel channel,
                                     const char *msg_id, const char *type)
{
    struct frontend_messages *kept = &frontend->kept[channel];
    AUTO_FREE char *what =
        xasprintf("%s about %s", type != NULL ? type : "a message", msg_id ? msg_id : "anything");
    long deadline = now_ms() + FRONTEND_WAIT_MS;
    for (size_t i = 0; i < kept->count; i++)
        if (fits(kept->items[i], msg_id, type))
            return messages_take(kept, i);
    for (;;) {
        wait_readable(frontend, channel, deadline, what);
        if (multipart_receive(&frontend->inbox, frontend->sockets[channel], SIZE_MAX) !=
            MULTIPART_TAKEN)
            continue;
        struct frontend_message *message = open_message(frontend, channel);
        if (fits(message, msg_id, type))
            return message;
        messages_add(kept, message);
    }
}

struct frontend_message *frontend_recv(struct frontend *frontend, enum channel channel)
{
    return take(frontend, channel, NULL, NULL);
}

struct frontend_message *frontend_recv_reply(struct frontend *frontend, const char *msg_id)
{
    for (size_t i = frontend->sent_count; i > 0; i--)
        if (strcmp(frontend->sent[i - 1].msg_id, msg_id) == 0)
            return take(frontend, frontend->sent[i - 1].channel, msg_id, NULL);
    fail_msg("%s was never sent", msg_id);
    return NULL;
}

struct frontend_message *frontend_recv_iopub(struct frontend *frontend, const char *msg_id,
                                             const char *type)
{
    return take(frontend, CHANNEL_IOPUB, msg_id, type);
}

static bool is_idle(const struct frontend_message *message)
{
    return strcmp(message->type, "status") == 0 &&
           strcmp(json_get_string(message->content, "execution_state", ""), "idle") == 0;
}

void frontend_recv_idle(struct frontend *frontend, const char *msg_id,
                        struct frontend_messages *ret_messages)
{
    struct frontend_messages messages = {.items = NULL};
    struct frontend_message *message;
    do {
        message = take(frontend, CHANNEL_IOPUB, msg_id, NULL);
        messages_add(&messages, message);
    } while (!is_idle(message));
    *ret_messages = messages;
}

bool frontend_pending(struct frontend *frontend, enum channel channel)
{
    zmq_pollitem_t item = {.socket = frontend->sockets[channel], .events = ZMQ_POLLIN};
    return frontend->kept[channel].count > 0 || zmq_poll(&item, 1, 0) == 1;
}

void frontend_answer_input(struct frontend *frontend, const char *prompt, const char *answer)
{
    AUTO(frontend_message)
    struct frontend_message *request = take(frontend, CHANNEL_STDIN, NULL, "input_request");
    AUTO_JSON json_t *header = session_header(frontend->session, "input_reply");
    AUTO_JSON json_t *content = json_pack("{s:s, s:s}", "status", "ok", "value", answer);
    AUTO_FREE char *header_text = json_text(header);
    AUTO_FREE char *content_text = json_text(content);
    const struct blob *parent = &request->message->parts[MESSAGE_HEADER];
    if (prompt != NULL)
        assert_string_equal(json_get_string(request->content, "prompt", ""), prompt);
    const struct frame parts[MESSAGE_PARTS] = {
        frame_of(header_text),
        {.data = parent->data, .size = parent->size},
        frame_of("{}"),
        frame_of(content_text),
    };
    frontend_send_parts(frontend, CHANNEL_STDIN, parts);
}

void frontend_expect_heartbeat(struct frontend *frontend)
{
    void *socket = frontend->sockets[CHANNEL_HB];
    assert_true(multipart_send(socket, "ping", 4, false));
    wait_readable(frontend, CHANNEL_HB, now_ms() + FRONTEND_WAIT_MS, "the heartbeat");
    assert_int_equal(multipart_receive(&frontend->inbox, socket, SIZE_MAX), MULTIPART_TAKEN);
    assert_int_equal(frontend->inbox.count, 1);
    assert_int_equal(frontend->inbox.frames[0].size, 4);
    assert_memory_equal(frontend->inbox.frames[0].data, "ping", 4);
    multipart_release(&frontend->inbox);
}
