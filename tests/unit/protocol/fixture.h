/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Temporary folders, connection files and signed frames for the tests of protocol/. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "protocol/connection.h"
#include "protocol/wire.h"

#include "tests/unit.h"

#define FIXTURE_KEY "a0436f6c-1916-498b-8eb9-e81ab9368e84"

/* A new folder below /tmp. Caller removes and frees. */
static inline char *fixture_folder(void)
{
    char *path = xstrdup("/tmp/skiff-test-XXXXXX");
    assert_non_null(mkdtemp(path));
    return path;
}

static inline void fixture_remove(char *folder)
{
    struct error err = ERROR_INIT;
    assert_int_equal(file_remove_tree(folder, &err), 0);
    free(folder);
}

/* `count` TCP ports that nobody has; all are held until all are known, so they differ. */
static inline void fixture_ports(int *ports, size_t count)
{
    int fds[CHANNEL_COUNT];
    assert_true(count <= CHANNEL_COUNT);
    for (size_t i = 0; i < count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof address;
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(fds[i], (struct sockaddr *)&address, size), 0);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&address, &size), 0);
        ports[i] = ntohs(address.sin_port);
    }
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

/* Reads `text` as a connection file; the result of connection_read(). */
static inline int fixture_read(const char *text, struct connection **ret_connection,
                               struct error *err)
{
    char *folder = fixture_folder();
    AUTO_FREE char *path = file_join(folder, "kernel.json");
    assert_int_equal(file_write(path, text, strlen(text), 0600, err), 0);
    int result = connection_read(path, ret_connection, err);
    fixture_remove(folder);
    return result;
}

/* A connection on free ports, or on socket files in `folder` for ipc. */
static inline struct connection *fixture_connection(const char *transport, const char *folder)
{
    int ports[CHANNEL_COUNT] = {1, 2, 3, 4, 5};
    struct error err = ERROR_INIT;
    struct connection *connection = NULL;
    bool is_ipc = strcmp(transport, "ipc") == 0;
    if (!is_ipc)
        fixture_ports(ports, CHANNEL_COUNT);
    AUTO_FREE char *text =
        xasprintf("{\"transport\": \"%s\", \"ip\": \"%s%s\", \"key\": \"" FIXTURE_KEY "\","
                  "\"signature_scheme\": \"hmac-sha256\", \"shell_port\": %d,"
                  "\"control_port\": %d, \"stdin_port\": %d, \"iopub_port\": %d, \"hb_port\": %d}",
                  transport, is_ipc ? folder : "127.0.0.1", is_ipc ? "/kernel" : "", ports[0],
                  ports[1], ports[2], ports[3], ports[4]);
    assert_int_equal(fixture_read(text, &connection, &err), 0);
    return connection;
}

static inline struct frame fixture_frame(const char *text)
{
    return (struct frame){.data = text, .size = strlen(text)};
}
