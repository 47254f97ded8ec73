/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One number of fixed width, written over the old one by one pwrite(): a reader or a kill in between
 * sees the old or the new, never a mixture.
 */
#include "magics/shown.h"

#include <ctype.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/file.h"

#define SHOWN_FILE "shown"

/* Twenty digits hold any uint64_t; the newline is for people. */
#define SHOWN_SIZE 21

uint64_t shown_read(const char *run_dir)
{
    AUTO_FREE char *path = file_join(run_dir, SHOWN_FILE);
    AUTO_BUF struct buf text = BUF_INIT;
    if (file_read(path, SHOWN_SIZE, &text, NULL) < 0 || text.size != SHOWN_SIZE)
        return 0;
    for (size_t i = 0; i < SHOWN_SIZE - 1; i++)
        if (!isdigit((unsigned char)text.data[i]))
            return 0;
    return strtoull(text.data, NULL, 10);
}

void shown_write(const char *run_dir, uint64_t offset)
{
    AUTO_FREE char *path = file_join(run_dir, SHOWN_FILE);
    AUTO_FREE char *text = xasprintf("%020" PRIu64 "\n", offset);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (fd < 0 || pwrite(fd, text, SHOWN_SIZE, 0) < 0)
        return;
}
