/* SPDX-License-Identifier: BSD-3-Clause */
/* Help texts, made from the tables that the parser itself uses. */
#include "magics/inspect.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "kernel/question.h"
#include "magics/context.h"
#include "magics/registry.h"
#include "magics/table.h"

#define INSPECT_GET_PYTHON                                                                \
    "install ipykernel into a Python (pip install ipykernel) and name it: skiff install " \
    "--companion PYTHON; then restart the kernel"

static void put_example(struct buf *html, struct buf *text, const char *example)
{
    if (example == NULL)
        return;
    buf_puts(html, "<div " TABLE_STYLE_DIM ">example</div><pre style=\"background:none;"
                   "margin:2px 0 2px 16px\">");
    buf_puts_html(html, example);
    buf_puts(html, "</pre>");
    buf_puts(text, "example\n");
    for (const char *line = example; *line != '\0';) {
        size_t length = strcspn(line, "\n");
        buf_printf(text, "    %.*s\n", (int)length, line);
        line += length + (line[length] == '\n');
    }
}

static void put_heading(struct buf *html, struct buf *text, const char *code, const char *help)
{
    buf_puts(html, "<div " TABLE_STYLE_BOX "><div><code>");
    buf_puts_html(html, code);
    buf_puts(html, "</code></div><div>");
    buf_puts_html(html, help);
    buf_puts(html, "</div>");
    buf_printf(text, "%s\n%s\n", code, help);
}

static void put_rows(struct buf *html, struct buf *text, const struct table *table)
{
    if (table_rows(table) == 0)
        return;
    table_html(html, table);
    table_text(text, table);
}

static char *synonyms_of(const struct spec_key *key)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    for (size_t i = 0; key->synonyms != NULL && key->synonyms[i] != NULL; i++)
        strlist_add(&names, key->synonyms[i]);
    return strlist_join(&names, ", ");
}

/* One row a key; nested keys are a hover (or a ?) away. */
static void put_keys(struct buf *html, struct buf *text, const struct spec_key *keys)
{
    static const char *const titles[] = {"key", "also written", "meaning", NULL};
    AUTO_TABLE struct table table;
    table_init(&table, titles);
    for (const struct spec_key *key = keys; key != NULL && key->name != NULL; key++) {
        AUTO_FREE char *synonyms = synonyms_of(key);
        table_add(&table, key->name);
        table_add(&table, synonyms);
        table_add(&table, key->help);
    }
    put_rows(html, text, &table);
}

static void put_options(struct buf *html, struct buf *text, const struct magic *magic)
{
    static const char *const titles[] = {"option", "meaning", NULL};
    AUTO_TABLE struct table table;
    table_init(&table, titles);
    for (const struct magic_option *o = magic->options; o != NULL && o->name != NULL; o++) {
        table_addf(&table, "%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        table_add(&table, o->help);
    }
    put_rows(html, text, &table);
}

json_t *inspect_magic(const struct magic *magic)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    put_heading(&html, &text, magic->usage, magic->help);
    put_options(&html, &text, magic);
    put_example(&html, &text, magic->example);
    if (magic->cell)
        put_keys(&html, &text, spec_keys(magic->kind));
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

/* What a key takes when it has no list of allowed values. */
static const char *type_text(const struct spec_key *key)
{
    static const char *const texts[] = {
        [SPEC_STRING] = "text",
        [SPEC_PATH] = "a path; relative ones begin at the notebook's folder",
        [SPEC_INT] = "a whole number",
        [SPEC_BOOL] = "true or false",
        [SPEC_STRING_LIST] = "a list, or one value",
        [SPEC_STRING_MAP] = "names and values",
        [SPEC_MAP] = "keys of its own",
        [SPEC_SECRET] = "a reference to a secret: env:NAME, file:PATH, secret:NAME or docker",
        [SPEC_ANY] = "a value, a list or a map",
    };
    return texts[key->type];
}

json_t *inspect_key(const struct spec_key *key)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_TABLE struct table facts;
    AUTO_STRLIST struct strlist allowed = STRLIST_INIT;
    AUTO_FREE char *synonyms = synonyms_of(key);
    for (size_t i = 0; key->allowed != NULL && key->allowed[i] != NULL; i++)
        strlist_add(&allowed, key->allowed[i]);
    AUTO_FREE char *values = strlist_join(&allowed, ", ");
    table_init(&facts, NULL);
    table_fact(&facts, "takes", *values != '\0' ? values : type_text(key));
    table_fact(&facts, "also written", synonyms);
    table_fact(&facts, "here", key->unserved ? key->instead : NULL);
    put_heading(&html, &text, key->name, key->help);
    put_rows(&html, &text, &facts);
    put_example(&html, &text, key->example);
    put_keys(&html, &text, key->children);
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

static json_t *inspect_option(const struct magic *magic, const char *name)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    for (const struct magic_option *o = magic->options; o != NULL && o->name != NULL; o++) {
        if (strcmp(o->name, name) != 0)
            continue;
        AUTO_FREE char *code =
            xasprintf("%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
        put_heading(&html, &text, code, o->help);
        buf_puts(&html, "</div>");
        return table_bundle(&html, &text);
    }
    return inspect_magic(magic);
}

/* Which Python runs the other cells, why that one, and what could not be used. */
static void add_companion(struct table *facts, const json_t *companion)
{
    const char *state = json_get_string(companion, "state", "");
    size_t i;
    json_t *note;
    if (companion == NULL)
        return;
    if (strcmp(state, "none") == 0) {
        table_fact(facts, "Python", "none: cells that are not Skiff's cannot run");
        table_fact(facts, "to have one", INSPECT_GET_PYTHON);
    } else {
        bool asleep = strcmp(state, "not started") == 0;
        table_fact(facts, "Python",
                   asleep ? "not started: the first cell that needs it does that"
                          : json_get_string(companion, "version", state));
        table_fact(facts, "which is", json_get_string(companion, "command", NULL));
        table_fact(facts, "because it is", json_get_string(companion, "why", NULL));
        if (json_get_int(companion, "pid", 0) > 0)
            table_factf(facts, "its process", "%d, %s", (int)json_get_int(companion, "pid", 0),
                        state);
    }
    json_array_foreach (json_object_get(companion, "notes"), i, note)
        table_fact(facts, "not used", json_string_value(note));
}

json_t *inspect_overview(const char *home, const json_t *companion)
{
    AUTO_BUF struct buf html = BUF_INIT;
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_TABLE struct table table;
    AUTO_TABLE struct table facts;
    table_init(&facts, NULL);
    table_init(&table, (const char *const[]){"magic", "what it does", NULL});
    table_fact(&facts, "home", home);
    add_companion(&facts, companion);
    table_fact(&facts, "help", "%magic? or %%magic? on any of these");
    for (size_t i = 0; registry_magics[i] != NULL; i++) {
        table_add(&table, registry_magics[i]->usage);
        table_add(&table, registry_magics[i]->help);
    }
    put_heading(&html, &text, "Skiff " SKIFF_VERSION,
                "Run scripts anywhere from three cells: %%environment, %%compute, %%submit.");
    put_rows(&html, &text, &facts);
    put_rows(&html, &text, &table);
    buf_puts(&html, "</div>");
    return table_bundle(&html, &text);
}

/* --- under the cursor ------------------------------------------------------------------------- */

/* The end of the word the cursor is in or at the end of. */
static size_t word_end(const char *code, size_t cursor)
{
    while (isalnum((unsigned char)code[cursor]) || code[cursor] == '_' || code[cursor] == '-' ||
           code[cursor] == '%')
        cursor++;
    return cursor;
}

/* The name may be unfinished or not ours: then nothing is known. */
static json_t *inspect_name(const char *word)
{
    const struct magic *magic = registry_find(word + strspn(word, "%"));
    return magic != NULL ? inspect_magic(magic) : NULL;
}

static json_t *inspect_path(const struct context *context)
{
    const struct spec_key *key = context_key(context->magic->kind, &context->path);
    return key != NULL ? inspect_key(key) : NULL;
}

json_t *inspect_at(const char *code, size_t cursor)
{
    AUTO_CONTEXT struct context context;
    context_find(&context, code, word_end(code, cursor));
    switch (context.kind) {
    case CONTEXT_NOTHING:
        return NULL;
    case CONTEXT_MAGIC:
        return inspect_name(context.prefix);
    case CONTEXT_OPTION:
        return inspect_option(context.magic, context.prefix);
    case CONTEXT_OPTION_VALUE:
        return inspect_option(context.magic, context.option->name);
    case CONTEXT_ARGUMENT:
        return inspect_magic(context.magic);
    /* A key that is being looked at ends at its colon: it is the word, not yet in the path. */
    case CONTEXT_KEY:
        strlist_add(&context.path, context.prefix);
        return inspect_path(&context);
    case CONTEXT_VALUE:
        return inspect_path(&context);
    }
    return NULL;
}

void inspect_answer(struct question *question)
{
    question_answer_inspect(question,
                            inspect_at(question_code(question), question_cursor(question)));
}
