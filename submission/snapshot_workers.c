/* SPDX-License-Identifier: BSD-3-Clause */
/* Threads that take the next item until there is none or one of them fails. They live for one call.
 * Where no thread can be had, the caller does all of it alone. */
#include "submission/snapshot_workers.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct crew {
    size_t items;
    snapshot_workers_fn work;
    void *data;
    _Atomic size_t next;
    atomic_flag failed; /* set by the first failure, whose error counts */
    struct error *err;
};

static void *run(void *data)
{
    struct crew *crew = data;
    AUTO_FREE char *buffer = xmalloc(SNAPSHOT_WORKERS_BUFFER);
    for (;;) {
        AUTO_ERROR struct error err = ERROR_INIT;
        size_t item = atomic_fetch_add(&crew->next, 1);
        if (item >= crew->items)
            return NULL;
        if (crew->work(item, buffer, &err, crew->data) == 0)
            continue;
        atomic_store(&crew->next, crew->items);
        if (!atomic_flag_test_and_set(&crew->failed))
            error_move(crew->err, &err);
        return crew; /* not NULL: it failed */
    }
}

static size_t useful_threads(size_t items)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t most = cores > 0 && cores < SNAPSHOT_WORKERS_MAX ? (size_t)cores : SNAPSHOT_WORKERS_MAX;
    return items < most ? items : most;
}

int snapshot_workers_run(size_t items, snapshot_workers_fn work, void *data, struct error *err)
{
    struct crew crew = {
        .items = items, .work = work, .data = data, .failed = ATOMIC_FLAG_INIT, .err = err};
    pthread_t threads[SNAPSHOT_WORKERS_MAX];
    size_t wanted = useful_threads(items), count = 0;
    sigset_t all, before;
    /* Signals are the loop's: no thread of ours may take one. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (count + 1 < wanted && pthread_create(&threads[count], NULL, run, &crew) == 0)
        count++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    int result = run(&crew) == NULL ? 0 : -1;
    for (size_t i = 0; i < count; i++) {
        void *failed = NULL;
        pthread_join(threads[i], &failed);
        if (failed != NULL)
            result = -1;
    }
    return result;
}
