/* SPDX-License-Identifier: BSD-3-Clause */

#include "protocol/connection.h"

#include <sys/stat.h>

#include "tests/unit/protocol/fixture.h"

#define PORTS                                                              \
    "\"shell_port\": 1001, \"control_port\": 1002, \"stdin_port\": 1003, " \
    "\"iopub_port\": 1004, \"hb_port\": 1005"
#define TCP "\"transport\": \"tcp\", \"ip\": \"127.0.0.1\", "
#define KEY "\"key\": \"do-not-show-me\", \"signature_scheme\": \"hmac-sha256\", "
#define LONG_PATH                                                                          \
    "/tmp/a-folder-with-a-long-name-that-leaves-too-little-room/and-another-one-below-it/" \
    "and-a-third-for-good-measure"

static void reads_a_good_file(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    AUTO(connection) struct connection *connection = NULL;
    assert_int_equal(fixture_read("{" TCP KEY PORTS ", \"kernel_name\": \"skiff\", \"jupyter_"
                                  "session\": \"x.ipynb\"}",
                                  &connection, &err),
                     0);
    assert_string_equal(connection->kernel_name, "skiff");
    assert_int_equal(connection->key_size, strlen("do-not-show-me"));
    assert_memory_equal(connection->key, "do-not-show-me", connection->key_size);
    AUTO_FREE char *shell = connection_endpoint(connection, CHANNEL_SHELL);
    AUTO_FREE char *hb = connection_endpoint(connection, CHANNEL_HB);
    assert_string_equal(shell, "tcp://127.0.0.1:1001");
    assert_string_equal(hb, "tcp://127.0.0.1:1005");
}

static void spells_endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        const char *endpoint;
    } cases[] = {
        {"\"transport\": \"ipc\", \"ip\": \"/tmp/k\", ", "ipc:///tmp/k-1004"},
        {"\"transport\": \"ipc\", \"ip\": \"kernel-ipc\", ", "ipc://kernel-ipc-1004"},
        {"\"transport\": \"tcp\", \"ip\": \"::1\", ", "tcp://[::1]:1004"},
        {"\"transport\": \"tcp\", \"ip\": \"*\", ", "tcp://*:1004"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct error err = ERROR_INIT;
        AUTO(connection) struct connection *connection = NULL;
        AUTO_FREE char *text = xasprintf("{%s" KEY PORTS "}", cases[i].address);
        assert_int_equal(fixture_read(text, &connection, &err), 0);
        AUTO_FREE char *endpoint = connection_endpoint(connection, CHANNEL_IOPUB);
        assert_string_equal(endpoint, cases[i].endpoint);
    }
}

static void an_empty_key_means_unsigned(void **state)
{
    (void)state;
    struct error err = ERROR_INIT;
    AUTO(connection) struct connection *connection = NULL;
    assert_int_equal(fixture_read("{" TCP "\"key\": \"\", \"signature_scheme\": \"\", " PORTS "}",
                                  &connection, &err),
                     0);
    assert_null(connection->key);
    assert_int_equal(connection->key_size, 0);
}

static void says_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"", "not valid JSON near line 1"},
        {"{" TCP "\"key\": \"do-not-show-me\" \"oops\"", "not valid JSON near line 1"},
        {"{\"key\" \"do-not-show-me\"}", "not valid JSON near line 1"},
        {"[]", "not a JSON object"},
        {"{}", "\"key\" is missing or not a string"},
        {"{\"key\": 5}", "\"key\" is missing or not a string"},
        {"{" KEY "\"ip\": \"127.0.0.1\", " PORTS "}", "\"transport\" is missing"},
        {"{" KEY "\"transport\": \"tcp\", " PORTS "}", "\"ip\" is missing"},
        {"{" KEY TCP "\"shell_port\": 1001}", "\"control_port\" is missing or not an integer"},
        {"{" KEY TCP "\"shell_port\": \"1001\"}", "\"shell_port\" is missing or not an integer"},
        {"{" KEY TCP "\"shell_port\": 0}", "\"shell_port\" is 0; 1 to 65535 are allowed"},
        {"{" KEY TCP "\"shell_port\": -1}", "\"shell_port\" is -1;"},
        {"{" KEY TCP "\"shell_port\": 70000}", "\"shell_port\" is 70000;"},
        {"{" KEY TCP "\"shell_port\": 5, \"control_port\": 5}",
         "\"control_port\" is 5, which \"shell_port\" has already"},
        {"{" KEY "\"transport\": \"udp\", \"ip\": \"127.0.0.1\", " PORTS "}",
         "\"transport\" is \"udp\"; \"tcp\" and \"ipc\" are allowed"},
        {"{" KEY "\"transport\": \"tcp\", \"ip\": \"localhost\", " PORTS "}",
         "\"ip\" is \"localhost\"; an IPv4 or IPv6 address"},
        {"{" KEY "\"transport\": \"tcp\", \"ip\": \"\", " PORTS "}", "\"ip\" is \"\""},
        {"{" KEY "\"transport\": \"ipc\", \"ip\": \"\", " PORTS "}", "it must be a path"},
        {"{" KEY "\"transport\": \"ipc\", \"ip\": \"" LONG_PATH "\", " PORTS "}",
         "a socket address holds 107"},
        {"{" TCP "\"key\": \"do-not-show-me\", \"signature_scheme\": \"hmac-md5\", " PORTS "}",
         "\"signature_scheme\" is \"hmac-md5\"; \"hmac-sha256\" is allowed"},
        {"{" TCP "\"key\": \"do-not-show-me\", \"signature_scheme\": 7, " PORTS "}",
         "\"signature_scheme\" is not a string"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        struct connection *connection = NULL;
        assert_int_equal(fixture_read(cases[i].text, &connection, &err), -1);
        assert_null(connection);
        if (strstr(err.text, cases[i].says) == NULL)
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, err.text, cases[i].says);
        assert_non_null(strstr(err.text, "kernel.json"));
        assert_null(strstr(err.text, "do-not-show-me"));
    }
}

static void refuses_files_that_cannot_be_one(void **state)
{
    (void)state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct connection *connection = NULL;
    assert_int_equal(connection_read("/nonexistent/kernel.json", &connection, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);

    AUTO_FREE char *spaces = xasprintf("%70000s", "");
    assert_int_equal(fixture_read(spaces, &connection, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);

    char *folder = fixture_folder();
    AUTO_FREE char *fifo = file_join(folder, "fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(connection_read(fifo, &connection, &err), -1);
    assert_int_equal(err.code, ERROR_INVALID);
    fixture_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(reads_a_good_file),
        UNIT(spells_endpoints),
        UNIT(an_empty_key_means_unsigned),
        UNIT(says_what_is_wrong),
        UNIT(refuses_files_that_cannot_be_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
