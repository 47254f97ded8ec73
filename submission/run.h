/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * A run is a directory that outlives every process of ours (design: docs/runs.md).
 *
 *   run.json       the intent, written before anything starts, never changed
 *   events.jsonl   every state change with its time and reason: the last one is the state
 *   snapshot.json  what was laid out in code/ (snapshot.h)
 *   status.json    the truth about the process, written by the runner alone (runner/README.md)
 *   shown          how much of the log people have seen (magics/shown.h)
 *   code/ outputs/ logs/ user_logs/std_log.txt metrics.jsonl usage.jsonl
 *
 * States are Azure ML's. A table says which may follow which; run_advance() is the one function
 * that changes a state, and it appends the event.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/strlist.h"

enum run_state {
    RUN_NOT_STARTED,
    RUN_PREPARING,
    RUN_PROVISIONING,
    RUN_QUEUED,
    RUN_STARTING,
    RUN_RUNNING,
    RUN_FINALIZING,
    RUN_CANCEL_REQUESTED,
    RUN_COMPLETED,
    RUN_FAILED,
    RUN_CANCELED,
    RUN_NOT_RESPONDING,
};
#define RUN_STATE_COUNT 12

#define RUN_ID_MAX 255 /* Azure's limit for a job name; ours are about 20 characters */

struct run {
    char *id;
    char *dir; /* absolute */
    /* run.json: {"version":1,"id","experiment","display_name","created_at","job":{the canonical
     * definition},"environment":{"name","version","hash","definition"} or null,
     * "compute":{"name","definition"},"backend","snapshot":{"source"[,"of"]}[,"rerun_of"]}; "of" is
     * the run whose snapshot is taken again */
    json_t *intent;
    enum run_state state;
    char *reason; /* why it is in this state; NULL when the state says it all */
    int64_t created_us;
    int64_t started_us;   /* the first RUNNING; 0 before */
    int64_t ended_us;     /* the first terminal state; 0 before */
    int64_t changed_us;   /* the last event */
    uint64_t events_size; /* how far events.jsonl was read */
};

/* The state's name as Azure spells it ("NotStarted"), and back (-1 for an unknown name). */
const char *run_state_name(enum run_state state);
int run_state_parse(const char *name);

/* Completed, Failed or Canceled: nothing will follow. */
bool run_state_is_final(enum run_state state);

/* May `to` follow `from`? The table of legal transitions. */
bool run_state_may_follow(enum run_state from, enum run_state to);

/* A new id: adjective_noun_10chars, from the operating system's randomness. The caller frees it. */
MUST_CHECK char *run_new_id(void);

/* Makes `home`/runs/<id> with its folders and run.json, and appends the NotStarted event, in the
 * order that a crash between any two leaves either nothing findable or a run that can be recovered:
 * the folder is filled under a temporary name and renamed into place. `intent` is borrowed and must
 * hold "id". Fails with ERROR_EXISTS when the id is taken. Blocks on the disk. */
int run_create(const char *home, const json_t *intent, struct run **ret_run, struct error *err);

/* Reads a run back. ERROR_NOT_FOUND, or ERROR_CORRUPT naming the file that does not read; a last
 * line of events.jsonl without its end (the crash was in mid-write) never happened. */
int run_load(const char *home, const char *id, struct run **ret_run, struct error *err);

/* Reads what was added to events.jsonl since: another kernel may have written. */
int run_refresh(struct run *run, struct error *err);

/* Appends the event and changes the state, under a lock that other kernels respect, after reading
 * what they wrote. Returns 1 when the state was changed, 0 when the run is in `to` already (no
 * event is written), -1 when `to` may not follow (ERROR_INVALID, *run is refreshed) or the disk
 * failed. `reason` may be NULL. */
int run_advance(struct run *run, enum run_state to, const char *reason, struct error *err);

/* Appends a remark to events.jsonl without changing the state: {"time","note":text}. */
int run_remark(struct run *run, const char *text, struct error *err);

/* The events, oldest first, as an array of objects {"time","state","reason"} or {"time","note"}.
 * New reference. */
MUST_CHECK json_t *run_events(const struct run *run, struct error *err);

/* May a directory of this name be a run? Letters, digits, '_', '-' and '.', not beginning with a
 * dot. */
bool run_id_is_valid(const char *id);

/* Removes what run_create() left under temporary names when its process was killed: what is older
 * than an hour. Nobody is told of a failure: the next call tries again. */
void run_remove_leftovers(const char *home);

/* Ids of all directories below `home`/runs that look like runs (have a run.json), sorted by name.
 * No folder of runs means no runs. */
int run_list_ids(const char *home, struct strlist *ret_ids, struct error *err);

/* `dir`/`name`. The caller frees it. */
MUST_CHECK char *run_path(const struct run *run, const char *name);

/* The regular files below outputs/, sorted by path: [{"path","size","mtime"}...], at most `max` of
 * them; `mtime` as clock_format() writes it. Links are not followed and not listed. New reference;
 * never NULL. */
MUST_CHECK json_t *run_outputs(const struct run *run, size_t max);

/* Makes the folders that ${{outputs.NAME}} of the job stand for, so that they are there when the script
 * begins. */
int run_make_outputs(const char *run_dir, const json_t *job, struct error *err);

#define RUN_LOG "user_logs/std_log.txt"
#define RUN_IMAGE "image.json"       /* which image it runs in: see images.h */
#define RUN_MANIFEST "snapshot.json" /* what was laid out in code/: see snapshot.h */

void run_free(struct run *run);
DEFINE_AUTO(run)
