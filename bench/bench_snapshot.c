/* SPDX-License-Identifier: BSD-3-Clause */
/* How long a snapshot of SOURCE takes with the store in HOME: once cold (HOME/objects must not
 * exist) and then warm, step by step, in milliseconds and megabytes a second. HOME is left as it is.
 *
 *     bench_snapshot SOURCE HOME [warm rounds]
 *
 * A file changed within the last two seconds is never trusted, so it waits until SOURCE is older
 * than that before it begins; the waiting is not measured. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "submission/snapshot.h"
#include "submission/snapshot_index.h"

static double now_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void fail(const struct error *err)
{
    AUTO_FREE char *text = error_format(err);
    fprintf(stderr, "bench_snapshot: %s\n", text);
    exit(1);
}

static struct snapshot *scan(const char *source)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct snapshot_limits limits = {.size_max = UINT64_MAX, .files_max = UINT64_MAX};
    struct snapshot *snapshot = NULL;
    if (snapshot_scan(source, &limits, false, NULL, &snapshot, NULL, &err) != 0)
        fail(&err);
    return snapshot;
}

static void wait_until_quiet(const char *source)
{
    AUTO(snapshot) struct snapshot *snapshot = scan(source);
    int64_t newest = 0;
    for (size_t i = 0; i < snapshot->count; i++)
        if (snapshot->entries[i].ctime_ns > newest)
            newest = snapshot->entries[i].ctime_ns;
    double until = (double)(newest + SNAPSHOT_INDEX_QUIET_NS) / 1e6 + 10;
    double rest = until - now_ms(CLOCK_REALTIME);
    if (rest > 0)
        poll(NULL, 0, (int)rest + 1);
}

/* Round 0 is the cold one. What is laid out stays, for a file system that has just deleted as many
 * files makes new ones slowly. */
static void measure(int round, const char *source, const char *home)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *target = xasprintf("%s/bench-code-%d", home, round);
    double begin = now_ms(CLOCK_MONOTONIC);
    AUTO(snapshot) struct snapshot *snapshot = scan(source);
    double scanned = now_ms(CLOCK_MONOTONIC);
    if (snapshot_store(snapshot, home, NULL, &err) != 0)
        fail(&err);
    double stored = now_ms(CLOCK_MONOTONIC);
    if (snapshot_lay_out(snapshot, home, target, NULL, &err) != 0)
        fail(&err);
    double laid_out = now_ms(CLOCK_MONOTONIC);
    printf("%-5s %7llu files %8.1f MB  scan %8.1f ms  store %8.1f ms  snapshot %8.1f ms "
           "(%6.0f MB/s)  lay out %8.1f ms\n",
           round == 0 ? "cold" : "warm", (unsigned long long)snapshot->file_count,
           (double)snapshot->size / 1e6, scanned - begin, stored - scanned, stored - begin,
           (double)snapshot->size / 1e3 / (stored - begin), laid_out - stored);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_snapshot SOURCE HOME [warm rounds]\n");
        return 2;
    }
    int rounds = argc > 3 ? atoi(argv[3]) : 3;
    wait_until_quiet(argv[1]);
    for (int round = 0; round <= rounds; round++)
        measure(round, argv[1], argv[2]);
    return 0;
}
