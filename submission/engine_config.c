/* SPDX-License-Identifier: BSD-3-Clause */
/* The files of Docker and Podman in a user's folders. They are not read with json_read(): its
 * errors quote the text around a mistake, which here may be half a password, and its buffer is
 * not wiped. */
#include "submission/engine_config.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "submission/secret.h"

char *engine_config_dir(void)
{
    const char *dir = getenv("DOCKER_CONFIG");
    return dir != NULL && dir[0] != '\0' ? xstrdup(dir) : file_expand_home("~/.docker");
}

char *engine_config_runtime_dir(void)
{
    const char *dir = getenv("XDG_RUNTIME_DIR");
    return dir != NULL && dir[0] != '\0' ? xstrdup(dir) : xasprintf("/run/user/%u", getuid());
}

/* The bytes of an open file, in protected memory. */
static int read_text(int fd, const char *path, struct secret *ret_text, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return error_errno(err, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID, "%s is not a regular file", path);
    if (st.st_size > FILE_SMALL_MAX)
        return error_set(err, ERROR_LIMIT, "%s is larger than 1 MiB: it cannot be what it should",
                         path);
    ret_text->value = sodium_init() >= 0 ? sodium_malloc((size_t)st.st_size + 1) : NULL;
    if (ret_text->value == NULL)
        return error_set(err, ERROR_LIMIT, "there is no protected memory left to read %s", path);
    ssize_t got = file_read_full(fd, ret_text->value, (size_t)st.st_size);
    if (got < 0)
        return error_errno(err, "cannot read %s", path);
    ret_text->size = (size_t)got;
    return 0;
}

int engine_config_read(const char *path, json_t **ret_config, struct error *err)
{
    AUTO_SECRET struct secret text = SECRET_INIT;
    json_error_t fault;
    /* O_NONBLOCK: a FIFO in the way must not hang us. */
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR)) {
        *ret_config = NULL;
        return 0;
    }
    if (fd < 0)
        return error_errno(err, "cannot open %s", path);
    if (read_text(fd, path, &text, err) != 0)
        return -1;
    json_t *config = json_loadb(text.value, text.size, 0, &fault);
    if (config == NULL) /* fault.text is not shown: it quotes the file */
        return error_set(err, ERROR_INVALID, "%s is not valid JSON (line %d, column %d)", path,
                         fault.line, fault.column);
    if (!json_is_object(config)) {
        json_decref(config);
        return error_set(err, ERROR_INVALID, "%s does not hold a JSON object", path);
    }
    *ret_config = config;
    return 0;
}
