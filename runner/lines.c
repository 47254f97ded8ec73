/* SPDX-License-Identifier: BSD-3-Clause */
/* Side files of whole lines: a line is written in full or not at all. */
#include "runner/lines.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct lines lines_open(int dir, const char *name)
{
    struct lines lines = {.fd = openat(dir, name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)};
    struct stat st;
    if (lines.fd >= 0 && fstat(lines.fd, &st) == 0)
        lines.size = st.st_size;
    return lines;
}

void lines_append(struct lines *lines, const char *line, size_t size)
{
    if (lines->fd < 0)
        return;
    ssize_t put = write(lines->fd, line, size);
    if (put == (ssize_t)size)
        lines->size += put;
    else if (put > 0 && ftruncate(lines->fd, lines->size) != 0)
        lines->fd = -1; /* a torn line that cannot be taken back: no more after it */
}
