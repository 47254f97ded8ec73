/* SPDX-License-Identifier: BSD-3-Clause */
/* The rule by which an engine is chosen. Each step of it either says nothing, and then adds a
 * line on what was looked for to the search, or ends it: with a place that was checked, or with
 * an error. An address is shown only without a user and password in it, and only when it holds
 * nothing that a terminal could act on. */
#include "submission/engine_find.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/strlist.h"
#include "submission/engine_config.h"
#include "submission/engine_find_private.h"

enum wanted { WANTED_DOCKER = 1, WANTED_PODMAN = 2, WANTED_ANY = 3 };

struct search {
    const char *root;
    enum wanted wanted;
    struct strlist looked; /* "/run/docker.sock: not there", in the order of the search */
    enum wanted denied;    /* a socket of that kind is there and may not be opened */
    struct engine_place *place;
    struct error *err;
};

enum found { FOUND, FOUND_NOTHING, FOUND_FAULT };

/* The usual sockets, in their order. Docker's two are one where /var/run is a link, as it mostly
 * is. */
static const struct {
    const char *path; /* a relative one begins at $XDG_RUNTIME_DIR */
    enum wanted kind;
} sockets[] = {
    {"docker.sock", WANTED_DOCKER},
    {"/run/docker.sock", WANTED_DOCKER},
    {"/var/run/docker.sock", WANTED_DOCKER},
    {"podman/podman.sock", WANTED_PODMAN},
    {"/run/podman/podman.sock", WANTED_PODMAN},
};

void engine_place_done(struct engine_place *place)
{
    free(place->address);
    free(place->tls_dir);
    free(place->why);
    *place = (struct engine_place)ENGINE_PLACE_INIT;
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The host of a tcp:// or ssh:// address, without a user and password. */
static const char *host_of(const char *address)
{
    const char *host = strstr(address, "://");
    host = host != NULL ? host + 3 : address;
    const char *at = strrchr(host, '@');
    return at != NULL ? at + 1 : host;
}

static bool is_plain(const char *address)
{
    for (const char *c = address; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f)
            return false;
    return true;
}

static int refuse_ssh(const char *address, const char *why, struct error *err)
{
    const char *host = host_of(address);
    error_set(err, ERROR_UNSUPPORTED,
              "%s names ssh://%s, and a container engine is not reached over ssh", why, host);
    return error_hint(err,
                      "forward its socket in a terminal: ssh -nNT -L "
                      "/tmp/engine.sock:/var/run/docker.sock USER@%.*s; then set "
                      "DOCKER_HOST=unix:///tmp/engine.sock",
                      (int)strcspn(host, ":/"), host);
}

/* May we open the socket? 0, or an errno; ENOTSOCK when it is something else. */
static int look_at(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    if (!S_ISSOCK(st.st_mode))
        return ENOTSOCK;
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0 ? 0 : errno;
}

static int hint_denied(enum wanted kind, struct error *err)
{
    if (kind & WANTED_DOCKER)
        return error_hint(err,
                          "`sudo usermod -aG docker $USER` adds you to the group docker, which "
                          "may use Docker from your next login on");
    return error_hint(err, "use a Podman of your own: `systemctl --user start podman.socket`");
}

/* A socket that somebody named. */
static int check_named_socket(const char *path, const char *why, struct error *err)
{
    int fault = look_at(path);
    if (fault == 0)
        return 0;
    if (fault == ENOTSOCK)
        return error_set(err, ERROR_INVALID, "%s names %s, which is not a socket", why, path);
    errno = fault;
    error_errno(err, "%s names %s", why, path);
    if (fault == EACCES)
        return hint_denied(strstr(path, "podman") != NULL ? WANTED_PODMAN : WANTED_DOCKER, err);
    return error_hint(err, "start the container engine, or correct what names it");
}

/* Docker's own default ports for tcp:// addresses without one. The caller frees it. */
static char *with_port(const char *address, bool tls)
{
    const char *host = host_of(address);
    const char *bracket = strchr(host, ']'); /* of an IPv6 address */
    const char *end = bracket != NULL ? bracket : host;
    end += strcspn(end, ":/");
    if (*end == ':')
        return xstrdup(address);
    return xasprintf("%.*s:%s%s", (int)(end - address), address, tls ? "2376" : "2375", end);
}

/* Takes the address that `why` names, which has to be usable. */
static enum found use(struct search *search, const char *address, const char *tls_dir,
                      const char *why)
{
    struct engine_place place = {.why = NULL};
    if (!is_plain(address)) {
        error_set(search->err, ERROR_INVALID,
                  "%s names an address with characters that no address has", why);
        return FOUND_FAULT;
    }
    const char *path = starts_with(address, "unix:///") ? address + 7 : address;
    if (path[0] == '/') {
        if (check_named_socket(path, why, search->err) != 0)
            return FOUND_FAULT;
        place.address = xasprintf("unix://%s", path);
    } else if (starts_with(address, "tcp://") && host_of(address)[0] != '\0') {
        place.address = with_port(address, tls_dir != NULL);
        place.tls_dir = xstrdup_or_null(tls_dir);
    } else if (starts_with(address, "ssh://")) {
        refuse_ssh(address, why, search->err);
        return FOUND_FAULT;
    } else {
        error_set(search->err, ERROR_INVALID,
                  "%s names \"%s\", which is no container engine's address", why, host_of(address));
        error_hint(search->err, "write it as unix:///path/of/the.sock or tcp://host:port");
        return FOUND_FAULT;
    }
    place.why = xstrdup(why);
    *search->place = place;
    return FOUND;
}

/* --- the steps -------------------------------------------------------------------------------- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

/* Docker's client certificates, as its variables say; NULL: none. The caller frees it. */
static char *tls_dir_of_docker(void)
{
    const char *dir = variable("DOCKER_CERT_PATH");
    if (dir != NULL)
        return xstrdup(dir);
    return variable("DOCKER_TLS_VERIFY") != NULL ? engine_config_dir() : NULL;
}

static enum found use_given(struct search *search, const char *given)
{
    AUTO_FREE char *tls_dir = tls_dir_of_docker();
    if (strpbrk(given, ":/") != NULL)
        return use(search, given, tls_dir, "the compute");
    if (is_plain(given))
        error_set(search->err, ERROR_INVALID, "there is no container engine \"%s\"", given);
    else
        error_set(search->err, ERROR_INVALID, "this is no container engine's name");
    error_hint(search->err, "write docker, podman, or an address: unix:///path/of/the.sock or "
                            "tcp://host:port");
    return FOUND_FAULT;
}

static enum found from_variable(struct search *search, const char *name, enum wanted kind)
{
    const char *address = variable(name);
    AUTO_FREE char *tls_dir = kind == WANTED_DOCKER ? tls_dir_of_docker() : NULL;
    if (!(search->wanted & kind))
        return FOUND_NOTHING;
    if (address != NULL)
        return use(search, address, tls_dir, name);
    strlist_addf(&search->looked, "%s: not set", name);
    return FOUND_NOTHING;
}

static enum found from_context(struct search *search)
{
    AUTO_ENGINE_PLACE struct engine_place place = ENGINE_PLACE_INIT;
    AUTO_FREE char *why = NULL;
    if (!(search->wanted & WANTED_DOCKER))
        return FOUND_NOTHING;
    int result = engine_find_context(&place, &why, search->err);
    if (result == 0)
        return use(search, place.address, place.tls_dir, place.why);
    if (result < 0)
        return FOUND_FAULT;
    strlist_take(&search->looked, steal(&why));
    return FOUND_NOTHING;
}

static enum found from_socket(struct search *search, const char *path, enum wanted kind)
{
    int fault = look_at(path);
    if (fault == 0) {
        *search->place = (struct engine_place){.address = xasprintf("unix://%s", path),
                                               .why = xasprintf("found at %s", path)};
        return FOUND;
    }
    if (fault == EACCES)
        search->denied |= kind;
    strlist_addf(&search->looked, "%s: %s", path,
                 fault == ENOENT || fault == ENOTDIR ? "not there" : strerror(fault));
    return FOUND_NOTHING;
}

static enum found from_sockets(struct search *search)
{
    AUTO_FREE char *runtime_dir = engine_config_runtime_dir();
    enum found found = FOUND_NOTHING;
    for (size_t i = 0; i < ARRAY_SIZE(sockets) && found == FOUND_NOTHING; i++) {
        if (!(search->wanted & sockets[i].kind))
            continue;
        AUTO_FREE char *path = sockets[i].path[0] == '/'
                                   ? xasprintf("%s%s", search->root, sockets[i].path)
                                   : file_join(runtime_dir, sockets[i].path);
        found = from_socket(search, path, sockets[i].kind);
    }
    return found;
}

/* --- the search ------------------------------------------------------------------------------- */

static int nothing_found(struct search *search)
{
    static const char *const names[] = {
        [WANTED_DOCKER] = "Docker", [WANTED_PODMAN] = "Podman", [WANTED_ANY] = "container engine"};
    static const char *const hints[] = {
        [WANTED_DOCKER] = "on Debian and Ubuntu, `sudo apt install docker.io` installs Docker",
        [WANTED_PODMAN] = "on Debian and Ubuntu, `sudo apt install podman` installs Podman; "
                          "`systemctl --user start podman.socket` starts it",
        [WANTED_ANY] = "on Debian and Ubuntu, `sudo apt install docker.io` installs Docker; or use "
                       "Podman: `sudo apt install podman`, then `systemctl --user start "
                       "podman.socket`"};
    AUTO_FREE char *looked = strlist_join(&search->looked, "\n  ");
    if (search->denied) {
        error_set(search->err, ERROR_DENIED, "no %s was found that you may use. Looked for:\n  %s",
                  names[search->wanted], looked);
        return hint_denied(search->denied, search->err);
    }
    error_set(search->err, ERROR_NOT_FOUND, "no %s was found. Looked for:\n  %s",
              names[search->wanted], looked);
    return error_hint(search->err, "%s", hints[search->wanted]);
}

static enum wanted wanted_by(const char *given)
{
    if (given == NULL)
        return WANTED_ANY;
    if (strcmp(given, "docker") == 0)
        return WANTED_DOCKER;
    return strcmp(given, "podman") == 0 ? WANTED_PODMAN : 0;
}

int engine_find_under(const char *root, const char *given, struct engine_place *ret_place,
                      struct error *err)
{
    struct search search = {.root = root, .place = ret_place, .err = err};
    search.wanted = wanted_by(given);
    enum found found = search.wanted == 0 ? use_given(&search, given) : FOUND_NOTHING;
    if (found == FOUND_NOTHING)
        found = from_variable(&search, "DOCKER_HOST", WANTED_DOCKER);
    if (found == FOUND_NOTHING)
        found = from_context(&search);
    if (found == FOUND_NOTHING)
        found = from_variable(&search, "CONTAINER_HOST", WANTED_PODMAN);
    if (found == FOUND_NOTHING)
        found = from_sockets(&search);
    if (found == FOUND_NOTHING)
        nothing_found(&search);
    strlist_done(&search.looked);
    return found == FOUND ? 0 : -1;
}

int engine_find(const char *given, struct engine_place *ret_place, struct error *err)
{
    return engine_find_under("", given, ret_place, err);
}
