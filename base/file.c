/* SPDX-License-Identifier: BSD-3-Clause */
/* Files: bounded reads, durable writes, and the few path helpers everything uses. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_join(const char *dir, const char *name)
{
    if (name[0] == '/' || dir[0] == '\0')
        return xstrdup(name);
    size_t length = strlen(dir);
    return xasprintf("%s%s%s", dir, dir[length - 1] == '/' ? "" : "/", name);
}

const char *file_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

bool file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

ssize_t file_read_full(int fd, void *data, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, (char *)data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int file_write_full(int fd, const void *data, size_t size)
{
    const char *rest = data;
    while (size > 0) {
        ssize_t put = write(fd, rest, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        rest += put;
        size -= (size_t)put;
    }
    return 0;
}

#define READ_STEP 65536 /* most of our files are one read of it */

static int read_fd(int fd, const char *path, size_t max, struct buf *buf, struct error *err)
{
    size_t start = buf->size;
    ssize_t got = READ_STEP;
    while (got == READ_STEP) {
        got = file_read_full(fd, buf_reserve(buf, READ_STEP), READ_STEP);
        if (got < 0)
            return error_errno(err, "cannot read %s", path);
        buf->size += (size_t)got;
        buf->data[buf->size] = '\0';
        if (buf->size - start > max)
            return error_set(err, ERROR_LIMIT, "%s is larger than %zu bytes", path, max);
    }
    return 0;
}

int file_read(const char *path, size_t max, struct buf *buf, struct error *err)
{
    /* O_NONBLOCK: a FIFO in the way must not hang us. */
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return error_errno(err, "cannot open %s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, ERROR_INVALID, "%s is not a regular file", path);
    return read_fd(fd, path, max, buf, err);
}

static void sync_parent(const char *path)
{
    const char *slash = strrchr(path, '/');
    AUTO_FREE char *dir = slash != NULL && slash != path ? xstrndup(path, (size_t)(slash - path))
                                                         : xstrdup(slash != NULL ? "/" : ".");
    AUTO_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        fsync(fd);
}

int file_write(const char *path, const void *data, size_t size, mode_t mode, struct error *err)
{
    AUTO_FREE char *temporary = xasprintf("%s.%d.tmp", path, (int)getpid());
    AUTO_CLOSE int fd =
        open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0)
        return error_errno(err, "cannot write %s", path);
    if (file_write_full(fd, data, size) != 0 || fsync(fd) != 0 || rename(temporary, path) != 0) {
        error_errno(err, "cannot write %s", path);
        unlink(temporary);
        return -1;
    }
    sync_parent(path);
    return 0;
}

int file_append(const char *path, const void *data, size_t size, struct error *err)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0 || file_write_full(fd, data, size) != 0 || fdatasync(fd) != 0)
        return error_errno(err, "cannot append to %s", path);
    return 0;
}

int file_make_dirs(const char *path, struct error *err)
{
    AUTO_FREE char *partial = xstrdup(path);
    for (char *p = partial + 1; *p != '\0'; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(partial, 0777) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
            return error_errno(err, "cannot create the folder %s", partial);
        *p = '/';
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST)
        return error_errno(err, "cannot create the folder %s", path);
    if (!file_is_dir(path))
        return error_set(err, ERROR_EXISTS, "%s is in the way: it is not a folder", path);
    return 0;
}

/* Empties the folder behind `fd`; takes the descriptor over. */
static int remove_entries(int fd, dev_t device)
{
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        close(fd);
        return -1;
    }
    int result = 0;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        const char *name = entry->d_name;
        struct stat st;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_dev != device) {
            result = -1;
            continue;
        }
        if (S_ISDIR(st.st_mode)) {
            fchmodat(dirfd(dir), name, st.st_mode | S_IRWXU, 0);
            int child = openat(dirfd(dir), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (child < 0 || remove_entries(child, device) != 0)
                result = -1;
        }
        if (unlinkat(dirfd(dir), name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0) != 0)
            result = -1;
    }
    closedir(dir);
    return result;
}

int file_remove_tree(const char *path, struct error *err)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return errno == ENOENT ? 0 : error_errno(err, "cannot remove %s", path);
    if (!S_ISDIR(st.st_mode))
        return unlink(path) == 0 ? 0 : error_errno(err, "cannot remove %s", path);
    chmod(path, st.st_mode | S_IRWXU);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || remove_entries(fd, st.st_dev) != 0 || rmdir(path) != 0)
        return error_errno(err, "cannot remove %s", path);
    return 0;
}

static char *absolute(const char *path)
{
    if (path[0] == '/')
        return xstrdup(path);
    char here[PATH_MAX];
    if (getcwd(here, sizeof here) == NULL)
        return xstrdup(path);
    return file_join(here, path);
}

char *file_skiff_home(void)
{
    const char *skiff_home = getenv("SKIFF_HOME");
    const char *data_home = getenv("XDG_DATA_HOME");
    if (skiff_home != NULL && skiff_home[0] != '\0')
        return absolute(skiff_home);
    if (data_home != NULL && data_home[0] == '/')
        return file_join(data_home, "skiff");
    return file_expand_home("~/.local/share/skiff");
}

char *file_expand_home(const char *path)
{
    const char *home = getenv("HOME");
    if (path[0] != '~' || (path[1] != '\0' && path[1] != '/'))
        return xstrdup(path);
    return xasprintf("%s%s", home != NULL ? home : "/", path + 1);
}

char *file_real(const char *path, struct error *err)
{
    char *resolved = realpath(path, NULL);
    if (resolved == NULL)
        error_errno(err, "%s", path);
    return resolved;
}

char *file_program_dir(void)
{
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return NULL;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return NULL;
    *slash = '\0';
    return xstrdup(path);
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *file_find_program(const char *name)
{
    if (strchr(name, '/') != NULL)
        return is_program(name) ? xstrdup(name) : NULL;
    const char *search = getenv("PATH");
    AUTO_FREE char *dirs = xstrdup(search != NULL ? search : "/usr/local/bin:/usr/bin:/bin");
    char *rest = dirs;
    for (char *dir = strsep(&rest, ":"); dir != NULL; dir = strsep(&rest, ":")) {
        AUTO_FREE char *path = file_join(dir[0] != '\0' ? dir : ".", name);
        if (is_program(path))
            return steal(&path);
    }
    return NULL;
}

char *file_size_text(unsigned long long bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < ARRAY_SIZE(units)) {
        value /= 1000;
        unit++;
    }
    if (unit == 0)
        return xasprintf("%llu B", bytes);
    return xasprintf(value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
}
