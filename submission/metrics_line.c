/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of output by safe rules. A line is first cut into pairs of a word and a number; then it is
 * decided whether it speaks of metrics at all: it must have a step, a word that metrics are known
 * by, or `name=0.5`, which nobody writes in prose. What looks like a list of parameters is left
 * alone. */
#include "submission/metrics_line.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

/* Words by which a line is known to speak of metrics, as a part of a name between _ / - . @ */
static const char *const metric_words[] = {
    "loss",   "losses", "acc",     "accuracy", "f1",   "auc",        "auroc", "precision",
    "recall", "score",  "mse",     "mae",      "rmse", "mape",       "r2",    "bleu",
    "rouge",  "ppl",    "iou",     "miou",     "dice", "perplexity", "map",   "reward",
    "return", "lr",     "kl",      "nll",      "bce",  "wer",        "cer",   "psnr",
    "ssim",   "fid",    "logloss", "top1",     "top5", "norm",       NULL};

/* Before a name and with a space: part of it ("Test Accuracy: 0.9"). */
static const char *const qualifiers[] = {"train", "training", "val",     "valid",   "validation",
                                         "test",  "eval",     "avg",     "average", "mean",
                                         "best",  "final",    "running", NULL};

/* Parameters: a line that has one and no step is a list of them. */
static const char *const parameters[] = {
    "seed",         "random_state", "epochs",      "batch_size", "num_epochs",  "max_epochs",
    "n_epochs",     "max_steps",    "num_workers", "world_size", "hidden_size", "momentum",
    "weight_decay", "dropout",      "num_layers",  "num_heads",  "gamma",       NULL};

/* Numbers that are about something else. */
static const char *const ignored[] = {
    "time",    "elapsed", "eta",   "duration",   "timestamp", "date",    "port", "pid",   "line",
    "version", "v_num",   "rank",  "local_rank", "id",        "index",   "size", "total", "count",
    "runtime", "took",    "speed", "memory",     "mem",       "seconds", "ms",   "sec",   NULL};

static const char *const units[] = {
    "s",     "ms",     "us",      "ns",  "sec",     "secs",   "second", "seconds", "min",
    "mins",  "minute", "minutes", "h",   "hr",      "hour",   "hours",  "d",       "day",
    "days",  "b",      "kb",      "mb",  "gb",      "tb",     "kib",    "mib",     "gib",
    "bytes", "it",     "hz",      "fps", "samples", "images", "files",  NULL};

static bool is_name_start(char c)
{
    return isalpha((unsigned char)c) || c == '_';
}

static bool is_name_byte(char c)
{
    return isalnum((unsigned char)c) || (c != '\0' && strchr("_./@-", c) != NULL);
}

static const char *skip(const char *p, const char *end, const char *bytes)
{
    while (p < end && *p != '\0' && strchr(bytes, *p) != NULL)
        p++;
    return p;
}

/* --- numbers in their surroundings ----------------------------------------------------------- */

/* May a metric's value end at `p`? Not before a unit, a fraction, a date, another dot. */
static bool ends_value(const char *p, const char *end)
{
    if (p + 1 < end && *p == ',' && isdigit((unsigned char)p[1]))
        return false; /* 1,234 */
    if (p == end || strchr(",;|)]}\"'", *p) != NULL)
        return true;
    if (*p == '.')
        return p + 1 == end || p[1] == ' ';
    if (*p != ' ' && *p != '\t')
        return false;
    p = skip(p, end, " \t");
    const char *word_end = p;
    while (word_end < end && isalpha((unsigned char)*word_end))
        word_end++;
    if (p < end && (*p == '/' || *p == '%'))
        return false;
    bool is_unit = metrics_name_in(units, p, (size_t)(word_end - p));
    return !is_unit || (word_end < end && strchr("=:", *word_end) != NULL);
}

/* The number of a step word: "3", "3/10", "[3/10]", "3:"; the byte after it or NULL. */
static const char *step_number(const char *p, const char *end, double *ret_step, double *ret_total)
{
    bool integer;
    const char *after = metrics_number(skip(p, end, " \t=:#[("), end, ret_step, &integer);
    *ret_total = 0;
    if (after == NULL || (after < end && (is_name_start(*after) || *after == '%')))
        return NULL;
    const char *slash = skip(after, end, " ");
    if (slash < end && *slash == '/') {
        double total;
        const char *after_total = metrics_number(skip(slash + 1, end, " "), end, &total, &integer);
        if (after_total != NULL && integer) {
            *ret_total = total;
            return after_total;
        }
    }
    return after;
}

/* --- cutting a line -------------------------------------------------------------------------- */

struct scan {
    const char *start, *end;
    struct metrics_line *line;
    bool has_parameters;
    double epoch, epoch_total; /* "Epoch 2/5" */
    double step_total;         /* "Step 100/600" */
};

/* The start of the name when a qualifier stands before it: "Test Accuracy". */
static const char *with_qualifier(const struct scan *scan, const char *name)
{
    if (name - scan->start < 2 || name[-1] != ' ')
        return name;
    const char *word = name - 1;
    while (word > scan->start && isalpha((unsigned char)word[-1]))
        word--;
    return metrics_name_in(qualifiers, word, (size_t)(name - 1 - word)) ? word : name;
}

static const char *take_step(struct scan *scan, const char *name, const char *name_end)
{
    size_t size = (size_t)(name_end - name);
    int rank = metrics_step_rank(name, size);
    double step, total;
    const char *after = rank > 0 ? step_number(name_end, scan->end, &step, &total) : NULL;
    if (after == NULL)
        return NULL;
    if (strncasecmp(name, "epoch", size) == 0) {
        scan->epoch = step;
        scan->epoch_total = total;
    } else {
        scan->step_total = total;
    }
    if (rank > scan->line->step_rank) {
        scan->line->step_rank = rank;
        scan->line->step = step;
    }
    return after;
}

/* `name=1.5`, `name: 1.5`, `'name': 1.5`: adds the pair and returns the byte after it, or NULL. */
static const char *take_pair(struct scan *scan, const char *name, const char *name_end)
{
    struct metrics_line *line = scan->line;
    const char *sign = skip(name_end, scan->end, "\"'");
    sign = skip(sign, scan->end, " ");
    if (sign >= scan->end || (*sign != '=' && *sign != ':') || sign - name_end > 4)
        return NULL;
    const char *at = skip(sign + 1, scan->end, " \t");
    double value;
    bool integer;
    const char *after = metrics_number(at, scan->end, &value, &integer);
    const char *start = with_qualifier(scan, name);
    scan->has_parameters =
        scan->has_parameters || metrics_name_in(parameters, name, (size_t)(name_end - name));
    if (after == NULL || !ends_value(after, scan->end) || name_end - start > METRICS_NAME_MAX ||
        line->count == METRICS_PAIRS_MAX)
        return NULL;
    line->pairs[line->count++] = (struct metrics_pair){.name = start,
                                                       .name_size = (size_t)(name_end - start),
                                                       .value = value,
                                                       .integer = integer,
                                                       .equals = *sign == '=',
                                                       .attached = at == sign + 1};
    return after;
}

/* Past "(...)" that belongs to the word before it: Linear(in_features=10), Namespace(lr=0.1). */
static const char *skip_call(const char *p, const char *end)
{
    int depth = 0;
    for (; p < end; p++) {
        depth += (*p == '(') - (*p == ')');
        if (depth == 0)
            return p + 1;
    }
    return end;
}

/* Does a name begin at `p`? Not inside a word, a path or a number with letters. */
static bool begins_name(const struct scan *scan, const char *p)
{
    return is_name_start(*p) && (p == scan->start || strchr(" \t,;:|([{\"'", p[-1]) != NULL);
}

static void cut(struct scan *scan)
{
    const char *p = scan->start;
    /* XGBoost begins its lines with the round: "[7]\ttrain-rmse:0.5". */
    double round;
    bool integer;
    const char *after =
        p < scan->end && *p == '[' ? metrics_number(p + 1, scan->end, &round, &integer) : NULL;
    if (after != NULL && integer && after < scan->end && *after == ']') {
        scan->line->step = round;
        scan->line->step_rank = 1;
        p = after + 1;
    }
    while (p < scan->end) {
        if (!begins_name(scan, p)) {
            p++;
            continue;
        }
        const char *name_end = p;
        while (name_end < scan->end && is_name_byte(*name_end))
            name_end++;
        if (name_end < scan->end && *name_end == '(') {
            p = skip_call(name_end, scan->end);
            continue;
        }
        after = take_step(scan, p, name_end);
        if (after == NULL)
            after = take_pair(scan, p, name_end);
        p = after != NULL ? after : name_end;
    }
}

/* --- deciding -------------------------------------------------------------------------------- */

static bool is_metric_word(const struct metrics_pair *pair)
{
    const char *p = pair->name;
    const char *end = pair->name + pair->name_size;
    while (p < end) {
        size_t length = 0;
        while (p + length < end && isalnum((unsigned char)p[length]))
            length++;
        if (metrics_name_in(metric_words, p, length))
            return true;
        p += length + 1;
    }
    return false;
}

/* Would this pair be a metric on any line, on a line that has metrics, or never? */
static bool is_certain(const struct metrics_pair *pair)
{
    return is_metric_word(pair) || (pair->equals && !pair->integer);
}

static bool is_possible(const struct metrics_pair *pair)
{
    if (metrics_name_in(ignored, pair->name, pair->name_size) ||
        metrics_name_in(parameters, pair->name, pair->name_size))
        return false;
    /* "file: 12", "localhost:8080" */
    return !pair->integer || pair->equals || is_metric_word(pair);
}

static void keep_metrics(struct scan *scan)
{
    struct metrics_line *line = scan->line;
    bool speaks = line->step_rank > 0;
    size_t kept = 0;
    for (size_t i = 0; i < line->count; i++)
        speaks = speaks || (is_possible(&line->pairs[i]) && is_certain(&line->pairs[i]));
    if (scan->has_parameters && line->step_rank == 0)
        speaks = false;
    for (size_t i = 0; speaks && i < line->count; i++)
        if (is_possible(&line->pairs[i]))
            line->pairs[kept++] = line->pairs[i];
    line->count = kept;
}

void metrics_line_parse(const char *text, size_t size, struct metrics_line *ret_line)
{
    struct scan scan = {.start = text, .end = text + size, .line = ret_line, .epoch = -1};
    ret_line->count = 0;
    ret_line->step_rank = 0;
    cut(&scan);
    keep_metrics(&scan);
    /* "Epoch [2/5], Step [100/600]": the steps begin again with each epoch; count them through. */
    if (scan.epoch >= 0 && scan.step_total > 0 && ret_line->step < scan.step_total + 1)
        ret_line->step +=
            (scan.epoch - (scan.epoch_total > 0 && scan.epoch >= 1)) * scan.step_total;
}
