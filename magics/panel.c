/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pieces of a run. Numbers stand in words beside every picture, and states in words beside every
 * colour: nothing is said by a colour or a curve alone.
 */
#include "magics/panel.h"

#include <ctype.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "magics/chart.h"
#include "magics/render.h"
#include "magics/table.h"

#define BOX "<div style=\"font-size:13px;line-height:1.5;margin:2px 0;overflow-wrap:anywhere\">"
#define DIM "<span style=\"opacity:.65\">"
#define BORDER "var(--jp-border-color2,rgba(128,128,128,.35))"

/* --- the head ----------------------------------------------------------------------------------- */

/* While a run goes on whole seconds are counted: tenths would make it flicker. */
static char *duration_text(const struct report *report, int64_t from_us)
{
    const struct run *run = report->view->run;
    if (run->ended_us > 0)
        return clock_duration(run->ended_us - from_us);
    int64_t seconds = (report->now_us - from_us) / 1000000;
    return seconds < 10 ? xasprintf("%d s", (int)(seconds > 0 ? seconds : 0))
                        : clock_duration(seconds * 1000000);
}

/* "for 4 min 12 s", "in 12 s", "after 3 s": the time since it began to run, or since it waits. */
static void put_duration(struct buf *html, const struct report *report)
{
    const struct run *run = report->view->run;
    int64_t from = run->started_us > 0 ? run->started_us : run->created_us;
    bool final = run_state_is_final(run->state);
    if (from <= 0)
        return;
    AUTO_FREE char *text = duration_text(report, from);
    buf_printf(html, " <span style=\"font-variant-numeric:tabular-nums\">%s%s</span>",
               run->state == RUN_COMPLETED ? "in "
               : final                     ? "after "
                                           : "",
               text);
}

/* The reason, or what is happening now. */
static const char *what_now(const struct run_view *view)
{
    if (run_state_is_final(view->run->state))
        return view->run->reason;
    if (view->progress != NULL)
        return view->progress;
    return view->detached ? "another kernel takes it to its start" : view->run->reason;
}

static void put_last_lines(struct buf *html, const struct report *report)
{
    size_t before = html->size;
    if (report->terminal == NULL)
        return;
    buf_puts(html, "<div style=\"border-left:3px solid #d64545;padding-left:8px;margin:4px "
                   "0\">" PANEL_LOG_OPEN);
    size_t begin = html->size;
    terminal_tail_html(report->terminal, PANEL_FAILED_LINES, html);
    if (html->size == begin) { /* it has said nothing */
        html->size = before;
        html->data[before] = '\0';
        return;
    }
    buf_puts(html, PANEL_LOG_CLOSE "</div>");
}

static void put_advice(struct buf *html, const struct report *report)
{
    AUTO_STRLIST struct strlist lines = STRLIST_INIT;
    panel_advice(report, &lines);
    for (size_t i = 0; i < lines.count; i++) {
        buf_puts(html, "<div>&rarr; ");
        buf_puts_html(html, lines.items[i]);
        buf_puts(html, "</div>");
    }
}

void panel_head(struct buf *html, const struct report *report)
{
    const struct run *run = report->view->run;
    const char *now = what_now(report->view);
    buf_puts(html, BOX);
    table_dot(html, run_state_name(run->state));
    buf_printf(html, "<b>%s</b>", render_state(run->state));
    put_duration(html, report);
    if (now != NULL) {
        buf_puts(html, run->state == RUN_FAILED ? ": " : " " DIM "&middot; ");
        buf_puts_html(html, now);
        buf_puts(html, run->state == RUN_FAILED ? "" : "</span>");
    }
    if (run->state == RUN_FAILED) {
        put_last_lines(html, report);
        put_advice(html, report);
    }
    buf_puts(html, "</div>");
}

/* --- what to try -------------------------------------------------------------------------------- */

/* What the end of an output says, and what helps. */
static const struct {
    const char *said, *advice;
} signs[] = {
    {"ModuleNotFoundError", "add the missing package to `pip:` of the environment"},
    {"No module named", "add the missing package to `pip:` of the environment"},
    {"FileNotFoundError",
     "only the source folder goes along: put the file there, or give it as an input"},
    {"No space left on device", "make room on the disk: %skiff says where runs are kept"},
    {"CUDA out of memory", "take a smaller batch, or a compute with more GPU memory"},
    {"MemoryError", "take a smaller batch, or a compute with more memory"},
    {"PermissionError", "the script may write to ./outputs and ./logs"},
};

void panel_advice(const struct report *report, struct strlist *ret_lines)
{
    const struct run *run = report->view->run;
    const struct process_status *process = report->view->process;
    AUTO_BUF struct buf tail = BUF_INIT;
    const char *before = NULL;
    if (report->terminal != NULL)
        terminal_tail_text(report->terminal, PANEL_FAILED_LINES, &tail);
    if (process != NULL && process->oom)
        strlist_add(ret_lines, "the machine ran out of memory: take a smaller batch, or a compute "
                               "with more memory");
    for (size_t i = 0; tail.data != NULL && i < ARRAY_SIZE(signs); i++)
        if (strstr(tail.data, signs[i].said) != NULL && signs[i].advice != before) {
            strlist_add(ret_lines, signs[i].advice);
            before = signs[i].advice;
        }
    strlist_addf(ret_lines, "%%logs %s shows the whole output; mend it, and run the cell again",
                 run->id);
}

/* --- progress ----------------------------------------------------------------------------------- */

/* A number with or without commas at `text`; *ret_end is behind it. -1 when there is none. */
static double number_at(const char *text, const char **ret_end)
{
    double value = 0;
    const char *at = text;
    while (isdigit((unsigned char)*at) || (*at == ',' && at > text)) {
        value = *at == ',' ? value : value * 10 + (*at - '0');
        at++;
    }
    *ret_end = at;
    return at > text ? value : -1;
}

static bool share(double done, double total, double *ret_fraction)
{
    if (done < 0 || total <= 0 || done > total)
        return false;
    *ret_fraction = done / total;
    return true;
}

/* "1,204 of 1,980 files", "step 4 of 9". */
static bool find_n_of_m(const char *text, double *ret_fraction)
{
    for (const char *of = strstr(text, " of "); of != NULL; of = strstr(of + 1, " of ")) {
        const char *start = of;
        const char *end;
        while (start > text && (isdigit((unsigned char)start[-1]) || start[-1] == ','))
            start--;
        double done = number_at(start, &end);
        if (done >= 0 && share(done, number_at(of + 4, &end), ret_fraction))
            return true;
    }
    return false;
}

/* "412 MB of 1.2 GB (34 %)": more to the point than layers or files. */
static bool find_percent(const char *text, double *ret_fraction)
{
    const char *sign = strstr(text, " %)");
    const char *start = sign;
    const char *end;
    while (sign != NULL && start > text && isdigit((unsigned char)start[-1]))
        start--;
    return sign != NULL && share(number_at(start, &end), 100, ret_fraction);
}

/* " 45%|####" as tqdm draws it; the last one in the line. */
static bool find_percent_bar(const char *line, double *ret_fraction)
{
    bool found = false;
    for (const char *at = strstr(line, "%|"); at != NULL; at = strstr(at + 1, "%|")) {
        const char *start = at;
        const char *end;
        while (start > line && isdigit((unsigned char)start[-1]))
            start--;
        found |= share(number_at(start, &end), 100, ret_fraction);
    }
    return found;
}

/* "Epoch 3/10", "epoch: 3/10". */
static bool find_epoch(const char *line, double *ret_fraction)
{
    const char *epoch = strcasestr(line, "epoch");
    if (epoch == NULL)
        return false;
    epoch += strlen("epoch");
    epoch += strspn(epoch, " :=[#");
    const char *end;
    double done = number_at(epoch, &end);
    end += strspn(end, " ");
    return done >= 0 && *end == '/' && share(done, number_at(end + 1, &end), ret_fraction);
}

bool panel_progress(const struct report *report, double *ret_fraction)
{
    AUTO_BUF struct buf line = BUF_INIT;
    *ret_fraction = 0;
    if (run_state_is_final(report->view->run->state))
        return false;
    const char *now = report->view->progress;
    if (now != NULL && (find_percent(now, ret_fraction) || find_n_of_m(now, ret_fraction)))
        return true;
    if (report->terminal == NULL || report->view->run->state != RUN_RUNNING)
        return false;
    terminal_tail_text(report->terminal, 1, &line);
    return line.data != NULL &&
           (find_percent_bar(line.data, ret_fraction) || find_epoch(line.data, ret_fraction));
}

/* --- metrics ------------------------------------------------------------------------------------ */

/* The values stand in text beside the chart: GitHub and untrusted notebooks drop the SVG. */
static void put_metric(struct buf *html, const struct metric *metric)
{
    char last[CHART_NUMBER_SIZE];
    char min[CHART_NUMBER_SIZE];
    char max[CHART_NUMBER_SIZE];
    chart_number(metric->last, last);
    chart_number(metric->min, min);
    chart_number(metric->max, max);
    buf_puts(html, "<div style=\"flex:0 0 auto;width:240px;max-width:100%;margin:2px 20px 6px 0\">"
                   "<div style=\"display:flex;justify-content:space-between;align-items:baseline;"
                   "gap:8px\"><span style=\"overflow:hidden;text-overflow:ellipsis;"
                   "white-space:nowrap\" title=\"");
    buf_puts_html(html, metric->name);
    buf_puts(html, "\">");
    buf_puts_html(html, metric->name);
    buf_printf(html,
               "</span> <b style=\"font-size:15px;font-variant-numeric:tabular-nums\">%s</b></div>",
               last);
    chart_svg(html, metric);
    buf_printf(html,
               "<div style=\"font-size:11px;opacity:.65;font-variant-numeric:tabular-nums\">"
               "min %s, max %s, %zu point%s</div></div>",
               min, max, metric->seen, metric->seen == 1 ? "" : "s");
}

void panel_metrics(struct buf *html, const char *run_id, const struct metrics *metrics, size_t max)
{
    size_t count = 0;
    const struct metric *items = metrics != NULL ? metrics_items(metrics, &count) : NULL;
    if (count == 0)
        return;
    buf_puts(html, BOX "<div style=\"display:flex;flex-wrap:wrap\">");
    for (size_t i = 0; i < count && i < max; i++)
        put_metric(html, &items[i]);
    buf_puts(html, "</div>");
    if (count > max) {
        buf_printf(html, "<div style=\"opacity:.65\">and %zu more metrics: %%metrics ",
                   count - max);
        buf_puts_html(html, run_id);
        buf_puts(html, "</div>");
    }
    buf_puts(html, "</div>");
}

/* --- what it uses ------------------------------------------------------------------------------- */

enum gauge { GAUGE_CPU, GAUGE_MEMORY, GAUGE_GPU, GAUGE_GPU_MEMORY, GAUGES };

static double gauge_value(const struct usage_sample *sample, enum gauge gauge)
{
    switch (gauge) {
    case GAUGE_CPU:
        return sample->cpu_percent;
    case GAUGE_MEMORY:
        return sample->memory_bytes;
    case GAUGE_GPU:
        return sample->gpu_percent;
    default:
        return sample->gpu_memory_bytes;
    }
}

static char *gauge_text(enum gauge gauge, double value)
{
    if (gauge == GAUGE_CPU || gauge == GAUGE_GPU)
        return xasprintf("%.0f %%", value);
    return file_size_text((unsigned long long)(value > 0 ? value : 0));
}

/* The sample at a run's end is of nothing. */
static size_t sample_count(const struct usage *usage)
{
    size_t count = usage->count < USAGE_SAMPLES_MAX ? usage->count : USAGE_SAMPLES_MAX;
    return count > 1 && !(usage->samples[count - 1].memory_bytes > 0) ? count - 1 : count;
}

static void put_gauge(struct buf *html, const struct usage *usage, enum gauge gauge)
{
    static const char *const names[] = {"CPU", "memory", "GPU", "GPU memory"};
    double max = 0;
    double last = NAN;
    struct chart_series series = {.count = 0};
    double values[USAGE_SAMPLES_MAX];
    for (size_t i = 0; i < sample_count(usage); i++) {
        values[i] = gauge_value(&usage->samples[i], gauge);
        last = isfinite(values[i]) ? values[i] : last;
        max = isfinite(values[i]) ? fmax(max, values[i]) : max;
    }
    if (!isfinite(last))
        return;
    series.values = values;
    series.count = sample_count(usage);
    AUTO_FREE char *now = gauge_text(gauge, last);
    AUTO_FREE char *most = gauge_text(gauge, max);
    buf_printf(html,
               "<span style=\"display:inline-flex;align-items:center;gap:6px;margin-right:20px;"
               "white-space:nowrap\">%s <b style=\"font-variant-numeric:tabular-nums\">%s</b>",
               names[gauge], now);
    chart_line(html, names[gauge], &series);
    buf_printf(html, "<span style=\"font-size:11px;opacity:.65\">max %s</span></span>", most);
}

void panel_usage(struct buf *html, const struct usage *usage)
{
    if (usage == NULL || usage->count == 0)
        return;
    buf_puts(html, BOX "<div style=\"display:flex;flex-wrap:wrap\">");
    for (enum gauge gauge = 0; gauge < GAUGES; gauge++)
        put_gauge(html, usage, gauge);
    buf_puts(html, "</div></div>");
}

/* --- outputs ------------------------------------------------------------------------------------ */

/* A browser follows it from a page on disk; elsewhere it is the path to copy. */
static void put_file_link(struct buf *html, const char *path)
{
    buf_puts(html, "<a style=\"color:inherit\" href=\"file://");
    for (const unsigned char *at = (const unsigned char *)path; *at != '\0'; at++)
        if (isalnum(*at) || strchr("/-._~", *at) != NULL)
            buf_putc(html, (char)*at);
        else
            buf_printf(html, "%%%02X", *at);
    buf_puts(html, "\">");
    buf_puts_html(html, path);
    buf_puts(html, "</a>");
}

void panel_pictures(struct buf *html, const struct report *report)
{
    for (size_t i = 0; i < report->picture_count; i++) {
        const struct report_picture *picture = &report->pictures[i];
        buf_printf(html,
                   "<img style=\"max-width:200px;max-height:150px;margin:4px 8px 4px 0;border:1px "
                   "solid " BORDER "\" src=\"data:%s;base64,%s\" alt=\"",
                   picture->mime, picture->base64);
        buf_puts_html(html, picture->path);
        buf_puts(html, "\" title=\"");
        buf_puts_html(html, picture->path);
        buf_puts(html, "\">");
    }
}

void panel_outputs(struct buf *html, const struct report *report)
{
    size_t count = json_array_size(report->outputs);
    if (count == 0)
        return;
    buf_puts(html, BOX "<div><span style=\"opacity:.65\">outputs</span> ");
    for (size_t i = 0; i < count && i < PANEL_OUTPUTS_MAX; i++) {
        const json_t *output = json_array_get(report->outputs, i);
        AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(output, "size", 0));
        buf_puts(html, i > 0 ? " &middot; " : "");
        buf_puts_html(html, json_get_string(output, "path", ""));
        buf_printf(html, " <span style=\"opacity:.65\">%s</span>", size);
    }
    if (count > PANEL_OUTPUTS_MAX)
        buf_printf(html, " &middot; and %s%zu more", count > REPORT_OUTPUTS_MAX ? "over " : "",
                   (count > REPORT_OUTPUTS_MAX ? REPORT_OUTPUTS_MAX : count) - PANEL_OUTPUTS_MAX);
    buf_puts(html, "</div>");
    panel_pictures(html, report);
    AUTO_FREE char *folder = xasprintf("%s/outputs", report->view->run->dir);
    buf_puts(html, "<div style=\"font-size:11px;opacity:.65\">in ");
    put_file_link(html, folder);
    buf_puts(html, "</div></div>");
}

void panel_log_note(struct buf *html, const struct report *report)
{
    AUTO_FREE char *size = file_size_text(report->log_size);
    buf_printf(html,
               "<div style=\"font-size:11px;line-height:1.5;opacity:.65;"
               "overflow-wrap:anywhere\">the end of %s in ",
               size);
    put_file_link(html, report->log_path != NULL ? report->log_path : "");
    buf_puts(html, "</div>");
}

void panel_as_of(struct buf *html, const char *run_id, const char *when)
{
    buf_puts(html, "<div style=\"font-size:13px;line-height:1.5;border-left:3px solid #d99a1c;"
                   "padding-left:8px\">As of ");
    buf_puts_html(html, when);
    buf_puts(html, ". If it stands still, the kernel was restarted: reload the page, or run "
                   "<code>%attach ");
    buf_puts_html(html, run_id);
    buf_puts(html, "</code></div>");
}

/* --- details ------------------------------------------------------------------------------------ */

static void put_definition(struct buf *html, const char *title, const json_t *definition)
{
    if (!json_is_object(definition))
        return;
    AUTO_FREE char *text = json_dumps(definition, JSON_INDENT(2));
    buf_printf(html, "<div style=\"opacity:.65;margin-top:4px\">%s</div>" PANEL_LOG_OPEN, title);
    if (text != NULL && strlen(text) > PANEL_DEFINITION_MAX)
        strcpy(text + PANEL_DEFINITION_MAX, "\n...");
    buf_puts_html(html, text != NULL ? text : "");
    buf_puts(html, PANEL_LOG_CLOSE);
}

/* An event is a change of state with a reason, or a remark. */
static void put_events(struct buf *html, const json_t *events)
{
    static const char *const titles[] = {"time", "event", "reason", NULL};
    AUTO_TABLE struct table table;
    size_t i;
    const json_t *event;
    table_init(&table, titles);
    json_array_foreach (events, i, event) {
        AUTO_FREE char *when = render_time(json_get_time(event, "time"));
        int state = run_state_parse(json_get_string(event, "state", ""));
        table_add(&table, when);
        table_add(&table, state >= 0 ? render_state((enum run_state)state) : "");
        table_add(&table, json_get_string(event, "reason", json_get_string(event, "note", "")));
    }
    if (table_rows(&table) > 0)
        table_html(html, &table);
}

void panel_details(struct buf *html, const struct report *report)
{
    const struct run *run = report->view->run;
    const json_t *environment = json_object_get(run->intent, "environment");
    const json_t *compute = json_object_get(run->intent, "compute");
    AUTO_TABLE struct table facts;
    table_init(&facts, NULL);
    table_fact(&facts, "run", run->id);
    table_fact(&facts, "snapshot of",
               json_get_string(json_object_get(run->intent, "snapshot"), "source", NULL));
    table_fact(&facts, "rerun of", json_get_string(run->intent, "rerun_of", NULL));
    table_fact(&facts, "directory", run->dir);
    buf_puts(html, BOX);
    table_html(html, &facts);
    put_events(html, report->events);
    put_definition(html, "job", json_object_get(run->intent, "job"));
    put_definition(html, "environment", json_object_get(environment, "definition"));
    put_definition(html, "compute", json_object_get(compute, "definition"));
    buf_puts(html, "</div>");
}
