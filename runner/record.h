/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The record (status.json), the lock that makes a run start once, and the disk space kept in
 * reserve so that the record and the last output get through when the disk is full.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define RECORD_BOOT_SIZE 37   /* a boot id as /proc prints it, and its NUL */
#define RECORD_ERROR_SIZE 512 /* one line; a longer path in it is cut */

struct record_process {
    pid_t pid;
    uint64_t start_time;
};

struct record {
    int dir;     /* the run folder; borrowed */
    int reserve; /* the reserve file, -1 when there is none */
    const char *id;
    char boot_id[RECORD_BOOT_SIZE];
    struct record_process runner;
    struct record_process script;
    int64_t started_us;
    int64_t ended_us;
    bool exited;
    int exit_code; /* -1: ended by a signal, or has not ended */
    int signal;    /* 0: exited, or has not ended */
    bool oom;
    bool cancelled;
    bool timed_out;
    bool waiting_for_disk;
    int64_t log_size;
    char error[RECORD_ERROR_SIZE]; /* "" when there is none */
};

/* Takes the lock of the folder for the life of this process and its forks (it is not passed to what
 * they execute). Returns the descriptor; -1 with errno EEXIST when the run was started before or is
 * being started, or another errno. */
int record_lock(int dir);

/* Empty, with the identity of this process and its boot. -1 with errno when /proc does not tell. */
int record_init(struct record *record, int dir, const char *id);

/* Writes status.json durably: temporary, fsync, rename, fsync of the folder. -1 with errno. */
int record_write(const struct record *record);

/* Makes the reserve as large as it should be; -1 with errno when the disk has no room. */
int record_reserve(struct record *record);

/* Gives back the part of the reserve that one record needs. */
void record_reserve_some(struct record *record);

/* Gives all of it back and removes the file. */
void record_reserve_none(struct record *record);
