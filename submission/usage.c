/* SPDX-License-Identifier: BSD-3-Clause */
/* Samples of what a run used, from the end of usage.jsonl. Invariant: only whole lines are looked at, the
 * newest first, and what is no sample is passed over: a line may be cut by a full disk, or be written
 * right now. */
#include "submission/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

/* Room for USAGE_SAMPLES_MAX lines with a GPU. With eight of them it holds the last three minutes. */
#define READ_MAX (100 * 1024)

void usage_done(struct usage *usage)
{
    free(usage->samples);
    *usage = (struct usage)USAGE_INIT;
}

/* Adds a number unless it is null or missing; NaN is "none so far". */
static void add(double *sum, const json_t *gpu, const char *key, size_t *count)
{
    double value = json_get_number(gpu, key, NAN);
    if (isnan(value))
        return;
    *sum = isnan(*sum) ? value : *sum + value;
    if (count != NULL)
        (*count)++;
}

static void take_gpus(struct usage_sample *sample, const json_t *gpus)
{
    size_t told = 0;
    size_t i;
    json_t *gpu;
    sample->gpu_percent = sample->gpu_memory_bytes = sample->gpu_memory_total = NAN;
    json_array_foreach (gpus, i, gpu) {
        add(&sample->gpu_percent, gpu, "utilization_percent", &told);
        add(&sample->gpu_memory_bytes, gpu, "memory_used_bytes", NULL);
        add(&sample->gpu_memory_total, gpu, "memory_total_bytes", NULL);
    }
    if (told > 0)
        sample->gpu_percent /= (double)told;
}

static bool take_line(const char *line, size_t size, struct usage_sample *sample)
{
    AUTO_JSON json_t *object = json_parse(line, size, "a sample", NULL);
    *sample = (struct usage_sample){.when_us = json_get_time(object, "time"),
                                    .cpu_percent = json_get_number(object, "cpu_percent", NAN),
                                    .memory_bytes = json_get_number(object, "rss_bytes", NAN)};
    if (sample->when_us == 0 || isnan(sample->cpu_percent) || isnan(sample->memory_bytes))
        return false;
    take_gpus(sample, json_object_get(object, "gpu"));
    return true;
}

/* From the last whole line back. `whole` is false when the text may begin in the middle of one. */
static void take_lines(struct usage *usage, const char *text, size_t size, bool whole)
{
    struct usage_sample newest[USAGE_SAMPLES_MAX];
    size_t from = USAGE_SAMPLES_MAX;
    const char *end = memrchr(text, '\n', size);
    while (end != NULL && from > 0) {
        const char *before = memrchr(text, '\n', (size_t)(end - text));
        const char *line = before != NULL ? before + 1 : text;
        if ((before != NULL || whole) && take_line(line, (size_t)(end - line), &newest[from - 1]))
            from--;
        end = before;
    }
    usage->count = USAGE_SAMPLES_MAX - from;
    if (usage->count == 0)
        return;
    usage->samples = xcalloc(usage->count, sizeof *usage->samples);
    memcpy(usage->samples, &newest[from], usage->count * sizeof *newest);
}

int usage_read(const char *run_dir, struct usage *usage, struct error *err)
{
    AUTO_FREE char *path = file_join(run_dir, "usage.jsonl");
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    AUTO_BUF struct buf text = BUF_INIT;
    struct stat st;
    if (fd < 0 && errno == ENOENT) {
        usage_done(usage);
        return 0;
    }
    if (fd < 0 || fstat(fd, &st) != 0)
        return error_errno(err, "cannot open %s", path);
    off_t from = st.st_size > READ_MAX ? st.st_size - READ_MAX : 0;
    ssize_t got = pread(fd, buf_reserve(&text, READ_MAX), READ_MAX, from);
    if (got < 0)
        return error_errno(err, "cannot read %s", path);
    usage_done(usage);
    take_lines(usage, text.data, (size_t)got, from == 0);
    return 0;
}
