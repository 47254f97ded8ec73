/* SPDX-License-Identifier: BSD-3-Clause */
/* The reader: bytes to lines, lines to points. Lines come from training scripts and are whatever
 * they are: escape sequences are taken out, long lines passed over, the number of names and points
 * is bounded. What a line says is decided in metrics_line.c and metrics_record.c. */
#include "submission/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "submission/metrics_line.h"
#include "submission/run.h"

#define READ_SIZE 65536

/* What the public struct does not show. */
struct series {
    size_t stride; /* every stride-th is kept: a power of two */
    bool trusted;  /* from metrics.jsonl */
};

/* Bytes of one source up to the end of a line. */
struct pending {
    struct buf text;
    bool too_long;
};

struct metrics {
    struct metric *items; /* parallel to series */
    struct series *series;
    size_t count, items_capacity, series_capacity;
    struct pending log, jsonl;
    char *announced; /* the name of azureml's two-line form, or NULL */
};

struct metrics *metrics_new(void)
{
    return xcalloc(1, sizeof(struct metrics));
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL)
        return;
    for (size_t i = 0; i < metrics->count; i++) {
        free(metrics->items[i].name);
        free(metrics->items[i].points);
    }
    free(metrics->items);
    free(metrics->series);
    buf_done(&metrics->log.text);
    buf_done(&metrics->jsonl.text);
    free(metrics->announced);
    free(metrics);
}

const struct metric *metrics_items(const struct metrics *metrics, size_t *ret_count)
{
    *ret_count = metrics->count;
    return metrics->items;
}

/* --- points ---------------------------------------------------------------------------------- */

static void clear(struct metric *metric, struct series *series)
{
    metric->count = metric->seen = 0;
    metric->last = metric->min = metric->max = NAN;
    *series = (struct series){.stride = 1};
}

/* What the log called a metric gives way to a name of metrics.jsonl: the latest first. */
static int take_place(struct metrics *metrics, const char *name, size_t size)
{
    for (size_t i = metrics->count; i-- > 0;)
        if (!metrics->series[i].trusted) {
            replace(&metrics->items[i].name, xstrndup(name, size));
            clear(&metrics->items[i], &metrics->series[i]);
            return (int)i;
        }
    return -1;
}

/* The index of a name, made when it is new; -1 when there are too many. */
static int find(struct metrics *metrics, const char *name, size_t size, bool trusted)
{
    for (size_t i = 0; i < metrics->count; i++)
        if (strncmp(metrics->items[i].name, name, size) == 0 &&
            metrics->items[i].name[size] == '\0')
            return (int)i;
    if (metrics->count == METRICS_NAMES_MAX)
        return trusted ? take_place(metrics, name, size) : -1;
    size_t index = metrics->count++;
    grow(&metrics->items, &metrics->items_capacity, metrics->count, sizeof *metrics->items);
    grow(&metrics->series, &metrics->series_capacity, metrics->count, sizeof *metrics->series);
    metrics->items[index] = (struct metric){.name = xstrndup(name, size)};
    clear(&metrics->items[index], &metrics->series[index]);
    return (int)index;
}

static void thin(struct metric *metric, struct series *series)
{
    size_t kept = 0;
    for (size_t i = 0; i < metric->count; i += 2)
        metric->points[kept++] = metric->points[i];
    metric->count = kept;
    series->stride *= 2;
}

static void add_point(struct metric *metric, struct series *series, double step, double value)
{
    metric->last = value;
    if (isfinite(value)) {
        metric->min = isnan(metric->min) ? value : fmin(metric->min, value);
        metric->max = isnan(metric->max) ? value : fmax(metric->max, value);
    }
    if (metric->seen++ % series->stride != 0)
        return;
    grow(&metric->points, &metric->capacity, metric->count + 1, sizeof *metric->points);
    metric->points[metric->count++] = (struct metric_point){step, value};
    if (metric->count == METRICS_POINTS_MAX)
        thin(metric, series);
}

static void add_pair(struct metrics *metrics, const struct metrics_line *line,
                     const struct metrics_pair *pair, bool trusted)
{
    int index = find(metrics, pair->name, pair->name_size, trusted);
    if (index < 0)
        return;
    struct metric *metric = &metrics->items[index];
    struct series *series = &metrics->series[index];
    if (series->trusted && !trusted)
        return;
    if (trusted && !series->trusted)
        clear(metric, series); /* what the log said about it counts no more */
    series->trusted = trusted;
    bool has_step = line->step_rank > 0 && isfinite(line->step);
    add_point(metric, series, has_step ? line->step : (double)metric->seen, pair->value);
}

static void add_line(struct metrics *metrics, const struct metrics_line *line, bool trusted)
{
    for (size_t i = 0; i < line->count; i++)
        add_pair(metrics, line, &line->pairs[i], trusted);
}

/* --- lines ----------------------------------------------------------------------------------- */

/* Takes escape sequences (colours, cursor movements) out, in place. */
static size_t strip_escapes(char *text, size_t size)
{
    size_t to = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] != '\x1b') {
            text[to++] = text[i];
            continue;
        }
        if (i + 1 < size && text[i + 1] == '[') /* CSI: up to its final byte */
            for (i += 2; i < size && (text[i] < '@' || text[i] > '~'); i++)
                ;
        else
            i++;
    }
    text[to] = '\0';
    return to;
}

/* azureml's offline run prints "Attempted to log scalar metric NAME:" and the value on the next
 * line. */
static bool take_announced(struct metrics *metrics, const char *text, size_t size)
{
    static const char announcement[] = "Attempted to log scalar metric ";
    size_t length = strlen(announcement);
    AUTO_FREE char *name = steal(&metrics->announced);
    struct metrics_line line = {.count = 1};
    bool integer;
    if (size > length + 1 && strncmp(text, announcement, length) == 0 && text[size - 1] == ':') {
        metrics->announced = xstrndup(text + length, size - length - 1);
        return true;
    }
    if (name == NULL ||
        metrics_number(text, text + size, &line.pairs[0].value, &integer) != text + size)
        return false;
    line.pairs[0].name = name;
    line.pairs[0].name_size = strlen(name);
    add_line(metrics, &line, false);
    return true;
}

static void take_log_line(struct metrics *metrics, struct buf *text)
{
    struct metrics_line line;
    size_t size = strip_escapes(text->data, text->size);
    const char *start = text->data;
    while (size > 0 && (*start == ' ' || *start == '\t')) {
        start++;
        size--;
    }
    while (size > 0 && (start[size - 1] == ' ' || start[size - 1] == '\t'))
        size--;
    text->data[start - text->data + (ptrdiff_t)size] = '\0';
    if (size == 0 || take_announced(metrics, start, size))
        return;
    if (*start != '{')
        metrics_line_parse(start, size, &line);
    else if (!metrics_record_parse(start, size, &line))
        return;
    add_line(metrics, &line, false);
}

static void take_jsonl_line(struct metrics *metrics, struct buf *text)
{
    struct metrics_line line;
    if (metrics_record_parse(text->data, text->size, &line))
        add_line(metrics, &line, true);
}

static void feed(struct metrics *metrics, struct pending *pending, const char *ends,
                 void (*take)(struct metrics *, struct buf *), const char *data, size_t size)
{
    while (size > 0) {
        size_t length = 0;
        while (length < size && (data[length] == '\0' || strchr(ends, data[length]) == NULL))
            length++;
        pending->too_long = pending->too_long || pending->text.size + length > METRICS_LINE_MAX;
        if (!pending->too_long)
            buf_append(&pending->text, data, length);
        if (length == size)
            return;
        if (!pending->too_long && pending->text.size > 0)
            take(metrics, &pending->text);
        buf_clear(&pending->text);
        pending->too_long = false;
        data += length + 1;
        size -= length + 1;
    }
}

void metrics_feed_log(struct metrics *metrics, const char *data, size_t size)
{
    feed(metrics, &metrics->log, "\n\r\b", take_log_line, data, size);
}

void metrics_feed_jsonl(struct metrics *metrics, const char *data, size_t size)
{
    feed(metrics, &metrics->jsonl, "\n", take_jsonl_line, data, size);
}

/* --- copies ---------------------------------------------------------------------------------- */

/* The places of the least and the greatest finite value in [from, to), in their order; twice `from` when
 * there is none. */
static void find_extremes(const struct metric *metric, size_t from, size_t to, size_t places[2])
{
    size_t least = to;
    size_t greatest = to;
    for (size_t i = from; i < to; i++) {
        double value = metric->points[i].value;
        if (!isfinite(value))
            continue;
        least = least == to || value < metric->points[least].value ? i : least;
        greatest = greatest == to || value > metric->points[greatest].value ? i : greatest;
    }
    if (least == to)
        least = greatest = from;
    places[0] = least < greatest ? least : greatest;
    places[1] = least < greatest ? greatest : least;
}

/* `next` is the place after those copied already. */
static void copy_point(const struct metric *from, struct metric *to, size_t place, size_t *next)
{
    if (place < *next)
        return;
    to->points[to->count++] = from->points[place];
    *next = place + 1;
}

/* The first and the last point, and two of each stretch: at most `max`. */
static void copy_thinned(const struct metric *from, struct metric *to, size_t max)
{
    size_t stretches = (max - 2) / 2;
    size_t next = 0;
    copy_point(from, to, 0, &next);
    for (size_t i = 0; i < stretches; i++) {
        size_t places[2];
        find_extremes(from, from->count * i / stretches, from->count * (i + 1) / stretches, places);
        copy_point(from, to, places[0], &next);
        copy_point(from, to, places[1], &next);
    }
    copy_point(from, to, from->count - 1, &next);
}

static void copy_metric(const struct metric *from, struct metric *to, size_t max)
{
    *to = *from;
    to->name = xstrdup(from->name);
    to->count = 0;
    to->capacity = from->count < max ? from->count : max;
    to->points = xcalloc(to->capacity, sizeof *to->points);
    if (from->count > max)
        copy_thinned(from, to, max);
    else
        for (; to->count < from->count; to->count++)
            to->points[to->count] = from->points[to->count];
}

struct metrics *metrics_copy(const struct metrics *metrics, size_t max)
{
    struct metrics *copy = metrics_new();
    grow(&copy->items, &copy->items_capacity, metrics->count, sizeof *copy->items);
    for (size_t i = 0; i < metrics->count; i++)
        copy_metric(&metrics->items[i], &copy->items[copy->count++], max);
    return copy;
}

/* --- both files of a run --------------------------------------------------------------------- */

static int read_file(struct metrics *metrics, const char *path,
                     void (*feed_fn)(struct metrics *, const char *, size_t), struct error *err)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    AUTO_FREE char *piece = xmalloc(READ_SIZE);
    if (fd < 0)
        return errno == ENOENT ? 0 : error_errno(err, "cannot open %s", path);
    for (;;) {
        ssize_t got = read(fd, piece, READ_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_errno(err, "cannot read %s", path);
        if (got == 0)
            return 0;
        feed_fn(metrics, piece, (size_t)got);
    }
}

int metrics_read(const char *run_dir, struct metrics **ret_metrics, struct error *err)
{
    AUTO_FREE char *jsonl = file_join(run_dir, "metrics.jsonl");
    AUTO_FREE char *log = file_join(run_dir, RUN_LOG);
    AUTO(metrics) struct metrics *metrics = metrics_new();
    if (read_file(metrics, jsonl, metrics_feed_jsonl, err) != 0 ||
        read_file(metrics, log, metrics_feed_log, err) != 0)
        return error_wrap(err, "reading the metrics");
    *ret_metrics = steal(&metrics);
    return 0;
}
