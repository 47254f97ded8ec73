/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The connection file a front end writes for its kernel.
 * https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files
 */

#include <stddef.h>

#include "base/error.h"

enum channel { CHANNEL_SHELL, CHANNEL_CONTROL, CHANNEL_STDIN, CHANNEL_IOPUB, CHANNEL_HB };
#define CHANNEL_COUNT 5

struct connection {
    char *transport;          /* "tcp" or "ipc" */
    char *ip;                 /* an address, or for ipc the path the sockets' names begin with */
    int ports[CHANNEL_COUNT]; /* 1..65535; by enum channel */
    unsigned char *key;       /* the HMAC key in locked memory; NULL when messages go unsigned */
    size_t key_size;
    char *curve_publickey; /* CurveZMQ's pair, 40 characters of Z85 each, in locked memory; */
    char *curve_secretkey; /* both NULL when messages go in the clear */
    char *kernel_name;     /* may be NULL */
};

/* Reads and checks a connection file: at most 64 kB, one object, every port present, in range and
 * different from the others, scheme "hmac-sha256" (or an empty key), both CurveZMQ keys or neither
 * (jupyter_client's transport_encryption), ipc paths short enough for a socket address. 0 and *ret_connection, or -1 with an error that names the key and never shows the
 * HMAC key or the secret one. The caller frees the result. */
int connection_read(const char *path, struct connection **ret_connection, struct error *err);

/* Wipes the key and frees. NULL is allowed. */
void connection_free(struct connection *connection);
DEFINE_AUTO(connection)

/* The endpoint of one channel as ZeroMQ spells it. The caller frees it. */
MUST_CHECK char *connection_endpoint(const struct connection *connection, enum channel channel);

/* "shell", "control", "stdin", "iopub", "hb". Static storage. */
const char *connection_channel_name(enum channel channel);
