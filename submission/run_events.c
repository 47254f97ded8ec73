/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading and appending events.jsonl. Invariant: run->events_size is the end of a complete line, so
 * reading goes on there, and an append first cuts the file back to it. Readers need no lock: a line
 * without its newline is not looked at. */
#include "submission/run_events.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/json.h"

/* A run has about ten events of a hundred bytes; a service that stops responding now and then for
 * weeks adds thousands. */
#define EVENTS_SIZE_MAX (16 * 1024 * 1024)

static int corrupt(const struct run *run, const char *what, struct error *err)
{
    error_set(err, ERROR_CORRUPT, "%s/events.jsonl %s", run->dir, what);
    return error_hint(err, "move the folder %s away if the run is not needed any more", run->dir);
}

int run_events_lock(const struct run *run, struct error *err)
{
    AUTO_FREE char *path = run_path(run, "events.jsonl");
    AUTO_CLOSE int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    int locked = -1;
    if (fd < 0)
        return error_errno(err, "cannot open %s", path);
    while ((locked = flock(fd, LOCK_EX)) != 0 && errno == EINTR)
        ;
    if (locked != 0)
        return error_errno(err, "cannot lock %s", path);
    int kept = fd;
    fd = -1;
    return kept;
}

static int apply(struct run *run, const char *line, size_t size, struct error *err)
{
    AUTO_JSON json_t *event = json_parse(line, size, "an event", NULL);
    if (!json_is_object(event))
        return corrupt(run, "holds a line that is no event", err);
    const char *name = json_get_string(event, "state", NULL);
    if (name == NULL)
        return 0; /* a remark */
    int state = run_state_parse(name);
    if (state < 0)
        return corrupt(run, "names a state that this version of Skiff does not know", err);
    run->state = (enum run_state)state;
    run->changed_us = json_get_time(event, "time");
    replace(&run->reason, xstrdup_or_null(json_get_string(event, "reason", NULL)));
    if (state == RUN_RUNNING && run->started_us == 0)
        run->started_us = run->changed_us;
    if (run_state_is_final(run->state) && run->ended_us == 0)
        run->ended_us = run->changed_us;
    return 0;
}

static int apply_lines(struct run *run, const struct buf *text, struct error *err)
{
    const char *line = text->data;
    const char *end;
    size_t left = text->size;
    while (left > 0 && (end = memchr(line, '\n', left)) != NULL) {
        size_t size = (size_t)(end - line);
        if (apply(run, line, size, err) != 0)
            return -1;
        run->events_size += size + 1;
        left -= size + 1;
        line = end + 1;
    }
    return 0;
}

int run_events_read(struct run *run, int fd, struct error *err)
{
    AUTO_BUF struct buf text = BUF_INIT;
    struct stat st;
    if (fstat(fd, &st) != 0)
        return error_errno(err, "cannot read %s/events.jsonl", run->dir);
    uint64_t size = (uint64_t)st.st_size;
    if (size > EVENTS_SIZE_MAX)
        return corrupt(run, "is larger than 16 MiB", err);
    if (size < run->events_size) { /* a failed append was taken back after we had read it */
        run->events_size = 0;
        run->started_us = run->ended_us = 0;
    }
    size_t wanted = (size_t)(size - run->events_size);
    char *to = buf_reserve(&text, wanted);
    while (text.size < wanted) {
        ssize_t got =
            pread(fd, to + text.size, wanted - text.size, (off_t)(run->events_size + text.size));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, "cannot read %s/events.jsonl", run->dir);
        if (got == 0)
            break; /* another kernel has just cut a torn line off */
        text.size += (size_t)got;
    }
    return apply_lines(run, &text, err);
}

int run_events_append(const struct run *run, int fd, const char *key, const char *text,
                      const char *reason, struct error *err)
{
    AUTO_JSON json_t *event = json_object();
    json_set_time(event, "time", clock_now());
    json_set_string(event, key, text);
    if (reason != NULL)
        json_set_string(event, "reason", reason);
    AUTO_FREE char *json = json_text(event);
    AUTO_FREE char *line = xasprintf("%s\n", json);
    size_t size = strlen(line);
    off_t end = (off_t)run->events_size;
    struct stat st;
    if (fstat(fd, &st) != 0 || (st.st_size > end && ftruncate(fd, end) != 0))
        return error_errno(err, "cannot write %s/events.jsonl", run->dir);
    failpoint("run.events.repaired");
    errno = ENOSPC; /* what a short write means */
    if (write(fd, line, size) != (ssize_t)size || fdatasync(fd) != 0) {
        error_errno(err, "cannot write %s/events.jsonl", run->dir);
        if (ftruncate(fd, end) != 0)
            error_wrap(err, "the event is torn"); /* and so ignored by every reader */
        return -1;
    }
    failpoint("run.events.written");
    return 0;
}

json_t *run_events(const struct run *run, struct error *err)
{
    AUTO_FREE char *path = run_path(run, "events.jsonl");
    AUTO_BUF struct buf text = BUF_INIT;
    if (file_read(path, EVENTS_SIZE_MAX, &text, err) != 0)
        return NULL;
    AUTO_JSON json_t *events = json_array();
    const char *line = text.data;
    const char *end;
    while ((end = strchr(line, '\n')) != NULL) {
        json_t *event = json_parse(line, (size_t)(end - line), "an event", NULL);
        if (event == NULL) {
            corrupt(run, "holds a line that is no event", err);
            return NULL;
        }
        json_array_append_new(events, event);
        line = end + 1;
    }
    return steal(&events);
}
