/* SPDX-License-Identifier: BSD-3-Clause */
/* nvidia-smi as a child with a time limit; its CSV becomes JSON in the usage lines. */
#include "runner/gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DRIVER "/proc/driver/nvidia"
#define ANSWER_WITHIN_MS 5000 /* a cold driver takes two seconds */
#define FIELD_COUNT 5
#define MIB 1048576.0

extern char **environ;

void gpu_init(struct gpu *gpu)
{
    *gpu = (struct gpu){.present = access(DRIVER, F_OK) == 0, .pipe = -1};
}

static int spawn(int output, pid_t *ret_pid)
{
    char *const argv[] = {
        (char[]){"nvidia-smi"},
        (char[]){"--query-gpu=index,name,utilization.gpu,memory.used,memory.total"},
        (char[]){"--format=csv,noheader,nounits"}, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output, 1);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    int failure = posix_spawnp(ret_pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failure;
}

void gpu_ask(struct gpu *gpu)
{
    int pair[2];
    if (!gpu->present || gpu->deadline_ms != 0 || pipe2(pair, O_CLOEXEC) != 0)
        return;
    gpu->present = spawn(pair[1], &gpu->pid) == 0; /* no nvidia-smi: do not try again */
    close(pair[1]);
    if (!gpu->present) {
        gpu->pid = 0;
        close(pair[0]);
        return;
    }
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    gpu->pipe = pair[0];
    gpu->size = 0;
    gpu->deadline_ms = text_steady_ms() + ANSWER_WITHIN_MS;
}

/* A question is closed when its process is reaped and its pipe has ended. */
static void close_question(struct gpu *gpu)
{
    if (gpu->pid == 0 && gpu->pipe < 0)
        gpu->deadline_ms = 0;
}

void gpu_read(struct gpu *gpu)
{
    ssize_t got = read(gpu->pipe, gpu->answer + gpu->size, GPU_ANSWER_MAX - gpu->size);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got > 0) {
        gpu->size += (size_t)got;
        return;
    }
    /* The end, an error, or more than we take: then it is not an answer. */
    gpu->answer[gpu->size] = '\0';
    if (got == 0 && gpu->size < GPU_ANSWER_MAX)
        memcpy(gpu->known, gpu->answer, gpu->size + 1);
    close(gpu->pipe);
    gpu->pipe = -1;
    close_question(gpu);
}

void gpu_reaped(struct gpu *gpu, double cpu_seconds)
{
    gpu->pid = 0;
    close_question(gpu);
    gpu->cpu_seconds += cpu_seconds;
}

void gpu_kill(struct gpu *gpu)
{
    if (gpu->pid > 0)
        kill(gpu->pid, SIGKILL); /* our child, not reaped yet: the pid is its own */
    if (gpu->pipe >= 0)
        close(gpu->pipe);
    gpu->pipe = -1;
    gpu->known[0] = '\0';
    gpu->deadline_ms = gpu->pid > 0 ? text_steady_ms() + ANSWER_WITHIN_MS : 0;
}

/* Splits "0, NVIDIA A100, 35, 1234, 40960" in place. */
static bool split(char *line, char *fields[static FIELD_COUNT])
{
    size_t count = 0;
    for (char *field = strsep(&line, ","); field != NULL; field = strsep(&line, ",")) {
        if (count == FIELD_COUNT)
            return false;
        fields[count++] = field + strspn(field, " ");
    }
    return count == FIELD_COUNT;
}

/* A number, or null for what the driver does not tell ("[N/A]"). */
static void add_number(struct text *text, const char *name, const char *field, double unit)
{
    char *end;
    double value = strtod(field, &end);
    if (end == field || *end != '\0' || !(value >= 0 && value < 1e12))
        text_add(text, ",\"%s\":null", name);
    else
        text_add(text, ",\"%s\":%.0f", name, value * unit);
}

void gpu_add(const struct gpu *gpu, struct text *text)
{
    char answer[GPU_ANSWER_MAX + 1];
    char *rest = strcpy(answer, gpu->known);
    const char *before = ",\"gpu\":[";
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char *field[FIELD_COUNT];
        if (!split(line, field))
            continue;
        text_add(text, "%s{\"name\":", before);
        text_add_string(text, field[1]);
        add_number(text, "index", field[0], 1);
        add_number(text, "utilization_percent", field[2], 1);
        add_number(text, "memory_used_bytes", field[3], MIB);
        add_number(text, "memory_total_bytes", field[4], MIB);
        text_add(text, "}");
        before = ",";
    }
    if (before[1] == '\0')
        text_add(text, "]");
}
