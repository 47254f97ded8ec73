/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs as directories: making one, reading one back, changing its state.
 *
 * A run is filled under runs/.new/ID and renamed to runs/ID once everything in it is on disk, so a
 * run that can be found is whole. Its state is the last event of events.jsonl (run_events.c); the
 * struct is only a copy, and every change starts by reading what other kernels wrote. */
#include "submission/run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/json.h"
#include "submission/listing.h"
#include "submission/run_events.h"

/* Filling the folder takes milliseconds; what is this old belongs to a process that was killed. */
#define LEFTOVER_AGE_US (3600ll * 1000000)

static const char *const folders[] = {"code", "outputs", "logs", "user_logs"};

void run_free(struct run *run)
{
    if (run == NULL)
        return;
    free(run->id);
    free(run->dir);
    free(run->reason);
    json_decref(run->intent);
    free(run);
}

char *run_path(const struct run *run, const char *name)
{
    return file_join(run->dir, name);
}

/* --- making one ---------------------------------------------------------------------------- */

static int sync_dir(const char *path, struct error *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return error_errno(err, "cannot write %s", path);
    return 0;
}

/* Fills the folder of a run that nobody can find yet. */
static int fill(const struct run *run, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        AUTO_FREE char *path = run_path(run, folders[i]);
        if (mkdir(path, 0777) != 0)
            return error_errno(err, "cannot create %s", path);
    }
    failpoint("run.create.folders");
    AUTO_FREE char *path = run_path(run, "run.json");
    if (json_write(path, run->intent, 0644, err) != 0)
        return -1;
    failpoint("run.create.intent");
    AUTO_CLOSE int fd = run_events_lock(run, err);
    if (fd < 0)
        return -1;
    return run_events_append(run, fd, "state", run_state_name(RUN_NOT_STARTED), NULL, err);
}

/* Fills `new_dir` and moves it to `dir`. */
static int fill_and_move(const struct run *run, char *new_dir, const char *runs, struct error *err)
{
    struct run unnamed = {.dir = new_dir, .intent = run->intent};
    if (mkdir(new_dir, 0777) != 0)
        return error_errno(err, "cannot create %s", new_dir);
    if (fill(&unnamed, err) != 0 || sync_dir(new_dir, err) != 0)
        return -1;
    failpoint("run.create.filled");
    if (rename(new_dir, run->dir) != 0) {
        if (errno == ENOTEMPTY || errno == EEXIST)
            return error_set(err, ERROR_EXISTS, "there is a run %s already", run->id);
        return error_errno(err, "cannot create %s", run->dir);
    }
    failpoint("run.create.renamed");
    return sync_dir(runs, err);
}

static struct run *new_run(const char *home, const char *id)
{
    struct run *run = xcalloc(1, sizeof *run);
    run->id = xstrdup(id);
    run->dir = xasprintf("%s/runs/%s", home, id);
    return run;
}

int run_create(const char *home, const json_t *intent, struct run **ret_run, struct error *err)
{
    const char *id = json_get_string(intent, "id", "");
    if (!run_id_is_valid(id))
        return error_set(err, ERROR_INVALID, "\"%s\" cannot be the id of a run", id);
    AUTO(run) struct run *run = new_run(home, id);
    AUTO_FREE char *runs = file_join(home, "runs");
    AUTO_FREE char *new_runs = file_join(runs, ".new");
    AUTO_FREE char *new_dir = file_join(new_runs, id);
    run->intent = json_deep_copy(intent);
    if (file_make_dirs(new_runs, err) != 0)
        return error_wrap(err, "making the run %s", id);
    if (file_exists(run->dir) || file_exists(new_dir))
        return error_set(err, ERROR_EXISTS, "there is a run %s already", id);
    if (fill_and_move(run, new_dir, runs, err) != 0) {
        file_remove_tree(new_dir, NULL);
        return error_wrap(err, "making the run %s", id);
    }
    /* Read back what a new kernel would see. */
    return run_load(home, id, ret_run, err);
}

void run_remove_leftovers(const char *home)
{
    AUTO_FREE char *new_runs = file_join(home, "runs/.new");
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    if (listing_read(new_runs, &names, NULL) != 0)
        return;
    for (size_t i = 0; i < names.count; i++) {
        AUTO_FREE char *path = file_join(new_runs, names.items[i]);
        struct stat st;
        if (lstat(path, &st) == 0 && clock_now() - (int64_t)st.st_mtime * 1000000 > LEFTOVER_AGE_US)
            file_remove_tree(path, NULL);
    }
}

/* --- reading one back ---------------------------------------------------------------------- */

int run_load(const char *home, const char *id, struct run **ret_run, struct error *err)
{
    AUTO(run) struct run *run = new_run(home, id);
    AUTO_FREE char *path = run_path(run, "run.json");
    if (!run_id_is_valid(id) || !file_exists(path))
        return error_set(err, ERROR_NOT_FOUND, "there is no run %s in %s/runs", id, home);
    run->intent = json_read(path, err);
    if (run->intent == NULL)
        return -1;
    if (strcmp(json_get_string(run->intent, "id", ""), id) != 0)
        return error_set(err, ERROR_CORRUPT, "%s is about another run", path);
    run->created_us = run->changed_us = json_get_time(run->intent, "created_at");
    if (run_refresh(run, err) != 0)
        return -1;
    if (run->created_us == 0)
        run->created_us = run->changed_us;
    *ret_run = steal(&run);
    return 0;
}

int run_refresh(struct run *run, struct error *err)
{
    AUTO_FREE char *path = run_path(run, "events.jsonl");
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_errno(err, "cannot open %s", path);
    return run_events_read(run, fd, err);
}

int run_list_ids(const char *home, struct strlist *ret_ids, struct error *err)
{
    AUTO_FREE char *runs = file_join(home, "runs");
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    if (listing_read(runs, &names, err) != 0)
        return -1;
    for (size_t i = 0; i < names.count; i++) {
        AUTO_FREE char *intent = xasprintf("%s/%s/run.json", runs, names.items[i]);
        if (run_id_is_valid(names.items[i]) && file_exists(intent))
            strlist_add(ret_ids, names.items[i]);
    }
    return 0;
}

/* --- changing its state -------------------------------------------------------------------- */

int run_advance(struct run *run, enum run_state to, const char *reason, struct error *err)
{
    AUTO_CLOSE int fd = run_events_lock(run, err);
    if (fd < 0 || run_events_read(run, fd, err) != 0)
        return -1;
    failpoint("run.advance.locked");
    if (run->state == to)
        return 0;
    if (!run_state_may_follow(run->state, to))
        return error_set(err, ERROR_INVALID, "the run %s is %s and cannot become %s", run->id,
                         run_state_name(run->state), run_state_name(to));
    if (run_events_append(run, fd, "state", run_state_name(to), reason, err) != 0 ||
        run_events_read(run, fd, err) != 0)
        return -1;
    return 1;
}

int run_remark(struct run *run, const char *text, struct error *err)
{
    AUTO_CLOSE int fd = run_events_lock(run, err);
    if (fd < 0 || run_events_read(run, fd, err) != 0 ||
        run_events_append(run, fd, "note", text, NULL, err) != 0)
        return -1;
    return run_events_read(run, fd, err);
}
