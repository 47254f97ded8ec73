/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Draws definitions and dry runs. Definitions are printed as they are stored, canonical JSON: what
 * the user sees is what is kept. Secrets are references in them by construction (spec.h).
 */
#include "magics/render_plan.h"

#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "magics/render.h"
#include "magics/table.h"

struct page {
    struct buf html;
    struct buf text;
};

static void page_done(struct page *page)
{
    buf_done(&page->html);
    buf_done(&page->text);
}
#define AUTO_PAGE __attribute__((cleanup(page_done)))

static void begin(struct page *page, const char *headline)
{
    *page = (struct page){.html = BUF_INIT};
    buf_puts(&page->html, "<div " TABLE_STYLE_BOX "><div style=\"font-weight:600\">");
    buf_puts_html(&page->html, headline);
    buf_puts(&page->html, "</div>");
    buf_printf(&page->text, "%s\n", headline);
}

static void put_table(struct page *page, const struct table *table)
{
    if (table_rows(table) == 0)
        return;
    table_html(&page->html, table);
    table_text(&page->text, table);
}

/* A JSON document that unfolds in HTML and is printed whole in text. */
static void put_json(struct page *page, const char *title, const json_t *value)
{
    if (value == NULL || json_is_null(value))
        return;
    AUTO_FREE char *dump = json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
    if (dump == NULL)
        return;
    buf_puts(&page->html, "<details><summary>");
    buf_puts_html(&page->html, title);
    buf_puts(&page->html, "</summary><pre style=\"background:none;margin:2px 0 2px 16px\">");
    buf_puts_html(&page->html, dump);
    buf_puts(&page->html, "</pre></details>");
    buf_printf(&page->text, "%s:\n%s\n", title, dump);
}

static json_t *end(struct page *page)
{
    buf_puts(&page->html, "</div>");
    return table_bundle(&page->html, &page->text);
}

/* What an environment is made from, in a few words. The caller frees it. */
static char *base_of(const json_t *definition)
{
    const json_t *build = json_object_get(definition, "build");
    const char *image = json_get_string(definition, "image", NULL);
    if (image != NULL)
        return xasprintf("image %s", image);
    if (json_object_get(build, "dockerfile") != NULL)
        return xstrdup("a Dockerfile");
    if (build != NULL)
        return xasprintf("the Dockerfile in %s", json_get_string(build, "path", "."));
    const char *python = json_get_string(definition, "python", NULL);
    if (python != NULL)
        return xasprintf("Python %s", python);
    if (json_object_get(definition, "conda_file") != NULL)
        return xstrdup("conda packages");
    return xstrdup(json_object_get(definition, "pip") != NULL ? "Python packages"
                                                              : "this machine's Python");
}

json_t *render_plan_environment(const json_t *plan, bool dry_run)
{
    bool fresh = json_get_bool(plan, "new", false);
    AUTO_FREE char *headline =
        xasprintf("Environment %s, version %d (%s%s)", json_get_string(plan, "name", ""),
                  (int)json_get_int(plan, "version", 0), dry_run ? "dry run: " : "",
                  !fresh    ? "unchanged"
                  : dry_run ? "would be registered"
                            : "registered");
    AUTO_PAGE struct page page;
    AUTO_TABLE struct table facts;
    const json_t *definition = json_object_get(plan, "definition");
    AUTO_FREE char *base = base_of(definition);
    begin(&page, headline);
    table_init(&facts, NULL);
    table_fact(&facts, "made from", base);
    table_fact(&facts, "build", json_get_string(plan, "build", NULL));
    table_fact(&facts, "cached",
               json_get_bool(plan, "cached", false) ? "yes" : "no, made when a run first needs it");
    put_table(&page, &facts);
    put_json(&page, "definition", definition);
    return end(&page);
}

/* What its image is known by: the registry's digest, or the id of what was built here. Caller frees. */
static char *image_text(const json_t *image)
{
    const char *digest = json_get_string(image, "digest", NULL);
    const char *id = digest != NULL ? digest : json_get_string(image, "id", "");
    return image != NULL ? xasprintf("%.19s", id) : xstrdup("");
}

static void add_image(struct table *table, const json_t *row)
{
    const json_t *image = json_object_get(row, "image");
    bool ready = json_is_object(image);
    AUTO_FREE char *id = image_text(ready ? image : NULL);
    AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(image, "size", 0));
    AUTO_FREE char *when = render_time(json_get_time(image, "ready_at"));
    table_add(table, id);
    table_add(table, ready ? size : "");
    table_add(table, ready ? when : json_get_bool(row, "cached", false) ? "yes" : "no");
}

json_t *render_plan_environments(const json_t *environments)
{
    static const char *const titles[] = {"environment", "version", "made from", "registered",
                                         "image",       "size",    "ready",     NULL};
    AUTO_PAGE struct page page;
    AUTO_TABLE struct table table;
    size_t i;
    const json_t *row;
    table_init(&table, titles);
    json_array_foreach (environments, i, row) {
        AUTO_FREE char *base = base_of(json_object_get(row, "definition"));
        AUTO_FREE char *when = render_time(json_get_time(row, "created_at"));
        table_add(&table, json_get_string(row, "name", ""));
        table_addf(&table, "%d", (int)json_get_int(row, "version", 0));
        table_add(&table, base);
        table_add(&table, when);
        add_image(&table, row);
    }
    begin(&page,
          i > 0 ? "Environments" : "No environments yet: define one with %%environment NAME");
    put_table(&page, &table);
    return end(&page);
}

static void put_swept(struct page *page, const json_t *items, const char *what, bool images)
{
    const char *const titles[] = {what, images ? "built for" : "run", images ? "size" : "was",
                                  "why", NULL};
    size_t i;
    json_t *item;
    if (json_array_size(items) == 0)
        return;
    AUTO_TABLE struct table table;
    table_init(&table, titles);
    json_array_foreach (items, i, item) {
        AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(item, "size", 0));
        table_add(&table, json_get_string(item, "name", ""));
        table_add(&table, json_get_string(item, images ? "environment" : "run", ""));
        table_add(&table, images ? size : json_get_string(item, "state", ""));
        table_add(&table, json_get_string(item, "why", ""));
    }
    put_table(page, &table);
}

json_t *render_plan_swept(const json_t *result, bool images, bool dry_run)
{
    const json_t *removed = json_object_get(result, "removed");
    const char *what = images ? "image" : "container";
    size_t count = json_array_size(removed);
    AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(result, "freed", 0));
    AUTO_FREE char *freed = images ? xasprintf(": %s", size) : xstrdup("");
    AUTO_FREE char *headline =
        count == 0 ? xasprintf("No %s to remove", what)
                   : xasprintf("%s %zu %s%s%s", dry_run ? "Would remove" : "Removed", count, what,
                               count == 1 ? "" : "s", freed);
    AUTO_PAGE struct page page;
    begin(&page, headline);
    put_swept(&page, removed, dry_run ? "would be removed" : "removed", images);
    put_swept(&page, json_object_get(result, "kept"), "kept", images);
    return end(&page);
}

/* --- computes --------------------------------------------------------------------------------- */

/* The few fields people look for; the whole document follows, key for key. */
static void add_status(struct table *facts, const json_t *status)
{
    const json_t *scale = json_object_get(status, "scaleSettings");
    table_fact(facts, "VM size", json_get_string(status, "vmSize", NULL));
    table_fact(facts, "priority", json_get_string(status, "vmPriority", NULL));
    table_fact(facts, "allocation", json_get_string(status, "allocationState", NULL));
    if (json_object_get(status, "currentNodeCount") != NULL)
        table_factf(facts, "nodes", "%d now, %d wanted, at most %d",
                    (int)json_get_int(status, "currentNodeCount", 0),
                    (int)json_get_int(status, "targetNodeCount", 0),
                    (int)json_get_int(scale, "maxNodeCount", 0));
    table_fact(facts, "stand-in", json_get_string(status, "standIn", NULL));
}

json_t *render_plan_compute(const json_t *definition, int change, const json_t *status)
{
    static const char *const done[] = {"unchanged", "created", "changed"};
    static const char *const would[] = {"dry run: unchanged", "dry run: would be created",
                                        "dry run: would be changed"};
    const char *what = (status != NULL ? done : would)[change < 0 ? 0 : change == 0 ? 1 : 2];
    AUTO_FREE char *headline =
        xasprintf("Compute %s (%s)", json_get_string(definition, "name", ""), what);
    AUTO_PAGE struct page page;
    AUTO_TABLE struct table facts;
    begin(&page, headline);
    table_init(&facts, NULL);
    add_status(&facts, status);
    put_table(&page, &facts);
    put_json(&page, "status", status);
    if (status == NULL)
        put_json(&page, "definition", definition);
    return end(&page);
}

json_t *render_plan_computes(const json_t *computes, bool whole)
{
    static const char *const titles[] = {"compute", "type", "VM size", "nodes", "at most", NULL};
    AUTO_PAGE struct page page;
    AUTO_TABLE struct table table;
    size_t i;
    const json_t *row;
    table_init(&table, titles);
    json_array_foreach (computes, i, row) {
        const json_t *definition = json_object_get(row, "definition");
        const json_t *status = json_object_get(row, "status");
        table_add(&table, json_get_string(row, "name", ""));
        table_add(&table, json_get_string(definition, "type", ""));
        table_add(&table, json_get_string(definition, "size", ""));
        bool has_nodes = json_object_get(status, "currentNodeCount") != NULL;
        table_addf(&table, has_nodes ? "%d" : "", (int)json_get_int(status, "currentNodeCount", 0));
        table_addf(&table, has_nodes ? "%d" : "",
                   (int)json_get_int(definition, "max_instances", 0));
    }
    begin(&page, "Computes");
    put_table(&page, &table);
    json_array_foreach (computes, i, row) {
        AUTO_FREE char *title = xasprintf("status of %s", json_get_string(row, "name", ""));
        if (whole)
            put_json(&page, title, json_object_get(row, "status"));
    }
    return end(&page);
}

json_t *render_plan_workspace(const struct workspace *workspace)
{
    AUTO_PAGE struct page page;
    AUTO_TABLE struct table facts;
    begin(&page, workspace->local ? "Local workspace" : "Azure ML workspace");
    table_init(&facts, NULL);
    table_fact(&facts, "name", workspace->name);
    table_fact(&facts, "resource group", workspace->resource_group);
    table_fact(&facts, "subscription", workspace->subscription_id);
    table_fact(&facts, "why", workspace->why);
    table_fact(&facts, "config", workspace->config_path);
    table_fact(&facts, "home", workspace->home);
    put_table(&page, &facts);
    return end(&page);
}

/* --- dry run of a submission ------------------------------------------------------------------ */

static char *command_text(const json_t *command)
{
    AUTO_STRLIST struct strlist words = STRLIST_INIT;
    size_t i;
    json_t *word;
    if (json_is_string(command))
        return xstrdup(json_string_value(command));
    json_array_foreach (command, i, word)
        strlist_add(&words, json_is_string(word) ? json_string_value(word) : "");
    return strlist_join(&words, " ");
}

/* What the core gives is shown as it is: references stay references, for it resolves none before
 * the start. */
static void add_variables(struct table *facts, const json_t *variables)
{
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)(uintptr_t)variables, name, value) {
        AUTO_FREE char *text =
            json_is_string(value) ? xstrdup(json_string_value(value)) : json_text(value);
        AUTO_FREE char *label = xasprintf("variable %s", name);
        table_fact(facts, label, text);
    }
}

/* What is sent, then what is left out and by which rule: the two lists people compare when a file
 * is missing. */
static void put_kept(struct page *page, const json_t *snapshot)
{
    static const char *const titles[] = {"sent", "size", "kept by", NULL};
    AUTO_TABLE struct table table;
    const json_t *entries = json_object_get(snapshot, "entries");
    size_t i;
    const json_t *entry;
    table_init(&table, titles);
    json_array_foreach (entries, i, entry) {
        if (i == RENDER_PLAN_FILES_MAX)
            break;
        AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(entry, "size", 0));
        table_add(&table, json_get_string(entry, "path", ""));
        table_add(&table, size);
        table_add(&table, json_get_string(entry, "rule", ""));
    }
    if (json_array_size(entries) > RENDER_PLAN_FILES_MAX) {
        table_addf(&table, "and %zu more files", json_array_size(entries) - RENDER_PLAN_FILES_MAX);
        table_add(&table, "");
        table_add(&table, "");
    }
    put_table(page, &table);
}

static void put_dropped(struct page *page, const json_t *snapshot)
{
    static const char *const titles[] = {"left out", "size", "by", NULL};
    AUTO_TABLE struct table table;
    const json_t *dropped = json_object_get(snapshot, "dropped");
    size_t i;
    const json_t *entry;
    table_init(&table, titles);
    json_array_foreach (dropped, i, entry) {
        if (i == RENDER_PLAN_FILES_MAX)
            break;
        AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(entry, "size", 0));
        table_add(&table, json_get_string(entry, "path", ""));
        table_add(&table, json_get_bool(entry, "folder", false) ? "folder" : size);
        table_add(&table, json_get_string(entry, "rule", ""));
    }
    if (json_array_size(dropped) > RENDER_PLAN_FILES_MAX) {
        table_addf(&table, "and %zu more", json_array_size(dropped) - RENDER_PLAN_FILES_MAX);
        table_add(&table, "");
        table_add(&table, "");
    }
    put_table(page, &table);
}

static void add_plan(struct table *facts, const json_t *plan)
{
    const json_t *environment = json_object_get(plan, "environment");
    const json_t *compute = json_object_get(plan, "compute");
    const json_t *snapshot = json_object_get(plan, "snapshot");
    AUTO_FREE char *command = command_text(json_object_get(plan, "command"));
    AUTO_FREE char *size = file_size_text((unsigned long long)json_get_int(snapshot, "size", 0));
    const char *rules = json_get_string(snapshot, "ignore_file", NULL);
    table_fact(facts, "compute", json_get_string(compute, "name", NULL));
    if (json_is_string(environment))
        table_fact(facts, "environment", json_string_value(environment));
    else
        table_fact(facts, "environment", json_get_string(environment, "build", NULL));
    table_fact(facts, "command", command);
    add_variables(facts, json_object_get(plan, "environment_variables"));
    table_fact(facts, "folder", json_get_string(snapshot, "source", NULL));
    long long files = (long long)json_get_int(snapshot, "files", 0);
    table_factf(facts, "snapshot", "%lld file%s, %s; %s%s", files, files == 1 ? "" : "s", size,
                rules != NULL ? "rules from " : "no ignore file", rules != NULL ? rules : "");
    table_fact(facts, "run directory", json_get_string(plan, "run_dir", NULL));
}

json_t *render_plan_submit(const json_t *plan)
{
    AUTO_PAGE struct page page;
    AUTO_TABLE struct table facts;
    const json_t *snapshot = json_object_get(plan, "snapshot");
    begin(&page, "Dry run: nothing was changed. This is what would happen");
    table_init(&facts, NULL);
    add_plan(&facts, plan);
    put_table(&page, &facts);
    put_kept(&page, snapshot);
    put_dropped(&page, snapshot);
    put_json(&page, "job", json_object_get(plan, "job"));
    return end(&page);
}
