/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs as processes of their own on this machine, started by the runner and outliving us. `local` and
 * the stand-in for AmlCompute both end here; the queue before it is the core's business. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/strlist.h"
#include "submission/backends/backend.h"
#include "submission/python.h"
#include "submission/run.h"
#include "submission/spec.h"
#include "submission/variables.h"

#define GRACE_SECONDS 10 /* between SIGTERM and SIGKILL: docker stop's default, which people know */

struct local {
    struct backend_task *task;   /* NULL once released */
    struct python_build *build;  /* while one is under way */
    struct process_watch *watch; /* once watched */
    bool starting;               /* process_start() has not answered yet */
};

/* --- what would run, and may it ---------------------------------------------------------------------- */

static int check(const struct backend_plan *plan, struct notes *notes, struct error *err)
{
    if (json_object_get(json_object_get(plan->job, "resources"), "shm_size") != NULL)
        notes_add(notes, NOTE_WARNING, 0, 0,
                  "`shm_size` is not used: without an image the run is a plain process.");
    return variables_check(plan->environment, plan->job, plan->home, err) != 0
               ? -1
               : python_check(plan->environment, err);
}

/* PATH and VIRTUAL_ENV as activating the environment would set them. `names` is a folder for names that
 * the interpreter's own folder lacks (see name_python); it may not exist. */
static void activate(struct strlist *list, const char *python, const char *names)
{
    AUTO_FREE char *bin = xstrndup(python, (size_t)(strrchr(python, '/') - python));
    AUTO_FREE char *prefix = xasprintf("%.*s", (int)(strrchr(bin, '/') - bin), bin);
    AUTO_FREE char *marker = file_join(prefix, "pyvenv.cfg");
    const char *path = getenv("PATH");
    AUTO_FREE char *search =
        xasprintf("%s:%s:%s", bin, names, path != NULL ? path : "/usr/bin:/bin");
    variables_set(list, "PATH", search);
    if (file_exists(marker))
        variables_set(list, "VIRTUAL_ENV", prefix);
}

/* The variables of the script. With `home` NULL secret references stay as they are, for showing. */
static int add_variables(struct strlist *list, const struct backend_plan *plan, const char *home,
                         const char *python, const char *run_dir, struct error *err)
{
    AUTO_FREE char *names = file_join(run_dir, "bin");
    activate(list, python, names);
    variables_set(list, "PYTHONUNBUFFERED", "1"); /* output is seen as it is printed */
    if (variables_define(list, json_object_get(plan->environment, "environment_variables"), home,
                         err) != 0)
        return -1;
    return variables_define(list, json_object_get(plan->job, "environment_variables"), home, err);
}

static int describe(const struct backend_plan *plan, json_t *plan_out, struct error *err)
{
    static const char run_dir[] = "<run>";
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    AUTO_STRLIST struct strlist variables = STRLIST_INIT;
    bool cached;
    AUTO_FREE char *build = python_describe(plan->home, plan->environment, &cached);
    AUTO_FREE char *python = python_interpreter(plan->home, plan->environment, err);
    if (python == NULL || spec_job_argv(plan->job, python, run_dir, &argv, err) != 0 ||
        add_variables(&variables, plan, NULL, python, run_dir, err) != 0)
        return -1;
    variables_identity(&variables, "<id>", json_get_string(plan->job, "experiment_name", ""),
                       run_dir);
    json_set_string(plan_out, "environment", build);
    json_object_set_new(plan_out, "command", json_strings(argv.items));
    json_object_set_new(plan_out, "environment_variables", variables_shown(&variables));
    return 0;
}

/* --- preparing ------------------------------------------------------------------------------------------ */

static struct local *local_of(struct backend_task *task)
{
    if (task->state == NULL) {
        struct local *local = xcalloc(1, sizeof *local);
        local->task = task;
        task->state = local;
    }
    return task->state;
}

/* The last line of the build's output is the best word on what it is doing. */
static void on_build_log(const char *bytes, size_t size, void *data)
{
    struct backend_task *task = data;
    task->events->build_log(task, bytes, size);
    while (size > 0 && bytes[size - 1] == '\n')
        size--;
    size_t start = size;
    while (start > 0 && bytes[start - 1] != '\n' && bytes[start - 1] != '\r')
        start--;
    AUTO_FREE char *text =
        xasprintf("building the environment: %.*s", (int)(size - start), bytes + start);
    task->events->progress(task, text);
}

static void on_prepared(const struct error *err, void *data)
{
    struct backend_task *task = data;
    local_of(task)->build = NULL;
    task->events->prepared(task, err);
}

static int prepare(struct backend_task *task, struct error *err)
{
    static const struct python_callbacks callbacks = {.log = on_build_log, .done = on_prepared};
    struct python_build *build;
    if (python_prepare(task->loop, task->home, task->environment, &callbacks, task, &build, err) !=
        0)
        return -1;
    if (build != NULL) /* else it has answered already, and may have let go of the task */
        local_of(task)->build = build;
    return 0;
}

/* On Azure a command says `python`; a Debian without an environment knows only python3. */
static int name_python(const char *run_dir, const char *python, struct error *err)
{
    AUTO_FREE char *own = xasprintf("%.*s/python", (int)(strrchr(python, '/') - python), python);
    AUTO_FREE char *names = file_join(run_dir, "bin");
    AUTO_FREE char *link = file_join(names, "python");
    if (file_exists(own))
        return 0;
    if (file_make_dirs(names, err) != 0 || (symlink(python, link) != 0 && errno != EEXIST))
        return error_errno(err, "cannot link %s", link);
    return 0;
}

/* --- running -------------------------------------------------------------------------------------------- */

static void on_started(const struct error *err, void *data)
{
    struct local *local = data;
    local->starting = false;
    if (local->task != NULL)
        local->task->events->started(local->task, err);
    else
        free(local);
}

static int start(struct backend_task *task, struct error *err)
{
    struct backend_plan plan = {.home = task->home,
                                .job = task->job,
                                .environment = task->environment,
                                .compute = task->compute};
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    AUTO_VARIABLES struct strlist envp = STRLIST_INIT;
    AUTO_FREE char *code = file_join(task->run_dir, "code");
    AUTO_FREE char *python = python_interpreter(task->home, task->environment, err);
    if (python == NULL || spec_job_argv(task->job, python, task->run_dir, &argv, err) != 0 ||
        name_python(task->run_dir, python, err) != 0 ||
        run_make_outputs(task->run_dir, task->job, err) != 0)
        return -1;
    variables_inherit(&envp, false);
    if (add_variables(&envp, &plan, task->home, python, task->run_dir, err) != 0)
        return -1;
    variables_identity(&envp, task->run_id, task->experiment, task->run_dir);
    const json_t *limits = json_object_get(task->job, "limits");
    struct process_spec spec = {.dir = task->run_dir,
                                .id = task->run_id,
                                .cwd = code,
                                .log = RUN_LOG,
                                .argv = argv.items,
                                .envp = envp.items,
                                .grace_seconds = GRACE_SECONDS,
                                .timeout_seconds = json_get_int(limits, "timeout", 0)};
    struct local *local = local_of(task);
    local->starting = true;
    if (process_start(task->loop, &spec, on_started, local, err) == 0)
        return 0;
    local->starting = false;
    return -1;
}

static int find(struct backend_task *task, struct process_status *ret_status, struct error *err)
{
    return process_status_read(task->run_dir, ret_status, err);
}

static void on_changed(void *data)
{
    struct backend_task *task = data;
    task->events->changed(task);
}

static void on_ended(void *data)
{
    struct backend_task *task = data;
    task->events->ended(task);
}

static int watch(struct backend_task *task, struct error *err)
{
    static const struct process_callbacks callbacks = {.changed = on_changed, .ended = on_ended};
    struct local *local = local_of(task);
    return process_watch(task->loop, task->run_dir, RUN_LOG, &callbacks, task, &local->watch, err);
}

static int cancel(struct backend_task *task, struct error *err)
{
    struct local *local = local_of(task);
    if (local->build != NULL) {
        python_cancel(local->build);
        return 0;
    }
    return process_cancel(task->run_dir, err);
}

static void release(struct backend_task *task)
{
    struct local *local = task->state;
    task->state = NULL;
    if (local == NULL)
        return;
    python_release(local->build);
    process_watch_close(local->watch);
    local->task = NULL;
    if (!local->starting)
        free(local);
}

const struct backend backend_local = {
    .name = "local",
    .check = check,
    .describe = describe,
    .prepare = prepare,
    .start = start,
    .find = find,
    .watch = watch,
    .cancel = cancel,
    .release = release,
};
