/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A process is (pid, start time) on one boot of the machine, never a bare pid: a pid that has been
 * given to another process since does not match.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define PROCID_BOOT_SIZE 37 /* a boot id as /proc prints it, and its NUL */

struct procid {
    pid_t pid;           /* 0 means none */
    uint64_t start_time; /* clock ticks after boot: field 22 of /proc/PID/stat, proc(5) */
    char boot_id[PROCID_BOOT_SIZE];
};

/* The identity of a living process (a zombie counts as gone). False when there is none. */
bool procid_of(pid_t pid, struct procid *ret_id);

/* True while this very process lives. */
bool procid_alive(const struct procid *id);

/* True when the machine has been booted since the process was seen. */
bool procid_rebooted(const struct procid *id);

/* A descriptor that becomes readable when the process ends (pidfd_open(2)); -1 when it has ended or
 * is another process. The caller closes it. */
int procid_open(const struct procid *id);

/* {"pid":..,"start_time":..,"boot_id":".."} and back. A malformed object gives pid 0. */
json_t *procid_to_json(const struct procid *id);
struct procid procid_from_json(const json_t *object);
