/* SPDX-License-Identifier: BSD-3-Clause */
/* Contents by hash. A name in ab/ appears by rename of a file that is complete, so it is whole
 * whoever is killed. While anyone writes, it holds a shared lock on tmp/; whoever gets that lock
 * alone knows that what lies in tmp/ belongs to nobody.
 *
 * A content is read once: hashed and written in the same pass, so a stored object always has the
 * hash it is named by, whatever happened to the source meanwhile. */
#include "submission/snapshot_objects.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/file.h"
#include "submission/snapshot_tree.h"
#include "submission/snapshot_workers.h"

#define HASH_SIZE 32

struct snapshot_objects {
    char *path;
    int fd;
    int tmp;                  /* the folder tmp/, locked */
    _Atomic unsigned created; /* numbers the names in tmp/ */
    _Atomic bool no_reflink;  /* the file system said so */
};

/* --- opening ---------------------------------------------------------------------------------- */

static void remove_leftovers(int tmp)
{
    int fd = openat(tmp, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            unlinkat(tmp, entry->d_name, 0);
    if (dir != NULL)
        closedir(dir);
}

static int make_private_folder(const char *path)
{
    return mkdir(path, 0700) != 0 && errno != EEXIST ? -1 : 0;
}

struct snapshot_objects *snapshot_objects_open(const char *home, struct error *err)
{
    AUTO(snapshot_objects) struct snapshot_objects *objects = xcalloc(1, sizeof *objects);
    objects->fd = objects->tmp = -1;
    objects->path = file_join(home, "objects");
    AUTO_FREE char *tmp = file_join(objects->path, "tmp");
    if (sodium_init() < 0) {
        error_set(err, ERROR_INTERNAL, "libsodium does not start");
        return NULL;
    }
    if (file_make_dirs(home, err) != 0)
        return NULL;
    if (make_private_folder(objects->path) != 0 || make_private_folder(tmp) != 0 ||
        (objects->fd = open(objects->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        (objects->tmp = open(tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
        error_errno(err, "cannot open the store %s", objects->path);
        return NULL;
    }
    if (flock(objects->tmp, LOCK_EX | LOCK_NB) == 0)
        remove_leftovers(objects->tmp);
    /* A file system without locks answers with an error here and above: then nothing is removed. */
    while (flock(objects->tmp, LOCK_SH) != 0 && errno == EINTR)
        ;
    return steal(&objects);
}

void snapshot_objects_free(struct snapshot_objects *objects)
{
    if (objects == NULL)
        return;
    if (objects->fd >= 0)
        close(objects->fd);
    if (objects->tmp >= 0)
        close(objects->tmp);
    free(objects->path);
    free(objects);
}

int snapshot_objects_fd(const struct snapshot_objects *objects)
{
    return objects->fd;
}

/* --- names ------------------------------------------------------------------------------------ */

static void object_name(const char *hash, char name[SNAPSHOT_OBJECTS_NAME_SIZE])
{
    snprintf(name, SNAPSHOT_OBJECTS_NAME_SIZE, "%.2s/%s", hash, hash + 2);
}

bool snapshot_objects_has(const struct snapshot_objects *objects, const char *hash, uint64_t size)
{
    char name[SNAPSHOT_OBJECTS_NAME_SIZE];
    struct stat st;
    object_name(hash, name);
    return fstatat(objects->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == size;
}

int snapshot_objects_create_tmp(struct snapshot_objects *objects,
                                char name[SNAPSHOT_OBJECTS_NAME_SIZE])
{
    for (;;) {
        /* Another store of this process, or of this pid on another machine, may have the name. */
        snprintf(name, SNAPSHOT_OBJECTS_NAME_SIZE, "tmp/%d-%u", (int)getpid(),
                 atomic_fetch_add(&objects->created, 1));
        int fd = openat(objects->fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
}

int snapshot_objects_publish(struct snapshot_objects *objects, const char *tmp, const char *name)
{
    if (renameat(objects->fd, tmp, objects->fd, name) == 0)
        return 0;
    if (errno != ENOENT)
        return -1;
    AUTO_FREE char *folder = xstrndup(name, strcspn(name, "/"));
    if (mkdirat(objects->fd, folder, 0700) != 0 && errno != EEXIST)
        return -1;
    return renameat(objects->fd, tmp, objects->fd, name);
}

/* --- storing ---------------------------------------------------------------------------------- */

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_unchanged(int fd, const struct stat *before)
{
    struct stat now;
    return fstat(fd, &now) == 0 && now.st_size == before->st_size &&
           same_time(now.st_mtim, before->st_mtim) && same_time(now.st_ctim, before->st_ctim);
}

/* One content on its way: read, hashed, and unless it fits into the buffer written to tmp/ too. */
struct transfer {
    struct snapshot_objects *objects;
    int fd; /* the source */
    const struct stat *st;
    char *buffer;
    struct snapshot_progress *progress;
    struct error *err;
    char tmp[SNAPSHOT_OBJECTS_NAME_SIZE]; /* "" when there is none */
    uint64_t counted;                     /* bytes added to the progress */
    unsigned char hash[HASH_SIZE];
};

static int check_cancelled(const struct snapshot_progress *progress, struct error *err)
{
    return progress->cancelled
               ? error_set(err, ERROR_CANCELLED, "stopped while files were being copied")
               : 0;
}

/* The next part into the buffer. Its size, or -1. One byte is asked for after the last, to see that
 * it is the last. */
static ssize_t next_part(struct transfer *transfer, uint64_t done)
{
    uint64_t rest = (uint64_t)transfer->st->st_size - done;
    size_t size = rest < SNAPSHOT_WORKERS_BUFFER ? (size_t)rest + 1 : SNAPSHOT_WORKERS_BUFFER;
    if (check_cancelled(transfer->progress, transfer->err) != 0)
        return -1;
    ssize_t got = file_read_full(transfer->fd, transfer->buffer, size);
    if (got < 0)
        return error_errno(transfer->err, "cannot read it");
    atomic_fetch_add(&transfer->progress->bytes_done, (uint64_t)got);
    transfer->counted += (uint64_t)got;
    return got;
}

static int write_tmp(struct transfer *transfer, int *out, size_t size)
{
    if (*out < 0)
        *out = snapshot_objects_create_tmp(transfer->objects, transfer->tmp);
    if (*out < 0 || file_write_full(*out, transfer->buffer, size) != 0)
        return error_errno(transfer->err, "cannot write to the store %s", transfer->objects->path);
    return 0;
}

/* Reads all of it. 0, 1 when it is not as long as it was, -1. What fits into the buffer stays there
 * and is written only when it turns out to be new. */
static int read_through(struct transfer *transfer, int *out)
{
    uint64_t size = (uint64_t)transfer->st->st_size, done = 0;
    bool in_parts = size >= SNAPSHOT_WORKERS_BUFFER;
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, HASH_SIZE);
    for (;;) {
        ssize_t got = next_part(transfer, done);
        if (got < 0)
            return -1;
        done += (uint64_t)got;
        if (done > size || (got == 0 && done < size))
            return 1;
        crypto_generichash_update(&state, (const void *)transfer->buffer, (size_t)got);
        if (in_parts && got > 0 && write_tmp(transfer, out, (size_t)got) != 0)
            return -1;
        if (got < SNAPSHOT_WORKERS_BUFFER && done == size)
            break;
    }
    crypto_generichash_final(&state, transfer->hash, HASH_SIZE);
    return 0;
}

/* The whole content is in tmp/ or in the buffer: makes it an object unless it is one. */
static int keep(struct transfer *transfer, int *out, const char *hash)
{
    uint64_t size = (uint64_t)transfer->st->st_size;
    char name[SNAPSHOT_OBJECTS_NAME_SIZE];
    if (snapshot_objects_has(transfer->objects, hash, size))
        return 0;
    if (*out < 0 && write_tmp(transfer, out, (size_t)size) != 0)
        return -1;
    failpoint("snapshot_objects.keep.written");
    object_name(hash, name);
    if (snapshot_objects_publish(transfer->objects, transfer->tmp, name) != 0)
        return error_errno(transfer->err, "cannot write to the store %s", transfer->objects->path);
    transfer->tmp[0] = '\0';
    return 0;
}

int snapshot_objects_add(struct snapshot_objects *objects, int fd, const struct stat *st,
                         char *buffer, struct snapshot_progress *progress, char ret_hash[65],
                         struct error *err)
{
    struct transfer transfer = {
        .objects = objects, .fd = fd, .st = st, .buffer = buffer, .progress = progress, .err = err};
    AUTO_CLOSE int out = -1;
    char hash[65] = "";
    int result = read_through(&transfer, &out);
    if (result == 0 && !is_unchanged(fd, st))
        result = 1;
    if (result == 0) {
        sodium_bin2hex(hash, sizeof hash, transfer.hash, HASH_SIZE);
        result = keep(&transfer, &out, hash);
    }
    if (transfer.tmp[0] != '\0')
        unlinkat(objects->fd, transfer.tmp, 0);
    if (result == 0)
        memcpy(ret_hash, hash, sizeof hash);
    else
        atomic_fetch_sub(&progress->bytes_done, transfer.counted);
    return result;
}

/* --- laying out ------------------------------------------------------------------------------- */

/* Shares the blocks where the file system can. Once it said no, it is not asked again. */
static bool reflink(struct snapshot_objects *objects, int from, int to)
{
    if (objects->no_reflink)
        return false;
    if (ioctl(to, FICLONE, from) == 0)
        return true;
    objects->no_reflink = true;
    return false;
}

/* Copies inside the kernel. 0, 1 when it cannot do that (nothing is copied yet), -1. */
static int copy_in_kernel(int from, int to, uint64_t size, struct snapshot_progress *progress,
                          struct error *err)
{
    for (uint64_t done = 0; done < size;) {
        if (check_cancelled(progress, err) != 0)
            return -1;
        ssize_t got = copy_file_range(from, NULL, to, NULL, 8 << 20, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 && done == 0)
            return 1;
        if (got <= 0)
            return error_errno(err, "cannot copy it");
        done += (uint64_t)got;
    }
    return 0;
}

static int copy_by_hand(int from, int to, char *buffer, struct snapshot_progress *progress,
                        struct error *err)
{
    for (;;) {
        if (check_cancelled(progress, err) != 0)
            return -1;
        ssize_t got = file_read_full(from, buffer, SNAPSHOT_WORKERS_BUFFER);
        if (got < 0 || file_write_full(to, buffer, (size_t)got) != 0)
            return error_errno(err, "cannot copy it");
        if (got < SNAPSHOT_WORKERS_BUFFER)
            return 0;
    }
}

static int fill(struct snapshot_objects *objects, int from, int to, uint64_t size, char *buffer,
                struct snapshot_progress *progress, struct error *err)
{
    /* For what fits into one read, the plain way is the fastest. */
    if (size < SNAPSHOT_WORKERS_BUFFER)
        return copy_by_hand(from, to, buffer, progress, err);
    if (reflink(objects, from, to))
        return 0;
    int result = copy_in_kernel(from, to, size, progress, err);
    return result == 1 ? copy_by_hand(from, to, buffer, progress, err) : result;
}

static int open_object(const struct snapshot_objects *objects, const struct snapshot_entry *entry,
                       struct error *err)
{
    char name[SNAPSHOT_OBJECTS_NAME_SIZE];
    struct stat st;
    object_name(entry->hash, name);
    AUTO_CLOSE int fd = openat(objects->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0 && errno != ENOENT)
        return error_errno(err, "cannot open %s/%s", objects->path, name);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != entry->size) {
        error_set(err, ERROR_CORRUPT, "its stored content, %s/%s, is %s", objects->path, name,
                  fd < 0 ? "gone" : "damaged");
        return error_hint(err, "submit again: it will be stored anew");
    }
    int result = fd;
    fd = -1;
    return result;
}

int snapshot_objects_copy(struct snapshot_objects *objects, const struct snapshot_entry *entry,
                          int dir, char *buffer, struct snapshot_progress *progress,
                          struct error *err)
{
    AUTO_CLOSE int from = open_object(objects, entry, err);
    if (from < 0)
        return -1;
    AUTO_CLOSE int to =
        openat(dir, entry->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (to < 0)
        return error_errno(err, "cannot create it");
    if (fill(objects, from, to, entry->size, buffer, progress, err) != 0)
        return -1;
    if (fchmod(to, entry->mode) != 0)
        return error_errno(err, "cannot set its mode");
    atomic_fetch_add(&progress->bytes_done, entry->size);
    return 0;
}
