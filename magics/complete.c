/* SPDX-License-Identifier: BSD-3-Clause */
/* Candidates for the word at the cursor: from the table of magics, the tables of keys, the store's
 * names and the notebook's folder. */
#include "magics/complete.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "kernel/question.h"
#include "magics/registry.h"
#include "submission/submission.h"

#define ENTRIES_READ_MAX 5000 /* of a folder: completion must not be felt */

/* Candidates are compared as they would be written: what the user typed stays as it is. */
static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static void offer(struct strlist *matches, const char *prefix, const char *text)
{
    if (begins(text, prefix) && matches->count < COMPLETE_MAX && !strlist_has(matches, text))
        strlist_add(matches, text);
}

/* "%" alone offers both kinds, "%%" the cell magics: the sigils are part of the word. */
static void offer_magics(struct strlist *matches, const char *prefix)
{
    for (size_t i = 0; registry_magics[i] != NULL; i++) {
        AUTO_FREE char *name =
            xasprintf("%s%s", registry_magics[i]->cell ? "%%" : "%", registry_magics[i]->name);
        offer(matches, prefix, name);
    }
}

static void offer_options(struct strlist *matches, const struct context *context)
{
    for (const struct magic_option *o = context->magic->options; o != NULL && o->name; o++)
        offer(matches, context->prefix, o->name);
}

/* Canonical names first, then the v1 names; with the colon that follows. */
static void offer_keys(struct strlist *matches, const struct context *context)
{
    const struct spec_key *keys = context_keys(context->magic->kind, &context->path);
    for (const struct spec_key *key = keys; key != NULL && key->name != NULL; key++) {
        AUTO_FREE char *text = xasprintf("%s:%s", key->name, key->type == SPEC_MAP ? "" : " ");
        offer(matches, context->prefix, text);
    }
    for (const struct spec_key *key = keys; key != NULL && key->name != NULL; key++)
        for (size_t i = 0; key->synonyms != NULL && key->synonyms[i] != NULL; i++) {
            AUTO_FREE char *text =
                xasprintf("%s:%s", key->synonyms[i], key->type == SPEC_MAP ? "" : " ");
            offer(matches, context->prefix, text);
        }
}

/* Hidden entries are offered once a dot was typed. A folder ends with a slash, so that completion
 * can go on below it; what cannot be read offers nothing. */
static void offer_paths(struct strlist *matches, const char *directory, const char *prefix)
{
    const char *slash = strrchr(prefix, '/');
    AUTO_FREE char *typed = xstrndup(prefix, slash != NULL ? (size_t)(slash - prefix) + 1 : 0);
    AUTO_FREE char *expanded = file_expand_home(typed);
    AUTO_FREE char *folder = file_join(directory, *expanded != '\0' ? expanded : ".");
    DIR *dir = opendir(folder);
    struct strlist found = STRLIST_INIT;
    struct dirent *entry;
    size_t seen = 0;
    while (dir != NULL && (entry = readdir(dir)) != NULL && seen++ < ENTRIES_READ_MAX) {
        bool hidden = entry->d_name[0] == '.';
        if (!begins(entry->d_name, prefix + strlen(typed)) ||
            (hidden && prefix[strlen(typed)] != '.'))
            continue;
        AUTO_FREE char *full = file_join(folder, entry->d_name);
        strlist_addf(&found, "%s%s%s", typed, entry->d_name, file_is_dir(full) ? "/" : "");
    }
    if (dir != NULL)
        closedir(dir);
    strlist_sort(&found);
    for (size_t i = 0; i < found.count; i++)
        offer(matches, prefix, found.items[i]);
    strlist_done(&found);
}

/* Names from the store. Without one (no workspace yet, a broken index) nothing is known, which is
 * no error here: completion never disturbs. */
static void offer_names(struct strlist *matches, struct submission *submission, enum spec_kind kind,
                        const char *prefix)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    if (submission != NULL)
        submission_names(submission, kind, &names);
    for (size_t i = 0; i < names.count; i++)
        offer(matches, prefix, names.items[i]);
}

/* A script is in the job's folder; every other path begins at the notebook's. */
static void offer_path_of(struct strlist *matches, const struct context *context,
                          const struct spec_key *key, const char *directory)
{
    bool in_folder = context->folder != NULL && strcmp(key->name, "script") == 0;
    AUTO_FREE char *folder = in_folder ? file_join(directory, context->folder) : xstrdup(directory);
    offer_paths(matches, folder, context->prefix);
}

static const char *offer_values(struct strlist *matches, const struct context *context,
                                struct submission *submission, const char *directory)
{
    static const char *const references[] = {"env:", "file:", "secret:", "docker"};
    const struct spec_key *key = context_key(context->magic->kind, &context->path);
    if (key == NULL)
        return "value";
    for (size_t i = 0; key->allowed != NULL && key->allowed[i] != NULL; i++)
        offer(matches, context->prefix, key->allowed[i]);
    if (key->type == SPEC_BOOL) {
        offer(matches, context->prefix, "true");
        offer(matches, context->prefix, "false");
    }
    for (size_t i = 0; key->type == SPEC_SECRET && i < ARRAY_SIZE(references); i++)
        offer(matches, context->prefix, references[i]);
    /* Two keys of a job name things that were defined in other cells. */
    bool of_job = context->magic->kind == SPEC_JOB && context->path.count == 1;
    if (of_job && strcmp(key->name, "environment") == 0)
        offer_names(matches, submission, SPEC_ENVIRONMENT, context->prefix);
    if (of_job && strcmp(key->name, "compute") == 0)
        offer_names(matches, submission, SPEC_COMPUTE, context->prefix);
    if (key->type == SPEC_PATH)
        offer_path_of(matches, context, key, directory);
    return key->type == SPEC_PATH ? "path" : "value";
}

static const char *offer_arguments(struct strlist *matches, const struct context *context,
                                   struct submission *submission)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    if (context->magic->complete != NULL && submission != NULL)
        context->magic->complete(submission, &names);
    for (size_t i = 0; i < names.count; i++)
        offer(matches, context->prefix, names.items[i]);
    return "name";
}

/* What an option takes is known by what the table calls it. */
static const char *offer_option_values(struct strlist *matches, const struct context *context,
                                       struct submission *submission, const char *directory)
{
    AUTO_STRLIST struct strlist names = STRLIST_INIT;
    const char *takes = context->option->value != NULL ? context->option->value : "";
    if (strcmp(takes, "PATH") == 0) {
        offer_paths(matches, directory, context->prefix);
        return "path";
    }
    if (strcmp(takes, "STATE") == 0)
        for (int i = 0; i < RUN_STATE_COUNT; i++)
            offer(matches, context->prefix, run_state_name((enum run_state)i));
    if (strcmp(takes, "EXPERIMENT") == 0 && submission != NULL)
        submission_experiments(submission, &names, NULL); /* a failure offers none */
    for (size_t i = 0; i < names.count; i++)
        offer(matches, context->prefix, names.items[i]);
    return "value";
}

const char *complete_find(const struct context *context, struct submission *submission,
                          const char *directory, struct strlist *ret_matches)
{
    switch (context->kind) {
    case CONTEXT_NOTHING:
        return "";
    case CONTEXT_MAGIC:
        offer_magics(ret_matches, context->prefix);
        return "magic";
    case CONTEXT_ARGUMENT:
        return offer_arguments(ret_matches, context, submission);
    case CONTEXT_OPTION:
        offer_options(ret_matches, context);
        return "option";
    case CONTEXT_OPTION_VALUE:
        return offer_option_values(ret_matches, context, submission, directory);
    case CONTEXT_KEY:
        offer_keys(ret_matches, context);
        return "key";
    case CONTEXT_VALUE:
        return offer_values(ret_matches, context, submission, directory);
    }
    return "";
}

void complete_answer(struct submission *submission, struct question *question)
{
    AUTO_CONTEXT struct context context;
    AUTO_STRLIST struct strlist found = STRLIST_INIT;
    size_t cursor = question_cursor(question);
    context_find(&context, question_code(question), cursor);
    const char *type =
        complete_find(&context, submission, submission_directory(submission), &found);
    json_t *matches = json_array();
    json_t *types = json_array();
    for (size_t i = 0; i < found.count; i++) {
        json_array_append_new(matches, json_text_value(found.items[i], strlen(found.items[i])));
        json_array_append_new(types, json_string(type));
    }
    question_answer_complete(question, matches, types, found.count > 0 ? context.start : cursor,
                             cursor);
}
