/* SPDX-License-Identifier: BSD-3-Clause */
/* Too large: what to leave out. A list of the ten largest files would be ten of a thousand images;
 * a list of the top folders would drop the code with the data. So a folder is named as a whole
 * unless one thing in it makes up at least half of it; then one looks inside. */
#include "submission/snapshot_limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/utf8.h"
#include "submission/ignore.h"
#include "submission/snapshot_tree.h"

#define NAMED_MAX 10 /* as many as one reads */

struct node {
    const struct snapshot_entry *entry;
    size_t end; /* behind the last node below this one */
    uint64_t size;
    uint64_t files;
};

struct report {
    struct node *nodes; /* in tree order: each folder right before what it holds */
    size_t count;
    bool by_size; /* else by number of files */
    struct node **heavy;
    size_t heavy_count, heavy_capacity;
};

/* Byte order, but a slash before everything else: a folder's content follows it directly. */
static int compare_in_tree(const void *a, const void *b)
{
    const unsigned char *p = (const void *)((const struct node *)a)->entry->path;
    const unsigned char *q = (const void *)((const struct node *)b)->entry->path;
    while (*p == *q && *p != '\0') {
        p++;
        q++;
    }
    int left = *p == '/' ? 1 : *p == '\0' ? 0 : *p + 1;
    int right = *q == '/' ? 1 : *q == '\0' ? 0 : *q + 1;
    return left - right;
}

static bool is_below(const struct node *folder, const struct node *node)
{
    size_t length = strlen(folder->entry->path);
    return strncmp(folder->entry->path, node->entry->path, length) == 0 &&
           node->entry->path[length] == '/';
}

/* Fills in the ends and sums of the nodes from `at` on that are below it. Returns its end. */
static size_t sum_up(struct report *report, size_t at)
{
    struct node *node = &report->nodes[at];
    size_t next = at + 1;
    if (node->entry->kind != SNAPSHOT_DIR) {
        node->size = node->entry->size;
        node->files = 1;
    }
    while (node->entry->kind == SNAPSHOT_DIR && next < report->count &&
           is_below(node, &report->nodes[next])) {
        size_t child = next;
        next = sum_up(report, child);
        node->size += report->nodes[child].size;
        node->files += report->nodes[child].files;
    }
    return node->end = next;
}

static uint64_t weight(const struct report *report, const struct node *node)
{
    return report->by_size ? node->size : node->files;
}

static bool has_heavy_child(const struct report *report, size_t at)
{
    const struct node *node = &report->nodes[at];
    for (size_t i = at + 1; i < node->end; i = report->nodes[i].end)
        if (weight(report, &report->nodes[i]) * 2 >= weight(report, node))
            return true;
    return false;
}

static void collect(struct report *report, size_t from, size_t end)
{
    for (size_t i = from; i < end; i = report->nodes[i].end) {
        struct node *node = &report->nodes[i];
        if (weight(report, node) > 0 && has_heavy_child(report, i)) {
            collect(report, i + 1, node->end);
            continue;
        }
        grow(&report->heavy, &report->heavy_capacity, report->heavy_count + 1,
             sizeof(struct node *));
        report->heavy[report->heavy_count++] = node;
    }
}

static int compare_size(const void *a, const void *b)
{
    const struct node *left = *(struct node *const *)a, *right = *(struct node *const *)b;
    if (left->size != right->size)
        return left->size < right->size ? 1 : -1;
    return strcmp(left->entry->path, right->entry->path);
}

static int compare_files(const void *a, const void *b)
{
    const struct node *left = *(struct node *const *)a, *right = *(struct node *const *)b;
    if (left->files != right->files)
        return left->files < right->files ? 1 : -1;
    return compare_size(a, b);
}

static void put_node(struct buf *text, const struct node *node)
{
    bool is_dir = node->entry->kind == SNAPSHOT_DIR;
    AUTO_FREE char *path = utf8_shown(node->entry->path);
    AUTO_FREE char *line = ignore_line(node->entry->path, is_dir);
    AUTO_FREE char *size = file_size_text(node->size);
    buf_printf(text, "\n  %s%s (%s", path, is_dir ? "/" : "", size);
    if (is_dir)
        buf_printf(text, " in %llu files", (unsigned long long)node->files);
    buf_printf(text, "): %s", line);
}

/* The heaviest first, until dropping them would be enough and what follows is next to nothing. */
static void put_heaviest(struct buf *text, const struct report *report, uint64_t total,
                         uint64_t limit)
{
    uint64_t rest = total;
    for (size_t i = 0; i < report->heavy_count && i < NAMED_MAX; i++) {
        const struct node *node = report->heavy[i];
        if (rest <= limit && weight(report, node) * 100 < total)
            break;
        put_node(text, node);
        rest -= weight(report, node);
    }
}

static void put_report(struct buf *text, const struct snapshot *snapshot,
                       const struct snapshot_limits *limits, bool by_size)
{
    struct report report = {.count = snapshot->count, .by_size = by_size};
    report.nodes = xcalloc(snapshot->count, sizeof *report.nodes);
    for (size_t i = 0; i < snapshot->count; i++)
        report.nodes[i].entry = &snapshot->entries[i];
    qsort(report.nodes, report.count, sizeof *report.nodes, compare_in_tree);
    for (size_t i = 0; i < report.count;)
        i = sum_up(&report, i);
    collect(&report, 0, report.count);
    if (report.heavy_count > 0)
        qsort(report.heavy, report.heavy_count, sizeof *report.heavy,
              by_size ? compare_size : compare_files);
    put_heaviest(text, &report, by_size ? snapshot->size : snapshot->file_count,
                 by_size ? limits->size_max : limits->files_max);
    free(report.heavy);
    free(report.nodes);
}

int snapshot_limits_check(const struct snapshot *snapshot, const struct snapshot_limits *limits,
                          bool whole, struct error *err)
{
    bool too_large = snapshot->size > limits->size_max;
    bool too_many = snapshot->file_count > limits->files_max;
    if (whole && !too_large && !too_many)
        return 0;
    AUTO_FREE char *size = file_size_text(snapshot->size);
    AUTO_FREE char *size_max = file_size_text(limits->size_max);
    AUTO_FREE char *root = utf8_shown(snapshot->root);
    AUTO_BUF struct buf heaviest = BUF_INIT;
    put_report(&heaviest, snapshot, limits, too_large && !too_many);
    error_set(err, ERROR_LIMIT,
              "%s holds %s%llu files of %s in all; a snapshot takes at most %llu files and %s. "
              "Nothing was copied. What takes the most, each with the ignore line that drops it:%s",
              root, whole ? "" : "more than ", (unsigned long long)snapshot->file_count, size,
              (unsigned long long)limits->files_max, size_max, heaviest.data);
    if (snapshot->ignore_file != NULL)
        return error_hint(err,
                          "add the lines of what the run does not need to %s, or keep the data "
                          "outside of the folder and pass its path as an argument",
                          snapshot->ignore_file);
    return error_hint(err, "put the lines of what the run does not need into a file .amlignore in "
                           "that folder, or keep the data outside of it and pass its path as an "
                           "argument");
}
