/* SPDX-License-Identifier: BSD-3-Clause */
/* Process identity from /proc: pid, start time, boot. */
#include "base/procid.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"

static bool read_text(const char *path, char *text, size_t size)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : -1;
    if (got <= 0)
        return false;
    text[got] = '\0';
    return true;
}

static void read_boot_id(char boot_id[static PROCID_BOOT_SIZE])
{
    boot_id[0] = '\0';
    if (read_text("/proc/sys/kernel/random/boot_id", boot_id, PROCID_BOOT_SIZE))
        boot_id[strcspn(boot_id, "\n")] = '\0';
}

bool procid_of(pid_t pid, struct procid *ret_id)
{
    char path[64];
    char stat[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (pid <= 0 || !read_text(path, stat, sizeof stat))
        return false;
    /* The second field is the name in parentheses and may hold anything, so count from the last. */
    const char *rest = strrchr(stat, ')');
    char state;
    unsigned long long start_time;
    if (rest == NULL || sscanf(rest,
                               ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d "
                               "%*d %*d %*d %llu",
                               &state, &start_time) != 2)
        return false;
    if (state == 'Z' || state == 'X')
        return false;
    *ret_id = (struct procid){.pid = pid, .start_time = start_time};
    read_boot_id(ret_id->boot_id);
    return true;
}

bool procid_alive(const struct procid *id)
{
    struct procid now;
    return procid_of(id->pid, &now) && now.start_time == id->start_time &&
           strcmp(now.boot_id, id->boot_id) == 0;
}

bool procid_rebooted(const struct procid *id)
{
    char boot_id[PROCID_BOOT_SIZE];
    read_boot_id(boot_id);
    return id->pid > 0 && strcmp(boot_id, id->boot_id) != 0;
}

int procid_open(const struct procid *id)
{
    AUTO_CLOSE int fd = (int)syscall(SYS_pidfd_open, id->pid, 0);
    /* Checked after the open: from here on the descriptor names that process or a dead one. */
    if (fd < 0 || !procid_alive(id))
        return -1;
    int opened = fd;
    fd = -1;
    return opened;
}

json_t *procid_to_json(const struct procid *id)
{
    return json_pack("{s:i, s:I, s:s}", "pid", (int)id->pid, "start_time",
                     (json_int_t)id->start_time, "boot_id", id->boot_id);
}

struct procid procid_from_json(const json_t *object)
{
    struct procid id = {.pid = (pid_t)json_get_int(object, "pid", 0),
                        .start_time = (uint64_t)json_get_int(object, "start_time", 0)};
    snprintf(id.boot_id, sizeof id.boot_id, "%s", json_get_string(object, "boot_id", ""));
    return id;
}
