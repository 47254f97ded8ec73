/* SPDX-License-Identifier: BSD-3-Clause */
/* A container from its start to its end. The truth about the run is what the runner inside writes to the
 * mounted directory; the engine is asked for what only it knows: that a container is gone though its
 * runner has recorded no end, and why. One operation (`op`) is under way at a time, beside the wait for
 * the end and a signal on its way. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "submission/backends/container_private.h"
#include "submission/run.h"

#define LAST_WORDS_MAX 4096 /* of a container whose runner could not begin: it says one line */

#define STOP_SECONDS 5 /* for what is not in the way of a run any more */

/* An engine that does not answer is asked again after this, doubled each time up to the second. */
#define RETRY_FIRST_MS 1000
#define RETRY_LAST_MS 10000

/* --- its end ---------------------------------------------------------------------------------------- */

static void look(struct container *container);
static void read_last_words(struct container *container);

static bool has_recorded(const struct container *container, enum process_state state)
{
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    return process_status_read_remote(container->task->run_dir, &status, NULL) == 0 &&
           status.state == state;
}

/* The end is known. */
static void end(struct container *container)
{
    if (container->ending)
        return;
    container->ending = true;
    uv_timer_stop(&container->later);
    container->task->events->ended(container->task);
}

static void lost(struct container *container, char *why)
{
    container->gone = true;
    replace(&container->why, why);
    end(container);
}

/* The engine says that it has ended. */
static void on_engine_says_ended(struct container *container, const json_t *state)
{
    if (container->starting) {
        read_last_words(container);
    } else if (has_recorded(container, PROCESS_ENDED)) {
        end(container);
    } else {
        container->oom = json_get_bool(state, "OOMKilled", false);
        lost(container,
             xasprintf("the container was ended from outside, with status %d: by hand, or by a "
                       "restart of its engine or of the machine",
                       (int)json_get_int(state, "ExitCode", -1)));
    }
}

static void on_retry(uv_timer_t *timer)
{
    look(timer->data);
}

/* Nothing is lost by that: the runner goes on writing. */
static void on_engine_silent(struct container *container, const struct error *err)
{
    if (!container->starting && has_recorded(container, PROCESS_ENDED)) {
        end(container);
        return;
    }
    replace(&container->why,
            xasprintf("the container engine does not answer (%s); asking again", err->text));
    container->retry_ms = container->retry_ms == 0                  ? RETRY_FIRST_MS
                          : container->retry_ms < RETRY_LAST_MS / 2 ? container->retry_ms * 2
                                                                    : RETRY_LAST_MS;
    uv_timer_start(&container->later, on_retry, (uint64_t)container->retry_ms, 0);
    if (container->starting)
        container->task->events->progress(container->task, container->why);
    else
        container->task->events->changed(container->task);
}

/* --- watching --------------------------------------------------------------------------------------- */

static void on_signalled(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct container *container = data;
    container->signal = NULL;
    if (err != NULL && err->code != ERROR_NOT_FOUND)
        log_warning("cancelling the container %s: %s", container->name, err->text);
}

/* The runner passes it on to the whole tree, waits and kills. */
void container_tell_to_stop(struct container *container)
{
    container->stop = false;
    if (container->signal == NULL)
        container->signal =
            engine_kill(container->engine, container->name, "SIGTERM", on_signalled, container);
}

static void create(struct container *container);
static void on_files_changed(void *data);

/* It has ended, or its engine has gone. */
static void on_waited(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct container *container = data;
    container->wait = NULL;
    if (err == NULL && !container->starting && has_recorded(container, PROCESS_ENDED))
        end(container);
    else
        look(container);
}

/* It runs. */
static void follow(struct container *container)
{
    container->retry_ms = 0;
    replace(&container->why, NULL);
    container->wait = engine_wait(container->engine, container->name, on_waited, container);
    if (container->stop)
        container_tell_to_stop(container);
}

static void on_looked(const json_t *answer, const struct error *err, void *data)
{
    struct container *container = data;
    const json_t *state = json_object_get(answer, "State");
    container->op = NULL;
    if (err != NULL && err->code != ERROR_NOT_FOUND) {
        on_engine_silent(container, err);
    } else if (err != NULL && container->starting) {
        container_started(container, err);
    } else if (err != NULL) {
        if (has_recorded(container, PROCESS_ENDED))
            end(container);
        else
            lost(container, xstrdup("the container was removed while the run was going"));
    } else if (json_get_bool(state, "Running", false)) {
        follow(container);
        on_files_changed(container);
    } else {
        on_engine_says_ended(container, state);
    }
}

static void on_found_again(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct container *container = data;
    container->op = NULL;
    if (err != NULL)
        on_engine_silent(container, err);
    else if (container->body != NULL)
        create(container);
    else
        container->op = engine_inspect(container->engine, container->name, on_looked, container);
}

/* Asks the engine how it is; also after it was away. */
static void look(struct container *container)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (container->ending || container->op != NULL)
        return;
    if (container_open_engine(container, &err) != 0)
        on_engine_silent(container, &err);
    else
        container->op = engine_connect(container->engine, on_found_again, container);
}

/* The runner's record: it has begun, or ended. */
static void on_files_changed(void *data)
{
    struct container *container = data;
    bool begun = container->starting && container->wait != NULL;
    if (begun && !has_recorded(container, PROCESS_NONE))
        container_started(container, NULL);
    else if (container->watching && !container->ending)
        container->task->events->changed(container->task);
}

/* Its container follows in a moment: then the engine says so, if it can. */
static void on_files_ended(void *data)
{
    struct container *container = data;
    if (container->watching && container->wait == NULL && container->op == NULL)
        end(container);
}

static void watch_files(struct container *container)
{
    static const struct process_callbacks callbacks = {.changed = on_files_changed,
                                                       .ended = on_files_ended};
    if (container->files == NULL)
        container->files = process_watch_remote(container->task->loop, container->task->run_dir,
                                                RUN_LOG, &callbacks, container);
}

void container_watch(struct container *container)
{
    container->watching = true;
    watch_files(container);
    if (container->wait == NULL)
        look(container);
}

/* --- starting --------------------------------------------------------------------------------------- */

void container_started(struct container *container, const struct error *err)
{
    container->starting = false;
    json_decref(container->body);
    container->body = NULL;
    container->task->events->started(container->task, err);
}

static void on_failed_removed(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    (void)err;
    struct container *container = data;
    AUTO_ERROR struct error fault = container->fault;
    container->fault = (struct error)ERROR_INIT;
    container->op = NULL;
    container_started(container, &fault);
}

/* It has not begun and never will. Takes the error. */
static void fail_start(struct container *container, struct error *err)
{
    error_move(&container->fault, err);
    container->op = engine_remove(container->engine, container->name, on_failed_removed, container);
}

static void on_last_words(int stream, const char *bytes, size_t size, void *data)
{
    (void)stream;
    struct container *container = data;
    if (container->last_words.size + size <= LAST_WORDS_MAX)
        buf_append(&container->last_words, bytes, size);
}

static void on_last_words_read(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    (void)err;
    struct container *container = data;
    AUTO_ERROR struct error fault = ERROR_INIT;
    const char *words =
        container->last_words.size > 0 ? container->last_words.data : "it said nothing";
    container->op = NULL;
    error_set(&fault, ERROR_FAILED, "the container ended before the script began: %.*s",
              (int)strcspn(words, "\r\n"), words);
    if (strstr(words, "Permission denied") != NULL)
        error_hint(&fault, "its user may not write to the run's directory: remove `user` from the "
                           "compute, or keep $SKIFF_HOME where that user may write");
    fail_start(container, &fault);
}

/* It has ended. Without a record its runner could not begin, and says why. */
static void read_last_words(struct container *container)
{
    if (has_recorded(container, PROCESS_NONE))
        container->op = engine_logs(container->engine, container->name, false, false, on_last_words,
                                    on_last_words_read, container);
    else
        container_started(container, NULL);
}

/* An engine that went away in the middle is waited for: it may have done what it was asked. What is not
 * found may be its socket, or the image: the second time it is not the socket. */
static void on_start_error(struct container *container, const struct error *err)
{
    AUTO_ERROR struct error fault = ERROR_INIT;
    bool first = container->retry_ms == 0;
    if (err->code == ERROR_BUSY || (err->code == ERROR_NOT_FOUND && first)) {
        on_engine_silent(container, err);
        return;
    }
    error_set(&fault, err->code, "%s", err->text);
    if (err->hint != NULL)
        error_hint(&fault, "%s", err->hint);
    fail_start(container, &fault);
}

static void on_started(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct container *container = data;
    container->op = NULL;
    if (err != NULL) {
        on_start_error(container, err);
        return;
    }
    json_decref(container->body);
    container->body = NULL; /* from now on it is looked at, not made */
    follow(container);
    on_files_changed(container);
}

/* A kernel that was killed, or an engine, had made it already. */
static void on_earlier(const json_t *answer, const struct error *err, void *data)
{
    struct container *container = data;
    const char *status = json_get_string(json_object_get(answer, "State"), "Status", "");
    container->op = NULL;
    if (err == NULL && strcmp(status, "created") != 0 && strcmp(status, "configured") != 0)
        on_started(NULL, NULL, container);
    else if (err == NULL)
        container->op = engine_start(container->engine, container->name, on_started, container);
    else
        on_start_error(container, err);
}

static void on_created(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct container *container = data;
    container->op = NULL;
    if (err == NULL)
        container->op = engine_start(container->engine, container->name, on_started, container);
    else if (err->code == ERROR_EXISTS)
        container->op = engine_inspect(container->engine, container->name, on_earlier, container);
    else
        on_start_error(container, err);
}

static void create(struct container *container)
{
    container->op =
        engine_create(container->engine, container->name, container->body, on_created, container);
}

static json_t *body_of(struct container *container, struct error *err)
{
    const struct backend_task *task = container->task;
    AUTO_FREE char *runner = process_runner_path(err);
    struct container_request request = {.run_id = task->run_id,
                                        .run_dir = task->run_dir,
                                        .home = task->home,
                                        .experiment = task->experiment,
                                        .image = container->image_id,
                                        .runner = runner,
                                        .job = task->job,
                                        .environment = task->environment,
                                        .compute = task->compute,
                                        .engine = &container->can};
    return runner != NULL ? container_body(&request, err) : NULL;
}

int container_start(struct container *container, struct error *err)
{
    const struct backend_task *task = container->task;
    if (run_make_outputs(task->run_dir, task->job, err) != 0)
        return -1;
    container->body = body_of(container, err);
    if (container->body == NULL)
        return -1;
    container->starting = true;
    watch_files(container);
    create(container);
    return 0;
}

/* --- cleaning --------------------------------------------------------------------------------------- */

static void on_removed(const json_t *answer, const struct error *err, void *data)
{
    (void)answer;
    struct container *container = data;
    container->op = NULL;
    if (err != NULL && err->code != ERROR_NOT_FOUND)
        log_warning("removing the container %s: %s (%%computes --clean tries again)",
                    container->name, err->text);
    container->task->events->cleaned(container->task);
}

static void on_stopped(const json_t *answer, const struct error *err, void *data)
{
    struct container *container = data;
    if (err != NULL)
        on_removed(answer, err, data);
    else
        container->op = engine_remove(container->engine, container->name, on_removed, container);
}

/* A runner that has just recorded the end has a moment to go by itself. */
static void on_connected_to_clean(const json_t *answer, const struct error *err, void *data)
{
    struct container *container = data;
    if (err != NULL)
        on_removed(answer, err, data);
    else
        container->op =
            engine_stop(container->engine, container->name, STOP_SECONDS, on_stopped, container);
}

void container_clean(struct container *container)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    container->ending = true;
    uv_timer_stop(&container->later);
    engine_cancel(container->op);
    container->op = NULL;
    if (container_open_engine(container, &err) != 0)
        on_removed(NULL, &err, container);
    else
        container->op = engine_connect(container->engine, on_connected_to_clean, container);
}
