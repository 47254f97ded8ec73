/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection file, read with suspicion.
 *
 * The HMAC key passes through the file's text and the parser on its way into locked memory; what we
 * can reach of that is wiped, and no error quotes the file, because the quote might be the key. */
#include "protocol/connection.h"

#include <arpa/inet.h>
#include <jansson.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <zmq.h>

#include "base/file.h"
#include "base/json.h"

/* A connection file has 300 bytes. */
#define CONNECTION_FILE_MAX (64 * 1024)

#define CURVE_KEY_SIZE 40 /* of Z85, without its NUL */

/* Room in a socket address for a path, without its NUL. */
#define IPC_PATH_MAX (sizeof((struct sockaddr_un *)NULL)->sun_path - 1)

static const char *const channel_names[CHANNEL_COUNT] = {
    [CHANNEL_SHELL] = "shell", [CHANNEL_CONTROL] = "control", [CHANNEL_STDIN] = "stdin",
    [CHANNEL_IOPUB] = "iopub", [CHANNEL_HB] = "hb",
};

const char *connection_channel_name(enum channel channel)
{
    return channel_names[channel];
}

void connection_free(struct connection *connection)
{
    if (connection == NULL)
        return;
    free(connection->transport);
    free(connection->ip);
    sodium_free(connection->key);
    sodium_free(connection->curve_publickey);
    sodium_free(connection->curve_secretkey);
    free(connection->kernel_name);
    free(connection);
}

char *connection_endpoint(const struct connection *connection, enum channel channel)
{
    int port = connection->ports[channel];
    if (strcmp(connection->transport, "ipc") == 0)
        return xasprintf("ipc://%s-%d", connection->ip, port);
    bool is_ipv6 = strchr(connection->ip, ':') != NULL;
    return xasprintf(is_ipv6 ? "tcp://[%s]:%d" : "tcp://%s:%d", connection->ip, port);
}

/* A string that must be there, or NULL with an error. */
static const char *required(const json_t *object, const char *key, struct error *err)
{
    const char *text = json_string_value(json_object_get(object, key));
    if (text == NULL)
        error_set(err, ERROR_INVALID, "\"%s\" is missing or not a string", key);
    return text;
}

static int read_ports(struct connection *connection, const json_t *object, struct error *err)
{
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        AUTO_FREE char *key = xasprintf("%s_port", channel_names[i]);
        const json_t *value = json_object_get(object, key);
        json_int_t port = json_integer_value(value);
        if (!json_is_integer(value))
            return error_set(err, ERROR_INVALID, "\"%s\" is missing or not an integer", key);
        if (port < 1 || port > 65535)
            return error_set(err, ERROR_INVALID, "\"%s\" is %lld; 1 to 65535 are allowed", key,
                             (long long)port);
        for (int j = 0; j < i; j++)
            if (connection->ports[j] == (int)port)
                return error_set(err, ERROR_INVALID,
                                 "\"%s\" is %lld, which \"%s_port\" has already; every channel "
                                 "needs a port of its own",
                                 key, (long long)port, channel_names[j]);
        connection->ports[i] = (int)port;
    }
    return 0;
}

static bool is_address(const char *ip)
{
    unsigned char binary[sizeof(struct in6_addr)];
    return strcmp(ip, "*") == 0 || inet_pton(AF_INET, ip, binary) == 1 ||
           inet_pton(AF_INET6, ip, binary) == 1;
}

static int check_ipc_paths(const struct connection *connection, struct error *err)
{
    if (connection->ip[0] == '\0' || connection->ip[0] == '@')
        return error_set(err, ERROR_INVALID, "\"ip\" is \"%s\"; for ipc it must be a path",
                         connection->ip);
    for (int i = 0; i < CHANNEL_COUNT; i++) {
        AUTO_FREE char *path = xasprintf("%s-%d", connection->ip, connection->ports[i]);
        if (strlen(path) > IPC_PATH_MAX) {
            error_set(err, ERROR_LIMIT,
                      "the ipc path \"%s\" has %zu bytes; a socket address holds %zu", path,
                      strlen(path), IPC_PATH_MAX);
            return error_hint(err, "use a folder with a shorter name, or the transport tcp");
        }
    }
    return 0;
}

static int read_address(struct connection *connection, const json_t *object, struct error *err)
{
    const char *transport = required(object, "transport", err);
    const char *ip = transport != NULL ? required(object, "ip", err) : NULL;
    if (ip == NULL || read_ports(connection, object, err) != 0)
        return -1;
    connection->transport = xstrdup(transport);
    connection->ip = xstrdup(ip);
    if (strcmp(transport, "ipc") == 0)
        return check_ipc_paths(connection, err);
    if (strcmp(transport, "tcp") != 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "\"transport\" is \"%s\"; \"tcp\" and \"ipc\" are allowed", transport);
    if (!is_address(ip))
        return error_set(err, ERROR_INVALID,
                         "\"ip\" is \"%s\"; an IPv4 or IPv6 address or \"*\" is allowed", ip);
    return 0;
}

/* Moves the key into locked memory and wipes where it was. */
static int read_key(struct connection *connection, const json_t *object, struct error *err)
{
    const char *key = required(object, "key", err);
    if (key == NULL)
        return -1;
    size_t size = strlen(key);
    if (size == 0)
        return 0;
    connection->key = sodium_malloc(size);
    if (connection->key == NULL)
        return error_errno(err, "cannot lock memory for the key");
    memcpy(connection->key, key, size);
    connection->key_size = size;
    sodium_memzero((void *)(uintptr_t)key, size); /* the parser's copy, which is about to go */

    const json_t *scheme = json_object_get(object, "signature_scheme");
    if (scheme != NULL && !json_is_string(scheme))
        return error_set(err, ERROR_INVALID, "\"signature_scheme\" is not a string");
    if (scheme != NULL && strcmp(json_string_value(scheme), "hmac-sha256") != 0)
        return error_set(err, ERROR_UNSUPPORTED,
                         "\"signature_scheme\" is \"%s\"; \"hmac-sha256\" is allowed",
                         json_string_value(scheme));
    return 0;
}

/* Wipes where it was. *ret_key stays NULL when there is none. */
static int read_curve_key(const json_t *object, const char *name, char **ret_key, struct error *err)
{
    unsigned char binary[32];
    const json_t *value = json_object_get(object, name);
    const char *text = json_string_value(value);
    if (value == NULL || json_is_null(value))
        return 0;
    if (text == NULL || strlen(text) != CURVE_KEY_SIZE || zmq_z85_decode(binary, text) == NULL)
        return error_set(err, ERROR_INVALID, "\"%s\" is not a key of 40 characters in Z85", name);
    sodium_memzero(binary, sizeof binary);
    *ret_key = sodium_malloc(CURVE_KEY_SIZE + 1);
    if (*ret_key == NULL)
        return error_errno(err, "cannot lock memory for the keys");
    memcpy(*ret_key, text, CURVE_KEY_SIZE + 1);
    sodium_memzero((void *)(uintptr_t)text, CURVE_KEY_SIZE);
    return 0;
}

/* https://rfc.zeromq.org/spec/26/ */
static int read_curve(struct connection *connection, const json_t *object, struct error *err)
{
    if (read_curve_key(object, "curve_publickey", &connection->curve_publickey, err) != 0 ||
        read_curve_key(object, "curve_secretkey", &connection->curve_secretkey, err) != 0)
        return -1;
    if ((connection->curve_publickey == NULL) != (connection->curve_secretkey == NULL))
        return error_set(err, ERROR_INVALID,
                         "\"curve_publickey\" and \"curve_secretkey\" belong together, and one of "
                         "them is missing");
    if (connection->curve_secretkey != NULL && zmq_has("curve") == 0)
        return error_set(
            err, ERROR_UNSUPPORTED,
            "the front end wants encrypted channels, and the ZeroMQ here has no CURVE");
    return 0;
}

static int read_fields(struct connection *connection, const struct buf *text, struct error *err)
{
    json_error_t fault;
    AUTO_JSON json_t *object = json_loadb(text->data, text->size, JSON_REJECT_DUPLICATES, &fault);
    if (object == NULL) /* fault.text quotes the file */
        return error_set(err, ERROR_INVALID, "not valid JSON near line %d, column %d", fault.line,
                         fault.column);
    if (!json_is_object(object))
        return error_set(err, ERROR_INVALID, "not a JSON object");
    if (read_key(connection, object, err) != 0 || read_curve(connection, object, err) != 0 ||
        read_address(connection, object, err) != 0)
        return -1;
    connection->kernel_name = xstrdup_or_null(json_get_string(object, "kernel_name", NULL));
    return 0;
}

int connection_read(const char *path, struct connection **ret_connection, struct error *err)
{
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO(connection) struct connection *connection = xcalloc(1, sizeof *connection);
    if (sodium_init() < 0)
        return error_set(err, ERROR_INTERNAL, "libsodium cannot be initialised");
    int result = file_read(path, CONNECTION_FILE_MAX, &text, err);
    if (result == 0 && read_fields(connection, &text, err) != 0)
        result = error_wrap(err, "the connection file %s", path);
    if (text.data != NULL)
        sodium_memzero(text.data, text.capacity);
    if (result == 0)
        *ret_connection = steal(&connection);
    return result;
}
