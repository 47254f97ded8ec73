/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One loop over signals, the output pipe and deadlines.
 *
 * A run is stopped on a ladder: TERM to the whole tree, the grace period, then KILL again and again
 * until nothing is left. What the script leaves behind at its own end takes the same way with a
 * short grace. Nothing is left when the kernel says that we have no children: as a subreaper we are
 * the ancestor of all, so every chain of descendants begins with a child of ours.
 *
 * The end is recorded when nothing is left and the output is written, in that order.
 */
#include "runner/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/failpoint.h"
#include "runner/log.h"
#include "runner/record.h"
#include "runner/script.h"
#include "runner/usage.h"

#define LEFTOVER_GRACE_MS 2000 /* for what outlives the script: enough to flush a file */
#define KILL_AGAIN_MS 20       /* a tree that forks faster than it is read is read again */
#define KILL_BURST 64          /* quick reads in a row: some milliseconds, then others' turn */
#define DISK_RETRY_MS 1000     /* no event says that a disk has space again */
#define SYNC_EVERY_MS 5000     /* the most output that a power cut may take */

enum stage {
    STAGE_RUN,
    STAGE_TERM,   /* TERM was sent; KILL follows at stage_ms */
    STAGE_KILL,   /* KILL is sent, again at stage_ms */
    STAGE_FINISH, /* nobody is left */
};

enum slot { SLOT_SIGNALS, SLOT_LOG, SLOT_GPU, SLOT_COUNT };

struct supervise {
    const struct supervise_options *options;
    struct record record;
    struct log log;
    struct usage usage;
    int signals; /* signalfd */
    enum stage stage;
    bool script_ended;
    bool killed;       /* KILL was sent while the script lived */
    bool log_stuck;    /* the log does not take what we hold; tried again at retry_ms */
    bool record_stale; /* status.json does not say what `record` says; written again at retry_ms */
    int64_t oom_kills; /* before the start */
    int64_t stage_ms;  /* deadlines by the steady clock; 0: none */
    int64_t timeout_ms;
    int64_t retry_ms;
    int64_t sync_ms;
};

/* --- start ------------------------------------------------------------------------------------ */

static int open_signals(void)
{
    /* Blocked for good: they arrive as events, and not before we are ready for them. */
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGCHLD);
    if (sigprocmask(SIG_SETMASK, &set, NULL) != 0)
        return -1;
    signal(SIGCHLD, SIG_DFL); /* if we were started with it ignored, children could not be reaped */
    signal(SIGPIPE, SIG_IGN); /* who started us may be gone before we answer */
    signal(SIGHUP, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a size limit is an error of write(2), like a full disk */
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Everything but the script. -1 with what failed in *what and errno. */
static int prepare(struct supervise *run, int dir, const char **what)
{
    *what = "become a subreaper";
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        return -1;
    *what = "receive signals";
    run->signals = open_signals();
    if (run->signals < 0)
        return -1;
    *what = "read /proc";
    if (record_init(&run->record, dir, run->options->id) != 0)
        return -1;
    *what = "open the log in the run folder";
    if (log_open(&run->log, dir, run->options->log) != 0)
        return -1;
    *what = "reserve disk space in the run folder";
    if (record_reserve(&run->record) != 0)
        return -1;
    run->record.log_size = run->log.size;
    run->oom_kills = usage_oom_kills();
    return 0;
}

static int fork_script(struct supervise *run, struct script *ret_script)
{
    int output[2];
    struct tree_process process;
    if (pipe2(output, O_CLOEXEC) != 0)
        return -1;
    fcntl(output[1], F_SETPIPE_SZ, LOG_PIPE_SIZE); /* past the user's limit it stays as it is */
    int result = script_fork(ret_script, run->options->cwd, run->options->argv,
                             run->options->fallback, output[1]);
    int number = errno;
    close(output[1]);
    errno = number;
    if (result != 0 || !tree_look(ret_script->pid, &process)) {
        close(output[0]);
        return -1;
    }
    /* Only our end: non-blocking belongs to the open file, and the two ends are two. */
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    run->log.pipe = output[0];
    run->record.script = (struct record_process){process.pid, process.start_time};
    return 0;
}

static int start(struct supervise *run, int dir, const char **what)
{
    struct script script;
    if (prepare(run, dir, what) != 0)
        return -1;
    *what = "make the script's process";
    if (fork_script(run, &script) != 0)
        return -1;
    failpoint_pass("forked");
    *what = "write status.json in the run folder";
    run->record.started_us = text_now_us();
    if (record_write(&run->record) != 0)
        return -1; /* the script's process dies with us, having executed nothing */
    failpoint_pass("recorded");
    script_release(&script, run->options->cwd, run->options->argv, run->record.error,
                   sizeof run->record.error);
    failpoint_pass("released");
    usage_init(&run->usage, dir);
    if (run->options->timeout_ms > 0)
        run->timeout_ms = text_steady_ms() + run->options->timeout_ms;
    run->sync_ms = text_steady_ms() + SYNC_EVERY_MS;
    return 0;
}

struct supervise *supervise_start(const struct supervise_options *options, int dir,
                                  char error[static SUPERVISE_ERROR_SIZE])
{
    const char *what = "get memory";
    struct supervise *run = calloc(1, sizeof *run); /* lives as long as the process */
    if (run != NULL) {
        *run = (struct supervise){.options = options, .record.reserve = -1};
        if (start(run, dir, &what) == 0)
            return run;
    }
    snprintf(error, SUPERVISE_ERROR_SIZE, "cannot %s: %s%s", what, strerror(errno),
             errno == ENOSPC || errno == EDQUOT ? " (free some space there)" : "");
    if (run != NULL)
        record_reserve_none(&run->record);
    free(run);
    return NULL;
}

bool supervise_failed(const struct supervise *run)
{
    return run->record.error[0] != '\0';
}

/* --- the record and the disk ------------------------------------------------------------------ */

static void retry_later(struct supervise *run)
{
    run->retry_ms = text_steady_ms() + DISK_RETRY_MS;
}

static void write_record(struct supervise *run)
{
    run->record.log_size = run->log.size;
    run->record_stale = record_write(&run->record) != 0;
    if (run->record_stale)
        retry_later(run);
}

static void set_log_stuck(struct supervise *run, bool stuck)
{
    if (stuck)
        retry_later(run);
    if (stuck == run->log_stuck)
        return;
    run->log_stuck = stuck;
    run->record.waiting_for_disk = stuck;
    if (stuck)
        record_reserve_some(&run->record);
    else if (run->stage != STAGE_FINISH)
        record_reserve(&run->record); /* no room for it yet: tried again with the next sample */
    write_record(run);
}

static enum log_result pump(struct supervise *run)
{
    enum log_result result = log_pump(&run->log);
    set_log_stuck(run, result == LOG_STUCK);
    return result;
}

/* --- the ladder ------------------------------------------------------------------------------- */

static void send(struct supervise *run, int number)
{
    tree_scan(&run->usage.tree, run->usage.gpu.pid);
    tree_signal(&run->usage.tree, number);
    if (number == SIGTERM)
        tree_signal(&run->usage.tree, SIGCONT); /* one that is stopped cannot act on TERM */
}

/* The whole tree, then again and again its top: what forks and exits faster than all of /proc
 * is read becomes our child at once, and these are read in microseconds. */
static void kill_all(struct supervise *run)
{
    send(run, SIGKILL);
    for (int i = 0; i < KILL_BURST; i++)
        tree_kill_children(run->usage.gpu.pid);
}

static bool anyone_left(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

static void terminate(struct supervise *run, int64_t grace_ms)
{
    if (run->stage != STAGE_RUN)
        return;
    send(run, SIGTERM);
    run->stage = STAGE_TERM;
    run->stage_ms = text_steady_ms() + grace_ms;
}

static void cancel(struct supervise *run, bool *reason)
{
    if (run->script_ended || run->stage != STAGE_RUN)
        return;
    *reason = true;
    terminate(run, run->options->grace_ms);
}

/* Takes the next step when it is due; `now` is the steady clock. */
static void climb(struct supervise *run, int64_t now)
{
    if (run->timeout_ms != 0 && now >= run->timeout_ms) {
        run->timeout_ms = 0;
        cancel(run, &run->record.timed_out);
    }
    if (run->script_ended && run->stage != STAGE_FINISH && !anyone_left()) {
        run->stage = STAGE_FINISH;
        run->stage_ms = run->usage.next_ms = 0;
    }
    if (run->script_ended && run->stage == STAGE_RUN)
        terminate(run, LEFTOVER_GRACE_MS);
    if (run->script_ended && run->stage == STAGE_TERM && run->stage_ms > now + LEFTOVER_GRACE_MS)
        run->stage_ms = now + LEFTOVER_GRACE_MS;
    if (run->stage_ms != 0 && now >= run->stage_ms) {
        run->stage = STAGE_KILL;
        run->killed |= !run->script_ended;
        kill_all(run);
        run->stage_ms = text_steady_ms() + KILL_AGAIN_MS;
    }
}

/* --- events ----------------------------------------------------------------------------------- */

static void script_ended(struct supervise *run, int status)
{
    struct record *record = &run->record;
    run->script_ended = true;
    record->ended_us = text_now_us();
    record->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    record->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    /* A shell tells of its child's SIGKILL by exit status 137. */
    bool killed = record->signal == SIGKILL || record->exit_code == 128 + SIGKILL;
    record->oom = killed && !run->killed && usage_oom_kills() > run->oom_kills;
    gpu_kill(&run->usage.gpu);
}

/* Reaps by pid, whoever it is: as a subreaper we are given orphans we have never heard of, so the
 * kernel is asked who is next without reaping (WNOWAIT), and then that one is reaped. */
static void reap(struct supervise *run)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        struct rusage cost;
        int status;
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0)
            return;
        if (wait4(info.si_pid, &status, WNOHANG, &cost) != info.si_pid)
            return;
        if (info.si_pid == run->record.script.pid)
            script_ended(run, status);
        else if (info.si_pid == run->usage.gpu.pid)
            gpu_reaped(&run->usage.gpu, (double)cost.ru_utime.tv_sec +
                                            (double)cost.ru_stime.tv_sec +
                                            (double)cost.ru_utime.tv_usec / 1e6 +
                                            (double)cost.ru_stime.tv_usec / 1e6);
    }
}

static void read_signals(struct supervise *run)
{
    struct signalfd_siginfo info;
    while (read(run->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGCHLD)
            cancel(run, &run->record.cancelled);
    }
    reap(run);
}

static void timers(struct supervise *run)
{
    int64_t now = text_steady_ms();
    climb(run, now);
    if (run->usage.next_ms != 0 && now >= run->usage.next_ms) {
        usage_sample(&run->usage);
        if (!run->log_stuck)
            record_reserve(&run->record);
    }
    if (run->usage.gpu.deadline_ms != 0 && now >= run->usage.gpu.deadline_ms)
        gpu_kill(&run->usage.gpu);
    if (now >= run->sync_ms) {
        log_sync(&run->log);
        run->sync_ms = now + SYNC_EVERY_MS;
    }
    if (run->retry_ms != 0 && now >= run->retry_ms) {
        run->retry_ms = 0;
        if (run->log_stuck)
            pump(run);
        if (run->record_stale)
            write_record(run);
    }
}

/* How long poll(2) may wait. */
static int until_next(const struct supervise *run)
{
    const int64_t deadlines[] = {run->usage.next_ms, run->usage.gpu.deadline_ms,
                                 run->stage_ms,      run->timeout_ms,
                                 run->retry_ms,      run->log.unsynced ? run->sync_ms : 0};
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < sizeof deadlines / sizeof deadlines[0]; i++) {
        if (deadlines[i] != 0 && deadlines[i] < next)
            next = deadlines[i];
    }
    int64_t wait = next - text_steady_ms();
    return wait < 0 ? 0 : wait > INT32_MAX ? INT32_MAX : (int)wait;
}

static void turn(struct supervise *run)
{
    struct pollfd fds[SLOT_COUNT] = {
        [SLOT_SIGNALS] = {.fd = run->signals, .events = POLLIN},
        [SLOT_LOG] = {.fd = run->log_stuck ? -1 : run->log.pipe, .events = POLLIN},
        [SLOT_GPU] = {.fd = run->usage.gpu.pipe, .events = POLLIN},
    };
    if (poll(fds, SLOT_COUNT, until_next(run)) < 0)
        return;
    if (fds[SLOT_SIGNALS].revents != 0)
        read_signals(run);
    if (fds[SLOT_LOG].revents != 0)
        pump(run);
    if (fds[SLOT_GPU].revents != 0 && run->usage.gpu.pipe >= 0)
        gpu_read(&run->usage.gpu);
    timers(run);
}

/* Nobody is left: what is in the pipe is all there will be. The reserve is given back first, so
 * that it and the record fit on a full disk too; when someone else takes the space, they wait. */
static void finish(struct supervise *run)
{
    record_reserve_none(&run->record);
    enum log_result result;
    while ((result = pump(run)) == LOG_MORE || result == LOG_STUCK) {
        if (result == LOG_STUCK)
            turn(run);
    }
    log_sync(&run->log);
    usage_sample(&run->usage);
    run->usage.next_ms = 0;
    failpoint_pass("ended");
    run->record.exited = true;
    write_record(run);
    while (run->record_stale)
        turn(run);
}

int supervise_loop(struct supervise *run)
{
    while (run->stage != STAGE_FINISH)
        turn(run);
    finish(run);
    return run->record.signal > 0 ? 128 + run->record.signal : run->record.exit_code;
}
