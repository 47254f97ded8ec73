/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The kernel's side of the runner: starting it, reading what it wrote, watching and stopping it.
 *
 * The truth about a run's process is status.json and the identity in it; nothing here is needed for
 * the run to go on. A signal goes only to a process whose identity was checked, through a descriptor
 * where the system has them.
 */
#include "submission/process.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

#define STATUS_NAME "status.json"
#define RESERVE_NAME "runner.reserve"
#define RUNNER_NAME "skiff-runner"
#define RUNNER_PREFIX "skiff-runner: " /* of its messages */
#define RUNNER_ALREADY_STARTED 73      /* its exit status, runner/README.md */

#define MESSAGE_MAX 4096             /* the runner says one line */
#define ENVIRONMENT_MAX (256 * 1024) /* the run id stands in the first kilobytes of any real one */
#define SWEEP_ROUNDS_MAX 50          /* a tree that still forks after so many is not ours to beat */
#define LOOK_EVERY_MS 1000           /* only where there are no events */

/* --- status ----------------------------------------------------------------------------------- */

void process_status_done(struct process_status *status)
{
    replace(&status->error, NULL);
}

static void status_from_json(const json_t *root, struct process_status *status)
{
    bool exited = strcmp(json_get_string(root, "state", ""), "exited") == 0;
    status->state = exited ? PROCESS_ENDED : PROCESS_RUNNING;
    status->runner = procid_from_json(json_object_get(root, "runner"));
    status->started_us = json_get_time(root, "started_at");
    status->ended_us = json_get_time(root, "ended_at");
    status->exit_code = (int)json_get_int(root, "exit_code", -1);
    status->signal = (int)json_get_int(root, "signal", 0);
    status->oom = json_get_bool(root, "oom", false);
    status->cancelled = json_get_bool(root, "cancelled", false);
    status->timed_out = json_get_bool(root, "timed_out", false);
    status->waiting_for_disk = json_get_bool(root, "waiting_for_disk", false);
    replace(&status->error, xstrdup_or_null(json_get_string(root, "error", NULL)));
}

/* What is written, and the run's id in *ret_id when that is wanted. */
static int read_record(const char *dir, struct process_status *ret_status, char **ret_id,
                       struct error *err)
{
    AUTO_FREE char *path = file_join(dir, STATUS_NAME);
    AUTO_ERROR struct error fault = ERROR_INIT;
    struct process_status status = PROCESS_STATUS_INIT;
    status.exit_code = -1;
    AUTO_JSON json_t *root = json_read(path, &fault);
    if (root != NULL) {
        status_from_json(root, &status);
        if (ret_id != NULL)
            *ret_id = xstrdup(json_get_string(root, "id", ""));
    } else if (fault.code == ERROR_DENIED) {
        return error_move(err, &fault);
    } else if (fault.code != ERROR_NOT_FOUND) {
        status.state = PROCESS_LOST;
        status.error = error_format(&fault);
    }
    *ret_status = status;
    return 0;
}

int process_status_read_remote(const char *dir, struct process_status *ret_status,
                               struct error *err)
{
    return read_record(dir, ret_status, NULL, err);
}

static int read_status(const char *dir, struct process_status *ret_status, char **ret_id,
                       struct error *err)
{
    if (read_record(dir, ret_status, ret_id, err) != 0)
        return -1;
    if (ret_status->state != PROCESS_RUNNING || procid_alive(&ret_status->runner))
        return 0;
    /* It may have written its last record and gone between the two looks. */
    process_status_done(ret_status);
    if (ret_id != NULL)
        replace(ret_id, NULL);
    if (read_record(dir, ret_status, ret_id, err) != 0)
        return -1;
    if (ret_status->state == PROCESS_RUNNING) {
        ret_status->state = PROCESS_LOST;
        ret_status->rebooted = procid_rebooted(&ret_status->runner);
    }
    return 0;
}

int process_status_read(const char *dir, struct process_status *ret_status, struct error *err)
{
    return read_status(dir, ret_status, NULL, err);
}

static char *ended_text(const struct process_status *status)
{
    const char *why = status->oom ? ": out of memory" : "";
    if (status->signal == 0)
        return xasprintf("exited with status %d%s", status->exit_code, why);
    const char *name = sigabbrev_np(status->signal);
    if (name == NULL)
        return xasprintf("killed by signal %d%s", status->signal, why);
    return xasprintf("killed by SIG%s%s", name, why);
}

char *process_status_text(const struct process_status *status)
{
    switch (status->state) {
    case PROCESS_NONE:
        return xstrdup("not started");
    case PROCESS_RUNNING:
        return xstrdup(status->waiting_for_disk ? "running; waiting for disk space" : "running");
    case PROCESS_LOST:
        if (status->error != NULL)
            return xasprintf("lost: %s", status->error);
        return xstrdup(status->rebooted ? "lost: the machine was restarted"
                                        : "lost: its runner was killed");
    case PROCESS_UNKNOWN:
        return xasprintf("not known: %s", status->error);
    case PROCESS_ENDED:
        break;
    }
    if (status->error != NULL)
        return xasprintf("could not be started: %s", status->error);
    AUTO_FREE char *end = ended_text(status);
    if (status->cancelled)
        return xasprintf("cancelled; %s", end);
    if (status->timed_out)
        return xasprintf("stopped at its time limit; %s", end);
    return steal(&end);
}

/* --- start ------------------------------------------------------------------------------------ */

char *process_runner_path(struct error *err)
{
    const char *chosen = getenv("SKIFF_RUNNER");
    if (chosen != NULL && chosen[0] != '\0')
        return xstrdup(chosen);
    AUTO_FREE char *here = file_program_dir();
    AUTO_FREE char *beside = xasprintf("%s/" RUNNER_NAME, here != NULL ? here : ".");
    AUTO_FREE char *installed =
        xasprintf("%s/../libexec/skiff/" RUNNER_NAME, here != NULL ? here : ".");
    if (access(beside, X_OK) == 0)
        return steal(&beside);
    if (access(installed, X_OK) == 0)
        return steal(&installed);
    error_set(err, ERROR_NOT_FOUND, "the program " RUNNER_NAME " is neither %s nor %s", beside,
              installed);
    error_hint(err, "install Skiff again: `make install` puts it there");
    return NULL;
}

struct start {
    uv_process_t process;
    uv_pipe_t messages; /* its stderr */
    struct buf text;    /* what it said, at most MESSAGE_MAX bytes */
    char chunk[1024];
    bool spawned; /* an exit will be told; else `fault` says why not */
    int open;     /* handles not closed yet */
    int64_t exit_status;
    int exit_signal;
    struct error fault;
    process_started_fn started;
    void *data;
};

static void explain_exit(struct start *start)
{
    const char *text = start->text.size > 0 ? start->text.data : "the runner said nothing";
    if (strncmp(text, RUNNER_PREFIX, strlen(RUNNER_PREFIX)) == 0)
        text += strlen(RUNNER_PREFIX);
    int length = (int)strcspn(text, "\n");
    if (start->exit_signal != 0)
        error_set(&start->fault, ERROR_FAILED, "the runner was killed by signal %d while starting",
                  start->exit_signal);
    else if (start->exit_status != 0 && start->exit_status != RUNNER_ALREADY_STARTED)
        error_set(&start->fault, ERROR_IO, "%.*s", length, text);
}

static void on_start_closed(uv_handle_t *handle)
{
    struct start *start = handle->data;
    if (--start->open > 0)
        return;
    if (start->spawned)
        explain_exit(start);
    process_started_fn started = start->started;
    void *data = start->data;
    AUTO_ERROR struct error fault = start->fault;
    buf_done(&start->text);
    free(start);
    started(error_is_set(&fault) ? &fault : NULL, data);
}

static void on_start_exit(uv_process_t *process, int64_t status, int signal)
{
    struct start *start = process->data;
    start->exit_status = status;
    start->exit_signal = signal;
    uv_close((uv_handle_t *)process, on_start_closed);
}

static void on_message_room(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    (void)size;
    struct start *start = handle->data;
    *buf = uv_buf_init(start->chunk, sizeof start->chunk);
}

static void on_message(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct start *start = stream->data;
    if (size < 0)
        uv_close((uv_handle_t *)stream, on_start_closed);
    else if (start->text.size + (size_t)size <= MESSAGE_MAX)
        buf_append(&start->text, buf->base, (size_t)size);
}

static void runner_arguments(const struct process_spec *spec, const char *runner,
                             struct strlist *args)
{
    strlist_add(args, runner);
    strlist_addf(args, "--id=%s", spec->id);
    if (spec->cwd != NULL)
        strlist_addf(args, "--cwd=%s", spec->cwd);
    strlist_addf(args, "--log=%s", spec->log);
    strlist_addf(args, "--grace=%d", spec->grace_seconds);
    strlist_addf(args, "--timeout=%lld", (long long)spec->timeout_seconds);
    strlist_add(args, spec->dir);
    strlist_add(args, "--");
    for (char *const *word = spec->argv; *word != NULL; word++)
        strlist_add(args, *word);
}

int process_start(uv_loop_t *loop, const struct process_spec *spec, process_started_fn started,
                  void *data, struct error *err)
{
    assert(spec->argv[0] != NULL && spec->envp != NULL && spec->id != NULL);
    AUTO_FREE char *runner = process_runner_path(err);
    if (runner == NULL)
        return -1;
    AUTO_STRLIST struct strlist args = STRLIST_INIT;
    runner_arguments(spec, runner, &args);
    struct start *start = xcalloc(1, sizeof *start);
    *start = (struct start){.open = 2, .started = started, .data = data};
    start->process.data = start->messages.data = start;
    uv_pipe_init(loop, &start->messages, 0);
    uv_stdio_container_t stdio[] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
         .data.stream = (uv_stream_t *)&start->messages},
    };
    /* uv wants char ** but changes nothing. */
    uv_process_options_t options = {.exit_cb = on_start_exit,
                                    .file = runner,
                                    .args = args.items,
                                    .env = (char **)(uintptr_t)spec->envp,
                                    .flags = UV_PROCESS_DETACHED,
                                    .stdio_count = 3,
                                    .stdio = stdio};
    int failure = uv_spawn(loop, &start->process, &options);
    start->spawned = failure == 0;
    if (start->spawned) {
        uv_read_start((uv_stream_t *)&start->messages, on_message_room, on_message);
        return 0;
    }
    /* Told from the loop like any other failure. */
    error_set(&start->fault, ERROR_IO, "cannot start %s: %s", runner, uv_strerror(failure));
    uv_close((uv_handle_t *)&start->process, on_start_closed);
    uv_close((uv_handle_t *)&start->messages, on_start_closed);
    return 0;
}

/* --- watch ------------------------------------------------------------------------------------ */

struct process_watch {
    uv_fs_event_t folder;     /* the run folder, for status.json */
    uv_fs_event_t log_folder; /* the log's */
    uv_poll_t end;            /* the runner's pidfd */
    uv_timer_t look;          /* runs only where an event is not to be had */
    uv_idle_t soon;           /* runs while something is to be told: coalesces a turn's events */
    int pidfd;                /* -1 when there is none */
    int open;                 /* handles not closed yet */
    struct procid runner;
    char *dir;      /* of a runner elsewhere; NULL for one of this machine */
    char *log_name; /* in its folder */
    bool has_end;   /* `end` is initialised */
    bool changed;
    bool ended;
    bool told_end;
    bool closing;
    struct process_callbacks callbacks;
    void *data;
};

/* Of a runner elsewhere: has it recorded its end? */
static bool has_recorded_end(const struct process_watch *watch)
{
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    return process_status_read_remote(watch->dir, &status, NULL) == 0 &&
           status.state == PROCESS_ENDED;
}

static void on_soon(uv_idle_t *idle)
{
    struct process_watch *watch = idle->data;
    bool changed = watch->changed;
    watch->changed = false;
    uv_idle_stop(idle);
    if (watch->dir != NULL && !watch->ended)
        watch->ended = has_recorded_end(watch);
    if (changed && watch->callbacks.changed != NULL)
        watch->callbacks.changed(watch->data);
    if (watch->closing || !watch->ended || watch->told_end)
        return;
    watch->told_end = true;
    if (watch->callbacks.ended != NULL)
        watch->callbacks.ended(watch->data);
}

static void tell_changed(struct process_watch *watch)
{
    watch->changed = true;
    uv_idle_start(&watch->soon, on_soon);
}

static void tell_ended(struct process_watch *watch)
{
    if (watch->ended)
        return;
    watch->ended = true;
    tell_changed(watch);
    uv_timer_stop(&watch->look);
}

static void on_folder(uv_fs_event_t *event, const char *name, int events, int status)
{
    (void)events;
    struct process_watch *watch = event->data;
    const char *wanted = event == &watch->folder ? STATUS_NAME : watch->log_name;
    /* Without a name it may be any file. Both files may stand in one folder. */
    if (status != 0 || name == NULL || strcmp(name, wanted) == 0)
        tell_changed(watch);
}

static void on_runner_end(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    uv_poll_stop(poll);
    tell_ended(poll->data);
}

static void on_look(uv_timer_t *timer)
{
    struct process_watch *watch = timer->data;
    if (watch->dir != NULL || procid_alive(&watch->runner))
        tell_changed(watch);
    else
        tell_ended(watch);
}

static void look_instead(struct process_watch *watch)
{
    uv_timer_start(&watch->look, on_look, LOOK_EVERY_MS, LOOK_EVERY_MS);
}

static void watch_folders(struct process_watch *watch, const char *dir, const char *log)
{
    AUTO_FREE char *log_dir = file_join(dir, log);
    char *slash = strrchr(log_dir, '/');
    assert(slash != NULL);
    *slash = '\0';
    if (uv_fs_event_start(&watch->folder, on_folder, dir, 0) != 0 ||
        uv_fs_event_start(&watch->log_folder, on_folder, log_dir, 0) != 0)
        look_instead(watch);
}

static void watch_end(uv_loop_t *loop, struct process_watch *watch)
{
    watch->pidfd = procid_open(&watch->runner);
    if (watch->pidfd < 0) {
        if (procid_alive(&watch->runner))
            look_instead(watch);
        else
            tell_ended(watch);
        return;
    }
    watch->has_end = uv_poll_init(loop, &watch->end, watch->pidfd) == 0;
    if (!watch->has_end) {
        look_instead(watch);
        return;
    }
    watch->end.data = watch;
    watch->open++;
    uv_poll_start(&watch->end, UV_READABLE, on_runner_end);
}

static struct process_watch *new_watch(uv_loop_t *loop, const char *dir, const char *log,
                                       const struct process_callbacks *callbacks, void *data)
{
    struct process_watch *watch = xcalloc(1, sizeof *watch);
    *watch = (struct process_watch){.pidfd = -1,
                                    .open = 4,
                                    .log_name = xstrdup(file_base_name(log)),
                                    .callbacks = *callbacks,
                                    .data = data};
    uv_fs_event_init(loop, &watch->folder);
    uv_fs_event_init(loop, &watch->log_folder);
    uv_timer_init(loop, &watch->look);
    uv_idle_init(loop, &watch->soon);
    watch->folder.data = watch->log_folder.data = watch->look.data = watch->soon.data = watch;
    watch_folders(watch, dir, log);
    tell_changed(watch);
    return watch;
}

int process_watch(uv_loop_t *loop, const char *dir, const char *log,
                  const struct process_callbacks *callbacks, void *data,
                  struct process_watch **ret_watch, struct error *err)
{
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    if (process_status_read(dir, &status, err) != 0)
        return -1;
    if (status.state == PROCESS_NONE)
        return error_set(err, ERROR_NOT_FOUND, "nothing was started in %s", dir);
    struct process_watch *watch = new_watch(loop, dir, log, callbacks, data);
    watch->runner = status.runner;
    watch_end(loop, watch);
    *ret_watch = watch;
    return 0;
}

struct process_watch *process_watch_remote(uv_loop_t *loop, const char *dir, const char *log,
                                           const struct process_callbacks *callbacks, void *data)
{
    struct process_watch *watch = new_watch(loop, dir, log, callbacks, data);
    watch->dir = xstrdup(dir);
    return watch;
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct process_watch *watch = handle->data;
    if (--watch->open > 0)
        return;
    mem_auto_close(&watch->pidfd);
    free(watch->dir);
    free(watch->log_name);
    free(watch);
}

void process_watch_close(struct process_watch *watch)
{
    if (watch == NULL || watch->closing)
        return;
    watch->closing = true;
    uv_close((uv_handle_t *)&watch->folder, on_watch_closed);
    uv_close((uv_handle_t *)&watch->log_folder, on_watch_closed);
    uv_close((uv_handle_t *)&watch->look, on_watch_closed);
    uv_close((uv_handle_t *)&watch->soon, on_watch_closed);
    if (watch->has_end)
        uv_close((uv_handle_t *)&watch->end, on_watch_closed);
}

/* --- cancel ----------------------------------------------------------------------------------- */

/* -1 with errno; ESRCH when it is gone. */
static int send_signal(const struct procid *id, int signal)
{
    AUTO_CLOSE int fd = procid_open(id);
    if (fd >= 0)
        return (int)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
    if (procid_alive(id)) /* a kernel before 5.3 (many clusters): checked as late as can be */
        return kill(id->pid, signal);
    errno = ESRCH;
    return -1;
}

/* Whether the environment of the process holds the entry. */
static bool has_entry(pid_t pid, const char *entry)
{
    AUTO_FREE char *path = xasprintf("/proc/%d/environ", (int)pid);
    AUTO_BUF struct buf environment = BUF_INIT;
    file_read(path, ENVIRONMENT_MAX, &environment, NULL); /* a longer one is looked at in part */
    size_t length;
    for (size_t at = 0; at < environment.size; at += length + 1) {
        length = strlen(environment.data + at);
        if (strcmp(environment.data + at, entry) == 0)
            return true;
    }
    return false;
}

/* Kills every process of the run once; returns how many of them were alive. */
static size_t sweep(const char *const entries[2])
{
    DIR *proc = opendir("/proc");
    size_t found = 0;
    const struct dirent *entry;
    while (proc != NULL && (entry = readdir(proc)) != NULL) {
        struct procid id;
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 0 || pid == getpid() || !procid_of(pid, &id))
            continue;
        if (!has_entry(pid, entries[0]) && !has_entry(pid, entries[1]))
            continue;
        found += send_signal(&id, SIGKILL) == 0;
    }
    if (proc != NULL)
        closedir(proc);
    return found;
}

/* A runner that was killed took its script along, not what the script had started. */
static void clean_up_after(const char *dir, const char *id)
{
    AUTO_FREE char *azure = xasprintf("AZUREML_RUN_ID=%s", id);
    AUTO_FREE char *ours = xasprintf("SKIFF_RUN_ID=%s", id);
    const char *const entries[2] = {azure, ours};
    for (int round = 0; round < SWEEP_ROUNDS_MAX && sweep(entries) > 0; round++)
        continue;
    AUTO_FREE char *reserve = file_join(dir, RESERVE_NAME);
    unlink(reserve);
}

int process_cancel(const char *dir, struct error *err)
{
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    AUTO_FREE char *id = NULL;
    if (read_status(dir, &status, &id, err) != 0)
        return -1;
    if (status.state == PROCESS_LOST && id != NULL && id[0] != '\0')
        clean_up_after(dir, id);
    if (status.state != PROCESS_RUNNING || send_signal(&status.runner, SIGTERM) == 0 ||
        errno == ESRCH)
        return 0;
    return error_errno(err, "cannot stop process %d, the runner of %s", (int)status.runner.pid,
                       dir);
}
