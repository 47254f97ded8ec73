/* SPDX-License-Identifier: BSD-3-Clause */
/* The floor for `make bench`: the least a kernel in C can do on libzmq, jansson and libsodium. It
 * checks signatures, reads the message type, and sends canned answers to kernel_info_request,
 * execute_request and shutdown_request. It trusts its connection file and its front end; nothing of
 * it is used outside the benchmark.
 *
 * Usage: bare_loop -f CONNECTION_FILE */

#include <jansson.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

#define FRAMES_MAX 16
#define DELIMITER "<IDS|MSG>"
#define KERNEL_INFO                                                                          \
    "{\"status\":\"ok\",\"protocol_version\":\"5.5\",\"implementation\":\"bare\","           \
    "\"implementation_version\":\"0\",\"banner\":\"\",\"language_info\":{\"name\":\"none\"," \
    "\"version\":\"0\",\"mimetype\":\"text/plain\",\"file_extension\":\".txt\"},"            \
    "\"help_links\":[]}"
#define DISPLAY                                                                    \
    "{\"data\":{\"text/plain\":\"local workspace (no config.json was found)\\n\"," \
    "\"text/html\":\"<div>local workspace (no config.json was found)</div>\"},"    \
    "\"metadata\":{},\"transient\":{}}"

enum { SHELL, CONTROL, STDIN, IOPUB, HB, SOCKETS };

static const char *const names[SOCKETS] = {"shell_port", "control_port", "stdin_port", "iopub_port",
                                           "hb_port"};

struct loop {
    void *context;
    void *sockets[SOCKETS];
    const char *key;
    zmq_msg_t frames[FRAMES_MAX]; /* the message being answered */
    int count;
    int delimiter; /* the index of its delimiter */
    unsigned long long sent;
};

static const char *text_of(json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static bool bind_all(struct loop *loop, json_t *connection)
{
    const char *transport = text_of(connection, "transport");
    loop->context = zmq_ctx_new();
    for (int i = 0; i < SOCKETS; i++) {
        char endpoint[256];
        int port = (int)json_integer_value(json_object_get(connection, names[i]));
        snprintf(endpoint, sizeof endpoint, "%s://%s%c%d", transport, text_of(connection, "ip"),
                 strcmp(transport, "ipc") == 0 ? '-' : ':', port);
        loop->sockets[i] = zmq_socket(loop->context, i == IOPUB ? ZMQ_XPUB
                                                     : i == HB  ? ZMQ_REP
                                                                : ZMQ_ROUTER);
        if (i == IOPUB)
            zmq_setsockopt(loop->sockets[i], ZMQ_XPUB_VERBOSE, &(int){1}, sizeof(int));
        if (zmq_bind(loop->sockets[i], endpoint) != 0)
            return false;
    }
    return true;
}

static void sign(const struct loop *loop, const char *const parts[4], const size_t sizes[4],
                 char hex[65])
{
    crypto_auth_hmacsha256_state state;
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_init(&state, (const unsigned char *)loop->key, strlen(loop->key));
    for (int i = 0; i < 4; i++)
        crypto_auth_hmacsha256_update(&state, (const unsigned char *)parts[i], sizes[i]);
    crypto_auth_hmacsha256_final(&state, mac);
    sodium_bin2hex(hex, 65, mac, sizeof mac);
}

/* One message with the received one (if any) as its parent. */
static void answer(struct loop *loop, int channel, const char *type, const char *content)
{
    void *socket = loop->sockets[channel];
    char header[256];
    char signature[65] = "";
    bool has_parent = loop->count > 0;
    zmq_msg_t *parent = &loop->frames[loop->delimiter + 2];
    snprintf(
        header, sizeof header,
        "{\"msg_id\":\"bare_%d_%llu\",\"msg_type\":\"%s\",\"session\":\"bare\",\"username\":\"\","
        "\"date\":\"2026-01-01T00:00:00.000000Z\",\"version\":\"5.5\"}",
        (int)getpid(), loop->sent++, type);
    const char *parts[4] = {header, has_parent ? zmq_msg_data(parent) : "{}", "{}", content};
    const size_t sizes[4] = {strlen(header), has_parent ? zmq_msg_size(parent) : 2, 2,
                             strlen(content)};
    if (loop->key[0] != '\0')
        sign(loop, parts, sizes, signature);
    if (channel == IOPUB)
        zmq_send(socket, type, strlen(type), ZMQ_SNDMORE);
    for (int i = 0; channel != IOPUB && i < loop->delimiter; i++)
        zmq_send(socket, zmq_msg_data(&loop->frames[i]), zmq_msg_size(&loop->frames[i]),
                 ZMQ_SNDMORE);
    zmq_send(socket, DELIMITER, strlen(DELIMITER), ZMQ_SNDMORE);
    zmq_send(socket, signature, strlen(signature), ZMQ_SNDMORE);
    for (int i = 0; i < 4; i++)
        zmq_send(socket, parts[i], sizes[i], i < 3 ? ZMQ_SNDMORE : 0);
}

/* The type of the received message, to be released; NULL when it is not well signed. */
static json_t *check(struct loop *loop)
{
    const char *parts[4];
    size_t sizes[4];
    char expected[65] = "";
    for (loop->delimiter = 0; loop->delimiter < loop->count - 5; loop->delimiter++)
        if (zmq_msg_size(&loop->frames[loop->delimiter]) == strlen(DELIMITER))
            break;
    if (loop->delimiter >= loop->count - 5)
        return NULL;
    for (int i = 0; i < 4; i++) {
        parts[i] = zmq_msg_data(&loop->frames[loop->delimiter + 2 + i]);
        sizes[i] = zmq_msg_size(&loop->frames[loop->delimiter + 2 + i]);
    }
    if (loop->key[0] != '\0')
        sign(loop, parts, sizes, expected);
    zmq_msg_t *signature = &loop->frames[loop->delimiter + 1];
    if (zmq_msg_size(signature) != strlen(expected) ||
        sodium_memcmp(zmq_msg_data(signature), expected, strlen(expected)) != 0)
        return NULL;
    return json_loadb(parts[0], sizes[0], 0, NULL);
}

/* False when the kernel is to end. */
static bool serve(struct loop *loop, int channel)
{
    json_t *header = check(loop);
    const char *type = text_of(header, "msg_type");
    bool goes_on = true;
    if (header == NULL)
        return true;
    answer(loop, IOPUB, "status", "{\"execution_state\":\"busy\"}");
    if (strcmp(type, "kernel_info_request") == 0) {
        answer(loop, channel, "kernel_info_reply", KERNEL_INFO);
    } else if (strcmp(type, "execute_request") == 0) {
        answer(loop, IOPUB, "execute_input", "{\"code\":\"\",\"execution_count\":1}");
        answer(loop, IOPUB, "display_data", DISPLAY); /* a magic that shows something */
        answer(loop, channel, "execute_reply",
               "{\"status\":\"ok\",\"execution_count\":1,\"payload\":[],\"user_expressions\":{}}");
    } else if (strcmp(type, "shutdown_request") == 0) {
        answer(loop, channel, "shutdown_reply", "{\"status\":\"ok\",\"restart\":false}");
        goes_on = false;
    }
    answer(loop, IOPUB, "status", "{\"execution_state\":\"idle\"}");
    json_decref(header);
    return goes_on;
}

static void receive(struct loop *loop, void *socket)
{
    bool more = true;
    for (loop->count = 0; more && loop->count < FRAMES_MAX; loop->count++) {
        zmq_msg_init(&loop->frames[loop->count]);
        zmq_msg_recv(&loop->frames[loop->count], socket, 0);
        more = zmq_msg_more(&loop->frames[loop->count]);
    }
}

static void release(struct loop *loop)
{
    while (loop->count > 0)
        zmq_msg_close(&loop->frames[--loop->count]);
}

static void run(struct loop *loop)
{
    zmq_pollitem_t items[SOCKETS];
    bool goes_on = true;
    for (int i = 0; i < SOCKETS; i++)
        items[i] = (zmq_pollitem_t){.socket = loop->sockets[i], .events = ZMQ_POLLIN};
    while (goes_on && zmq_poll(items, SOCKETS, -1) >= 0)
        for (int i = 0; i < SOCKETS && goes_on; i++) {
            if (items[i].revents == 0)
                continue;
            receive(loop, loop->sockets[i]);
            if (i == HB)
                zmq_msg_send(&loop->frames[0], loop->sockets[HB], 0);
            else if (i != IOPUB)
                goes_on = serve(loop, i);
            release(loop);
            if (i == IOPUB) {
                answer(loop, IOPUB, "iopub_welcome", "{\"subscription\":\"\"}");
                answer(loop, IOPUB, "status", "{\"execution_state\":\"idle\"}");
            }
        }
}

int main(int argc, char **argv)
{
    json_t *connection = argc > 2 ? json_load_file(argv[argc - 1], 0, NULL) : NULL;
    struct loop loop = {.key = text_of(connection, "key")};
    if (connection == NULL || sodium_init() < 0 || !bind_all(&loop, connection)) {
        fprintf(stderr, "usage: bare_loop -f CONNECTION_FILE\n");
        return 1;
    }
    run(&loop);
    for (int i = 0; i < SOCKETS; i++)
        zmq_close(loop.sockets[i]);
    zmq_ctx_term(loop.context);
    json_decref(connection);
    return 0;
}
