/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says about itself: kernel_info, connect, usage. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/json.h"
#include "kernel/server_private.h"
#include "protocol/content.h"

/* Cells are Python but for Skiff's own, so the notebook is highlighted, exported and parametrised
 * (papermill) as Python. Static: it is answered before any Python runs. */
static json_t *language_info(void)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:{s:s, s:i}, s:s, s:s}", "name", "python", "version",
                     "3", "mimetype", "text/x-python", "file_extension", ".py", "codemirror_mode",
                     "name", "ipython", "version", 3, "pygments_lexer", "ipython3",
                     "nbconvert_exporter", "python");
}

/* https://jupyter-client.readthedocs.io/en/stable/messaging.html#kernel-info
 * No subshells. What they are for is answered here without: comms of ours and what a page asks of
 * widgets do not wait for a running cell. A front end that is told of them sends all widgets' messages
 * through one, so that handlers in Python would run beside the cell (figures of matplotlib break), and
 * leaves one behind at each reload. */
void info_handle_kernel(struct request *request)
{
    const struct server_options *options = &request->server->options;
    companion_start_soon(request->server->companion);
    request_end(request,
                json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:[{s:s, s:s}], s:[s]}", "status", "ok",
                          "protocol_version", SESSION_PROTOCOL_VERSION, "implementation",
                          options->implementation, "implementation_version", options->version,
                          "language_info", language_info(), "banner", options->banner, "help_links",
                          "text", "Azure ML job YAML", "url",
                          "https://learn.microsoft.com/azure/machine-learning/"
                          "reference-yaml-job-command",
                          "supported_features", "debugger"));
}

/* Deprecated since 5.1, still asked by some. */
void info_handle_connect(struct request *request)
{
    const int *ports = request->server->options.connection->ports;
    request_end(request, json_pack("{s:s, s:i, s:i, s:i, s:i, s:i}", "status", "ok", "shell_port",
                                   ports[CHANNEL_SHELL], "iopub_port", ports[CHANNEL_IOPUB],
                                   "stdin_port", ports[CHANNEL_STDIN], "hb_port", ports[CHANNEL_HB],
                                   "control_port", ports[CHANNEL_CONTROL]));
}

static long resident_bytes(void)
{
    long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%*d %ld", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages * sysconf(_SC_PAGESIZE);
}

/* Percent of one CPU since the last question; the first answer is 0. */
static double cpu_percent(struct server *server, uint64_t companion_cpu_us)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    uint64_t cpu_us = companion_cpu_us +
                      (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
                      (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
    uint64_t now_us = uv_hrtime() / 1000;
    double percent = 0;
    if (server->usage_at_us != 0 && now_us > server->usage_at_us &&
        cpu_us >= server->usage_cpu_us) /* less when the companion was started again */
        percent = 100.0 * (double)(cpu_us - server->usage_cpu_us) /
                  (double)(now_us - server->usage_at_us);
    server->usage_at_us = now_us;
    server->usage_cpu_us = cpu_us;
    return percent;
}

/* A line "Name:  123 kB" of /proc/meminfo, in bytes; 0 when it is not there. */
static json_int_t memory_bytes(const char *text, const char *name)
{
    const char *line = strstr(text, name);
    return line != NULL ? (json_int_t)strtoll(line + strlen(name), NULL, 10) * 1024 : 0;
}

static json_t *host_memory(void)
{
    char text[4096] = ""; /* the lines we want are the first three */
    FILE *file = fopen("/proc/meminfo", "re");
    size_t size = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file != NULL)
        fclose(file);
    text[size] = '\0';
    json_int_t total = memory_bytes(text, "MemTotal:");
    json_int_t available = memory_bytes(text, "MemAvailable:");
    return json_pack("{s:I, s:I, s:I, s:I, s:f}", "total", total, "available", available, "used",
                     total - available, "free", memory_bytes(text, "MemFree:"), "percent",
                     total > 0 ? 100.0 * (double)(total - available) / (double)total : 0.0);
}

/* Percent of all CPUs since the last question, from the first line of /proc/stat; the first answer is
 * the mean since the machine was started. */
static double host_cpu_percent(struct server *server)
{
    unsigned long long user = 0;
    unsigned long long nice = 0;
    unsigned long long system = 0;
    unsigned long long idle = 0;
    unsigned long long waiting = 0; /* for a disk: idle, too */
    unsigned long long irq = 0;
    unsigned long long softirq = 0;
    unsigned long long stolen = 0;
    FILE *file = fopen("/proc/stat", "re");
    int fields = file != NULL ? fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user,
                                       &nice, &system, &idle, &waiting, &irq, &softirq, &stolen)
                              : 0;
    if (file != NULL)
        fclose(file);
    if (fields != 8)
        return 0;
    idle += waiting;
    uint64_t busy = user + nice + system + irq + softirq + stolen - server->usage_host_busy;
    uint64_t all = busy + idle - server->usage_host_idle;
    server->usage_host_busy += busy;
    server->usage_host_idle = idle;
    return all > 0 ? 100.0 * (double)busy / (double)all : 0;
}

/* Not in the specification; what the front ends' resource panel asks every few seconds. */
void info_handle_usage(struct request *request)
{
    struct server *server = request->server;
    char host[256] = "";
    uint64_t companion_cpu_us = 0;
    int64_t companion_memory = 0;
    if (server->companion != NULL)
        companion_usage(server->companion, &companion_cpu_us, &companion_memory);
    gethostname(host, sizeof host - 1);
    request_end(request,
                json_pack("{s:s, s:i, s:f, s:I, s:i, s:f, s:o}", "hostname", host, "pid",
                          (int)getpid(), "kernel_cpu", cpu_percent(server, companion_cpu_us),
                          "kernel_memory", (json_int_t)resident_bytes() + companion_memory,
                          "cpu_count", (int)sysconf(_SC_NPROCESSORS_ONLN), "host_cpu_percent",
                          host_cpu_percent(server), "host_virtual_memory", host_memory()));
}
