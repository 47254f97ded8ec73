/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The record on disk. Its invariant: status.json is either the old or the new record, and once it
 * exists no other runner starts in this folder.
 *
 * The reserve is a file that holds disk space: enough for one record while the disk is full, and at
 * the end for everything that may still be on its way to the log.
 */
#include "runner/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/log.h"
#include "runner/text.h"
#include "runner/tree.h"

#define LOCK_NAME "runner.lock"
#define STATUS_NAME "status.json"
#define TEMPORARY_NAME "status.json.tmp"
#define RESERVE_NAME "runner.reserve"

/* A record is one block; the rest is for the file system's own needs (folders, allocation units,
 * and a record being written while the old one is still there). */
#define RESERVE_RECORD (64 * 1024)
#define RESERVE_SIZE (LOG_PIPE_SIZE + LOG_BUFFER_SIZE + 2 * RESERVE_RECORD)

int record_lock(int dir)
{
    struct stat st;
    int fd = openat(dir, LOCK_NAME, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            errno = EEXIST;
    } else if (fstatat(dir, STATUS_NAME, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
    } else if (errno == ENOENT) {
        return fd;
    }
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static int read_boot_id(char boot_id[static RECORD_BOOT_SIZE])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t got = read(fd, boot_id, RECORD_BOOT_SIZE - 1);
    close(fd);
    boot_id[got > 0 ? got : 0] = '\0';
    return 0;
}

int record_init(struct record *record, int dir, const char *id)
{
    struct tree_process self;
    *record = (struct record){.dir = dir, .reserve = -1, .id = id, .exit_code = -1};
    if (!tree_look(getpid(), &self)) {
        errno = ENOENT;
        return -1;
    }
    record->runner = (struct record_process){self.pid, self.start_time};
    return read_boot_id(record->boot_id);
}

static void add_process(struct text *text, const char *name, const struct record *record,
                        const struct record_process *process)
{
    text_add(text, "\"%s\":{\"pid\":%d,\"start_time\":%llu,\"boot_id\":\"%s\"},", name,
             (int)process->pid, (unsigned long long)process->start_time, record->boot_id);
}

static void add_number(struct text *text, const char *name, bool known, int value)
{
    text_add(text, known ? "\"%s\":%d," : "\"%s\":null,", name, value);
}

static void add_bool(struct text *text, const char *name, bool value)
{
    text_add(text, "\"%s\":%s,", name, value ? "true" : "false");
}

static void format(const struct record *record, struct text *text)
{
    text_clear(text);
    text_add(text, "{\"version\":1,\"id\":");
    text_add_string(text, record->id);
    text_add(text, ",\"state\":\"%s\",", record->exited ? "exited" : "running");
    add_process(text, "runner", record, &record->runner);
    add_process(text, "script", record, &record->script);
    text_add(text, "\"started_at\":");
    text_add_time(text, record->started_us);
    text_add(text, ",\"ended_at\":");
    text_add_time(text, record->ended_us);
    text_add(text, ",");
    add_number(text, "exit_code", record->exited && record->exit_code >= 0, record->exit_code);
    add_number(text, "signal", record->exited && record->signal > 0, record->signal);
    add_bool(text, "oom", record->oom);
    add_bool(text, "cancelled", record->cancelled);
    add_bool(text, "timed_out", record->timed_out);
    add_bool(text, "waiting_for_disk", record->waiting_for_disk);
    text_add(text, "\"log_size\":%lld,\"error\":", (long long)record->log_size);
    text_add_string(text, record->error[0] != '\0' ? record->error : NULL);
    text_add(text, "}\n");
}

static int write_temporary(const struct record *record, const struct text *text)
{
    int fd = openat(record->dir, TEMPORARY_NAME,
                    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0)
        return -1;
    ssize_t put = write(fd, text->data, text->size);
    int result = put == (ssize_t)text->size && fsync(fd) == 0 ? 0 : -1;
    int number = put >= 0 && put < (ssize_t)text->size ? ENOSPC : errno;
    close(fd);
    errno = number;
    return result;
}

int record_write(const struct record *record)
{
    struct text text;
    format(record, &text);
    if (text.cut) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (write_temporary(record, &text) != 0 ||
        renameat(record->dir, TEMPORARY_NAME, record->dir, STATUS_NAME) != 0) {
        int number = errno;
        unlinkat(record->dir, TEMPORARY_NAME, 0);
        errno = number;
        return -1;
    }
    return fsync(record->dir) == 0 || errno == EINVAL ? 0 : -1; /* some cannot sync folders */
}

/* File systems without fallocate(2) (NFSv3) get zeros. */
static int fill_with_zeros(int fd)
{
    static const char zeros[RESERVE_RECORD];
    for (off_t at = 0; at < RESERVE_SIZE; at += (off_t)sizeof zeros) {
        if (pwrite(fd, zeros, sizeof zeros, at) != (ssize_t)sizeof zeros)
            return -1;
    }
    return 0;
}

int record_reserve(struct record *record)
{
    struct stat st;
    if (record->reserve < 0)
        record->reserve =
            openat(record->dir, RESERVE_NAME, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (record->reserve < 0 || fstat(record->reserve, &st) != 0)
        return -1;
    if (st.st_size == RESERVE_SIZE)
        return 0;
    errno = posix_fallocate(record->reserve, 0, RESERVE_SIZE);
    if (errno == EOPNOTSUPP || errno == EINVAL || errno == ENOSYS)
        return fill_with_zeros(record->reserve);
    return errno == 0 ? 0 : -1;
}

void record_reserve_some(struct record *record)
{
    struct stat st;
    if (record->reserve < 0 || fstat(record->reserve, &st) != 0 || st.st_size < RESERVE_SIZE)
        return;
    if (ftruncate(record->reserve, RESERVE_SIZE - RESERVE_RECORD) != 0)
        record_reserve_none(record);
}

void record_reserve_none(struct record *record)
{
    if (record->reserve >= 0) {
        close(record->reserve);
        record->reserve = -1;
        unlinkat(record->dir, RESERVE_NAME, 0);
    }
}
