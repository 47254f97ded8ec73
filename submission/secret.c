/* SPDX-License-Identifier: BSD-3-Clause */
/* Secrets. Values and the key live in sodium_malloc()ed memory, which is kept out of swap and core
 * dumps and wiped when freed; no error and no log line ever holds one.
 *
 * A sealed file is the magic, a nonce, and the ciphertext with its tag; the name is authenticated
 * with it, so that files cannot be exchanged for one another. */
#include "submission/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "submission/listing.h"

#define MAGIC "SKIFF-S1" /* a new format gets a new number */
#define MAGIC_SIZE 8
#define NONCE_SIZE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define KEY_SIZE crypto_aead_xchacha20poly1305_ietf_KEYBYTES
#define TAG_SIZE crypto_aead_xchacha20poly1305_ietf_ABYTES
#define HEADER_SIZE (MAGIC_SIZE + NONCE_SIZE)
#define SUFFIX ".sealed"
#define NAME_SIZE_MAX 64 /* people type these */

static const char forms[] = "env:NAME (an environment variable of the kernel), file:PATH (the "
                            "content of a file), or secret:NAME (stored with %secret NAME)";

void secret_done(struct secret *secret)
{
    sodium_free(secret->value);
    *secret = (struct secret)SECRET_INIT;
}

/* Room for a value and its NUL, or an error. */
static char *new_value(size_t size, struct error *err)
{
    char *value = sodium_init() >= 0 ? sodium_malloc(size + 1) : NULL;
    if (value == NULL) {
        error_set(err, ERROR_LIMIT, "there is no protected memory left for a secret");
        error_hint(err, "`ulimit -l` shows how much a process may lock; raise it for Jupyter");
    }
    return value;
}

static int too_large(const char *name, struct error *err)
{
    error_set(err, ERROR_LIMIT, "the secret %s is larger than 64 KiB", name);
    return error_hint(err,
                      "a secret is a password, a token or a key: keep larger data in a file that "
                      "only you can read");
}

/* --- references ------------------------------------------------------------------------------ */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool is_name(const char *name)
{
    size_t length =
        strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
    return length > 0 && length <= NAME_SIZE_MAX && name[length] == '\0';
}

static bool is_variable(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    return length > 0 && name[length] == '\0' && !(name[0] >= '0' && name[0] <= '9');
}

bool secret_is_reference(const char *text)
{
    if (starts_with(text, "env:"))
        return is_variable(text + 4);
    if (starts_with(text, "file:")) /* file://... is a URL: MLFLOW_TRACKING_URI and the like */
        return text[5] != '\0' && !starts_with(text + 5, "//");
    if (starts_with(text, "secret:"))
        return is_name(text + 7);
    return strcmp(text, "docker") == 0;
}

int secret_check_reference(const char *text, struct error *err)
{
    if (secret_is_reference(text))
        return 0;
    /* What is no reference may be the secret itself: it is not shown. */
    error_set(err, ERROR_INVALID, "a secret is given by reference, never as text in a cell");
    return error_hint(err, "use %s", forms);
}

/* --- resolving ------------------------------------------------------------------------------- */

/* What every value must be: it goes into environment variables and headers. */
static int check_value(const struct secret *secret, const char *reference, struct error *err)
{
    if (secret->size == 0)
        return error_set(err, ERROR_INVALID, "the secret %s is empty", reference);
    if (memchr(secret->value, '\0', secret->size) != NULL)
        return error_set(err, ERROR_INVALID, "the secret %s holds a NUL byte", reference);
    secret->value[secret->size] = '\0';
    return 0;
}

static int resolve_variable(const char *reference, struct secret *secret, struct error *err)
{
    const char *name = reference + strlen("env:");
    const char *value = getenv(name);
    if (value == NULL) {
        error_set(err, ERROR_NOT_FOUND, "the environment variable %s is not set in the kernel",
                  name);
        return error_hint(err,
                          "export %s before starting Jupyter, or store the value with %%secret and "
                          "write secret:NAME",
                          name);
    }
    size_t size = strlen(value);
    if (size > SECRET_SIZE_MAX)
        return too_large(reference, err);
    secret->value = new_value(size, err);
    if (secret->value == NULL)
        return -1;
    memcpy(secret->value, value, size);
    secret->size = size;
    return 0;
}

/* One newline at the end is the editor's, not the secret's. */
static void strip_newline(struct secret *secret)
{
    if (secret->size == 0 || secret->value[secret->size - 1] != '\n')
        return;
    secret->size--;
    if (secret->size > 0 && secret->value[secret->size - 1] == '\r')
        secret->size--;
}

static int resolve_file(const char *reference, struct secret *secret, struct error *err)
{
    AUTO_FREE char *path = file_expand_home(reference + strlen("file:"));
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0) {
        error_errno(err, "the secret %s cannot be read", reference);
        return error_hint(err, "a relative path begins at the folder the kernel runs in");
    }
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID, "the secret %s is not a regular file", reference);
    if (st.st_size > SECRET_SIZE_MAX)
        return too_large(reference, err);
    secret->value = new_value((size_t)st.st_size, err);
    if (secret->value == NULL)
        return -1;
    /* Not by way of a struct buf: no copy stays behind in the heap. */
    ssize_t got = file_read_full(fd, secret->value, (size_t)st.st_size);
    if (got < 0)
        return error_errno(err, "the secret %s cannot be read", reference);
    secret->size = (size_t)got;
    strip_newline(secret);
    return 0;
}

/* --- the key --------------------------------------------------------------------------------- */

static char *sealed_path(const char *home, const char *name)
{
    return xasprintf("%s/secrets/%s" SUFFIX, home, name);
}

static int make_folder(const char *home, struct error *err)
{
    AUTO_FREE char *dir = file_join(home, "secrets");
    if (file_make_dirs(home, err) != 0)
        return -1;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return error_errno(err, "cannot create the folder %s", dir);
    if (chmod(dir, 0700) != 0)
        return error_errno(err, "cannot protect the folder %s", dir);
    return 0;
}

/* Writes a fresh key under a temporary name and links it to `path`: of two kernels that do so at
 * once, both use the one that came first. */
static int make_key(const char *path, struct error *err)
{
    AUTO_FREE char *temporary = xasprintf("%s.%d.tmp", path, (int)getpid());
    char *key = new_value(KEY_SIZE, err);
    int result = 0;
    if (key == NULL)
        return -1;
    randombytes_buf(key, KEY_SIZE);
    if (file_write(temporary, key, KEY_SIZE, 0600, err) != 0)
        result = -1;
    else if (link(temporary, path) != 0 && errno != EEXIST)
        result = error_errno(err, "cannot write %s", path);
    unlink(temporary);
    sodium_free(key);
    return result;
}

static int check_key(int fd, const char *path, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return error_errno(err, "cannot read %s", path);
    if ((st.st_mode & 077) != 0) {
        error_set(err, ERROR_DENIED, "other users may read the key %s", path);
        return error_hint(err, "run chmod 600 on it; if others could have read it, change the "
                               "secrets it protects");
    }
    if (!S_ISREG(st.st_mode) || st.st_size != KEY_SIZE) {
        error_set(err, ERROR_CORRUPT, "%s is not a key that Skiff wrote", path);
        return error_hint(err, "move the folder it is in away and store the secrets again");
    }
    return 0;
}

/* The key in protected memory; `make` when there may be none yet. Caller frees with sodium_free().
 */
static unsigned char *read_key(const char *home, bool make, struct error *err)
{
    AUTO_FREE char *path = file_join(home, "secrets/key");
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT && make) {
        if (make_key(path, err) != 0)
            return NULL;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    }
    if (fd < 0) {
        error_errno(err, "cannot open %s", path);
        return NULL;
    }
    if (check_key(fd, path, err) != 0)
        return NULL;
    char *key = new_value(KEY_SIZE, err);
    if (key != NULL && file_read_full(fd, key, KEY_SIZE) != KEY_SIZE) {
        error_errno(err, "cannot read %s", path);
        sodium_free(key);
        return NULL;
    }
    return (unsigned char *)key;
}

/* --- stored secrets -------------------------------------------------------------------------- */

static int check_name(const char *name, struct error *err)
{
    if (is_name(name))
        return 0;
    error_set(err, ERROR_INVALID, "\"%s\" cannot be the name of a secret", name);
    return error_hint(err, "use letters, digits, _ and -, at most 64");
}

static int no_such_secret(const char *home, const char *name, struct error *err)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    if (secret_list(home, &names, err) != 0)
        return -1;
    AUTO_FREE char *known = strlist_join(&names, ", ");
    error_set(err, ERROR_NOT_FOUND, "there is no stored secret \"%s\"", name);
    if (names.count == 0)
        return error_hint(err, "store it with %%secret %s", name);
    return error_hint(err, "store it with %%secret %s; there are: %s", name, known);
}

static int unseal(const char *home, const char *name, const struct buf *sealed,
                  struct secret *secret, struct error *err)
{
    const unsigned char *bytes = (const unsigned char *)sealed->data;
    unsigned long long size = 0;
    if (sealed->size < HEADER_SIZE + TAG_SIZE || memcmp(bytes, MAGIC, MAGIC_SIZE) != 0)
        return error_set(err, ERROR_CORRUPT, "the stored secret \"%s\" is damaged", name);
    unsigned char *key = read_key(home, false, err);
    if (key == NULL)
        return -1;
    secret->value = new_value(sealed->size, err);
    int opened = secret->value == NULL
                     ? -1
                     : crypto_aead_xchacha20poly1305_ietf_decrypt(
                           (unsigned char *)secret->value, &size, NULL, bytes + HEADER_SIZE,
                           sealed->size - HEADER_SIZE, (const unsigned char *)name, strlen(name),
                           bytes + MAGIC_SIZE, key);
    sodium_free(key);
    if (secret->value == NULL)
        return -1;
    if (opened != 0)
        return error_set(err, ERROR_CORRUPT,
                         "the stored secret \"%s\" does not open with the key beside it", name);
    secret->size = (size_t)size;
    return 0;
}

static int resolve_stored(const char *home, const char *reference, struct secret *secret,
                          struct error *err)
{
    const char *name = reference + strlen("secret:");
    AUTO_FREE char *path = sealed_path(home, name);
    AUTO_BUF struct buf sealed = BUF_INIT;
    if (!file_exists(path))
        return no_such_secret(home, name, err);
    if (file_read(path, SECRET_SIZE_MAX + HEADER_SIZE + TAG_SIZE, &sealed, err) != 0)
        return -1;
    if (unseal(home, name, &sealed, secret, err) != 0)
        return error_hint(err, "store it again with %%secret %s", name);
    return 0;
}

int secret_resolve(const char *home, const char *reference, struct secret *ret_secret,
                   struct error *err)
{
    AUTO_SECRET struct secret secret = SECRET_INIT;
    int result;
    if (secret_check_reference(reference, err) != 0)
        return -1;
    if (starts_with(reference, "env:"))
        result = resolve_variable(reference, &secret, err);
    else if (starts_with(reference, "file:"))
        result = resolve_file(reference, &secret, err);
    else if (starts_with(reference, "secret:"))
        result = resolve_stored(home, reference, &secret, err);
    else
        result = error_set(err, ERROR_UNSUPPORTED,
                           "\"docker\" means the container engine's own credential store and can "
                           "only stand for a registry's password");
    if (result != 0 || check_value(&secret, reference, err) != 0)
        return -1;
    *ret_secret = secret;
    secret = (struct secret)SECRET_INIT;
    return 0;
}

int secret_store(const char *home, const char *name, const char *value, size_t size,
                 struct error *err)
{
    if (check_name(name, err) != 0)
        return -1;
    if (size == 0)
        return error_set(err, ERROR_INVALID, "the secret \"%s\" is empty: nothing was stored",
                         name);
    if (size > SECRET_SIZE_MAX)
        return too_large(name, err);
    unsigned char *key = make_folder(home, err) == 0 ? read_key(home, true, err) : NULL;
    if (key == NULL)
        return error_wrap(err, "storing the secret \"%s\"", name);
    AUTO_FREE char *path = sealed_path(home, name);
    AUTO_FREE unsigned char *sealed = xmalloc(HEADER_SIZE + size + TAG_SIZE);
    unsigned long long sealed_size = 0;
    memcpy(sealed, MAGIC, MAGIC_SIZE);
    randombytes_buf(sealed + MAGIC_SIZE, NONCE_SIZE);
    crypto_aead_xchacha20poly1305_ietf_encrypt(
        sealed + HEADER_SIZE, &sealed_size, (const unsigned char *)value, size,
        (const unsigned char *)name, strlen(name), NULL, sealed + MAGIC_SIZE, key);
    sodium_free(key);
    return file_write(path, sealed, HEADER_SIZE + (size_t)sealed_size, 0600, err);
}

int secret_list(const char *home, struct strlist *ret_names, struct error *err)
{
    AUTO_FREE char *dir = file_join(home, "secrets");
    AUTO_STRLIST struct strlist files = STRLIST_INIT;
    if (listing_read(dir, &files, err) != 0)
        return -1;
    for (size_t i = 0; i < files.count; i++) {
        size_t length = strlen(files.items[i]);
        size_t suffix = strlen(SUFFIX);
        if (length <= suffix || strcmp(files.items[i] + length - suffix, SUFFIX) != 0)
            continue;
        AUTO_FREE char *name = xstrndup(files.items[i], length - suffix);
        if (is_name(name))
            strlist_add(ret_names, name);
    }
    strlist_sort(ret_names);
    return 0;
}

int secret_remove(const char *home, const char *name, struct error *err)
{
    if (check_name(name, err) != 0)
        return -1;
    AUTO_FREE char *path = sealed_path(home, name);
    if (unlink(path) == 0)
        return 0;
    if (errno == ENOENT)
        return no_such_secret(home, name, err);
    return error_errno(err, "cannot remove the secret \"%s\"", name);
}
