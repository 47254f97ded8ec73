/* SPDX-License-Identifier: BSD-3-Clause */
/* Whole requests and what a test expects of them, on top of the verbs of frontend.c. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/frontend.h"
#include "tests/unit.h"

void frontend_result_free(struct frontend_result *result)
{
    if (result == NULL)
        return;
    frontend_message_free(result->reply);
    frontend_messages_done(&result->outputs);
    free(result);
}

struct frontend_result *frontend_collect(struct frontend *frontend, const char *msg_id)
{
    struct frontend_result *result = xcalloc(1, sizeof *result);
    result->msg_id = msg_id;
    result->reply = frontend_recv_reply(frontend, msg_id);
    frontend_recv_idle(frontend, msg_id, &result->outputs);
    return result;
}

struct frontend_result *frontend_request(struct frontend *frontend, enum channel channel,
                                         const char *type, json_t *content)
{
    return frontend_collect(frontend, frontend_send(frontend, channel, type, content));
}

json_t *frontend_execute_content(const char *code)
{
    json_t *content =
        json_pack("{s:s, s:b, s:b, s:{}, s:b, s:b}", "code", code, "silent", 0, "store_history", 1,
                  "user_expressions", "allow_stdin", 1, "stop_on_error", 1);
    assert_non_null(content);
    return content;
}

struct frontend_result *frontend_execute(struct frontend *frontend, const char *code)
{
    return frontend_request(frontend, CHANNEL_SHELL, "execute_request",
                            frontend_execute_content(code));
}

struct frontend_message *frontend_output(const struct frontend_result *result, const char *type,
                                         size_t n)
{
    for (size_t i = 0; i < result->outputs.count; i++)
        if (strcmp(result->outputs.items[i]->type, type) == 0 && n-- == 0)
            return result->outputs.items[i];
    return NULL;
}

size_t frontend_output_count(const struct frontend_result *result, const char *type)
{
    size_t count = 0;
    while (frontend_output(result, type, count) != NULL)
        count++;
    return count;
}

char *frontend_stream_text(const struct frontend_result *result, const char *stream)
{
    AUTO_BUF struct buf text = BUF_INIT;
    const struct frontend_message *message;
    for (size_t i = 0; (message = frontend_output(result, "stream", i)) != NULL; i++)
        if (strcmp(json_get_string(message->content, "name", ""), stream) == 0)
            buf_puts(&text, json_get_string(message->content, "text", ""));
    return buf_steal(&text);
}

char *frontend_display_text(const struct frontend_result *result, const char *mime)
{
    AUTO_BUF struct buf text = BUF_INIT;
    for (size_t i = 0; i < result->outputs.count; i++) {
        const struct frontend_message *message = result->outputs.items[i];
        if (strcmp(message->type, "display_data") == 0 ||
            strcmp(message->type, "execute_result") == 0)
            buf_puts(&text, json_get_string(json_object_get(message->content, "data"), mime, ""));
    }
    return buf_steal(&text);
}

static void expect_bracket(const struct frontend_result *result)
{
    const struct frontend_messages *outputs = &result->outputs;
    assert_true(outputs->count >= 2);
    assert_int_equal(frontend_output_count(result, "status"), 2);
    assert_string_equal(outputs->items[0]->type, "status");
    assert_string_equal(json_get_string(outputs->items[0]->content, "execution_state", ""), "busy");
}

static void expect_status(const struct frontend_result *result, const char *status)
{
    const json_t *content = result->reply->content;
    if (strcmp(json_get_string(content, "status", ""), status) != 0) {
        AUTO_FREE char *text = content != NULL ? json_text(content) : xstrdup("nothing readable");
        fail_msg("the %s is not %s: %s", result->reply->type, status, text);
    }
    expect_bracket(result);
}

void frontend_expect_ok(const struct frontend_result *result)
{
    expect_status(result, "ok");
}

void frontend_expect_error(const struct frontend_result *result, const char *ename)
{
    expect_status(result, "error");
    assert_string_equal(json_get_string(result->reply->content, "ename", ""), ename);
}

void frontend_expect_aborted(const struct frontend_result *result)
{
    expect_status(result, "aborted");
}

static void expect_text(const char *where, const char *all, const char *text)
{
    if (strstr(all, text) == NULL)
        fail_msg("%s does not hold \"%s\" but:\n%s", where, text, all);
}

void frontend_expect_stream(const struct frontend_result *result, const char *stream,
                            const char *text)
{
    AUTO_FREE char *all = frontend_stream_text(result, stream);
    expect_text(stream, all, text);
}

void frontend_expect_display(const struct frontend_result *result, const char *mime,
                             const char *text)
{
    AUTO_FREE char *all = frontend_display_text(result, mime);
    expect_text(mime, all, text);
}

void frontend_expect_silence(struct frontend *frontend, enum channel channel)
{
    const char *msg_id = frontend_send(frontend, channel, "kernel_info_request", NULL);
    AUTO(frontend_message) struct frontend_message *message = frontend_recv(frontend, channel);
    struct frontend_messages outputs = {.items = NULL};
    if (strcmp(message->parent_id, msg_id) != 0)
        fail_msg("an unexpected %s came on %s", message->type, connection_channel_name(channel));
    frontend_recv_idle(frontend, msg_id, &outputs);
    frontend_messages_done(&outputs);
}
