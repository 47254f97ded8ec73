/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What NVIDIA's GPUs are doing, asked of nvidia-smi, which can take seconds: it runs as a child
 * whose answer arrives as an event. Without the driver nothing is ever started.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner/text.h"

#define GPU_ANSWER_MAX 8192 /* 64 GPUs at about 100 bytes */

struct gpu {
    bool present;
    pid_t pid;           /* of nvidia-smi; 0 when none runs */
    int pipe;            /* its output; -1 when none */
    int64_t deadline_ms; /* it is killed then; 0 when nothing is open */
    double cpu_seconds;  /* what its runs cost: not the script's */
    size_t size;
    char answer[GPU_ANSWER_MAX + 1]; /* of the run that goes on */
    char known[GPU_ANSWER_MAX + 1];  /* the last whole answer; "" when there is none */
};

void gpu_init(struct gpu *gpu);

/* Starts a question unless one is open. */
void gpu_ask(struct gpu *gpu);

/* The pipe has something; and the child `pid` of this unit has been reaped. */
void gpu_read(struct gpu *gpu);
void gpu_reaped(struct gpu *gpu, double cpu_seconds);

/* Kills the question that is open, if one is: it took too long, or the run is over. */
void gpu_kill(struct gpu *gpu);

/* Adds ,"gpu":[...] from the last answer, or nothing. */
void gpu_add(const struct gpu *gpu, struct text *text);
