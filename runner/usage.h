/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Samples of what the script's whole tree uses, one line of JSON each in usage.jsonl, and the
 * question whether the kernel has killed for memory.
 */

#include <stdint.h>

#include "runner/gpu.h"
#include "runner/lines.h"
#include "runner/tree.h"

struct usage {
    struct lines lines;
    struct gpu gpu;
    struct tree tree;
    unsigned count; /* samples taken */
    int64_t interval_ms;
    int64_t next_ms; /* when the next is due, by the steady clock */
    int64_t last_us;
    double last_cpu_seconds;
};

void usage_init(struct usage *usage, int dir);

/* Takes a sample and says when the next is due. */
void usage_sample(struct usage *usage);

/* How often the kernel has killed for memory: in our cgroup when it counts, else on the machine. */
int64_t usage_oom_kills(void);
