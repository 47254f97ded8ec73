/* SPDX-License-Identifier: BSD-3-Clause */
/* %logs: a run's output from the disk, bounded: the whole when it fits, else its head and tail. */
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "magics/list.h"
#include "magics/magic_call.h"

/* A page takes some hundred kB at once; the beginning tells how it was set up, the end what came of
 * it. */
#define HEAD_MAX (64 * 1000)
#define TAIL_MAX (192 * 1000)

static void write_range(struct outlet *outlet, int fd, off_t from, size_t size)
{
    AUTO_BUF struct buf bytes = BUF_INIT;
    ssize_t got = pread(fd, buf_reserve(&bytes, size), size, from);
    if (got > 0)
        outlet_write(outlet, OUTLET_STDOUT, bytes.data, (size_t)got);
}

static void write_whole(struct outlet *outlet, int fd, off_t size, const char *path)
{
    if (size <= HEAD_MAX + TAIL_MAX) {
        write_range(outlet, fd, 0, (size_t)size);
        return;
    }
    AUTO_FREE char *left_out = file_size_text((unsigned long long)(size - HEAD_MAX - TAIL_MAX));
    write_range(outlet, fd, 0, HEAD_MAX);
    outlet_printf(outlet, OUTLET_STDOUT, "\n[%s left out; the whole is in %s]\n", left_out, path);
    write_range(outlet, fd, size - TAIL_MAX, TAIL_MAX);
}

/* The last `lines` lines, of what TAIL_MAX holds. */
static void write_tail(struct outlet *outlet, int fd, off_t size, long lines)
{
    AUTO_BUF struct buf bytes = BUF_INIT;
    off_t from = size > TAIL_MAX ? size - TAIL_MAX : 0;
    ssize_t got = pread(fd, buf_reserve(&bytes, TAIL_MAX), TAIL_MAX, from);
    bytes.size = got > 0 ? (size_t)got : 0;
    size_t start = bytes.size;
    size_t end = start > 0 && bytes.data[start - 1] == '\n' ? start - 1 : start;
    for (start = end; start > 0; start--)
        if (bytes.data[start - 1] == '\n' && --lines == 0)
            break;
    outlet_write(outlet, OUTLET_STDOUT, bytes.data + start, bytes.size - start);
}

static int show(struct magic_call *call, long lines, struct error *err)
{
    AUTO_FREE char *id = NULL;
    AUTO(run) struct run *found = NULL;
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    struct stat st;
    if (magic_call_run_id(call, &id, err) < 0 ||
        submission_run(call->submission, id, &found, &status, err) < 0)
        return -1;
    struct outlet *outlet = cell_outlet(call->cell);
    AUTO_FREE char *path = run_path(found, RUN_LOG);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size == 0)
        outlet_printf(outlet, OUTLET_STDOUT, "run %s has no output yet\n", id);
    else if (lines > 0)
        write_tail(outlet, fd, st.st_size, lines);
    else
        write_whole(outlet, fd, st.st_size, path);
    return 0;
}

static void run(struct magic_call *call)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    long lines;
    if (arguments_number(&call->arguments, "--tail", INT_MAX, 0, &lines, &err) == 0)
        show(call, lines, &err);
    magic_call_finish(call, &err);
}

static const struct magic_option options[] = {
    {"--tail", "N", "only the last N lines"},
    {NULL, NULL, NULL},
};

const struct magic magic_logs = {
    .name = "logs",
    .usage = "%logs [RUN] [--tail N]",
    .help = "print a run's output (the newest run's when none is given)",
    .example = "%logs --tail 50",
    .options = options,
    .max_args = 1,
    .argument = "a run",
    .run = run,
    .complete = magic_call_complete_runs,
};
