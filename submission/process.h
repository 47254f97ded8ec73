/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Processes that outlive us, started through the runner and watched by events.
 *
 * A work folder holds what the runner writes (runner/README.md): status.json, the log, usage.jsonl.
 * The runner holds a lock in the folder for its life and refuses to start twice, so starting is
 * idempotent. Watching uses a pidfd for the end and inotify (uv_fs_event) for the log: no polling.
 */

#include <stdint.h>
#include <uv.h>

#include "base/error.h"
#include "base/procid.h"
#include "base/strlist.h"

struct process_spec {
    const char *dir;         /* the work folder, absolute, existing */
    const char *id;          /* told to the runner and found in its command line and status; envp
                                should hold it as AZUREML_RUN_ID or SKIFF_RUN_ID, by which
                                process_cancel() finds what a killed runner left behind */
    const char *cwd;         /* of the script; absolute */
    const char *log;         /* relative to dir */
    char *const *argv;       /* NULL-terminated; argv[0] with a slash or looked up on envp's PATH */
    char *const *envp;       /* the whole environment of the script, never NULL; nothing of ours
                                leaks in, and no secret reaches a command line */
    int grace_seconds;       /* between SIGTERM and SIGKILL on cancel */
    int64_t timeout_seconds; /* 0: none */
};

/* What status.json says. */
enum process_state {
    PROCESS_NONE,    /* no status.json: never started (or the runner died before its first write) */
    PROCESS_RUNNING, /* and the runner is alive */
    PROCESS_ENDED,   /* with an exit record */
    PROCESS_LOST,    /* it was running, and its runner is gone without an exit record */
    PROCESS_UNKNOWN, /* it was running, and who would know does not answer; `error` says who */
};

struct process_status {
    enum process_state state;
    struct procid runner;
    int64_t started_us;
    int64_t ended_us;
    int exit_code; /* -1 when it ended by a signal */
    int signal;    /* 0 when it exited */
    bool oom;      /* the kernel killed it for memory */
    bool cancelled;
    bool timed_out;
    bool rebooted; /* PROCESS_LOST: because the machine was */
    bool waiting_for_disk;
    char *error; /* why it could not be started, was lost or is not known; NULL otherwise */
};

#define PROCESS_STATUS_INIT   \
    {                         \
        .state = PROCESS_NONE \
    }
void process_status_done(struct process_status *status);
#define AUTO_PROCESS_STATUS __attribute__((cleanup(process_status_done)))

/* Reads status.json and looks at the process. A status.json that does not read is PROCESS_LOST with
 * `error` saying so. *ret_status is overwritten; release it with process_status_done(). */
int process_status_read(const char *dir, struct process_status *ret_status, struct error *err);

/* The same without looking at the process: what a runner on another machine or in a container (its
 * pids are not ours) has written last. Never PROCESS_LOST, unless the file does not read. */
int process_status_read_remote(const char *dir, struct process_status *ret_status,
                               struct error *err);

/* The status as a sentence: "exited with status 3", "killed by SIGKILL: out of memory". Caller
 * frees. */
MUST_CHECK char *process_status_text(const struct process_status *status);

/* Starts the runner; `started` is called once from the loop when it has daemonised (err is NULL:
 * from now on it is nobody's child and its status.json is there) or could not start. Starting what
 * was started before, by whomever, is success and starts nothing. Everything in
 * `spec` is copied. Returns -1 at once when the runner program is missing; `started` is then never
 * called. */
typedef void (*process_started_fn)(const struct error *err, void *data);
int process_start(uv_loop_t *loop, const struct process_spec *spec, process_started_fn started,
                  void *data, struct error *err);

struct process_watch;

struct process_callbacks {
    /* The log may have grown, or status.json changed: at most once a turn of the loop, and once
     * soon after the start, so that nothing written before it is missed. May be NULL. */
    void (*changed)(void *data);
    /* The runner is gone: read the status. Called once, after a last `changed`; the watch stays
     * valid until closed. Either may close it. */
    void (*ended)(void *data);
};

/* Watches a started process. When it has ended already, `ended` is called from the loop soon.
 * ERROR_NOT_FOUND when it was never started. Where the system gives no events (inotify's limits, a
 * kernel without pidfd_open) it looks once a second instead. */
int process_watch(uv_loop_t *loop, const char *dir, const char *log,
                  const struct process_callbacks *callbacks, void *data,
                  struct process_watch **ret_watch, struct error *err);
/* The same for a runner whose pids are not ours, in a container: it has ended when status.json says so,
 * and only then. Works before anything was started. */
struct process_watch *process_watch_remote(uv_loop_t *loop, const char *dir, const char *log,
                                           const struct process_callbacks *callbacks, void *data);

void process_watch_close(struct process_watch *watch); /* no callback after this; NULL is allowed */

/* Asks the runner to stop: SIGTERM to it, which passes it to the whole tree, waits the grace period
 * and kills. Success when it is gone already or was never started. A runner that was itself killed
 * is cleaned up after: what it left behind (found by the run id in its environment) is killed.
 * Returns at once; the end is seen by a watch. */
int process_cancel(const char *dir, struct error *err);

/* The path of the runner program: $SKIFF_RUNNER (for tests, which live elsewhere), else beside this
 * program, else ../libexec/skiff from there. Caller frees; NULL with an error that says where it was
 * looked for. */
MUST_CHECK char *process_runner_path(struct error *err);
