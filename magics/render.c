/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Draws runs. Each piece is drawn twice, into HTML and into text, by functions that stand side by
 * side so that the twins stay complete.
 */
#include "magics/render.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "magics/chart.h"
#include "magics/panel.h"
#include "magics/table.h"

#define SPARKLINE_WIDTH 40
#define CHARTS_ALL 40      /* of %metrics: the notebook keeps them */
#define LOG_LINES_HTML 200 /* of the output's end in a summary */
#define LOG_LINES_TEXT 40
#define LOG_BYTES_MAX (40 * 1000) /* of HTML: with all else less than 200 kB */

char *render_time(int64_t when_us)
{
    char text[64];
    time_t seconds = (time_t)(when_us / 1000000);
    struct tm parts;
    if (when_us <= 0 || localtime_r(&seconds, &parts) == NULL)
        return xstrdup("");
    size_t size = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &parts);
    return xstrndup(text, size);
}

const char *render_state(enum run_state state)
{
    static const char *const names[RUN_STATE_COUNT] = {
        [RUN_NOT_STARTED] = "Not started",   [RUN_PREPARING] = "Preparing",
        [RUN_PROVISIONING] = "Provisioning", [RUN_QUEUED] = "Queued",
        [RUN_STARTING] = "Starting",         [RUN_RUNNING] = "Running",
        [RUN_FINALIZING] = "Finalizing",     [RUN_CANCEL_REQUESTED] = "Cancel requested",
        [RUN_COMPLETED] = "Completed",       [RUN_FAILED] = "Failed",
        [RUN_CANCELED] = "Canceled",         [RUN_NOT_RESPONDING] = "Not responding",
    };
    return names[state];
}

/* Fields of run.json: a file that another version of ours, or a hand, may have written. */
static const char *intent_string(const struct run *run, const char *key, const char *inner)
{
    const json_t *value = json_object_get(run->intent, key);
    return inner != NULL ? json_get_string(value, inner, "") : json_string_value(value);
}

/* "name:version" as the user would refer to it again. */
static char *environment_label(const struct run *run)
{
    const json_t *environment = json_object_get(run->intent, "environment");
    const char *name = json_get_string(environment, "name", NULL);
    int version = (int)json_get_int(environment, "version", 0);
    if (!json_is_object(environment))
        return xstrdup("no environment");
    if (name == NULL)
        return xstrdup("inline environment");
    return version > 0 ? xasprintf("%s:%d", name, version) : xstrdup(name);
}

char *render_title(const struct run *run)
{
    AUTO_FREE char *environment = environment_label(run);
    const char *experiment = intent_string(run, "experiment", NULL);
    return xasprintf("%s · %s · %s · %s", run->id, experiment ? experiment : "",
                     intent_string(run, "compute", "name"), environment);
}

json_t *render_line(const char *title, enum run_state state, const char *progress)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    buf_puts(&html, "<div " TABLE_STYLE_BOX ">");
    table_dot(&html, run_state_name(state));
    buf_printf(&html, "<b>%s</b> ", render_state(state));
    buf_puts_html(&html, title);
    buf_printf(&text, "%s: %s", title, render_state(state));
    if (progress != NULL && *progress != '\0') {
        buf_puts(&html, " <span " TABLE_STYLE_DIM ">");
        buf_puts_html(&html, progress);
        buf_puts(&html, "</span>");
        buf_printf(&text, " (%s)", progress);
    }
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

/* --- facts ------------------------------------------------------------------------------------ */

static void add_times(struct table *facts, const struct run *run)
{
    AUTO_FREE char *created = render_time(run->created_us);
    AUTO_FREE char *started = render_time(run->started_us);
    AUTO_FREE char *ended = render_time(run->ended_us);
    int64_t until = run->ended_us > 0 ? run->ended_us : clock_now();
    AUTO_FREE char *took = run->started_us > 0 ? clock_duration(until - run->started_us) : NULL;
    AUTO_FREE char *waited =
        run->started_us > 0 ? clock_duration(run->started_us - run->created_us) : NULL;
    table_fact(facts, "submitted", created);
    table_fact(facts, "started", started);
    table_fact(facts, "ended", ended);
    if (took != NULL)
        table_factf(facts, "duration", "%s, after %s of waiting", took, waited);
}

/* How the process ended, where the reason does not say it already. */
static void add_process(struct table *facts, const struct run_view *view)
{
    const struct process_status *process = view->process;
    if (process == NULL || (process->state != PROCESS_ENDED && process->state != PROCESS_LOST))
        return;
    AUTO_FREE char *how = process_status_text(process);
    bool said = view->run->reason != NULL && strcmp(view->run->reason, how) == 0;
    if (!said && view->run->state != RUN_COMPLETED)
        table_fact(facts, "process", how);
}

/* What the cell's line about the run does not say. */
static void add_outcome(struct table *facts, const struct run_view *view)
{
    table_fact(facts, "reason", view->run->reason);
    add_process(facts, view);
    add_times(facts, view->run);
}

static void add_facts(struct table *facts, const struct run_view *view)
{
    const struct run *run = view->run;
    AUTO_FREE char *environment = environment_label(run);
    table_fact(facts, "run", run->id);
    table_fact(facts, "experiment", intent_string(run, "experiment", NULL));
    table_fact(facts, "state", render_state(run->state));
    table_fact(facts, "now", view->progress);
    add_outcome(facts, view);
    table_fact(facts, "compute", intent_string(run, "compute", "name"));
    table_fact(facts, "environment", environment);
}

/* Where to look when this cell's output is all that is left of the notebook. */
static void add_places(struct table *facts, const struct report *report)
{
    const struct run *run = report->view->run;
    AUTO_FREE char *size = file_size_text(report->log_size);
    if (report->log_size > 0)
        table_factf(facts, "log", "%s (%s)", report->log_path, size);
    table_fact(facts, "directory", run->dir);
    table_factf(facts, "look further", "%%logs %s   %%metrics %s   %%outputs %s", run->id, run->id,
                run->id);
}

static void put_table(struct buf *html, struct buf *text, const struct table *table)
{
    table_html(html, table);
    table_text(text, table);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static void put_metrics_text(struct buf *text, const struct metrics *metrics, size_t max)
{
    size_t count = 0;
    const struct metric *items = metrics != NULL ? metrics_items(metrics, &count) : NULL;
    if (count > 0)
        buf_puts(text, "metrics\n");
    for (size_t i = 0; i < count && i < max; i++) {
        char last[CHART_NUMBER_SIZE];
        char min[CHART_NUMBER_SIZE];
        char max_value[CHART_NUMBER_SIZE];
        buf_printf(text, "  %-16s %-10s ", items[i].name, chart_number(items[i].last, last));
        chart_sparkline(text, &items[i], SPARKLINE_WIDTH);
        buf_printf(text, "  min %s, max %s, %zu point%s\n", chart_number(items[i].min, min),
                   chart_number(items[i].max, max_value), items[i].seen,
                   items[i].seen == 1 ? "" : "s");
    }
    if (count > max)
        buf_printf(text, "  and %zu more metrics\n", count - max);
}

json_t *render_metrics(const char *id, const struct metrics *metrics)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    size_t count;
    metrics_items(metrics, &count);
    buf_puts(&html, "<div " TABLE_STYLE_BOX ">");
    if (count == 0) {
        buf_puts_html(&html, id);
        buf_puts(&html, " has no metrics yet: print lines like <code>loss=0.12</code>, or write "
                        "metrics.jsonl");
        buf_printf(&text,
                   "%s has no metrics yet: print lines like loss=0.12, or write metrics.jsonl", id);
    }
    panel_metrics(&html, id, metrics, CHARTS_ALL);
    put_metrics_text(&text, metrics, CHARTS_ALL);
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

/* --- outputs ---------------------------------------------------------------------------------- */

/* report_read_outputs() lists one file more than is shown, to know that there are more. */
static void put_outputs(struct buf *html, struct buf *text, const struct report *report, size_t max)
{
    static const char *const titles[] = {"output", "size", NULL};
    AUTO_TABLE struct table table;
    size_t count = json_array_size(report->outputs);
    table_init(&table, titles);
    for (size_t i = 0; i < count && i < max; i++) {
        const json_t *output = json_array_get(report->outputs, i);
        AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(output, "size", 0));
        table_add(&table, json_get_string(output, "path", ""));
        table_add(&table, size);
    }
    if (count > max) {
        table_addf(&table, "and more (%s%zu in all)", count > REPORT_OUTPUTS_MAX ? "over " : "",
                   count > REPORT_OUTPUTS_MAX ? (size_t)REPORT_OUTPUTS_MAX : count);
        table_add(&table, "");
    }
    if (count > 0)
        put_table(html, text, &table);
}

json_t *render_outputs(const struct report *report)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_TABLE struct table facts;
    table_init(&facts, NULL);
    buf_puts(&html, "<div " TABLE_STYLE_BOX ">");
    if (json_array_size(report->outputs) == 0)
        table_factf(&facts, "outputs", "%s has none: what the script writes below outputs/ is kept",
                    report->view->run->id);
    put_outputs(&html, &text, report, REPORT_OUTPUTS_MAX);
    panel_pictures(&html, report);
    table_factf(&facts, "directory", "%s/outputs", report->view->run->dir);
    put_table(&html, &text, &facts);
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

/* --- whole runs ------------------------------------------------------------------------------- */

/* The end of the output in a box that scrolls, and begins at its end. */
static void put_log(struct buf *html, struct buf *text, const struct report *report)
{
    AUTO_BUF struct buf lines = BUF_INIT;
    size_t count = LOG_LINES_HTML;
    if (report->terminal == NULL)
        return;
    terminal_tail_html(report->terminal, count, &lines);
    while (lines.size > LOG_BYTES_MAX && count > 1) {
        count /= 2;
        buf_clear(&lines);
        terminal_tail_html(report->terminal, count, &lines);
    }
    if (lines.size == 0)
        return;
    buf_puts(html, "<div style=\"max-height:340px;overflow:auto;margin:4px 0;border:solid "
                   "rgba(128,128,128,.35);border-width:1px 0;display:flex;"
                   "flex-direction:column-reverse\"><div>" PANEL_LOG_OPEN);
    if (lines.size <= LOG_BYTES_MAX) /* else it is one line of spans: the file has it */
        buf_append(html, lines.data, lines.size);
    buf_puts(html, PANEL_LOG_CLOSE "</div></div>");
    panel_log_note(html, report);
    buf_puts(text, "the end of the output\n");
    terminal_tail_text(report->terminal, LOG_LINES_TEXT, text);
}

static void put_usage_text(struct buf *text, const struct usage *usage)
{
    double memory = 0;
    double cpu = 0;
    for (size_t i = 0; usage != NULL && i < usage->count; i++) {
        memory = fmax(memory, usage->samples[i].memory_bytes);
        cpu = fmax(cpu, usage->samples[i].cpu_percent);
    }
    if (memory <= 0)
        return;
    AUTO_FREE char *size = file_size_text((unsigned long long)memory);
    buf_printf(text, "used at most %.0f %% of CPU, %s of memory\n", cpu, size);
}

static void put_advice_text(struct buf *text, const struct report *report)
{
    AUTO_STRLIST struct strlist lines = STRLIST_INIT;
    if (report->view->run->state == RUN_FAILED)
        panel_advice(report, &lines);
    for (size_t i = 0; i < lines.count; i++)
        buf_printf(text, "→ %s\n", lines.items[i]);
}

static void put_details(struct buf *html, const struct report *report)
{
    if (report->events == NULL)
        return;
    buf_puts(html, "<details><summary style=\"cursor:pointer;opacity:.65\">Details</summary>");
    panel_details(html, report);
    buf_puts(html, "</details>");
}

json_t *render_summary(const struct report *report)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_BUF struct buf unused = BUF_INIT;
    AUTO_TABLE struct table facts;
    AUTO_TABLE struct table places;
    table_init(&facts, NULL);
    table_init(&places, NULL);
    const struct run *run = report->view->run;
    add_outcome(&facts, report->view);
    add_places(&places, report);
    buf_puts(&html, "<div " TABLE_STYLE_BOX ">");
    panel_head(&html, report);
    panel_usage(&html, report->usage);
    panel_metrics(&html, run->id, report->metrics, PANEL_CHARTS_MAX);
    buf_printf(&text, "%s %s\n", render_state(run->state), run->id);
    table_text(&text, &facts);
    put_advice_text(&text, report);
    put_usage_text(&text, report->usage);
    put_metrics_text(&text, report->metrics, PANEL_CHARTS_MAX);
    put_log(&html, &text, report);
    panel_outputs(&html, report);
    put_outputs(&unused, &text, report, PANEL_OUTPUTS_MAX);
    put_details(&html, report);
    put_table(&html, &text, &places);
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

/* An event is a change of state with a reason, or a remark. */
static void add_event(struct table *table, const json_t *event)
{
    AUTO_FREE char *when = render_time(json_get_time(event, "time"));
    int state = run_state_parse(json_get_string(event, "state", ""));
    const char *note = json_get_string(event, "note", "");
    table_add(table, when);
    table_add(table, state >= 0 ? render_state((enum run_state)state) : "");
    table_add(table, json_get_string(event, "reason", note));
}

json_t *render_details(const struct run_view *view, const json_t *events)
{
    static const char *const titles[] = {"time", "event", "reason", NULL};
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_TABLE struct table facts;
    AUTO_TABLE struct table table;
    size_t i;
    const json_t *event;
    table_init(&facts, NULL);
    table_init(&table, titles);
    add_facts(&facts, view);
    table_fact(&facts, "directory", view->run->dir);
    json_array_foreach (events, i, event)
        add_event(&table, event);
    buf_puts(&html, "<div " TABLE_STYLE_BOX ">");
    put_table(&html, &text, &facts);
    buf_putc(&text, '\n');
    put_table(&html, &text, &table);
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

static void add_run(struct table *table, const json_t *row)
{
    int64_t started = json_get_time(row, "started_at");
    int64_t ended = json_get_time(row, "ended_at");
    AUTO_FREE char *when = render_time(json_get_time(row, "created_at"));
    AUTO_FREE char *took =
        started > 0 ? clock_duration((ended > 0 ? ended : clock_now()) - started) : NULL;
    table_add(table, json_get_string(row, "id", ""));
    table_add(table, json_get_string(row, "experiment", ""));
    table_add(table, json_get_string(row, "state", ""));
    table_add(table, when);
    table_add(table, took);
    table_add(table, json_get_string(row, "compute", ""));
}

json_t *render_runs(const json_t *runs)
{
    static const char *const titles[] = {"run",      "experiment", "state", "submitted",
                                         "duration", "compute",    NULL};
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_TABLE struct table table;
    size_t i;
    const json_t *row;
    table_init(&table, titles);
    table.state_column = 2;
    json_array_foreach (runs, i, row)
        add_run(&table, row);
    buf_puts(&html, "<div " TABLE_STYLE_BOX ">");
    if (table_rows(&table) > 0) {
        put_table(&html, &text, &table);
    } else {
        buf_puts(&html, "no runs here yet: submit one with <code>%%submit</code>");
        buf_puts(&text, "no runs here yet: submit one with %%submit");
    }
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}
