/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The models of a table of runs and what is in them. Drawing sets what is to be seen; a model notices by
 * itself what has changed, and only that is sent.
 *
 *   root ─ note box ─ note (only after a restart)
 *        ├ filters ─ text, state, experiment
 *        ├ body ─ head ─ title, titles
 *        │      ├ lines ─ one of each run: name (a button), facts
 *        │      ├ message (what there is to say)
 *        │      └ pager ─ newer, range, older (when there is another page)
 *        └ area ─ the roots of the runs that were clicked
 *
 * The columns of a row are a grid in its HTML. All are as wide as the titles' because nothing in the
 * grid's template depends on what is in it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "magics/render.h"
#include "magics/runs_widget_private.h"
#include "magics/table.h"

static const struct {
    enum model_kind kind;
    const char *name; /* ends the model's id */
} parts[RUNS_PARTS] = {
    [RUNS_NAME_LAYOUT] = {MODEL_LAYOUT, "name-layout"},
    [RUNS_FACTS_LAYOUT] = {MODEL_LAYOUT, "facts-layout"},
    [RUNS_ROW_LAYOUT] = {MODEL_LAYOUT, "row-layout"},
    [RUNS_TEXT_LAYOUT] = {MODEL_LAYOUT, "text-layout"},
    [RUNS_PICK_LAYOUT] = {MODEL_LAYOUT, "pick-layout"},
    [RUNS_PAGER_LAYOUT] = {MODEL_LAYOUT, "pager-layout"},
    [RUNS_AREA_LAYOUT] = {MODEL_LAYOUT, "area-layout"},
    [RUNS_NAME_STYLE] = {MODEL_BUTTON_STYLE, "name-style"},
    [RUNS_NOTE] = {MODEL_HTML, "note"},
    [RUNS_NOTE_BOX] = {MODEL_VBOX, "note-box"},
    [RUNS_TEXT] = {MODEL_TEXT, "text"},
    [RUNS_STATE] = {MODEL_DROPDOWN, "state"},
    [RUNS_EXPERIMENT] = {MODEL_DROPDOWN, "experiment"},
    [RUNS_FILTERS] = {MODEL_HBOX, "filters"},
    [RUNS_TITLE] = {MODEL_HTML, "title"},
    [RUNS_TITLES] = {MODEL_HTML, "titles"},
    [RUNS_HEAD] = {MODEL_HBOX, "head"},
    [RUNS_LINES] = {MODEL_VBOX, "lines"},
    [RUNS_MESSAGE] = {MODEL_HTML, "message"},
    [RUNS_NEWER] = {MODEL_BUTTON, "newer"},
    [RUNS_OLDER] = {MODEL_BUTTON, "older"},
    [RUNS_RANGE] = {MODEL_HTML, "range"},
    [RUNS_PAGER] = {MODEL_HBOX, "pager"},
    [RUNS_BODY] = {MODEL_VBOX, "body"},
    [RUNS_AREA] = {MODEL_VBOX, "area"},
    [RUNS_ROOT] = {MODEL_VBOX, "root"},
};

/* A line is as high as the button on it. */
#define CELLS_OPEN                                                                \
    "<div style=\"display:grid;column-gap:12px;font-size:13px;line-height:28px;"  \
    "font-variant-numeric:tabular-nums;white-space:nowrap;grid-template-columns:" \
    "minmax(0,4fr) minmax(0,130px) minmax(0,142px) minmax(0,88px) minmax(0,4fr) minmax(0,4fr)"
#define CELL_STYLE "overflow:hidden;text-overflow:ellipsis"

#define ROW_HEIGHT "28px"
#define LINE "1px solid var(--jp-border-color2, rgba(128,128,128,.3))"

static void set(struct model *model, const char *key, const char *text)
{
    model_set(model, key, json_string(text));
}

static void set_html(struct runs_table *table, enum runs_part part, const struct buf *html)
{
    model_set_text(table->parts[part], "value", html->data, html->size);
}

/* --- a row -------------------------------------------------------------------------------------- */

static void put_cell(struct buf *html, const char *text, const char *tooltip)
{
    buf_puts(html, "<span style=\"" CELL_STYLE "\"");
    if (tooltip != NULL && *tooltip != '\0') {
        buf_puts(html, " title=\"");
        buf_puts_html(html, tooltip);
        buf_putc(html, '"');
    }
    buf_putc(html, '>');
    buf_puts_html(html, text);
    buf_puts(html, "</span>");
}

static void put_named_cell(struct buf *html, const json_t *run, const char *key)
{
    const char *text = json_get_string(run, key, "");
    put_cell(html, text, text);
}

/* The state in words, whatever the colour; why, for who points at it. */
static void put_state(struct buf *html, const json_t *run)
{
    const char *name = json_get_string(run, "state", "");
    int state = run_state_parse(name);
    buf_puts(html, "<span style=\"" CELL_STYLE "\" title=\"");
    buf_puts_html(html, json_get_string(run, "reason", ""));
    buf_puts(html, "\">");
    table_dot(html, name);
    buf_puts_html(html, state >= 0 ? render_state((enum run_state)state) : name);
    buf_puts(html, "</span>");
}

/* The zone is the same in every row: it is left to the tooltip. */
static void put_submitted(struct buf *html, const json_t *run)
{
    AUTO_FREE char *when = render_time(json_get_time(run, "created_at"));
    AUTO_FREE char *without_zone = xstrndup(when, strnlen(when, strlen("2026-11-23 01:14:55")));
    put_cell(html, without_zone, when);
}

bool runs_widget_counts(const json_t *run)
{
    return json_get_time(run, "started_at") > 0 && json_get_time(run, "ended_at") == 0;
}

static void put_duration(struct buf *html, const json_t *run, int64_t now_us)
{
    int64_t started = json_get_time(run, "started_at");
    int64_t ended = json_get_time(run, "ended_at");
    AUTO_FREE char *took =
        started > 0 ? clock_duration((ended > 0 ? ended : now_us) - started) : NULL;
    put_cell(html, took != NULL ? took : "", NULL);
}

static void put_titles(struct buf *html)
{
    static const char *const titles[] = {"experiment", "state",   "submitted",
                                         "duration",   "compute", "environment"};
    buf_puts(html, CELLS_OPEN ";opacity:0.65\">");
    for (size_t i = 0; i < ARRAY_SIZE(titles); i++)
        put_cell(html, titles[i], NULL);
    buf_puts(html, "</div>");
}

void runs_widget_facts(struct buf *html, const json_t *run, int64_t now_us)
{
    if (run == NULL) {
        put_titles(html);
        return;
    }
    buf_puts(html, CELLS_OPEN "\">");
    put_named_cell(html, run, "experiment");
    put_state(html, run);
    put_submitted(html, run);
    put_duration(html, run, now_us);
    put_named_cell(html, run, "compute");
    put_named_cell(html, run, "environment");
    buf_puts(html, "</div>");
}

/* --- made once ---------------------------------------------------------------------------------- */

/* A button in a flex box of its own begins on the left, as names do. */
static void lay_out_rows(struct runs_table *table)
{
    struct model *name = table->parts[RUNS_NAME_LAYOUT];
    struct model *facts = table->parts[RUNS_FACTS_LAYOUT];
    struct model *row = table->parts[RUNS_ROW_LAYOUT];
    struct model *style = table->parts[RUNS_NAME_STYLE];
    set(name, "display", "flex");
    set(name, "justify_content", "flex-start");
    set(name, "align_items", "center");
    set(name, "width", "240px");
    set(name, "height", ROW_HEIGHT);
    set(name, "padding", "0 4px");
    set(name, "margin", "0 8px 0 0");
    set(name, "flex", "0 0 auto");
    set(facts, "flex", "1 1 0%");
    set(facts, "min_width", "0");
    set(facts, "margin", "0");
    set(row, "width", "100%");
    set(row, "margin", "0");
    set(row, "border_top", LINE);
    set(style, "button_color", "transparent");
    set(style, "text_color", "var(--jp-content-link-color, #1976d2)");
}

static void make_row(struct runs_table *table, size_t i)
{
    static const struct {
        enum model_kind kind;
        const char *name;
    } kinds[] = {{MODEL_BUTTON, "name"}, {MODEL_HTML, "facts"}, {MODEL_HBOX, "line"}};
    struct runs_row *row = &table->rows[i];
    struct model **const models[] = {&row->name, &row->facts, &row->line};
    row->table = table;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        AUTO_FREE char *id = xasprintf("%s-row-%zu-%s", table->id, i, kinds[k].name);
        *models[k] = model_new(kinds[k].kind, id, &runs_widget_row_events, row);
    }
    model_set_model(row->name, "layout", table->parts[RUNS_NAME_LAYOUT]);
    model_set_model(row->name, "style", table->parts[RUNS_NAME_STYLE]);
    model_set_model(row->facts, "layout", table->parts[RUNS_FACTS_LAYOUT]);
    model_set_model(row->line, "layout", table->parts[RUNS_ROW_LAYOUT]);
    model_set_children(row->line, (struct model *const[]){row->name, row->facts}, 2);
}

static void make_head(struct runs_table *table)
{
    struct model **part = table->parts;
    AUTO_BUF struct buf html = BUF_INIT;
    runs_widget_facts(&html, NULL, 0);
    set_html(table, RUNS_TITLES, &html);
    set(part[RUNS_TITLE], "value",
        "<div style=\"font-size:13px;line-height:28px;opacity:0.65\">run</div>");
    model_set_model(part[RUNS_TITLE], "layout", part[RUNS_NAME_LAYOUT]);
    model_set_model(part[RUNS_TITLES], "layout", part[RUNS_FACTS_LAYOUT]);
    model_set_children(part[RUNS_HEAD],
                       (struct model *const[]){part[RUNS_TITLE], part[RUNS_TITLES]}, 2);
}

static void make_filters(struct runs_table *table)
{
    struct model **part = table->parts;
    json_t *states = json_pack("[s, s]", "All states", "Live");
    for (int i = 0; i < RUN_STATE_COUNT; i++)
        json_array_append_new(states, json_string(render_state((enum run_state)i)));
    model_set(part[RUNS_STATE], "_options_labels", states);
    set(part[RUNS_TEXT_LAYOUT], "flex", "1 1 0%");
    set(part[RUNS_TEXT_LAYOUT], "min_width", "80px");
    set(part[RUNS_PICK_LAYOUT], "width", "180px");
    set(part[RUNS_TEXT], "placeholder", "filter by text");
    set(part[RUNS_TEXT], "tooltip",
        "Only runs with this in id, experiment, name, compute or environment");
    set(part[RUNS_STATE], "tooltip", "Only runs in this state");
    set(part[RUNS_EXPERIMENT], "tooltip", "Only runs of this experiment");
    model_set_model(part[RUNS_TEXT], "layout", part[RUNS_TEXT_LAYOUT]);
    model_set_model(part[RUNS_STATE], "layout", part[RUNS_PICK_LAYOUT]);
    model_set_model(part[RUNS_EXPERIMENT], "layout", part[RUNS_PICK_LAYOUT]);
    model_set_model(part[RUNS_FILTERS], "layout", part[RUNS_ROW_LAYOUT]);
    model_set_children(part[RUNS_FILTERS], &part[RUNS_TEXT], 3);
}

static void make_pager(struct runs_table *table)
{
    struct model **part = table->parts;
    set(part[RUNS_NEWER], "description", "Newer");
    set(part[RUNS_NEWER], "tooltip", "The runs before these");
    set(part[RUNS_OLDER], "description", "Older");
    set(part[RUNS_OLDER], "tooltip", "The runs after these");
    set(part[RUNS_PAGER_LAYOUT], "align_items", "center");
    set(part[RUNS_PAGER_LAYOUT], "border_top", LINE);
    set(part[RUNS_PAGER_LAYOUT], "padding", "4px 0 0 0");
    model_set_model(part[RUNS_PAGER], "layout", part[RUNS_PAGER_LAYOUT]);
    model_set_children(
        part[RUNS_PAGER],
        (struct model *const[]){part[RUNS_NEWER], part[RUNS_OLDER], part[RUNS_RANGE]}, 3);
}

void runs_widget_make_models(struct runs_table *table)
{
    struct model **part = table->parts;
    for (size_t i = 0; i < RUNS_PARTS; i++) {
        AUTO_FREE char *id = xasprintf("%s-%s", table->id, parts[i].name);
        part[i] = model_new(parts[i].kind, id, &runs_widget_events, table);
    }
    lay_out_rows(table);
    for (size_t i = 0; i < table->row_count; i++)
        make_row(table, i);
    make_head(table);
    make_filters(table);
    make_pager(table);
    set(part[RUNS_AREA_LAYOUT], "margin", "8px 0 0 0");
    model_set_model(part[RUNS_AREA], "layout", part[RUNS_AREA_LAYOUT]);
    model_set_children(part[RUNS_NOTE_BOX], NULL, 0);
    model_set_children(part[RUNS_ROOT],
                       (struct model *const[]){part[RUNS_NOTE_BOX], part[RUNS_FILTERS],
                                               part[RUNS_BODY], part[RUNS_AREA]},
                       4);
}

void runs_widget_free_models(struct runs_table *table)
{
    for (size_t i = 0; i < RUNS_PARTS; i++)
        model_free(table->parts[i]);
    for (size_t i = 0; i < table->row_count; i++) {
        model_free(table->rows[i].name);
        model_free(table->rows[i].facts);
        model_free(table->rows[i].line);
        free(table->rows[i].run_id);
    }
}

/* --- drawn again and again ---------------------------------------------------------------------- */

static bool on_page(const struct runs_table *table, const char *run_id)
{
    size_t i;
    const json_t *run;
    json_array_foreach (table->runs, i, run)
        if (strcmp(json_get_string(run, "id", ""), run_id) == 0)
            return true;
    return false;
}

static struct runs_row *find_row(struct runs_table *table, const char *run_id)
{
    for (size_t i = 0; i < table->row_count; i++)
        if (table->rows[i].run_id != NULL && strcmp(table->rows[i].run_id, run_id) == 0)
            return &table->rows[i];
    return NULL;
}

/* There is one: a page has no more runs than rows, and those of other runs were freed. */
static struct runs_row *take_row(struct runs_table *table, const char *run_id)
{
    struct runs_row *row = find_row(table, run_id);
    for (size_t i = 0; row == NULL && i < table->row_count; i++)
        if (table->rows[i].run_id == NULL)
            row = &table->rows[i];
    if (row->run_id == NULL)
        row->run_id = xstrdup(run_id);
    return row;
}

static bool is_shown(const struct runs_table *table, const char *run_id)
{
    for (size_t i = 0; i < table->shown_count; i++)
        if (strcmp(table->shown[i].run_id, run_id) == 0)
            return true;
    return false;
}

static void draw_row(struct runs_table *table, struct runs_row *row, const json_t *run)
{
    AUTO_BUF struct buf html = BUF_INIT;
    bool shown = is_shown(table, row->run_id);
    AUTO_FREE char *tooltip =
        shown ? xasprintf("Hide run %s", row->run_id) : xasprintf("Show run %s below", row->run_id);
    set(row->name, "description", row->run_id);
    set(row->name, "icon", shown ? "caret-down" : "caret-right");
    set(row->name, "tooltip", tooltip);
    runs_widget_facts(&html, run, clock_now());
    model_set_text(row->facts, "value", html.data, html.size);
}

static void draw_lines(struct runs_table *table)
{
    struct model *lines[RUNS_WIDGET_ROWS_MAX];
    size_t count = 0;
    size_t i;
    const json_t *run;
    for (size_t k = 0; k < table->row_count; k++)
        if (table->rows[k].run_id != NULL && !on_page(table, table->rows[k].run_id))
            replace(&table->rows[k].run_id, NULL);
    json_array_foreach (table->runs, i, run) {
        struct runs_row *row = take_row(table, json_get_string(run, "id", ""));
        draw_row(table, row, run);
        lines[count++] = row->line;
    }
    model_set_children(table->parts[RUNS_LINES], lines, count);
}

/* What the user has not picked from is added, so that it can be seen. */
static void draw_experiments(struct runs_table *table)
{
    json_t *labels = json_pack("[s]", "All experiments");
    json_int_t index = 0;
    if (table->experiment != NULL && !strlist_has(&table->experiments, table->experiment))
        strlist_add(&table->experiments, table->experiment);
    for (size_t i = 0; i < table->experiments.count; i++) {
        const char *name = table->experiments.items[i];
        json_array_append_new(labels, json_text_value(name, strlen(name)));
        if (table->experiment != NULL && strcmp(name, table->experiment) == 0)
            index = (json_int_t)i + 1;
    }
    model_set(table->parts[RUNS_EXPERIMENT], "_options_labels", labels);
    model_set(table->parts[RUNS_EXPERIMENT], "index", json_integer(index));
}

static void draw_filters(struct runs_table *table)
{
    const char *text = table->text != NULL ? table->text : "";
    if (table->typed_ms == 0) /* nobody's typing is overwritten */
        model_set_text(table->parts[RUNS_TEXT], "value", text, strlen(text));
    model_set(table->parts[RUNS_STATE], "index", json_integer(table->state));
    draw_experiments(table);
}

static bool draw_message(struct runs_table *table)
{
    AUTO_BUF struct buf html = BUF_INIT;
    bool filtered =
        table->text != NULL || table->experiment != NULL || table->state != RUNS_PICK_ALL;
    bool none = json_array_size(table->runs) == 0;
    if (table->trouble == NULL && !none)
        return false;
    buf_puts(&html, "<div " TABLE_STYLE_BOX ">");
    if (table->trouble != NULL) {
        buf_puts(&html, "<b>Error</b> ");
        buf_puts_html(&html, table->trouble);
    } else if (filtered) {
        buf_puts(&html, "No run is like that: change the filters above to see others");
    } else {
        buf_puts(&html, "No runs here yet: submit one with <code>%%submit</code>");
    }
    buf_puts(&html, "</div>");
    set_html(table, RUNS_MESSAGE, &html);
    return true;
}

static bool draw_pager(struct runs_table *table)
{
    AUTO_BUF struct buf html = BUF_INIT;
    size_t count = json_array_size(table->runs);
    buf_printf(&html, "<span style=\"font-size:13px;opacity:0.65\">%zu&#8211;%zu</span>",
               table->offset + 1, table->offset + count);
    set_html(table, RUNS_RANGE, &html);
    model_set(table->parts[RUNS_NEWER], "disabled", json_boolean(table->offset == 0));
    model_set(table->parts[RUNS_OLDER], "disabled", json_boolean(!table->has_older));
    return table->offset > 0 || table->has_older;
}

void runs_widget_draw(struct runs_table *table)
{
    struct model **part = table->parts;
    struct model *area[RUNS_SHOWN_MAX];
    draw_filters(table);
    draw_lines(table);
    bool any = json_array_size(table->runs) > 0;
    bool message = draw_message(table);
    bool pager = draw_pager(table);
    struct model *const body[] = {any ? part[RUNS_HEAD] : NULL, any ? part[RUNS_LINES] : NULL,
                                  message ? part[RUNS_MESSAGE] : NULL,
                                  pager ? part[RUNS_PAGER] : NULL};
    model_set_children(part[RUNS_BODY], body, ARRAY_SIZE(body));
    for (size_t i = 0; i < table->shown_count; i++)
        area[i] = table->shown[i].root;
    model_set_children(part[RUNS_AREA], area, table->shown_count);
}

/* --- sent --------------------------------------------------------------------------------------- */

/* The models in the order in which they are opened: what is in one comes before it. `i` counts up from
 * 0; NULL after the last. */
static struct model *nth_model(const struct runs_table *table, size_t i)
{
    size_t in_rows = 3 * table->row_count;
    if (i < RUNS_FIRST_SHOWN)
        return table->parts[i];
    i -= RUNS_FIRST_SHOWN;
    if (i < in_rows) {
        const struct runs_row *row = &table->rows[i / 3];
        struct model *const models[] = {row->name, row->facts, row->line};
        return models[i % 3];
    }
    i = i - in_rows + RUNS_FIRST_SHOWN;
    return i < RUNS_PARTS ? table->parts[i] : NULL;
}

size_t runs_widget_flush(struct runs_table *table)
{
    size_t messages = 0;
    struct model *model;
    for (size_t i = 0; (model = nth_model(table, i)) != NULL; i++)
        messages += model_flush(model) > 0;
    return messages;
}

void runs_widget_repeat(struct runs_table *table)
{
    struct model *model;
    for (size_t i = 0; (model = nth_model(table, i)) != NULL; i++)
        model_repeat(model);
}

void runs_widget_open_models(struct runs_table *table, const struct outlet *outlet)
{
    struct server *server = runs_widget_server(table);
    struct model *model;
    for (size_t i = 0; (model = nth_model(table, i)) != NULL; i++)
        model_open(model, server, outlet);
    table->opened = true;
}

/* The note is in what a page is told now, and in nothing that follows: where it stays, nothing follows. */
static void restore_note(struct runs_table *table)
{
    AUTO_FREE char *when = render_time(clock_now());
    AUTO_BUF struct buf html = BUF_INIT;
    buf_puts(&html, "<div " TABLE_STYLE_BOX ">As of ");
    buf_puts_html(&html, when);
    buf_puts(&html, ". To see it live, reload the page or run the cell again.</div>");
    set_html(table, RUNS_NOTE, &html);
    AUTO_JSON json_t *children = json_pack(
        "{s:[o]}", "children", json_sprintf("IPY_MODEL_%s", model_id(table->parts[RUNS_NOTE])));
    model_restore(table->parts[RUNS_NOTE], runs_widget_server(table));
    model_restore_with(table->parts[RUNS_NOTE_BOX], runs_widget_server(table), children);
}

void runs_widget_restore_models(struct runs_table *table)
{
    struct model *model;
    for (size_t i = 0; (model = nth_model(table, i)) != NULL; i++)
        if (model != table->parts[RUNS_NOTE] && model != table->parts[RUNS_NOTE_BOX])
            model_restore(model, runs_widget_server(table));
    restore_note(table);
}
