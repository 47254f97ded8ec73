/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The life of tables of runs. What the index tells is only noted (`stale`); on_timer() lists, draws and
 * sends when the pace allows it. What a user does is answered at once. The timer runs only while
 * something is due: a table without running runs costs nothing.
 *
 * A table stays until the kernel goes: pages may show it as long as it has comms.
 */
#include "magics/runs_widget.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "base/utf8.h"
#include "magics/displayed.h"
#include "magics/render.h"
#include "magics/run_widget.h"
#include "magics/runs_widget_private.h"

#define FRAME_MS 1000 /* between two looks at the index: a sweep changes it all the time */
#define MESSAGE_MS (1000 / RUNS_WIDGET_MESSAGES_PER_S)
#define TICK_MS 1000 /* the time a run takes is counted in seconds */
#define TYPED_MS 250 /* nobody who types pauses less before they look */

/* While runs are counted, they are listed at least this often: a run whose kernel has died ends without
 * a word to the index, until somebody looks. */
#define LIST_MS 10000

/* More tables than this in the notebooks of one folder are shown by %runs again. */
#define RESTORED_MAX 20

#define HASH_BYTES crypto_generichash_BYTES_MIN /* of options: no two alike */

/* When pages that came back are told that they are live: soon, and again for those that are slow to make
 * their models. */
static const uint64_t settle_after_ms[] = {1000, 3000, 10000, 30000};

struct runs_widget_set {
    uv_loop_t *loop;
    struct submission *submission;
    struct run_widget_set *run_widgets;
    struct server *server;
    struct runs_table *first;
    struct runs_watch *watch;                        /* NULL until there is a table */
    uv_timer_t timer;                                /* one for all: the next thing due */
    uint64_t settle_ms[ARRAY_SIZE(settle_after_ms)]; /* 0: done */
    bool restored; /* the tables of earlier kernels were brought back */
};

struct server *runs_widget_server(const struct runs_table *table)
{
    return table->set->server;
}

/* --- when --------------------------------------------------------------------------------------- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static bool is_seen(const struct runs_table *table)
{
    return model_is_open(table->parts[RUNS_ROOT]);
}

/* When the table wants a frame; UINT64_MAX for never. */
static uint64_t due_at(const struct runs_table *table)
{
    uint64_t next = UINT64_MAX;
    if (!is_seen(table))
        return UINT64_MAX;
    if (table->stale)
        next = table->free_at_ms;
    if (table->tick_ms != 0)
        next = min_u64(next, max_u64(table->tick_ms, table->free_at_ms));
    return table->typed_ms != 0 ? min_u64(next, table->typed_ms) : next;
}

static void on_timer(uv_timer_t *timer);

static void schedule(struct runs_widget_set *set)
{
    uint64_t now = uv_now(set->loop);
    uint64_t next = UINT64_MAX;
    for (const struct runs_table *at = set->first; at != NULL; at = at->next)
        next = min_u64(next, due_at(at));
    for (size_t i = 0; i < ARRAY_SIZE(set->settle_ms); i++)
        if (set->settle_ms[i] != 0)
            next = min_u64(next, set->settle_ms[i]);
    if (next == UINT64_MAX)
        uv_timer_stop(&set->timer);
    else
        uv_timer_start(&set->timer, on_timer, next > now ? next - now : 0, 0);
}

static void on_runs_changed(void *data)
{
    struct runs_widget_set *set = data;
    for (struct runs_table *at = set->first; at != NULL; at = at->next)
        at->stale = true;
    schedule(set);
}

/* --- what there is -------------------------------------------------------------------------------- */

static void tell_trouble(struct runs_table *table, const struct error *err)
{
    replace(&table->trouble, error_is_set(err) ? error_format(err) : NULL);
}

static json_t *list_page(const struct runs_table *table, struct error *err)
{
    struct store_run_filter filter = {
        .experiment = table->experiment,
        .text = table->text,
        .live_only = table->state == RUNS_PICK_LIVE,
        .max = table->offset + table->row_count + 1, /* one more: is there another page? */
    };
    if (table->state >= RUNS_PICK_STATES)
        filter.state = run_state_name((enum run_state)(table->state - RUNS_PICK_STATES));
    return submission_runs(table->set->submission, &filter, err);
}

/* Keeps the runs of the page, out of those from the newest one on. */
static void take_page(struct runs_table *table, const json_t *runs)
{
    size_t count = json_array_size(runs);
    size_t end = table->offset + table->row_count;
    json_array_clear(table->runs);
    for (size_t i = table->offset; i < count && i < end; i++)
        json_array_append(table->runs, json_array_get(runs, i));
    table->has_older = count > end;
}

/* What cannot be listed stays as it was, beside what went wrong. */
static int list(struct runs_table *table, struct error *err)
{
    table->stale = false;
    table->listed_ms = uv_now(table->set->loop);
    AUTO_JSON json_t *runs = list_page(table, err);
    if (runs == NULL)
        return -1;
    if (json_array_size(runs) <= table->offset && table->offset > 0) {
        table->offset = 0; /* the page is gone */
        return list(table, err);
    }
    take_page(table, runs);
    strlist_done(&table->experiments);
    return submission_experiments(table->set->submission, &table->experiments, err);
}

static void look(struct runs_table *table)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    list(table, &err);
    tell_trouble(table, &err);
}

/* --- frames --------------------------------------------------------------------------------------- */

static bool any_counts(const struct runs_table *table)
{
    size_t i;
    const json_t *run;
    json_array_foreach (table->runs, i, run)
        if (runs_widget_counts(run))
            return true;
    return false;
}

/* Draws and sends. What comes by itself waits until the messages are paid for. */
static void frame(struct runs_table *table)
{
    uint64_t now = uv_now(table->set->loop);
    runs_widget_draw(table);
    uint64_t cost = runs_widget_flush(table) * MESSAGE_MS;
    table->free_at_ms = max_u64(table->free_at_ms, now) + max_u64(cost, FRAME_MS);
    table->tick_ms = any_counts(table) ? now - now % TICK_MS + TICK_MS : 0;
}

/* What a user did is answered now. */
static void answer(struct runs_table *table)
{
    table->free_at_ms = 0;
    frame(table);
    schedule(table->set);
}

static void take_typed(struct runs_table *table)
{
    table->typed_ms = 0;
    table->offset = 0;
    look(table);
    table->free_at_ms = 0;
}

static void come_due(struct runs_table *table, uint64_t now)
{
    if (table->typed_ms != 0 && table->typed_ms <= now)
        take_typed(table);
    else if (table->stale || now - table->listed_ms >= LIST_MS)
        look(table);
    frame(table);
}

static void settle_pages(struct runs_widget_set *set, uint64_t now)
{
    for (size_t i = 0; i < ARRAY_SIZE(set->settle_ms); i++) {
        if (set->settle_ms[i] == 0 || set->settle_ms[i] > now)
            continue;
        set->settle_ms[i] = 0;
        for (struct runs_table *at = set->first; at != NULL; at = at->next) {
            runs_widget_repeat(at);
            frame(at);
        }
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct runs_widget_set *set = timer->data;
    uint64_t now = uv_now(set->loop);
    settle_pages(set, now);
    for (struct runs_table *at = set->first; at != NULL; at = at->next)
        if (due_at(at) <= now)
            come_due(at, now);
    schedule(set);
}

/* --- what users do -------------------------------------------------------------------------------- */

static void hide_shown(struct runs_table *table, size_t i)
{
    free(table->shown[i].run_id);
    table->shown_count--;
    memmove(&table->shown[i], &table->shown[i + 1],
            (table->shown_count - i) * sizeof table->shown[0]);
}

static void show_shown(struct runs_table *table, const char *run_id, struct error *err)
{
    struct model *root = run_widget_root(table->set->run_widgets, run_id, err);
    if (root == NULL)
        return;
    if (table->shown_count == RUNS_SHOWN_MAX)
        hide_shown(table, RUNS_SHOWN_MAX - 1);
    memmove(&table->shown[1], &table->shown[0], table->shown_count * sizeof table->shown[0]);
    table->shown[0] = (struct runs_shown){.run_id = xstrdup(run_id), .root = root};
    table->shown_count++;
}

static void on_row_clicked(struct model *model, void *data)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct runs_row *row = data;
    struct runs_table *table = row->table;
    size_t i = 0;
    if (model != row->name || row->run_id == NULL)
        return;
    while (i < table->shown_count && strcmp(table->shown[i].run_id, row->run_id) != 0)
        i++;
    if (i < table->shown_count)
        hide_shown(table, i);
    else
        show_shown(table, row->run_id, &err);
    tell_trouble(table, &err);
    answer(table);
}

const struct model_events runs_widget_row_events = {.clicked = on_row_clicked};

static void on_clicked(struct model *model, void *data)
{
    struct runs_table *table = data;
    if (model == table->parts[RUNS_NEWER] && table->offset > 0)
        table->offset -= min_u64(table->offset, table->row_count);
    else if (model == table->parts[RUNS_OLDER] && table->has_older)
        table->offset += table->row_count;
    else
        return;
    look(table);
    answer(table);
}

/* What is typed is looked for when the typing stops. */
static void on_typed(struct runs_table *table, const json_t *value)
{
    const char *text = json_string_value(value);
    size_t size = strnlen(text, RUNS_TEXT_MAX);
    size -= utf8_incomplete_tail(text, size);
    replace(&table->text, size > 0 ? xstrndup(text, size) : NULL);
    table->typed_ms = uv_now(table->set->loop) + TYPED_MS;
    schedule(table->set);
}

/* A choice that does not exist changes nothing: the answer puts the choice back. */
static void on_picked(struct runs_table *table, const struct model *model, json_int_t index)
{
    if (model == table->parts[RUNS_STATE] && index >= 0 &&
        index < RUNS_PICK_STATES + RUN_STATE_COUNT)
        table->state = (int)index;
    else if (model == table->parts[RUNS_EXPERIMENT] && index >= 0 &&
             index <= (json_int_t)table->experiments.count)
        replace(&table->experiment,
                index > 0 ? xstrdup(table->experiments.items[index - 1]) : NULL);
    table->offset = 0;
    look(table);
    answer(table);
}

static void on_changed(struct model *model, const char *key, const json_t *value, void *data)
{
    struct runs_table *table = data;
    if (model == table->parts[RUNS_TEXT] && strcmp(key, "value") == 0)
        on_typed(table, value);
    else if (strcmp(key, "index") == 0)
        on_picked(table, model, json_integer_value(value));
}

const struct model_events runs_widget_events = {.clicked = on_clicked, .changed = on_changed};

/* --- options -------------------------------------------------------------------------------------- */

/* One form for all ways to write them: it names the table. */
static json_t *options_to_json(const struct runs_widget_options *options)
{
    json_t *json = json_object();
    size_t rows = options->rows > 0 ? options->rows : RUNS_WIDGET_ROWS;
    json_set_string(json, "experiment", options->experiment);
    json_set_string(json, "state", options->state);
    json_set_string(json, "text", options->text);
    json_object_set_new(json, "live", json_boolean(options->live));
    json_object_set_new(json, "rows",
                        json_integer((json_int_t)min_u64(rows, RUNS_WIDGET_ROWS_MAX)));
    return json;
}

/* Sets what the table shows to its options. They may come from a file that a hand has changed. */
static void apply_options(struct runs_table *table)
{
    const json_t *options = table->options;
    const char *text = json_get_string(options, "text", "");
    int state = run_state_parse(json_get_string(options, "state", ""));
    bool live = json_get_bool(options, "live", false);
    replace(&table->experiment, xstrdup_or_null(json_get_string(options, "experiment", NULL)));
    replace(&table->text, *text != '\0' ? xstrdup(text) : NULL);
    table->state = state >= 0 ? RUNS_PICK_STATES + state : live ? RUNS_PICK_LIVE : RUNS_PICK_ALL;
    table->offset = 0;
    table->typed_ms = 0;
}

static char *table_id(const json_t *options)
{
    unsigned char hash[HASH_BYTES];
    char hex[2 * HASH_BYTES + 1];
    AUTO_FREE char *text = json_canonical(options);
    crypto_generichash(hash, sizeof hash, (const unsigned char *)text, strlen(text), NULL, 0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    return xasprintf("skiff-runs-%s", hex);
}

/* --- life of a table -------------------------------------------------------------------------------- */

static void free_table(struct runs_table *table)
{
    runs_widget_free_models(table);
    while (table->shown_count > 0)
        hide_shown(table, 0);
    json_decref(table->options);
    json_decref(table->runs);
    strlist_done(&table->experiments);
    free(table->trouble);
    free(table->text);
    free(table->experiment);
    free(table->id);
    free(table);
}

static struct runs_table *find_table(struct runs_widget_set *set, const char *id)
{
    struct runs_table *table = set->first;
    while (table != NULL && strcmp(table->id, id) != 0)
        table = table->next;
    return table;
}

/* The table of these options (taken), made when there is none. */
static struct runs_table *get_table(struct runs_widget_set *set, json_t *options)
{
    AUTO_JSON json_t *own = options;
    AUTO_FREE char *id = table_id(options);
    struct runs_table *table = find_table(set, id);
    if (table != NULL)
        return table;
    table = xcalloc(1, sizeof *table);
    table->set = set;
    table->id = steal(&id);
    table->options = steal(&own);
    table->runs = json_array();
    table->row_count = (size_t)json_get_int(table->options, "rows", RUNS_WIDGET_ROWS);
    runs_widget_make_models(table);
    table->next = set->first;
    set->first = table;
    return table;
}

/* Without it the table is right whenever somebody looks at it again. */
static void watch_runs(struct runs_widget_set *set)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (set->watch == NULL)
        set->watch = submission_watch_runs(set->submission, on_runs_changed, set, &err);
    if (set->watch == NULL)
        log_warning("the table of runs does not change by itself: %s", err.text);
}

int runs_widget_show(struct runs_widget_set *set, struct outlet *outlet,
                     const struct runs_widget_options *options, struct error *err)
{
    struct runs_table *table = get_table(set, options_to_json(options));
    const struct submission *submission = set->submission;
    watch_runs(set); /* first: what changes from now on is heard */
    apply_options(table);
    if (list(table, err) != 0)
        return -1;
    tell_trouble(table, err);
    runs_widget_draw(table);
    if (!table->opened || !is_seen(table))
        runs_widget_open_models(table, outlet);
    json_t *bundle = render_runs(table->runs);
    model_view(table->parts[RUNS_ROOT], bundle);
    outlet_display(outlet, bundle, NULL);
    displayed_note_table(submission_home(submission), submission_directory(submission),
                         table->options);
    answer(table);
    return 0;
}

/* --- the set -------------------------------------------------------------------------------------- */

struct runs_widget_set *runs_widget_set_new(uv_loop_t *loop, struct submission *submission,
                                            struct run_widget_set *run_widgets)
{
    struct runs_widget_set *set = xcalloc(1, sizeof *set);
    set->loop = loop;
    set->submission = submission;
    set->run_widgets = run_widgets;
    uv_timer_init(loop, &set->timer);
    set->timer.data = set;
    return set;
}

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void runs_widget_set_free(struct runs_widget_set *set)
{
    if (set == NULL)
        return;
    submission_unwatch_runs(set->watch);
    while (set->first != NULL) {
        struct runs_table *table = set->first;
        set->first = table->next;
        free_table(table);
    }
    uv_close((uv_handle_t *)&set->timer, on_closed);
}

void runs_widget_set_serve(struct runs_widget_set *set, struct server *server)
{
    set->server = server;
}

/* Through the options, so that what does not read becomes what it would be by default. */
static void bring_back(struct runs_widget_set *set)
{
    AUTO_JSON json_t *entries = displayed_read_tables(
        submission_home(set->submission), submission_directory(set->submission), RESTORED_MAX);
    size_t i;
    const json_t *entry;
    json_array_foreach (entries, i, entry) {
        const json_t *kept = json_object_get(entry, "table");
        int64_t rows = json_get_int(kept, "rows", RUNS_WIDGET_ROWS);
        struct runs_widget_options options = {
            .experiment = json_get_string(kept, "experiment", NULL),
            .state = json_get_string(kept, "state", NULL),
            .text = json_get_string(kept, "text", NULL),
            .live = json_get_bool(kept, "live", false),
            .rows = rows > 0 ? (size_t)rows : RUNS_WIDGET_ROWS,
        };
        apply_options(get_table(set, options_to_json(&options)));
    }
    if (set->first != NULL)
        watch_runs(set);
}

void runs_widget_set_restore(struct runs_widget_set *set)
{
    uint64_t now = uv_now(set->loop);
    if (!set->restored)
        bring_back(set);
    set->restored = true;
    for (struct runs_table *at = set->first; at != NULL; at = at->next) {
        look(at);
        runs_widget_draw(at);
        runs_widget_flush(at); /* to the pages there are: the new one is told the whole */
        runs_widget_restore_models(at);
    }
    for (size_t i = 0; set->first != NULL && i < ARRAY_SIZE(set->settle_ms); i++)
        set->settle_ms[i] = now + settle_after_ms[i];
    schedule(set);
}
