/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What a run used over time: the lines of usage.jsonl that its runner writes (runner/README.md), read
 * back from the end. A line that does not read is left out.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* About ten minutes of samples: what a sparkline of some 150 pixels can show. */
#define USAGE_SAMPLES_MAX 300

struct usage_sample {
    int64_t when_us;
    double cpu_percent;      /* 100 is one core */
    double memory_bytes;     /* resident, of all processes */
    double gpu_percent;      /* the mean over the GPUs; NaN when none is there or none is told */
    double gpu_memory_bytes; /* the sum over them; NaN likewise */
    double gpu_memory_total; /* likewise */
};

struct usage {
    struct usage_sample *samples; /* oldest first, at most USAGE_SAMPLES_MAX: the newest */
    size_t count;
};

#define USAGE_INIT      \
    {                   \
        .samples = NULL \
    }

/* Reads the newest samples of a run; none when there is no file. Reads at most some 100 kB from the
 * file's end. Replaces what is in *usage. Blocks. */
int usage_read(const char *run_dir, struct usage *usage, struct error *err);
void usage_done(struct usage *usage);
#define AUTO_USAGE __attribute__((cleanup(usage_done)))
