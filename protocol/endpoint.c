/* SPDX-License-Identifier: BSD-3-Clause */
/* Binding, and the socket files of the ipc transport: one that nobody listens on was left behind by
 * a kernel that was killed and is replaced; anything else in its place stays. */
#include "protocol/endpoint.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#define IPC_SCHEME "ipc://"

static bool is_ipc(const struct connection *connection)
{
    return strcmp(connection->transport, "ipc") == 0;
}

static int busy(const char *channel, const char *endpoint, const char *what, struct error *err)
{
    error_set(err, ERROR_BUSY, "cannot bind the %s channel to %s: %s", channel, endpoint, what);
    return error_hint(err, "start the kernel again: the front end then chooses other addresses");
}

/* True when a process listens on the socket file. */
static bool is_listened_on(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true; /* not known: leave the file alone */
    /* EAGAIN is a full backlog: somebody is there. */
    return connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 || errno == EAGAIN ||
           errno == EACCES;
}

static int check_socket_file(const char *channel, const char *endpoint, struct error *err)
{
    const char *path = endpoint + strlen(IPC_SCHEME);
    struct stat st;
    if (lstat(path, &st) != 0)
        return 0;
    if (!S_ISSOCK(st.st_mode))
        return error_set(err, ERROR_EXISTS,
                         "cannot bind the %s channel: %s is in the way and is not a socket",
                         channel, path);
    if (is_listened_on(path))
        return busy(channel, endpoint, "another process listens there", err);
    return 0;
}

/* The server's side of CurveZMQ. Any client that knows the public key may connect; the signature of
 * each message is what says who may speak. */
static int set_curve(void *socket, const struct connection *connection, const char *channel,
                     struct error *err)
{
    const int server = 1;
    if (connection->curve_secretkey == NULL)
        return 0;
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &server, sizeof server) == 0 &&
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, connection->curve_secretkey,
                       strlen(connection->curve_secretkey) + 1) == 0)
        return 0;
    return error_set(err, ERROR_IO, "cannot encrypt the %s channel: %s", channel,
                     zmq_strerror(errno));
}

int endpoint_bind(void *socket, const struct connection *connection, enum channel channel,
                  struct error *err)
{
    const char *name = connection_channel_name(channel);
    AUTO_FREE char *endpoint = connection_endpoint(connection, channel);
    int ipv6 = strchr(connection->ip, ':') != NULL;
    if (is_ipc(connection) && check_socket_file(name, endpoint, err) != 0)
        return -1;
    if (set_curve(socket, connection, name, err) != 0)
        return -1;
    zmq_setsockopt(socket, ZMQ_IPV6, &ipv6, sizeof ipv6);
    if (zmq_bind(socket, endpoint) == 0)
        return 0;
    if (errno == EADDRINUSE)
        return busy(name, endpoint, "another process has it", err);
    return error_set(err, errno == EACCES ? ERROR_DENIED : ERROR_IO,
                     "cannot bind the %s channel to %s: %s", name, endpoint, zmq_strerror(errno));
}

void endpoint_remove(const struct connection *connection, enum channel channel)
{
    AUTO_FREE char *endpoint = connection_endpoint(connection, channel);
    if (is_ipc(connection))
        unlink(endpoint + strlen(IPC_SCHEME));
}
