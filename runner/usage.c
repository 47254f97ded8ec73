/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Samples. CPU time is that of the living tree plus that of everything the runner has reaped, so it
 * is exact at the end and never falls.
 */
#include "runner/usage.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define FIRST_MS 100 /* a short script gets samples too: 0.1, 0.3, 0.7, 1.5 s, then every 2 s */
#define INTERVAL_MS 2000
#define GPU_EVERY 5         /* samples: nvidia-smi costs up to 0.5 s of CPU */
#define PROC_FILE_MAX 16384 /* /proc/vmstat is 4 kB */

void usage_init(struct usage *usage, int dir)
{
    *usage = (struct usage){.lines = lines_open(dir, "usage.jsonl"),
                            .interval_ms = FIRST_MS,
                            .next_ms = text_steady_ms() + FIRST_MS,
                            .last_us = text_now_us()};
    gpu_init(&usage->gpu);
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec / 1e6;
}

static double reaped_seconds(void)
{
    struct rusage children;
    getrusage(RUSAGE_CHILDREN, &children);
    return seconds(&children.ru_utime) + seconds(&children.ru_stime);
}

static void plan_next(struct usage *usage)
{
    usage->interval_ms *= 2;
    if (usage->interval_ms > INTERVAL_MS)
        usage->interval_ms = INTERVAL_MS;
    usage->next_ms = text_steady_ms() + usage->interval_ms;
    usage->count++;
}

void usage_sample(struct usage *usage)
{
    tree_scan(&usage->tree, usage->gpu.pid);
    uint64_t ticks = 0, rss = 0;
    int threads = 0;
    for (size_t i = 0; i < usage->tree.count; i++) {
        ticks += usage->tree.items[i].cpu_ticks;
        rss += usage->tree.items[i].rss_bytes;
        threads += usage->tree.items[i].threads;
    }
    double cpu =
        (double)ticks / (double)sysconf(_SC_CLK_TCK) + reaped_seconds() - usage->gpu.cpu_seconds;
    if (cpu < usage->last_cpu_seconds) /* ticks are coarser than what is known of the reaped */
        cpu = usage->last_cpu_seconds;
    int64_t now = text_now_us();
    double elapsed = (double)(now - usage->last_us) / 1e6;
    double percent = elapsed > 0 ? 100 * (cpu - usage->last_cpu_seconds) / elapsed : 0;
    struct text line;
    text_clear(&line);
    text_add(&line, "{\"time\":");
    text_add_time(&line, now);
    text_add(&line,
             ",\"cpu_seconds\":%.3f,\"cpu_percent\":%.1f,\"rss_bytes\":%llu,\"processes\":%zu,"
             "\"threads\":%d",
             cpu, percent, (unsigned long long)rss, usage->tree.count, threads);
    gpu_add(&usage->gpu, &line);
    text_add(&line, "}\n");
    if (!line.cut)
        lines_append(&usage->lines, line.data, line.size);
    usage->last_us = now;
    usage->last_cpu_seconds = cpu;
    if (usage->count % GPU_EVERY == 0)
        gpu_ask(&usage->gpu);
    plan_next(usage);
}

/* The number after `key` and a space at the start of a line of the file, or -1. */
static int64_t read_counter(const char *path, const char *key)
{
    char text[PROC_FILE_MAX];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    text[got > 0 ? got : 0] = '\0';
    size_t length = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return strtoll(line + length, NULL, 10);
    }
    return -1;
}

/* A line of /proc/self/cgroup is "0::/path" (version 2) or "4:memory:/path" (version 1). */
static int64_t cgroup_counter(const char *line)
{
    char path[1024];
    const char *hierarchy = strchr(line, ':');
    const char *folder = hierarchy != NULL ? strchr(hierarchy + 1, ':') : NULL;
    if (folder == NULL)
        return -1;
    folder++;
    if (strncmp(hierarchy, "::", 2) == 0) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.events", folder);
        return read_counter(path, "oom_kill");
    }
    if (strncmp(hierarchy, ":memory:", 8) != 0)
        return -1;
    snprintf(path, sizeof path, "/sys/fs/cgroup/memory%s/memory.oom_control", folder);
    return read_counter(path, "oom_kill");
}

int64_t usage_oom_kills(void)
{
    FILE *file = fopen("/proc/self/cgroup", "re");
    char line[1024];
    int64_t count = -1;
    while (file != NULL && count < 0 && fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        count = cgroup_counter(line);
    }
    if (file != NULL)
        fclose(file);
    return count >= 0 ? count : read_counter("/proc/vmstat", "oom_kill");
}
