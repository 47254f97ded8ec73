/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Follows a run in an outlet. The watch's callbacks only note what changed; flush() is the one place
 * that sends, at once when nothing was sent lately, else when the timer fires. The timer runs only
 * while something waits: an idle kernel has no wake-ups.
 *
 * Life: started -> (ended -> metrics read ->) closed. `refs` counts the timer's close and a metrics
 * read under way; the last one frees.
 */
#include "magics/run_output.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/strlist.h"
#include "magics/render.h"
#include "magics/shown.h"
#include "magics/stream.h"

/* Two messages a flush (the line, the stream): ten a second. Front ends redraw no faster. */
#define FLUSH_INTERVAL_MS 200

#define TICK_MS 1000 /* a line that draws over itself counts the seconds */
#define BEGIN_LINE "\r\033[K"

struct run_output_set {
    uv_loop_t *loop;
    struct submission *submission;
    struct run_output *first;
    uint64_t displays; /* makes display ids unique in this kernel */
};

struct run_output {
    struct run_output_set *set; /* NULL once closed */
    struct run_output *next;
    struct run_output_options options; /* run_id is owned, outlet referenced */
    struct watch *watch;
    uv_timer_t timer;
    unsigned refs;

    char *title;
    char *dir; /* the run's */
    char *log_path;
    char *display_id;
    enum run_state state;
    char *reason;
    char *progress;
    bool line_shown, line_dirty;
    enum run_state said;   /* text: the state of the last line */
    bool in_mid_line;      /* text: the output shown does not end with a newline */
    int64_t started_us;    /* 0: it has not */
    bool pacing;           /* something was sent just now: what comes waits for the timer */
    bool started_building; /* the build log's headline is out */
    uint64_t first;        /* of the run's log: where this output began */
    uint64_t offset;       /* of the run's log: the first byte not fed yet */
    uint64_t from_build;   /* bytes fed before it that are the build log's */
    struct stream stream;
};

/* --- the set ---------------------------------------------------------------------------------- */

struct run_output_set *run_output_set_new(uv_loop_t *loop, struct submission *submission)
{
    struct run_output_set *set = xcalloc(1, sizeof *set);
    set->loop = loop;
    set->submission = submission;
    return set;
}

/* From here on callbacks that still come (a metrics read, the timer's close) find it closed. */
static void leave_set(struct run_output *output)
{
    struct run_output **link = &output->set->first;
    while (*link != output)
        link = &(*link)->next;
    *link = output->next;
    output->set = NULL;
}

/* --- end of life ------------------------------------------------------------------------------ */

static void unref(struct run_output *output)
{
    if (--output->refs > 0)
        return;
    outlet_unref(output->options.outlet);
    free((char *)(uintptr_t)output->options.run_id);
    free(output->title);
    free(output->dir);
    free(output->log_path);
    free(output->display_id);
    free(output->reason);
    free(output->progress);
    stream_done(&output->stream);
    free(output);
}

static void on_timer_closed(uv_handle_t *handle)
{
    unref(handle->data);
}

static void close_output(struct run_output *output)
{
    if (output->set == NULL)
        return;
    leave_set(output);
    watch_close(output->watch);
    output->watch = NULL;
    uv_close((uv_handle_t *)&output->timer, on_timer_closed);
}

void run_output_set_free(struct run_output_set *set)
{
    if (set == NULL)
        return;
    while (set->first != NULL)
        close_output(set->first);
    free(set);
}

/* --- sending ---------------------------------------------------------------------------------- */

/* What is happening, or why it ended; NULL for nothing. The caller frees it. */
static char *line_text(const struct run_output *output)
{
    if (run_state_is_final(output->state))
        return xstrdup_or_null(output->reason);
    if (!output->stream.full)
        return xstrdup_or_null(output->progress);
    AUTO_FREE char *size = file_size_text(output->stream.total);
    return xasprintf("%s of output so far, whole in %s", size, output->log_path);
}

/* One display per run and cell, updated in place: states do not pile up in the notebook. */
static void show_display(struct run_output *output)
{
    AUTO_FREE char *text = line_text(output);
    json_t *bundle = render_line(output->title, output->state, text);
    if (output->line_shown)
        outlet_update_display(output->options.outlet, bundle, output->display_id);
    else
        outlet_display(output->options.outlet, bundle, output->display_id);
}

/* A line for each state, and none between: what is under way would fill the screen. */
static void say_state(struct run_output *output)
{
    AUTO_FREE char *text = line_text(output);
    AUTO_BUF struct buf line = BUF_INIT;
    if (output->line_shown && output->said == output->state)
        return;
    output->said = output->state;
    buf_printf(&line, "%s%s: %s", output->in_mid_line ? "\n" : "",
               output->line_shown ? output->options.run_id : output->title,
               render_state(output->state));
    if (text != NULL)
        buf_printf(&line, " (%s)", text);
    buf_putc(&line, '\n');
    output->in_mid_line = false;
    outlet_write(output->options.outlet, OUTLET_STDOUT, line.data, line.size);
}

/* The line that draws over itself. */
static void draw_wait(struct run_output *output)
{
    AUTO_FREE char *text = line_text(output);
    AUTO_BUF struct buf line = BUF_INIT;
    buf_printf(&line, BEGIN_LINE "%s: %s", output->options.run_id, render_state(output->state));
    if (output->started_us > 0) {
        AUTO_FREE char *took = clock_duration(clock_now() - output->started_us);
        buf_printf(&line, " %s", took);
    }
    if (text != NULL)
        buf_printf(&line, " (%s)", text);
    if (run_state_is_final(output->state))
        buf_putc(&line, '\n');
    outlet_write(output->options.outlet, OUTLET_STDOUT, line.data, line.size);
}

static void show_line(struct run_output *output)
{
    if (output->options.batch)
        show_display(output);
    else if (output->options.log)
        say_state(output);
    else
        draw_wait(output);
    output->line_shown = true;
    output->line_dirty = false;
}

/* Noted after it was sent: a kernel killed between the two shows some bytes again and loses none. */
static void write_text(struct run_output *output, const struct buf *text)
{
    if (text->size == 0)
        return;
    output->in_mid_line = text->data[text->size - 1] != '\n';
    outlet_write(output->options.outlet, OUTLET_STDOUT, text->data, text->size);
    if (output->stream.shown > output->from_build)
        shown_write(output->dir, output->first + output->stream.shown - output->from_build);
}

static bool has_something(const struct run_output *output)
{
    return output->line_dirty || stream_has(&output->stream);
}

static void flush(struct run_output *output)
{
    AUTO_BUF struct buf text = BUF_INIT;
    if (output->line_dirty)
        show_line(output);
    if (stream_has(&output->stream))
        stream_take(&output->stream, output->log_path, &text);
    write_text(output, &text);
}

static bool counts_seconds(const struct run_output *output)
{
    return !output->options.batch && !output->options.log && !run_state_is_final(output->state);
}

static void on_tick(uv_timer_t *timer);

/* Quiet since the last flush: the next byte goes out at once. */
static void on_timer(uv_timer_t *timer)
{
    struct run_output *output = timer->data;
    output->pacing = has_something(output);
    if (output->pacing) {
        flush(output);
        uv_timer_start(timer, on_timer, FLUSH_INTERVAL_MS, 0);
    } else if (counts_seconds(output)) {
        uv_timer_start(timer, on_tick, TICK_MS, 0);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct run_output *output = timer->data;
    output->line_dirty = true;
    on_timer(timer);
}

static void schedule(struct run_output *output)
{
    if (output->pacing || !has_something(output))
        return;
    flush(output);
    output->pacing = true;
    uv_timer_start(&output->timer, on_timer, FLUSH_INTERVAL_MS, 0);
}

/* The end: everything goes out, whatever the pace. */
static void flush_rest(struct run_output *output)
{
    AUTO_BUF struct buf rest = BUF_INIT;
    uv_timer_stop(&output->timer);
    flush(output);
    stream_finish(&output->stream, &rest);
    write_text(output, &rest);
}

/* --- what the watch tells --------------------------------------------------------------------- */

static bool same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Views come with every slice of output; only a change of what is shown makes a message. */
static void take_view(struct run_output *output, const struct run_view *view)
{
    const char *progress = view->detached && view->progress == NULL
                               ? "another kernel takes it to its start"
                               : view->progress;
    output->started_us = view->run->started_us;
    if (output->line_shown && output->state == view->run->state &&
        same(output->reason, view->run->reason) && same(output->progress, progress))
        return;
    output->state = view->run->state;
    replace(&output->reason, xstrdup_or_null(view->run->reason));
    replace(&output->progress, xstrdup_or_null(progress));
    output->line_dirty = true;
}

static void on_changed(const struct run_view *view, void *data)
{
    struct run_output *output = data;
    take_view(output, view);
    schedule(output);
}

static void on_build_log(const char *bytes, size_t size, void *data)
{
    struct run_output *output = data;
    static const char headline[] = "preparing the environment\n";
    if (!output->started_building)
        stream_feed(&output->stream, headline, sizeof headline - 1);
    output->started_building = true;
    stream_feed(&output->stream, bytes, size);
    output->from_build = output->stream.total;
    schedule(output);
}

static void on_output(const char *bytes, size_t size, void *data)
{
    struct run_output *output = data;
    output->offset += size;
    stream_feed(&output->stream, bytes, size);
    output->line_dirty |= output->stream.full; /* the line counts what is not shown */
    schedule(output);
}

static void show_summary(struct run_output *output, const struct metrics *metrics)
{
    AUTO(run) struct run *run = NULL;
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    if (submission_run(output->set->submission, output->options.run_id, &run, &status, NULL) < 0)
        return; /* the disk does not say more than the line does already */
    struct run_view view = {.run = run, .process = &status, .log_size = output->offset};
    AUTO_USAGE struct usage usage = USAGE_INIT;
    AUTO_JSON json_t *events = run_events(run, NULL);
    AUTO_REPORT struct report report = {.view = &view,
                                        .metrics = metrics,
                                        .usage = &usage,
                                        .events = events,
                                        .now_us = clock_now()};
    usage_read(run->dir, &usage, NULL);
    report_read_outputs(&report, run);
    outlet_display(output->options.outlet, render_summary(&report), NULL);
}

static void on_metrics(const struct metrics *metrics, const struct error *err, void *data)
{
    struct run_output *output = data;
    if (output->set != NULL) {
        show_summary(output, err == NULL ? metrics : NULL);
        close_output(output);
        if (output->options.ended != NULL)
            output->options.ended(output->state, output->reason, output->options.data);
    }
    unref(output);
}

static void on_ended(const struct run_view *view, void *data)
{
    struct run_output *output = data;
    take_view(output, view);
    output->line_dirty |= output->stream.full; /* the count gives way to the reason */
    flush_rest(output);
    watch_close(output->watch);
    output->watch = NULL;
    output->refs++;
    submission_metrics(output->set->submission, output->options.run_id, on_metrics, output);
}

/* --- start and stop --------------------------------------------------------------------------- */

void run_output_stop(struct run_output *output)
{
    flush_rest(output);
    close_output(output);
}

/* The run's output appears once: a cell that shows it now takes it over from another. */
static void take_over(struct run_output_set *set, const char *run_id)
{
    for (struct run_output *other = set->first; other != NULL; other = other->next) {
        if (!other->options.log || strcmp(other->options.run_id, run_id) != 0)
            continue;
        replace(&other->progress, xstrdup("goes on in the cell that attached to it"));
        other->line_dirty = true;
        run_output_stop(other);
        return;
    }
}

static struct run_output *make(struct run_output_set *set, const struct run_output_options *options,
                               const struct run *run)
{
    struct run_output *output = xcalloc(1, sizeof *output);
    output->set = set;
    output->options = *options;
    output->options.run_id = xstrdup(options->run_id);
    output->options.outlet = outlet_ref(options->outlet);
    output->state = run->state;
    output->title = render_title(run);
    output->dir = xstrdup(run->dir);
    output->log_path = run_path(run, RUN_LOG);
    output->display_id = xasprintf("skiff-%s-%llu", run->id, (unsigned long long)++set->displays);
    if (options->log) {
        take_over(set, options->run_id);
        output->first = output->offset = shown_read(run->dir);
    }
    output->refs = 1; /* the timer */
    uv_timer_init(set->loop, &output->timer);
    output->timer.data = output;
    output->next = set->first;
    set->first = output;
    return output;
}

/* What was shown may be in another notebook, or in a page that nobody saved. */
static void say_where_it_goes_on(struct run_output *output)
{
    if (output->first == 0)
        return;
    AUTO_FREE char *size = file_size_text(output->first);
    AUTO_BUF struct buf text = BUF_INIT;
    buf_printf(&text, "[the first %s were shown before: `%%logs %s` shows them again]\n", size,
               output->options.run_id);
    outlet_write(output->options.outlet, OUTLET_STDOUT, text.data, text.size);
}

struct run_output *run_output_start(struct run_output_set *set,
                                    const struct run_output_options *options, struct error *err)
{
    static const struct watch_callbacks with_log = {
        .changed = on_changed, .build_log = on_build_log, .output = on_output, .ended = on_ended};
    static const struct watch_callbacks states_only = {.changed = on_changed, .ended = on_ended};
    AUTO(run) struct run *run = NULL;
    AUTO_PROCESS_STATUS struct process_status status = PROCESS_STATUS_INIT;
    if (submission_run(set->submission, options->run_id, &run, &status, err) < 0)
        return NULL;
    struct run_output *output = make(set, options, run);
    show_line(output);
    say_where_it_goes_on(output);
    output->watch = submission_watch(set->submission, run->id, output->offset,
                                     options->log ? &with_log : &states_only, output, err);
    if (output->watch == NULL) {
        close_output(output);
        return NULL;
    }
    on_timer(&output->timer); /* begins to count */
    return output;
}
