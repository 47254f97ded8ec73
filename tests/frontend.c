/* SPDX-License-Identifier: BSD-3-Clause */
/* The test front end's life: a folder, a connection file, a kernel process, and sockets: DEALERs
 * with one identity, a SUB, a REQ. What goes over them is in frontend_wire.c. */
#include "tests/frontend.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strlist.h"
#include "tests/frontend_private.h"

/* Free TCP ports, all held until all are known. */
static void find_ports(int ports[CHANNEL_COUNT])
{
    int fds[CHANNEL_COUNT];
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&address, size), 0);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&address, &size), 0);
        ports[i] = ntohs(address.sin_port);
    }
    for (int i = 0; i < CHANNEL_COUNT; i++)
        close(fds[i]);
}

static void write_connection_file(const struct frontend *frontend, const char *transport)
{
    int ports[CHANNEL_COUNT] = {1, 2, 3, 4, 5};
    bool is_ipc = strcmp(transport, "ipc") == 0;
    AUTO_FREE char *path = file_join(frontend->folder, "kernel");
    AUTO_FREE char *key = xasprintf("key-of-%s", frontend->folder);
    if (!is_ipc)
        find_ports(ports);
    AUTO_JSON json_t *file = json_pack("{s:s, s:s, s:s, s:s, s:s}", "transport", transport, "ip",
                                       is_ipc ? path : "127.0.0.1", "key", key, "signature_scheme",
                                       "hmac-sha256", "kernel_name", "skiff");
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        AUTO_FREE char *name = xasprintf("%s_port", connection_channel_name((enum channel)i));
        json_object_set_new(file, name, json_integer(ports[i]));
    }
    assert_int_equal(json_write(frontend->connection_file, file, 0600, NULL), 0);
}

static void set_option(void *socket, int option, int value)
{
    assert_int_equal(zmq_setsockopt(socket, option, &value, sizeof value), 0);
}

static void connect_sockets(struct frontend *frontend)
{
    static const int types[CHANNEL_COUNT] = {
        [CHANNEL_SHELL] = ZMQ_DEALER, [CHANNEL_CONTROL] = ZMQ_DEALER, [CHANNEL_STDIN] = ZMQ_DEALER,
        [CHANNEL_IOPUB] = ZMQ_SUB,    [CHANNEL_HB] = ZMQ_REQ,
    };
    const char *identity = session_id(frontend->session);
    frontend->context = zmq_ctx_new();
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        AUTO_FREE char *endpoint = connection_endpoint(frontend->connection, (enum channel)i);
        void *socket = zmq_socket(frontend->context, types[i]);
        frontend->sockets[i] = socket;
        set_option(socket, ZMQ_LINGER, 0);
        set_option(socket, ZMQ_SNDHWM, 0);
        set_option(socket, ZMQ_RCVHWM, 0);
        set_option(socket, ZMQ_RECONNECT_IVL, 5); /* ms; the kernel may not listen yet */
        if (types[i] == ZMQ_DEALER)               /* stdin is addressed by the identity shell has */
            zmq_setsockopt(socket, ZMQ_ROUTING_ID, identity, strlen(identity));
        if (types[i] == ZMQ_SUB)
            zmq_setsockopt(socket, ZMQ_SUBSCRIBE, "", 0);
        if (i == CHANNEL_STDIN) /* writable when it is connected, not before */
            set_option(socket, ZMQ_IMMEDIATE, 1);
        assert_int_equal(zmq_connect(socket, endpoint), 0);
    }
}

/* Drops the sockets and what has come through them. */
static void disconnect_sockets(struct frontend *frontend)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        zmq_close(frontend->sockets[i]);
        frontend_messages_done(&frontend->kept[i]);
    }
    zmq_ctx_term(frontend->context);
}

static void open_connection(struct frontend *frontend)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (connection_read(frontend->connection_file, &frontend->connection, &err) != 0)
        fail_msg("%s", err.text);
    frontend->session = session_new(frontend->connection);
    connect_sockets(frontend);
}

struct frontend *frontend_new(const char *transport)
{
    struct frontend *frontend = xcalloc(1, sizeof *frontend);
    frontend->folder = xstrdup("/tmp/skiff-XXXXXX");
    assert_non_null(mkdtemp(frontend->folder));
    frontend->connection_file = file_join(frontend->folder, "kernel.json");
    write_connection_file(frontend, transport);
    open_connection(frontend);
    return frontend;
}

struct frontend *frontend_join(struct frontend *first)
{
    struct frontend *frontend = xcalloc(1, sizeof *frontend);
    frontend->first = first;
    frontend->folder = xstrdup(first->folder);
    frontend->connection_file = xstrdup(first->connection_file);
    open_connection(frontend);
    frontend_wait_ready(frontend);
    return frontend;
}

void frontend_free(struct frontend *frontend)
{
    if (frontend == NULL)
        return;
    frontend_process_free(frontend->process);
    disconnect_sockets(frontend);
    for (size_t i = 0; i < frontend->sent_count; i++)
        free(frontend->sent[i].msg_id);
    free(frontend->sent);
    if (frontend->first == NULL)
        file_remove_tree(frontend->folder, NULL);
    session_free(frontend->session);
    connection_free(frontend->connection);
    free(frontend->folder);
    free(frontend->connection_file);
    free(frontend->kernel_session);
    free(frontend);
}

void frontend_start_kernel(struct frontend *frontend, const char *const *argv,
                           const char *const *env)
{
    AUTO_STRLIST struct strlist arguments = STRLIST_INIT;
    AUTO_STRLIST struct strlist environment = STRLIST_INIT;
    AUTO_FREE char *log_path = file_join(frontend->folder, "kernel.log");
    for (size_t i = 0; argv[i] != NULL; i++)
        strlist_add(&arguments, argv[i]);
    strlist_add(&arguments, "-f");
    strlist_add(&arguments, frontend->connection_file);
    strlist_addf(&environment, "SKIFF_HOME=%s/home", frontend->folder);
    strlist_addf(&environment, "JPY_PARENT_PID=%d", (int)getpid());
    for (size_t i = 0; env != NULL && env[i] != NULL; i++)
        strlist_add(&environment, env[i]);
    if (frontend->process != NULL) { /* a restart: nothing of the old kernel may be mistaken */
        frontend_process_free(frontend->process);
        disconnect_sockets(frontend);
        connect_sockets(frontend);
        replace(&frontend->kernel_session, NULL);
    }
    frontend->process = frontend_process_new((const char *const *)arguments.items,
                                             (const char *const *)environment.items, log_path);
}

/* A kernel cannot ask a front end whose stdin is not connected yet: the question would be lost. */
void frontend_wait_ready(struct frontend *frontend)
{
    zmq_pollitem_t connected = {.socket = frontend->sockets[CHANNEL_STDIN], .events = ZMQ_POLLOUT};
    frontend_message_free(frontend_recv_iopub(frontend, NULL, "iopub_welcome"));
    frontend_message_free(frontend_recv_iopub(frontend, "", "status"));
    assert_int_equal(zmq_poll(&connected, 1, FRONTEND_WAIT_MS), 1);
}

struct frontend *frontend_start(const char *transport, const char *const *env)
{
    struct frontend *frontend = frontend_new(transport);
    const char *build = getenv("SKIFF_BUILD");
    if (build == NULL)
        fail_msg("SKIFF_BUILD is not set: run the tests through make");
    AUTO_FREE char *program = file_join(build, "skiff");
    frontend_start_kernel(frontend, (const char *const[]){program, "kernel", NULL}, env);
    frontend_wait_ready(frontend);
    return frontend;
}

pid_t frontend_pid(const struct frontend *frontend)
{
    return frontend_process_pid(process_of(frontend));
}

void frontend_kill(struct frontend *frontend, int signal)
{
    frontend_process_kill(process_of(frontend), signal);
}

int frontend_wait_exit(struct frontend *frontend)
{
    return frontend_process_wait(process_of(frontend));
}

char *frontend_log(const struct frontend *frontend)
{
    return process_of(frontend) != NULL ? frontend_process_log(process_of(frontend)) : xstrdup("");
}

const char *frontend_folder(const struct frontend *frontend)
{
    return frontend->folder;
}

const char *frontend_connection_file(const struct frontend *frontend)
{
    return frontend->connection_file;
}

const struct connection *frontend_connection(const struct frontend *frontend)
{
    return frontend->connection;
}
