/* SPDX-License-Identifier: BSD-3-Clause */
/* The grammar of the distribution project: a registry is a first part that holds a dot or a colon, or is
 * `localhost`; what is left is split at its last @ and its last colon. */
#include "submission/image_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_REGISTRY "docker.io"
#define DEFAULT_NAMESPACE "library/" /* of its images without one */
#define DEFAULT_TAG "latest"

#define NAME_MAX_LENGTH 255 /* of registry and repository together: the grammar's */
#define TAG_MAX_LENGTH 128  /* so is this */

void image_name_done(struct image_name *name)
{
    replace(&name->registry, NULL);
    replace(&name->repository, NULL);
    replace(&name->tag, NULL);
    replace(&name->digest, NULL);
}

/* --- the parts -------------------------------------------------------------------------------------- */

static bool is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static int check_registry(const char *registry, struct error *err)
{
    size_t host = strcspn(registry, ":");
    const char *port = registry + host;
    bool valid = host > 0 && registry[0] != '-' && registry[0] != '.';
    for (size_t i = 0; i < host; i++)
        valid = valid && (isalnum((unsigned char)registry[i]) || strchr("-.", registry[i]) != NULL);
    if (port[0] == ':')
        valid = valid && port[1] != '\0' && strlen(port) <= 6 &&
                port[1 + strspn(port + 1, "0123456789")] == '\0';
    if (valid)
        return 0;
    error_set(err, ERROR_INVALID, "its registry, %s, is no host", registry);
    return error_hint(err, "a registry is a host, with a port if it has one of its own: "
                           "myregistry.azurecr.io, localhost:5000");
}

/* Lower-case words, between them one dot, one or two underscores or any number of dashes. */
static bool is_component(const char *part, size_t size)
{
    if (size == 0 || !is_lower(part[0]) || !is_lower(part[size - 1]))
        return false;
    for (size_t i = 0; i < size;) {
        size_t run = 1;
        if (!is_lower(part[i])) {
            while (part[i + run] == part[i])
                run++;
            if (strchr("._-", part[i]) == NULL || !is_lower(part[i + run]) ||
                (part[i] == '.' && run > 1) || (part[i] == '_' && run > 2))
                return false;
        }
        i += run;
    }
    return true;
}

static bool has_upper(const char *text)
{
    for (; *text != '\0'; text++)
        if (isupper((unsigned char)*text))
            return true;
    return false;
}

static int check_repository(const char *repository, struct error *err)
{
    const char *part = repository;
    for (;;) {
        size_t size = strcspn(part, "/");
        if (!is_component(part, size))
            break;
        if (part[size] == '\0')
            return 0;
        part += size + 1;
    }
    if (has_upper(repository)) {
        error_set(err, ERROR_INVALID, "its name, %s, has capital letters", repository);
        return error_hint(err, "names of images are in lower case; only tags may have capitals");
    }
    error_set(err, ERROR_INVALID, "its name, %s, is no name of an image", repository);
    return error_hint(err, "a name is lower-case words with . _ - inside, and / between them: "
                           "fastdotai/fastai2");
}

static int check_tag(const char *tag, struct error *err)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (tag[0] != '\0' && tag[0] != '.' && tag[0] != '-' && tag[strspn(tag, allowed)] == '\0' &&
        strlen(tag) <= TAG_MAX_LENGTH)
        return 0;
    error_set(err, ERROR_INVALID, "its tag, \"%s\", is none", tag);
    return error_hint(err, "a tag is up to %d letters, digits, _ . and -, as in :2.0-gpu",
                      TAG_MAX_LENGTH);
}

static int check_digest(const char *digest, struct error *err)
{
    static const char sha256[] = "sha256:";
    const char *hex = digest + strlen(sha256);
    if (strncmp(digest, sha256, strlen(sha256)) == 0 && strlen(hex) == 64 &&
        hex[strspn(hex, "0123456789abcdef")] == '\0')
        return 0;
    error_set(err, ERROR_INVALID, "its digest, \"%s\", is none", digest);
    return error_hint(err, "a digest is sha256: and 64 lower-case hex digits; "
                           "`docker images --digests` shows them");
}

/* --- the whole --------------------------------------------------------------------------------------- */

/* Cuts the registry off the beginning; gives the rest. */
static const char *split_registry(const char *text, struct image_name *name)
{
    size_t size = strcspn(text, "/");
    AUTO_FREE char *first = xstrndup(text, size);
    bool given =
        text[size] == '/' && (strpbrk(first, ".:") != NULL || strcmp(first, "localhost") == 0);
    if (!given) {
        name->registry = xstrdup(DEFAULT_REGISTRY);
        return text;
    }
    bool hub = strcmp(first, "index.docker.io") == 0; /* its old name */
    name->registry = hub ? xstrdup(DEFAULT_REGISTRY) : steal(&first);
    return text + size + 1;
}

static void split_rest(const char *rest, struct image_name *name)
{
    size_t end = strcspn(rest, "@");
    if (rest[end] == '@')
        name->digest = xstrdup(rest + end + 1);
    AUTO_FREE char *tagged = xstrndup(rest, end);
    char *colon = strrchr(tagged, ':');
    if (colon != NULL) {
        name->tag = xstrdup(colon + 1);
        *colon = '\0';
    } else if (name->digest == NULL) {
        name->tag = xstrdup(DEFAULT_TAG);
    }
    bool official = strcmp(name->registry, DEFAULT_REGISTRY) == 0 && strchr(tagged, '/') == NULL;
    name->repository = xasprintf("%s%s", official ? DEFAULT_NAMESPACE : "", tagged);
}

static int check_characters(const char *text, struct error *err)
{
    bool blank = false;
    for (const char *c = text; *c != '\0'; c++)
        blank = blank || (unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f;
    if (text[0] != '\0' && !blank && text[0] != '-' && strstr(text, "://") == NULL)
        return 0;
    error_set(err, ERROR_INVALID, "it is no name of an image");
    return error_hint(err, "write it as docker pull takes it: registry/name:tag, without https:// "
                           "and blanks");
}

static int check_parts(const struct image_name *name, struct error *err)
{
    if (check_registry(name->registry, err) != 0 || check_repository(name->repository, err) != 0 ||
        (name->tag != NULL && check_tag(name->tag, err) != 0) ||
        (name->digest != NULL && check_digest(name->digest, err) != 0))
        return -1;
    if (strlen(name->registry) + 1 + strlen(name->repository) <= NAME_MAX_LENGTH)
        return 0;
    error_set(err, ERROR_LIMIT, "its name is longer than the %d characters there are",
              NAME_MAX_LENGTH);
    return error_hint(err, "give the image a shorter name with docker tag");
}

int image_name_parse(const char *text, struct image_name *ret_name, struct error *err)
{
    *ret_name = (struct image_name)IMAGE_NAME_INIT;
    if (check_characters(text, err) != 0)
        return -1;
    split_rest(split_registry(text, ret_name), ret_name);
    if (check_parts(ret_name, err) == 0)
        return 0;
    image_name_done(ret_name);
    return -1;
}

char *image_name_repository(const struct image_name *name)
{
    return xasprintf("%s/%s", name->registry, name->repository);
}

char *image_name_text(const struct image_name *name)
{
    return xasprintf("%s/%s%s%s%s%s", name->registry, name->repository,
                     name->tag != NULL ? ":" : "", name->tag != NULL ? name->tag : "",
                     name->digest != NULL ? "@" : "", name->digest != NULL ? name->digest : "");
}

char *image_name_pulled(const struct image_name *name)
{
    return name->digest != NULL
               ? xasprintf("%s/%s@%s", name->registry, name->repository, name->digest)
               : image_name_text(name);
}
