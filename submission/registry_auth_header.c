/* SPDX-License-Identifier: BSD-3-Clause */
/* Credentials as the engines' headers: base64url, with its padding, of JSON. The JSON is written
 * here by hand and not by jansson, so that it is never anywhere but in protected memory. */
#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "submission/registry_auth_private.h"

#define BASE64 sodium_base64_VARIANT_URLSAFE
#define ESCAPED_MAX 6 /* bytes for one: \u001f */

void registry_auth_credentials_done(struct registry_auth_credentials *credentials)
{
    free(credentials->username);
    secret_done(&credentials->password);
    credentials->username = NULL;
}

int registry_auth_room(size_t size, struct secret *ret_room, struct error *err)
{
    char *room = sodium_init() >= 0 ? sodium_malloc(size + 1) : NULL;
    if (room == NULL)
        return error_set(err, ERROR_LIMIT, "there is no protected memory left for a password");
    room[0] = '\0';
    *ret_room = (struct secret){.value = room};
    return 0;
}

static void put(struct secret *text, const char *bytes, size_t size)
{
    memcpy(text->value + text->size, bytes, size);
    text->size += size;
    text->value[text->size] = '\0';
}

int registry_auth_copy(const char *text, size_t size, struct secret *ret_copy, struct error *err)
{
    if (size > SECRET_SIZE_MAX)
        return error_set(err, ERROR_LIMIT, "a registry's password is larger than 64 KiB");
    if (registry_auth_room(size, ret_copy, err) != 0)
        return -1;
    put(ret_copy, text, size);
    return 0;
}

const char *registry_auth_server(const char *host)
{
    return strcmp(host, "docker.io") == 0 ? "https://index.docker.io/v1/" : host;
}

static void put_text(struct secret *text, const char *bytes)
{
    put(text, bytes, strlen(bytes));
}

/* A JSON string, in quotes. */
static void put_string(struct secret *text, const char *bytes, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    put_text(text, "\"");
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\')
            put(text, (const char[]){'\\', bytes[i]}, 2);
        else if (c < 0x20)
            put(text, (const char[]){'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]}, 6);
        else
            put(text, bytes + i, 1);
    }
    put_text(text, "\"");
}

static void put_credentials(struct secret *json,
                            const struct registry_auth_credentials *credentials)
{
    const struct secret *password = &credentials->password;
    if (credentials->username != NULL) {
        put_text(json, "\"username\":");
        put_string(json, credentials->username, strlen(credentials->username));
        put_text(json, ",\"password\":");
    } else {
        put_text(json, "\"identitytoken\":");
    }
    put_string(json, password->value, password->size);
}

static int to_base64(const struct secret *json, struct secret *ret_text, struct error *err)
{
    size_t size = sodium_base64_ENCODED_LEN(json->size, BASE64);
    if (registry_auth_room(size, ret_text, err) != 0)
        return -1;
    sodium_bin2base64(ret_text->value, size, (const unsigned char *)json->value, json->size,
                      BASE64);
    ret_text->size = size - 1; /* `size` counts the NUL */
    return 0;
}

int registry_auth_encode(const char *host, const struct registry_auth_credentials *credentials,
                         struct registry_auth *ret_auth, struct error *err)
{
    AUTO_SECRET struct secret json = SECRET_INIT;
    AUTO_SECRET struct secret header = SECRET_INIT;
    const char *server = registry_auth_server(host);
    const char *username = credentials->username != NULL ? credentials->username : "";
    size_t fixed = strlen("{\"username\":\"\",\"password\":\"\",\"serveraddress\":\"\"}");
    size_t given = strlen(username) + credentials->password.size + strlen(server);
    assert(credentials->password.size <= SECRET_SIZE_MAX);
    if (registry_auth_room(fixed + ESCAPED_MAX * given, &json, err) != 0)
        return -1;
    put_text(&json, "{");
    put_credentials(&json, credentials);
    put_text(&json, ",\"serveraddress\":");
    put_string(&json, server, strlen(server));
    put_text(&json, "}");
    if (to_base64(&json, &header, err) != 0)
        return -1;
    json.size = 0;
    put_text(&json, "{");
    put_string(&json, server, strlen(server));
    put_text(&json, ":{");
    put_credentials(&json, credentials);
    put_text(&json, "}}");
    if (to_base64(&json, &ret_auth->config, err) != 0)
        return -1;
    ret_auth->header = header;
    header = (struct secret)SECRET_INIT;
    return 0;
}
