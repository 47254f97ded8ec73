/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about runs. They use the core as a kernel does, for a moment: nothing is taken up that a
 * living kernel or the next one will see to. */
#include "submission/command.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/submission.h"

#define EXIT_USAGE 2    /* as in main.c */
#define PASS_ON_MS 1000 /* an engine answers in some 20; who ignores SIGTERM is not waited for */

static int report(const struct error *err)
{
    AUTO_FREE char *text = error_format(err);
    fprintf(stderr, "skiff: %s\n", text);
    return EXIT_FAILURE;
}

/* The one word after a command; NULL when there is none, or more. */
static const char *only_word(int argc, char **argv)
{
    if (argc == 2 && argv[1][0] != '\0' && argv[1][0] != '-')
        return argv[1];
    fprintf(stderr, "skiff: usage: skiff %s RUN\n", argv[0]);
    return NULL;
}

/* --- with the core ---------------------------------------------------------------------------- */

struct core {
    uv_loop_t loop;
    struct submission *submission;
    bool over; /* nothing more is waited for */
};

typedef int (*core_fn)(struct core *core, const char *word, struct error *err);

/* Runs `work` with an open core and closes it. */
static int with_core(core_fn work, const char *word)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct core core = {.over = false};
    uv_loop_init(&core.loop);
    core.submission = submission_new(&(struct submission_options){.loop = &core.loop});
    int result = work(&core, word, &err);
    submission_close(core.submission);
    uv_run(&core.loop, UV_RUN_DEFAULT);
    uv_loop_close(&core.loop);
    return result == 0 ? EXIT_SUCCESS : report(&err);
}

/* --- cancel ------------------------------------------------------------------------------------ */

static void on_changed(const struct run_view *view, void *data)
{
    (void)view;
    (void)data;
}

static void on_ended(const struct run_view *view, void *data)
{
    (void)view;
    struct core *core = data;
    core->over = true;
}

static void on_moment_over(uv_timer_t *timer)
{
    struct core *core = timer->data;
    core->over = true;
}

/* Until the run has ended, or for a moment: its process, or the engine of its container, is told from the
 * loop, and then it ends by itself. */
static void pass_on(struct core *core, const char *id)
{
    static const struct watch_callbacks callbacks = {.changed = on_changed, .ended = on_ended};
    uv_timer_t moment;
    struct watch *watch = submission_watch(core->submission, id, 0, &callbacks, core, NULL);
    uv_timer_init(&core->loop, &moment);
    moment.data = core;
    uv_timer_start(&moment, on_moment_over, PASS_ON_MS, 0);
    while (!core->over)
        uv_run(&core->loop, UV_RUN_ONCE);
    watch_close(watch);
    uv_close((uv_handle_t *)&moment, NULL);
    uv_run(&core->loop, UV_RUN_NOWAIT); /* the timer is closed */
}

/* The request is on disk after the call. */
static int cancel(struct core *core, const char *word, struct error *err)
{
    AUTO_FREE char *id = NULL;
    if (submission_find_run(core->submission, word, &id, err) != 0)
        return -1;
    int asked = submission_cancel(core->submission, id, err);
    if (asked >= 0)
        printf("run %s %s\n", id, asked > 0 ? "was asked to end" : "has ended already");
    if (asked > 0 && fflush(stdout) == 0)
        pass_on(core, id);
    return asked < 0 ? -1 : 0;
}

int command_cancel(int argc, char **argv)
{
    const char *word = only_word(argc, argv);
    return word != NULL ? with_core(cancel, word) : EXIT_USAGE;
}

/* --- metrics ---------------------------------------------------------------------------------- */

/* The shortest digits that are this number again; what is a whole number keeps its ".0". */
static void print_number(double value)
{
    char text[64];
    if (!isfinite(value)) {
        fputs(isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity", stdout);
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    printf("%s%s", text, strpbrk(text, ".e") == NULL ? ".0" : "");
}

static void print_metric(const struct metric *metric)
{
    AUTO_JSON json_t *name = json_text_value(metric->name, strlen(metric->name));
    AUTO_FREE char *key = json_dumps(name, JSON_ENCODE_ANY);
    printf("%s: [", key);
    for (size_t i = 0; i < metric->count; i++) {
        fputs(i > 0 ? ", {\"step\": " : "{\"step\": ", stdout);
        print_number(metric->points[i].step);
        fputs(", \"value\": ", stdout);
        print_number(metric->points[i].value);
        putchar('}');
    }
    putchar(']');
}

static int print_metrics(struct core *core, const char *word, struct error *err)
{
    AUTO_FREE char *id = NULL;
    AUTO(run) struct run *run = NULL;
    AUTO(metrics) struct metrics *metrics = NULL;
    if (submission_find_run(core->submission, word, &id, err) != 0 ||
        run_load(submission_home(core->submission), id, &run, err) != 0 ||
        metrics_read(run->dir, &metrics, err) != 0)
        return -1;
    size_t count;
    const struct metric *items = metrics_items(metrics, &count);
    putchar('{');
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? ",\n " : "", stdout);
        print_metric(&items[i]);
    }
    puts("}");
    return fflush(stdout) == 0 ? 0 : error_errno(err, "cannot write the metrics");
}

int command_metrics(int argc, char **argv)
{
    const char *word = only_word(argc, argv);
    return word != NULL ? with_core(print_metrics, word) : EXIT_USAGE;
}

/* --- the index -------------------------------------------------------------------------------- */

int command_reindex(void)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_NOTES struct notes notes = NOTES_INIT;
    AUTO_FREE char *home = file_skiff_home();
    struct store *store = NULL;
    size_t runs = 0;
    int result = store_open(home, &store, &notes, &err);
    if (result == 0)
        result = store_reindex(store, &runs, &notes, &err);
    for (size_t i = 0; i < notes.count; i++)
        fprintf(stderr, "skiff: %s\n", notes.items[i].text);
    store_close(store);
    if (result != 0)
        return report(&err);
    printf("%zu run%s in %s\n", runs, runs == 1 ? "" : "s", home);
    return EXIT_SUCCESS;
}
