/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of run widgets. What the watch tells is only noted; on_timer() is the one place that draws
 * and sends, when something is dirty and the pace allows it. The timer runs only while something is due:
 * widgets of runs that have ended cost nothing.
 *
 * Life of a widget: live -> ending (its last metrics are read) -> final. It stays until the kernel goes:
 * pages may show it as long as it has comms.
 */
#include "magics/run_widget.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "magics/displayed.h"
#include "magics/render.h"
#include "magics/run_widget_private.h"

/* A frame redraws what has changed: four a second look live, and leave room for what a click causes. */
#define FRAME_MS 250
#define MESSAGE_MS (1000 / RUN_WIDGET_MESSAGES_PER_S)

/* Jupyter's server passes on 1,000 messages and 1 MB of streams a second: all runs together take a
 * third of it at most. */
#define MESSAGE_MS_OF_ALL 3
#define BYTES_PER_MS_OF_ALL 400

#define TICK_MS 1000                 /* the time a run takes is counted in seconds */
#define SAMPLE_MS 2000               /* as often as the runner samples */
#define METRICS_MS 1000              /* charts grow once a second */
#define LOG_BEGIN_BYTES (128 * 1024) /* of a long log: what is more than a terminal keeps */

/* A notebook with more live runs than this is a table's job (%runs). */
#define RESTORED_MAX 100

/* When pages that came back are told that they are live: a page with a hundred widgets takes seconds to
 * make them, and one that is frozen never knows. */
static const uint64_t settle_after_ms[] = {1000, 3000, 10000, 30000};

/* A cell's output that shows the run. */
struct run_display {
    struct run_display *next;
    struct outlet *outlet;
    char *line_id, *view_id;
    bool stays_widget; /* the run had ended when it was shown */
    void (*ended)(enum run_state state, const char *reason, void *data);
    void *data;
};

/* --- the pace --------------------------------------------------------------------------------- */

static void spend(struct pace *pace, uint64_t now, uint64_t cost_ms)
{
    pace->free_at_ms = (pace->free_at_ms > now ? pace->free_at_ms : now) + cost_ms;
}

/* When the widget wants a frame; UINT64_MAX for never. */
static uint64_t due_at(const struct run_widget *widget)
{
    uint64_t next = UINT64_MAX;
    if (widget->dirty)
        next = 0;
    else if (!widget->final)
        next = widget->next_tick_ms;
    return next > widget->pace.free_at_ms ? next : widget->pace.free_at_ms;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void on_timer(uv_timer_t *timer);

static void schedule(struct run_widget_set *set)
{
    uint64_t now = uv_now(set->loop);
    uint64_t next = UINT64_MAX;
    for (const struct run_widget *widget = set->first; widget != NULL; widget = widget->next)
        next = min_u64(next, due_at(widget));
    if (next != UINT64_MAX && next < set->pace.free_at_ms)
        next = set->pace.free_at_ms;
    for (size_t i = 0; i < ARRAY_SIZE(set->settle_ms); i++)
        if (set->settle_ms[i] != 0)
            next = min_u64(next, set->settle_ms[i]);
    if (next == UINT64_MAX)
        uv_timer_stop(&set->timer);
    else
        uv_timer_start(&set->timer, on_timer, next > now ? next - now : 0, 0);
}

void run_widget_touch(struct run_widget *widget)
{
    if (widget->dirty)
        return;
    widget->dirty = true;
    schedule(widget->set);
}

/* --- the model -------------------------------------------------------------------------------- */

static void update_view(struct run_widget *widget)
{
    widget->view.run = widget->run;
    widget->view.process = &widget->process;
    widget->view.progress = widget->progress;
}

/* What stands in the run's own files; what cannot be read stays as it was. */
static void reload(struct run_widget *widget)
{
    struct run *run;
    struct process_status process = PROCESS_STATUS_INIT;
    if (submission_run(widget->set->submission, widget->id, &run, &process, NULL) < 0)
        return;
    run_free(widget->run);
    process_status_done(&widget->process);
    widget->run = run;
    widget->process = process;
}

void run_widget_report(const struct run_widget *widget, struct report *report)
{
    *report = widget->outputs;
    report->view = &widget->view;
    report->metrics = widget->metrics;
    report->usage = &widget->usage;
    report->terminal = widget->terminal;
    report->log_size = widget->view.log_size;
    report->now_us = clock_now();
}

/* What is looked at now and then, and only while somebody could see it change. */
static void sample(struct run_widget *widget, uint64_t now)
{
    if (widget->metrics_log_size != widget->view.log_size && now >= widget->next_metrics_ms) {
        widget->metrics_log_size = widget->view.log_size;
        widget->next_metrics_ms = now + METRICS_MS;
        metrics_follow_read(widget->reader);
    }
    if (now < widget->next_sample_ms)
        return;
    widget->next_sample_ms = now + SAMPLE_MS;
    usage_read(widget->run->dir, &widget->usage, NULL);
    report_read_outputs(&widget->outputs, widget->run);
}

/* --- what is told about the run ----------------------------------------------------------------- */

static void show_line(struct run_widget *widget, struct run_display *display, bool first);

static void on_changed(const struct run_view *view, void *data)
{
    struct run_widget *widget = data;
    bool other_state = view->run->state != widget->run->state;
    if (other_state)
        reload(widget);
    widget->run->state = view->run->state; /* also when the disk cannot say it */
    replace(&widget->run->reason, xstrdup_or_null(view->run->reason));
    replace(&widget->progress, xstrdup_or_null(view->progress));
    widget->view = *view;
    update_view(widget);
    for (struct run_display *at = widget->displays; other_state && at != NULL; at = at->next)
        show_line(widget, at, false);
    run_widget_touch(widget);
}

static void on_build_log(const char *bytes, size_t size, void *data)
{
    struct run_widget *widget = data;
    terminal_feed(widget->terminal, bytes, size);
    run_widget_touch(widget);
}

static void take_output(struct run_widget *widget, const char *bytes, size_t size)
{
    widget->view.log_size += size;
    if (widget->in_mid_line) {
        const char *newline = memchr(bytes, '\n', size);
        widget->in_mid_line = newline == NULL;
        size_t skipped = newline != NULL ? (size_t)(newline + 1 - bytes) : size;
        bytes += skipped;
        size -= skipped;
    }
    terminal_feed(widget->terminal, bytes, size);
}

static void on_output(const char *bytes, size_t size, void *data)
{
    struct run_widget *widget = data;
    take_output(widget, bytes, size);
    run_widget_touch(widget);
}

/* Its last metrics are read before it is final: the script may have written them as it ended. */
static void on_ended(const struct run_view *view, void *data)
{
    struct run_widget *widget = data;
    on_changed(view, data);
    reload(widget);
    update_view(widget);
    watch_close(steal(&widget->watch));
    widget->ended = true;
    widget->next_sample_ms = 0;
    metrics_follow_read(widget->reader);
}

static void on_metrics(const struct metrics *metrics, bool complete, void *data)
{
    struct run_widget *widget = data;
    widget->metrics = metrics;
    widget->final = widget->ended && complete;
    run_widget_touch(widget);
}

/* --- displays ----------------------------------------------------------------------------------- */

/* The output that is no widget: what a reader needs when nobody answers for the widget any more. */
static void show_line(struct run_widget *widget, struct run_display *display, bool first)
{
    AUTO_FREE char *title = render_title(widget->run);
    AUTO_FREE char *when = render_time(clock_now());
    AUTO_FREE char *now = xasprintf("as of %s · %%attach %s shows it live again", when, widget->id);
    bool final = run_state_is_final(widget->run->state);
    json_t *bundle = render_line(title, widget->run->state, final ? widget->run->reason : now);
    if (first)
        outlet_display(display->outlet, bundle, display->line_id);
    else
        outlet_update_display(display->outlet, bundle, display->line_id);
}

static json_t *draw_twin(const struct run_widget *widget)
{
    struct report report;
    AUTO_JSON json_t *events = run_events(widget->run, NULL);
    run_widget_report(widget, &report);
    report.events = events;
    return render_summary(&report);
}

static void free_display(struct run_display *display)
{
    outlet_unref(display->outlet);
    free(display->line_id);
    free(display->view_id);
    free(display);
}

/* The run is over: who waits is told, and outputs that showed it live become what stays. */
static void end_displays(struct run_widget *widget)
{
    while (widget->displays != NULL) {
        struct run_display *display = widget->displays;
        widget->displays = display->next;
        if (!display->stays_widget)
            outlet_update_display(display->outlet, draw_twin(widget), display->view_id);
        if (display->ended != NULL)
            display->ended(widget->run->state, widget->run->reason, display->data);
        free_display(display);
    }
}

void run_display_leave(struct run_display *display)
{
    display->ended = NULL;
}

/* A text twin stands beside the view for what cannot draw it. */
static void show_view(struct run_widget *widget, struct run_display *display)
{
    json_t *bundle = draw_twin(widget);
    model_view(widget->parts[PART_ROOT], bundle);
    outlet_display(display->outlet, bundle, display->view_id);
}

static void note_displayed(const struct run_widget *widget, const char *below)
{
    const struct submission *submission = widget->set->submission;
    displayed_note(submission_home(submission), submission_directory(submission), widget->id,
                   below);
}

struct run_display *run_widget_show(struct run_widget_set *set,
                                    const struct run_widget_options *options, struct error *err)
{
    struct run_widget *widget = run_widget_get(set, options->run_id, err);
    if (widget == NULL)
        return NULL;
    struct run_display *display = xcalloc(1, sizeof *display);
    unsigned long long number = ++set->displays;
    display->outlet = outlet_ref(options->outlet);
    display->line_id = options->line_id != NULL ? xstrdup(options->line_id)
                                                : xasprintf("skiff-%s-%llu", widget->id, number);
    display->view_id = xasprintf("skiff-%s-%llu-view", widget->id, number);
    display->stays_widget = run_state_is_final(widget->run->state);
    display->ended = options->ended;
    display->data = options->data;
    display->next = widget->displays;
    widget->displays = display;
    show_line(widget, display, options->line_id == NULL);
    run_widget_draw(widget);
    if (!widget->opened || !model_is_open(widget->parts[PART_ROOT]))
        run_widget_open_models(widget, display->outlet);
    show_view(widget, display);
    note_displayed(widget, NULL);
    run_widget_touch(widget);
    return display;
}

struct model *run_widget_root(struct run_widget_set *set, const char *run_id, struct error *err)
{
    struct run_widget *widget = run_widget_get(set, run_id, err);
    if (widget == NULL)
        return NULL;
    run_widget_draw(widget);
    if (!widget->opened || !model_is_open(widget->parts[PART_ROOT]))
        run_widget_open_models(widget, NULL);
    run_widget_touch(widget);
    return widget->parts[PART_ROOT];
}

static int put_below(struct run_widget *widget, struct run_widget *child, struct error *err)
{
    if (widget->again_count == RUN_WIDGET_RERUNS_MAX) {
        error_set(err, ERROR_LIMIT, "run %s was made; %d reruns are shown here already", child->id,
                  RUN_WIDGET_RERUNS_MAX);
        return error_hint(err, "show it with %%attach %s", child->id);
    }
    widget->again[widget->again_count++] = child;
    return 0;
}

int run_widget_add_rerun(struct run_widget *widget, const char *run_id, struct error *err)
{
    struct run_widget *child = run_widget_get(widget->set, run_id, err);
    if (child == NULL || put_below(widget, child, err) != 0)
        return -1;
    run_widget_draw(child);
    run_widget_open_models(child, NULL);
    run_widget_touch(child);
    note_displayed(child, widget->id);
    return 0;
}

/* --- frames ------------------------------------------------------------------------------------- */

static void frame(struct run_widget *widget, uint64_t now)
{
    size_t bytes = 0;
    sample(widget, now);
    widget->dirty = false;
    widget->next_tick_ms = now + TICK_MS;
    run_widget_draw(widget);
    size_t messages = run_widget_flush(widget, &bytes);
    spend(&widget->pace, now, messages * MESSAGE_MS > FRAME_MS ? messages * MESSAGE_MS : FRAME_MS);
    spend(&widget->set->pace, now, messages * MESSAGE_MS_OF_ALL + bytes / BYTES_PER_MS_OF_ALL);
    if (widget->final)
        end_displays(widget); /* may run the next cell */
}

/* The one that has waited longest, among those that are due. */
static struct run_widget *next_due(const struct run_widget_set *set, uint64_t now)
{
    struct run_widget *found = NULL;
    for (struct run_widget *at = set->first; at != NULL; at = at->next)
        if (due_at(at) <= now && (found == NULL || at->pace.free_at_ms < found->pace.free_at_ms))
            found = at;
    return found;
}

static void settle(struct run_widget_set *set, uint64_t now)
{
    for (size_t i = 0; i < ARRAY_SIZE(set->settle_ms); i++) {
        if (set->settle_ms[i] == 0 || set->settle_ms[i] > now)
            continue;
        set->settle_ms[i] = 0;
        for (struct run_widget *at = set->first; at != NULL; at = at->next)
            run_widget_settle(at);
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct run_widget_set *set = timer->data;
    uint64_t now = uv_now(set->loop);
    settle(set, now);
    while (set->pace.free_at_ms <= now) {
        struct run_widget *widget = next_due(set, now);
        if (widget == NULL)
            break;
        frame(widget, now);
    }
    schedule(set);
}

/* --- life of a widget ----------------------------------------------------------------------------- */

static void free_widget(struct run_widget *widget)
{
    watch_close(widget->watch);
    metrics_follow_close(widget->reader);
    metrics_free(widget->first_metrics);
    while (widget->displays != NULL) {
        struct run_display *display = widget->displays;
        widget->displays = display->next;
        free_display(display);
    }
    run_widget_free_models(widget);
    run_free(widget->run);
    process_status_done(&widget->process);
    terminal_free(widget->terminal);
    usage_done(&widget->usage);
    report_done(&widget->outputs);
    free(widget->progress);
    free(widget->trouble);
    free(widget->id);
    free(widget);
}

/* The end of what is there, now: a page that asks for the widget has it at once, however long the log
 * is. From its first whole line on. */
static void read_log(struct run_widget *widget)
{
    AUTO_FREE char *path = run_path(widget->run, RUN_LOG);
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    AUTO_BUF struct buf bytes = BUF_INIT;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return;
    off_t from = st.st_size > LOG_BEGIN_BYTES ? st.st_size - LOG_BEGIN_BYTES : 0;
    ssize_t got = pread(fd, buf_reserve(&bytes, LOG_BEGIN_BYTES), LOG_BEGIN_BYTES, from);
    if (got <= 0)
        return;
    widget->in_mid_line = from > 0;
    widget->view.log_size = (uint64_t)from;
    take_output(widget, bytes.data, (size_t)got);
}

/* A page that is frozen after a restart is told once. */
static void read_metrics(struct run_widget *widget)
{
    AUTO_FREE char *path = run_path(widget->run, "metrics.jsonl");
    struct stat st;
    bool small = stat(path, &st) != 0 || st.st_size <= LOG_BEGIN_BYTES;
    if (small && widget->view.log_size <= LOG_BEGIN_BYTES &&
        metrics_read(widget->run->dir, &widget->first_metrics, NULL) == 0)
        widget->metrics = widget->first_metrics;
}

static int follow(struct run_widget *widget, struct error *err)
{
    static const struct watch_callbacks callbacks = {
        .changed = on_changed, .build_log = on_build_log, .output = on_output, .ended = on_ended};
    struct submission *submission = widget->set->submission;
    read_log(widget);
    read_metrics(widget);
    widget->reader = metrics_follow_new(submission, widget->run->dir, on_metrics, widget);
    widget->watch =
        submission_watch(submission, widget->id, widget->view.log_size, &callbacks, widget, err);
    return widget->watch != NULL ? 0 : -1;
}

static struct run_widget *find_widget(struct run_widget_set *set, const char *run_id)
{
    struct run_widget *widget = set->first;
    while (widget != NULL && strcmp(widget->id, run_id) != 0)
        widget = widget->next;
    return widget;
}

struct run_widget *run_widget_get(struct run_widget_set *set, const char *run_id, struct error *err)
{
    struct run_widget *widget = find_widget(set, run_id);
    if (widget != NULL)
        return widget;
    widget = xcalloc(1, sizeof *widget);
    widget->set = set;
    widget->id = xstrdup(run_id);
    widget->terminal = terminal_new();
    widget->process = (struct process_status)PROCESS_STATUS_INIT;
    if (submission_run(set->submission, run_id, &widget->run, &widget->process, err) < 0 ||
        follow(widget, err) != 0) {
        free_widget(widget);
        return NULL;
    }
    update_view(widget);
    run_widget_make_models(widget);
    sample(widget, uv_now(set->loop));
    widget->next = set->first;
    set->first = widget;
    return widget;
}

/* --- the set -------------------------------------------------------------------------------------- */

struct run_widget_set *run_widget_set_new(uv_loop_t *loop, struct submission *submission,
                                          const struct run_widget_python *python)
{
    struct run_widget_set *set = xcalloc(1, sizeof *set);
    set->loop = loop;
    set->submission = submission;
    set->python = *python;
    uv_timer_init(loop, &set->timer);
    set->timer.data = set;
    return set;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void run_widget_set_free(struct run_widget_set *set)
{
    if (set == NULL)
        return;
    while (set->first != NULL) {
        struct run_widget *widget = set->first;
        set->first = widget->next;
        free_widget(widget);
    }
    uv_close((uv_handle_t *)&set->timer, on_closed);
}

void run_widget_set_serve(struct run_widget_set *set, struct server *server)
{
    set->server = server;
}

/* Runs that are gone, or that cannot be read, are left out: their views say "model not found". */
static void bring_back(struct run_widget_set *set)
{
    AUTO_JSON json_t *entries = displayed_read(submission_home(set->submission),
                                               submission_directory(set->submission), RESTORED_MAX);
    for (size_t i = json_array_size(entries); i > 0; i--) {
        AUTO_ERROR struct error err = ERROR_INIT;
        const json_t *entry = json_array_get(entries, i - 1);
        const char *id = json_get_string(entry, "run", "");
        struct run_widget *widget = run_widget_get(set, id, &err);
        struct run_widget *above = find_widget(set, json_get_string(entry, "below", ""));
        if (widget == NULL)
            log_debug("the widget of run %s: %s", id, err.text);
        else if (above != NULL && above->run->created_us < widget->run->created_us)
            put_below(above, widget, NULL); /* never in a circle, whatever the list says */
    }
}

void run_widget_set_restore(struct run_widget_set *set)
{
    uint64_t now = uv_now(set->loop);
    if (!set->restored)
        bring_back(set);
    set->restored = true;
    for (struct run_widget *at = set->first; at != NULL; at = at->next) {
        size_t bytes = 0;
        run_widget_draw(at);
        run_widget_flush(at, &bytes); /* to the pages there are: the new one is told the whole */
        run_widget_restore_models(at);
    }
    for (size_t i = 0; set->first != NULL && i < ARRAY_SIZE(set->settle_ms); i++)
        set->settle_ms[i] = now + settle_after_ms[i];
    schedule(set);
}
