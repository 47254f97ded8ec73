/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The models of a run widget and what is in them. Drawing sets what is to be seen; a model notices by
 * itself what has changed, and only that is sent.
 *
 *   root ─ note box ─ note (only after a restart)
 *        ├ head
 *        ├ bar box ─ bar (only while the share that is done is known)
 *        ├ buttons ─ those that apply
 *        ├ body ─ usage, metrics, log ─ lines ─ blocks, log note, outputs, details: those that have something
 *        └ again ─ the root of the run that Rerun made
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "magics/panel.h"
#include "magics/render.h"
#include "magics/run_widget_private.h"

static const struct {
    enum model_kind kind;
    const char *name; /* ends the model's id */
} parts[PARTS] = {
    [PART_LOG_LAYOUT] = {MODEL_LAYOUT, "log-layout"},
    [PART_LINES_LAYOUT] = {MODEL_LAYOUT, "lines-layout"},
    [PART_BAR_LAYOUT] = {MODEL_LAYOUT, "bar-layout"},
    [PART_NOTE] = {MODEL_HTML, "note"},
    [PART_NOTE_BOX] = {MODEL_VBOX, "note-box"},
    [PART_HEAD] = {MODEL_HTML, "head"},
    [PART_BAR] = {MODEL_PROGRESS, "bar"},
    [PART_BAR_BOX] = {MODEL_VBOX, "bar-box"},
    [PART_CANCEL] = {MODEL_BUTTON, "cancel"},
    [PART_SURE] = {MODEL_BUTTON, "sure"},
    [PART_KEEP] = {MODEL_BUTTON, "keep"},
    [PART_RERUN] = {MODEL_BUTTON, "rerun"},
    [PART_DETAILS_BUTTON] = {MODEL_BUTTON, "details-button"},
    [PART_BUTTONS] = {MODEL_HBOX, "buttons"},
    [PART_USAGE] = {MODEL_HTML, "usage"},
    [PART_METRICS] = {MODEL_HTML, "metrics"},
    [PART_LOG_LINES] = {MODEL_VBOX, "log-lines"},
    [PART_LOG] = {MODEL_BOX, "log"},
    [PART_LOG_NOTE] = {MODEL_HTML, "log-note"},
    [PART_OUTPUTS] = {MODEL_HTML, "outputs"},
    [PART_DETAILS] = {MODEL_HTML, "details"},
    [PART_BODY] = {MODEL_VBOX, "body"},
    [PART_AGAIN] = {MODEL_VBOX, "again"},
    [PART_ROOT] = {MODEL_VBOX, "root"},
};

static void set(struct model *model, const char *key, const char *text)
{
    model_set(model, key, json_string(text));
}

/* --- made once -------------------------------------------------------------------------------- */

/* Without icons: their letters would be read aloud. */
static void dress_button(struct model *button, const char *text, const char *style,
                         const char *tooltip)
{
    set(button, "description", text);
    set(button, "button_style", style);
    set(button, "tooltip", tooltip);
}

/* The lines are as high as they need and the box is not: it scrolls, and by its reversed direction it
 * stays at the end until somebody scrolls up. */
static void lay_out_log(struct run_widget *widget)
{
    struct model *layout = widget->parts[PART_LOG_LAYOUT];
    set(layout, "display", "flex");
    set(layout, "flex_flow", "column-reverse nowrap");
    set(layout, "max_height", "340px");
    set(layout, "overflow", "auto");
    set(layout, "border_top", "1px solid var(--jp-border-color2, rgba(128,128,128,.3))");
    set(layout, "border_bottom", "1px solid var(--jp-border-color2, rgba(128,128,128,.3))");
    set(layout, "margin", "4px 2px");
    model_set_model(widget->parts[PART_LOG], "layout", layout);
    layout = widget->parts[PART_LINES_LAYOUT];
    set(layout, "flex", "0 0 auto");
    set(layout, "overflow", "visible");
    model_set_model(widget->parts[PART_LOG_LINES], "layout", layout);
    model_set_children(widget->parts[PART_LOG], &widget->parts[PART_LOG_LINES], 1);
}

static void lay_out_bar(struct run_widget *widget)
{
    struct model *layout = widget->parts[PART_BAR_LAYOUT];
    set(layout, "width", "calc(100% - 4px)");
    set(layout, "height", "14px");
    model_set_model(widget->parts[PART_BAR], "layout", layout);
    model_set(widget->parts[PART_BAR], "max", json_real(1));
}

void run_widget_make_models(struct run_widget *widget)
{
    for (size_t i = 0; i < PARTS; i++) {
        AUTO_FREE char *id = xasprintf("skiff-%s-%s", widget->id, parts[i].name);
        widget->parts[i] = model_new(parts[i].kind, id, &run_widget_buttons, widget);
    }
    lay_out_log(widget);
    lay_out_bar(widget);
    dress_button(widget->parts[PART_CANCEL], "Cancel", "", "End this run");
    dress_button(widget->parts[PART_SURE], "Cancel the run", "danger",
                 "Send SIGTERM, and SIGKILL when it does not end");
    dress_button(widget->parts[PART_KEEP], "Keep running", "", "Do not cancel");
    dress_button(widget->parts[PART_RERUN], "Rerun", "",
                 "Run the same code with the same definition again");
    struct model *const root[] = {widget->parts[PART_NOTE_BOX], widget->parts[PART_HEAD],
                                  widget->parts[PART_BAR_BOX],  widget->parts[PART_BUTTONS],
                                  widget->parts[PART_BODY],     widget->parts[PART_AGAIN]};
    model_set_children(widget->parts[PART_NOTE_BOX], NULL, 0);
    model_set_children(widget->parts[PART_ROOT], root, ARRAY_SIZE(root));
}

void run_widget_free_models(struct run_widget *widget)
{
    for (size_t i = 0; i < PARTS; i++)
        model_free(widget->parts[i]);
    for (size_t i = 0; i < TERMINAL_BLOCKS_MAX; i++)
        model_free(widget->blocks[i]);
}

/* --- drawn again and again -------------------------------------------------------------------- */

static void set_html(struct run_widget *widget, enum part part, const struct buf *html)
{
    model_set_text(widget->parts[part], "value", html->data, html->size);
}

/* A block's model is used again for a later block when its own was dropped. */
static struct model *block_model(struct run_widget *widget, uint64_t block)
{
    struct model **slot = &widget->blocks[block % TERMINAL_BLOCKS_MAX];
    if (*slot != NULL)
        return *slot;
    AUTO_FREE char *id =
        xasprintf("skiff-%s-block-%u", widget->id, (unsigned)(block % TERMINAL_BLOCKS_MAX));
    *slot = model_new(MODEL_HTML, id, NULL, NULL);
    if (widget->opened)
        model_open(*slot, widget->set->server, NULL);
    return *slot;
}

static void draw_block(struct run_widget *widget, uint64_t block)
{
    AUTO_BUF struct buf html = BUF_INIT;
    uint64_t version = terminal_version(widget->terminal, block);
    struct model *model = block_model(widget, block);
    if (widget->block_versions[block % TERMINAL_BLOCKS_MAX] == version)
        return;
    widget->block_versions[block % TERMINAL_BLOCKS_MAX] = version;
    buf_puts(&html, PANEL_LOG_OPEN);
    terminal_html(widget->terminal, block, &html);
    buf_puts(&html, PANEL_LOG_CLOSE);
    model_set_text(model, "value", html.data, html.size);
}

static void draw_log(struct run_widget *widget)
{
    struct model *lines[TERMINAL_BLOCKS_MAX];
    size_t count = 0;
    uint64_t first;
    uint64_t end;
    terminal_blocks(widget->terminal, &first, &end);
    for (uint64_t block = first; block < end; block++) {
        draw_block(widget, block);
        lines[count++] = block_model(widget, block);
    }
    model_set_children(widget->parts[PART_LOG_LINES], lines, count);
}

static void draw_bar(struct run_widget *widget, const struct report *report)
{
    double fraction = 0;
    bool known = panel_progress(report, &fraction);
    struct model *bar = widget->parts[PART_BAR];
    model_set(bar, "value", json_real(fraction));
    model_set_children(widget->parts[PART_BAR_BOX], &bar, known ? 1 : 0);
}

static void draw_buttons(struct run_widget *widget)
{
    struct model **part = widget->parts;
    bool over = run_state_is_final(widget->run->state);
    bool can_cancel = !over && widget->run->state != RUN_CANCEL_REQUESTED;
    struct model *const buttons[] = {
        can_cancel && !widget->asks_cancel ? part[PART_CANCEL] : NULL,
        can_cancel && widget->asks_cancel ? part[PART_SURE] : NULL,
        can_cancel && widget->asks_cancel ? part[PART_KEEP] : NULL,
        over ? part[PART_RERUN] : NULL,
        part[PART_DETAILS_BUTTON],
    };
    dress_button(part[PART_DETAILS_BUTTON], widget->shows_details ? "Hide details" : "Details", "",
                 "Definition, snapshot, environment, every state with its time");
    model_set(part[PART_RERUN], "disabled", json_boolean(widget->rerun != NULL));
    model_set_children(part[PART_BUTTONS], buttons, ARRAY_SIZE(buttons));
}

static void draw_head(struct run_widget *widget, const struct report *report)
{
    AUTO_BUF struct buf html = BUF_INIT;
    panel_head(&html, report);
    if (widget->trouble != NULL) {
        buf_puts(&html, "<div><b>Error</b> ");
        buf_puts_html(&html, widget->trouble);
        buf_puts(&html, "</div>");
    }
    set_html(widget, PART_HEAD, &html);
}

/* Events are read from the disk: only while they are shown. */
static bool draw_details(struct run_widget *widget, struct report *report)
{
    AUTO_BUF struct buf html = BUF_INIT;
    if (!widget->shows_details)
        return false;
    AUTO_JSON json_t *events = run_events(widget->run, NULL);
    report->events = events;
    panel_details(&html, report);
    set_html(widget, PART_DETAILS, &html);
    return true;
}

/* Draws a piece; true when there is something in it. */
static bool draw_piece(struct run_widget *widget, enum part part, const struct report *report)
{
    AUTO_BUF struct buf html = BUF_INIT;
    switch (part) {
    case PART_USAGE:
        panel_usage(&html, report->usage);
        break;
    case PART_METRICS:
        panel_metrics(&html, widget->id, report->metrics, PANEL_CHARTS_MAX);
        break;
    case PART_LOG_NOTE:
        panel_log_note(&html, report);
        break;
    default:
        panel_outputs(&html, report);
        break;
    }
    if (html.size > 0)
        set_html(widget, part, &html);
    return html.size > 0;
}

static void draw_body(struct run_widget *widget, struct report *report)
{
    struct model **part = widget->parts;
    bool usage = draw_piece(widget, PART_USAGE, report);
    bool metrics = draw_piece(widget, PART_METRICS, report);
    bool outputs = draw_piece(widget, PART_OUTPUTS, report);
    bool details = draw_details(widget, report);
    uint64_t first;
    uint64_t end;
    terminal_blocks(widget->terminal, &first, &end);
    bool log = end > first;
    bool note = log && draw_piece(widget, PART_LOG_NOTE, report);
    struct model *const body[] = {
        usage ? part[PART_USAGE] : NULL,     metrics ? part[PART_METRICS] : NULL,
        log ? part[PART_LOG] : NULL,         note ? part[PART_LOG_NOTE] : NULL,
        outputs ? part[PART_OUTPUTS] : NULL, details ? part[PART_DETAILS] : NULL,
    };
    model_set_children(part[PART_BODY], body, ARRAY_SIZE(body));
}

void run_widget_draw(struct run_widget *widget)
{
    struct report report;
    run_widget_report(widget, &report);
    draw_log(widget);
    draw_head(widget, &report);
    draw_bar(widget, &report);
    draw_buttons(widget);
    draw_body(widget, &report);
    struct model *again[RUN_WIDGET_RERUNS_MAX];
    for (size_t i = 0; i < widget->again_count; i++)
        again[i] = widget->again[i]->parts[PART_ROOT];
    model_set_children(widget->parts[PART_AGAIN], again, widget->again_count);
}

/* --- sent ------------------------------------------------------------------------------------- */

static size_t flush(struct model *model, size_t *bytes)
{
    size_t size = model != NULL ? model_flush(model) : 0;
    *bytes += size;
    return size > 0;
}

size_t run_widget_flush(struct run_widget *widget, size_t *bytes)
{
    size_t messages = 0;
    for (size_t i = 0; i < TERMINAL_BLOCKS_MAX; i++)
        messages += flush(widget->blocks[i], bytes);
    for (size_t i = 0; i < PARTS; i++)
        messages += flush(widget->parts[i], bytes);
    return messages;
}

/* What is in a model is open before it is. */
void run_widget_open_models(struct run_widget *widget, const struct outlet *outlet)
{
    struct server *server = widget->set->server;
    for (size_t i = 0; i < widget->again_count; i++)
        run_widget_open_models(widget->again[i], outlet);
    for (size_t i = 0; i < TERMINAL_BLOCKS_MAX; i++)
        if (widget->blocks[i] != NULL)
            model_open(widget->blocks[i], server, outlet);
    for (size_t i = 0; i < PARTS; i++)
        model_open(widget->parts[i], server, outlet);
    widget->opened = true;
}

/* The note is in what a page is told now, and in nothing that follows: where it stays, nothing follows. */
static void restore_note(struct run_widget *widget)
{
    AUTO_FREE char *when = render_time(clock_now());
    AUTO_BUF struct buf html = BUF_INIT;
    panel_as_of(&html, widget->id, when);
    AUTO_JSON json_t *children = json_pack(
        "{s:[o]}", "children", json_sprintf("IPY_MODEL_%s", model_id(widget->parts[PART_NOTE])));
    set_html(widget, PART_NOTE, &html);
    model_restore(widget->parts[PART_NOTE], widget->set->server);
    model_restore_with(widget->parts[PART_NOTE_BOX], widget->set->server, children);
}

/* A block that is opened while a page is being loaded might not reach it: there are all of them then. */
void run_widget_restore_models(struct run_widget *widget)
{
    struct server *server = widget->set->server;
    for (uint64_t block = 0; !widget->final && block < TERMINAL_BLOCKS_MAX; block++)
        block_model(widget, block);
    for (size_t i = 0; i < TERMINAL_BLOCKS_MAX; i++)
        if (widget->blocks[i] != NULL)
            model_restore(widget->blocks[i], server);
    for (size_t i = 0; i < PARTS; i++)
        if (i != PART_NOTE && i != PART_NOTE_BOX)
            model_restore(widget->parts[i], server);
        else if (i == PART_NOTE_BOX)
            restore_note(widget);
}

void run_widget_settle(struct run_widget *widget)
{
    for (size_t i = 0; i < TERMINAL_BLOCKS_MAX; i++)
        if (widget->blocks[i] != NULL)
            model_repeat(widget->blocks[i]);
    for (size_t i = 0; i < PARTS; i++)
        model_repeat(widget->parts[i]);
    run_widget_touch(widget);
}
