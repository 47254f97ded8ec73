/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads what is shown of a run from its directory. A script may have written anything there: links
 * are not followed out of it, sizes are bounded before they are read, and a picture is believed by
 * its first bytes, not by its name.
 */
#include "magics/report.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"

#define LOG_TAIL_BYTES (16 * 1024) /* a traceback and some lines before it */

static const char *picture_mime(const struct buf *bytes)
{
    if (bytes->size > 8 && memcmp(bytes->data, "\x89PNG\r\n\x1a\n", 8) == 0)
        return "image/png";
    if (bytes->size > 3 && memcmp(bytes->data, "\xff\xd8\xff", 3) == 0)
        return "image/jpeg";
    return NULL;
}

/* The name decides what is worth opening, the first bytes what it is. */
static bool named_like_a_picture(const char *path)
{
    static const char *const ends[] = {".png", ".jpg", ".jpeg"};
    size_t size = strlen(path);
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        if (size > strlen(ends[i]) && strcasecmp(path + size - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

static char *base64(const struct buf *bytes)
{
    size_t size = sodium_base64_ENCODED_LEN(bytes->size, sodium_base64_VARIANT_ORIGINAL);
    char *text = xmalloc(size);
    sodium_bin2base64(text, size, (const unsigned char *)bytes->data, bytes->size,
                      sodium_base64_VARIANT_ORIGINAL);
    return text;
}

/* `path` is as run_outputs() lists it: below outputs/, or with that folder's name in front. */
static char *output_path(const struct run *run, const char *path)
{
    AUTO_FREE char *full = strncmp(path, "outputs/", 8) == 0
                               ? run_path(run, path)
                               : xasprintf("%s/outputs/%s", run->dir, path);
    struct stat st;
    bool plain = lstat(full, &st) == 0 && S_ISREG(st.st_mode);
    return plain ? steal(&full) : NULL;
}

static void free_pictures(struct report *report)
{
    for (size_t i = 0; i < report->picture_count; i++) {
        free(report->pictures[i].path);
        free(report->pictures[i].base64);
    }
    report->picture_count = 0;
}

static void read_pictures(struct report *report, const struct run *run)
{
    size_t total = 0;
    size_t i;
    json_t *output;
    json_array_foreach (report->outputs, i, output) {
        const char *path = json_get_string(output, "path", "");
        int64_t size = json_get_int(output, "size", 0);
        if (report->picture_count == REPORT_PICTURES_MAX || size > REPORT_PICTURE_BYTES_MAX ||
            total + (size_t)size > REPORT_PICTURES_BYTES_MAX || !named_like_a_picture(path))
            continue;
        AUTO_BUF struct buf bytes = BUF_INIT;
        AUTO_FREE char *full = output_path(run, path);
        if (full == NULL || file_read(full, REPORT_PICTURE_BYTES_MAX, &bytes, NULL) != 0)
            continue;
        const char *mime = picture_mime(&bytes);
        if (mime == NULL)
            continue;
        total += bytes.size;
        report->pictures[report->picture_count++] =
            (struct report_picture){.path = xstrdup(path), .mime = mime, .base64 = base64(&bytes)};
    }
}

void report_read_outputs(struct report *report, const struct run *run)
{
    struct stat st;
    AUTO_JSON json_t *outputs = run_outputs(run, REPORT_OUTPUTS_MAX + 1);
    if (report->log_path == NULL)
        report->log_path = run_path(run, RUN_LOG);
    report->log_size = stat(report->log_path, &st) == 0 ? (uint64_t)st.st_size : 0;
    if (report->outputs != NULL && json_equal(report->outputs, outputs))
        return;
    json_decref(report->outputs);
    report->outputs = steal(&outputs);
    free_pictures(report);
    read_pictures(report, run);
}

void report_done(struct report *report)
{
    free_pictures(report);
    json_decref(report->outputs);
    free(report->log_path);
    *report = (struct report)REPORT_INIT;
}

char *report_log_tail(const struct run *run, size_t lines)
{
    AUTO_BUF struct buf bytes = BUF_INIT;
    struct buf text = BUF_INIT;
    AUTO_FREE char *path = run_path(run, RUN_LOG);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return xstrdup("");
    off_t from = st.st_size > LOG_TAIL_BYTES ? st.st_size - LOG_TAIL_BYTES : 0;
    ssize_t got = pread(fd, buf_reserve(&bytes, LOG_TAIL_BYTES), LOG_TAIL_BYTES, from);
    bytes.size = got > 0 ? (size_t)got : 0;
    while (bytes.size > 0 && bytes.data[bytes.size - 1] == '\n')
        bytes.size--;
    size_t start = bytes.size;
    for (size_t seen = 0; start > 0; start--) {
        seen += bytes.data[start - 1] == '\n';
        if (seen == lines)
            break;
    }
    utf8_append_clean(&text, bytes.data + start, bytes.size - start);
    return buf_steal(&text);
}
