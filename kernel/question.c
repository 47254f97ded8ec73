/* SPDX-License-Identifier: BSD-3-Clause */
/* Complete, inspect and is_complete: the code goes to the interpreter that claims it, positions are
 * translated between Jupyter's code points and our byte offsets, and the answer, now or later, becomes
 * the reply. */
#include "kernel/question.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/strlist.h"
#include "base/utf8.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

struct question {
    struct request *request;
    char *code;
    size_t cursor;
    int detail;
    struct question *previous; /* among the open ones */
    struct question *next;
};

const char *question_code(const struct question *question)
{
    return question->code;
}

size_t question_cursor(const struct question *question)
{
    return question->cursor;
}

int question_detail(const struct question *question)
{
    return question->detail;
}

static void add(struct server *server, struct question *question)
{
    question->next = server->questions;
    if (question->next != NULL)
        question->next->previous = question;
    server->questions = question;
}

static void answer(struct question *question, json_t *reply)
{
    if (question->previous != NULL)
        question->previous->next = question->next;
    else
        question->request->server->questions = question->next;
    if (question->next != NULL)
        question->next->previous = question->previous;
    request_end(question->request, reply);
    free(question->code);
    free(question);
}

void question_abort_all(struct server *server)
{
    while (server->questions != NULL)
        answer(server->questions, content_aborted());
}

const struct message *question_message(const struct question *question)
{
    return question->request->message;
}

/* What the interpreters that were not asked offer; where it begins, in bytes. */
static size_t gather_offers(const struct question *question, struct strlist *matches)
{
    const struct server *server = question->request->server;
    size_t start = question->cursor;
    for (size_t i = 0; i < server->options.interpreter_count; i++) {
        const struct interpreter_slot *slot = &server->interpreters[i];
        if (slot->interpreter->offer != NULL && matches->count == 0)
            start = slot->interpreter->offer(slot->self, question->code, question->cursor, matches);
    }
    return start;
}

static void add_matches(const json_t *content, struct strlist *matches)
{
    size_t i;
    json_t *match;
    json_array_foreach (json_object_get(content, "matches"), i, match)
        if (json_is_string(match) && !strlist_has(matches, json_string_value(match)))
            strlist_add(matches, json_string_value(match));
}

/* A completion by the companion (NULL: none) with what the others offer before it. What begins
 * elsewhere completes another word (the companion takes "sub" of "%sub" for a name) and is left out. */
static void answer_complete(struct question *question, struct message *reply)
{
    AUTO_STRLIST struct strlist matches = STRLIST_INIT;
    size_t start = gather_offers(question, &matches);
    if (matches.count == 0 && reply != NULL) {
        question->request->relayed = reply;
        answer(question, NULL);
        return;
    }
    size_t offered = matches.count;
    json_t *content = reply != NULL ? message_part(reply, MESSAGE_CONTENT, NULL) : NULL;
    if (json_get_int(content, "cursor_start", -1) == (int64_t)utf8_count(question->code, start))
        add_matches(content, &matches);
    json_t *names = json_array();
    json_t *types = json_array();
    for (size_t i = 0; i < matches.count; i++) {
        json_array_append_new(names, json_string(matches.items[i]));
        json_array_append_new(types, json_string(i < offered ? "magic" : ""));
    }
    message_free(reply);
    question_answer_complete(question, names, types, start, question->cursor);
}

/* Without a reply: the question's own kind of "nothing". */
void question_answer_relayed(struct question *question, struct message *reply)
{
    const char *type = question->request->message->type;
    if (strcmp(type, "complete_request") == 0) {
        answer_complete(question, reply);
        return;
    }
    question->request->relayed = reply;
    if (reply != NULL)
        answer(question, NULL);
    else if (strcmp(type, "inspect_request") == 0)
        question_answer_inspect(question, NULL);
    else
        question_answer_is_complete(question, "unknown", "");
}

void question_answer_complete(struct question *question, json_t *matches, json_t *types,
                              size_t start, size_t end)
{
    answer(question, content_complete(matches, types, utf8_count(question->code, start),
                                      utf8_count(question->code, end)));
}

void question_answer_inspect(struct question *question, json_t *bundle)
{
    answer(question, content_inspect(bundle != NULL, bundle));
}

void question_answer_is_complete(struct question *question, const char *status, const char *indent)
{
    answer(question, content_is_complete(status, indent));
}

/* Reads code, cursor and detail. NULL after the request was answered with what is wrong. */
static struct question *read_question(struct request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const char *code;
    int64_t cursor;
    int64_t detail;
    json_t *content = request_content(request);
    if (content == NULL)
        return NULL;
    if (field_string(content, "code", NULL, &code, &err) != 0 ||
        field_int(content, "cursor_pos", INT64_MAX, &cursor, &err) != 0 ||
        field_int(content, "detail_level", 0, &detail, &err) != 0) {
        request_fail(request, &err);
        return NULL;
    }
    struct question *question = xcalloc(1, sizeof *question);
    question->request = request;
    question->code = xstrdup(code);
    question->cursor = utf8_offset(code, cursor > 0 ? (size_t)cursor : 0);
    question->detail = detail > 0 ? 1 : 0;
    add(request->server, question);
    return question;
}

typedef void (*question_fn)(void *self, struct question *question);

/* The slot of the interpreter that claims the code; NULL when it does not answer such questions. */
static question_fn choose(struct question *question, size_t slot_offset, void **ret_self)
{
    const struct server *server = question->request->server;
    size_t last = server->options.interpreter_count - 1;
    for (size_t i = 0; i <= last; i++) {
        const struct interpreter_slot *slot = &server->interpreters[i];
        if (i < last && !slot->interpreter->claims(slot->self, question->code))
            continue;
        *ret_self = slot->self;
        question_fn fn;
        memcpy(&fn, (const char *)slot->interpreter + slot_offset, sizeof fn);
        return fn;
    }
    return NULL;
}

void question_handle_complete(struct request *request)
{
    void *self;
    struct question *question = read_question(request);
    if (question == NULL)
        return;
    question_fn fn = choose(question, offsetof(struct interpreter, complete), &self);
    if (fn != NULL)
        fn(self, question);
    else
        answer_complete(question, NULL);
}

void question_handle_inspect(struct request *request)
{
    void *self;
    struct question *question = read_question(request);
    if (question == NULL)
        return;
    question_fn fn = choose(question, offsetof(struct interpreter, inspect), &self);
    if (fn != NULL)
        fn(self, question);
    else
        question_answer_inspect(question, NULL);
}

void question_handle_is_complete(struct request *request)
{
    void *self;
    struct question *question = read_question(request);
    if (question == NULL)
        return;
    question_fn fn = choose(question, offsetof(struct interpreter, is_complete), &self);
    if (fn != NULL)
        fn(self, question);
    else
        question_answer_is_complete(question, "unknown", "");
}
