/* SPDX-License-Identifier: BSD-3-Clause */
/* Secrets: references, sealing, and that no error shows a value. */
#include "submission/secret.h"

#include <string.h>
#include <sys/stat.h>

#include "tests/unit.h"
#include "tests/unit/submission/home.h"

#define CANARY "canary-5up3r53cr3t"

static void knows_references(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is;
    } cases[] = {
        {"env:TOKEN", true},
        {"env:_x1", true},
        {"file:/run/secrets/x", true},
        {"file:~/x", true},
        {"secret:my-token", true},
        {"docker", true},
        {"env:", false},
        {"env:1X", false},
        {"env:A B", false},
        {"file:", false},
        {"file:///mlruns", false},
        {"secret:a/b", false},
        {"secret:", false},
        {"secret:../key", false},
        {"Docker", false},
        {"hunter2", false},
        {"", false},
        {"ENV:TOKEN", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        assert_int_equal(secret_is_reference(cases[i].text), cases[i].is);
        assert_int_equal(secret_check_reference(cases[i].text, &err), cases[i].is ? 0 : -1);
    }
    AUTO_ERROR struct error err = ERROR_INIT;
    secret_check_reference(CANARY, &err);
    AUTO_FREE char *shown = error_format(&err);
    assert_null(strstr(shown, CANARY)); /* it may be the secret itself */
    assert_non_null(strstr(shown, "secret:NAME"));
}

static void resolves_variables(void **state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_SECRET struct secret secret = SECRET_INIT;
    setenv("SKIFF_TEST_SECRET", CANARY "\n", 1);
    assert_int_equal(secret_resolve(*state, "env:SKIFF_TEST_SECRET", &secret, &err), 0);
    assert_string_equal(secret.value, CANARY "\n"); /* as it is */
    assert_int_equal(secret.size, strlen(CANARY) + 1);
    unsetenv("SKIFF_TEST_SECRET");
    struct secret none = SECRET_INIT;
    assert_int_equal(secret_resolve(*state, "env:SKIFF_TEST_SECRET", &none, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "SKIFF_TEST_SECRET"));
    assert_non_null(strstr(err.hint, "before starting Jupyter"));
    assert_int_equal(secret_resolve(*state, "docker", &none, &err), -1);
    assert_int_equal(err.code, ERROR_UNSUPPORTED);
    assert_null(none.value);
}

static void resolves_files(void **state)
{
    const char *home = *state;
    static const struct {
        const char *content;
        size_t size;
        const char *value; /* NULL: refused */
    } cases[] = {
        {CANARY, sizeof CANARY - 1, CANARY},
        {CANARY "\n", sizeof CANARY, CANARY},
        {CANARY "\r\n", sizeof CANARY + 1, CANARY},
        {CANARY "\n\n", sizeof CANARY + 1, CANARY "\n"},
        {"a\nb\n", 4, "a\nb"},
        {"", 0, NULL},
        {"\n", 1, NULL},
        {"a\0b", 3, NULL},
    };
    AUTO_FREE char *path = file_join(home, "token");
    AUTO_FREE char *reference = xasprintf("file:%s", path);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_SECRET struct secret secret = SECRET_INIT;
        assert_int_equal(file_write(path, cases[i].content, cases[i].size, 0600, NULL), 0);
        int result = secret_resolve(home, reference, &secret, &err);
        assert_int_equal(result, cases[i].value != NULL ? 0 : -1);
        if (result == 0)
            assert_string_equal(secret.value, cases[i].value);
    }
    AUTO_ERROR struct error err = ERROR_INIT;
    struct secret none = SECRET_INIT;
    assert_int_equal(truncate(path, SECRET_SIZE_MAX + 1), 0);
    assert_int_equal(secret_resolve(home, reference, &none, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_int_equal(secret_resolve(home, "file:/nowhere/x", &none, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(secret_resolve(home, "file:/tmp", &none, &err), -1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(secret_resolve(home, reference, &none, &err), -1); /* and does not hang */
}

static mode_t mode_of(const char *home, const char *name)
{
    struct stat st;
    AUTO_FREE char *path = file_join(home, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void stores_sealed(void **state)
{
    const char *home = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_SECRET struct secret secret = SECRET_INIT;
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    assert_int_equal(secret_list(home, &names, &err), 0); /* nothing yet, nothing made */
    assert_int_equal(names.count, 0);
    assert_int_equal(secret_store(home, "zeta", CANARY, strlen(CANARY), &err), 0);
    assert_int_equal(secret_store(home, "key", "other", 5, &err), 0); /* not the key file */
    assert_int_equal(secret_store(home, "zeta", CANARY "2", strlen(CANARY) + 1, &err), 0);
    assert_int_equal(secret_resolve(home, "secret:zeta", &secret, &err), 0);
    assert_string_equal(secret.value, CANARY "2");
    assert_int_equal(secret_list(home, &names, &err), 0);
    assert_int_equal(names.count, 2);
    assert_string_equal(names.items[0], "key");
    assert_string_equal(names.items[1], "zeta");
    assert_int_equal(mode_of(home, "secrets"), 0700);
    assert_int_equal(mode_of(home, "secrets/key"), 0600);
    assert_int_equal(mode_of(home, "secrets/zeta.sealed"), 0600);
    AUTO_BUF struct buf sealed = BUF_INIT;
    AUTO_FREE char *path = file_join(home, "secrets/zeta.sealed");
    assert_int_equal(file_read(path, 1000, &sealed, &err), 0);
    assert_null(memmem(sealed.data, sealed.size, CANARY, strlen(CANARY)));

    struct secret none = SECRET_INIT;
    assert_int_equal(secret_remove(home, "zeta", &err), 0);
    assert_int_equal(secret_remove(home, "zeta", &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_int_equal(secret_resolve(home, "secret:zeta", &none, &err), -1);
    assert_non_null(strstr(err.hint, "%secret zeta"));
    assert_int_equal(secret_store(home, "../x", "v", 1, &err), -1);
    assert_int_equal(secret_store(home, "x", "", 0, &err), -1);
    assert_int_equal(secret_remove(home, "../secrets/key", &err), -1);
}

static void notices_tampering(void **state)
{
    const char *home = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct secret none = SECRET_INIT;
    AUTO_FREE char *a = file_join(home, "secrets/a.sealed");
    AUTO_FREE char *b = file_join(home, "secrets/b.sealed");
    AUTO_FREE char *key = file_join(home, "secrets/key");
    assert_int_equal(secret_store(home, "a", CANARY, strlen(CANARY), &err), 0);
    assert_int_equal(secret_store(home, "b", "other", 5, &err), 0);
    assert_int_equal(rename(a, b), 0); /* one secret passed off as another */
    assert_int_equal(secret_resolve(home, "secret:b", &none, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    AUTO_BUF struct buf sealed = BUF_INIT;
    assert_int_equal(file_read(b, 1000, &sealed, &err), 0);
    for (size_t i = 0; i < sealed.size; i++) { /* every byte counts */
        sealed.data[i] ^= 1;
        assert_int_equal(file_write(a, sealed.data, sealed.size, 0600, NULL), 0);
        assert_int_equal(secret_resolve(home, "secret:a", &none, &err), -1);
        sealed.data[i] ^= 1;
        assert_int_equal(file_write(a, sealed.data, i, 0600, NULL), 0); /* cut */
        assert_int_equal(secret_resolve(home, "secret:a", &none, &err), -1);
    }
    assert_int_equal(chmod(key, 0644), 0);
    assert_int_equal(secret_store(home, "c", "v", 1, &err), -1);
    assert_int_equal(err.code, ERROR_DENIED);
    assert_int_equal(chmod(key, 0600), 0);
    assert_int_equal(truncate(key, 5), 0);
    assert_int_equal(secret_store(home, "c", "v", 1, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
}

static int store_and_read(const char *home, int index)
{
    AUTO_SECRET struct secret secret = SECRET_INIT;
    AUTO_FREE char *name = xasprintf("name%d", index);
    AUTO_FREE char *reference = xasprintf("secret:%s", name);
    if (secret_store(home, name, name, strlen(name), NULL) != 0)
        return 1;
    if (secret_resolve(home, reference, &secret, NULL) != 0)
        return 2;
    return strcmp(secret.value, name) == 0 ? 0 : 3;
}

/* All make the key at once; one key opens everything afterwards. */
static void agrees_on_one_key(void **state)
{
    const char *home = *state;
    home_act_together(home, store_and_read);
    for (int i = 0; i < PROCESSES; i++) {
        AUTO_SECRET struct secret secret = SECRET_INIT;
        AUTO_FREE char *reference = xasprintf("secret:name%d", i);
        assert_int_equal(secret_resolve(home, reference, &secret, NULL), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(knows_references),   UNIT_HOME(resolves_variables), UNIT_HOME(resolves_files),
        UNIT_HOME(stores_sealed), UNIT_HOME(notices_tampering),  UNIT_HOME(agrees_on_one_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
