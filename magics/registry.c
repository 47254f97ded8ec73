/* SPDX-License-Identifier: BSD-3-Clause */
/* The one table of magics. tests/unit/magics/test_registry.c checks its order and its entries. */
#include "magics/registry.h"

#include <stdlib.h>
#include <string.h>

#include "base/suggest.h"
#include "magics/list.h"

const struct magic *const registry_magics[] = {
    &magic_environment,  &magic_compute,  &magic_submit, /* cells */
    &magic_environments, &magic_computes, &magic_workspace, &magic_runs,   &magic_status,
    &magic_logs,         &magic_metrics,  &magic_outputs,   &magic_attach, &magic_wait,
    &magic_cancel,       &magic_rerun,    &magic_secret,    &magic_skiff,  NULL,
};

/* IPython's own magics and those of packages many notebooks load: never taken for slips of ours. */
static const char others[] =
    " ! HTML R SVG SX aimport alias alias_magic autoawait autocall automagic autopx "
    "autoreload autosave bash bigquery bookmark capture cat cd clear cls cmd code_wrap "
    "colors conda config connect_info cp cython debug dhist dirs doctest_mode ed edit "
    "env file gui hist history html javascript js julia killbgscripts latex ldir less lf "
    "lk ll load load_ext loadpy logoff logon logstart logstate logstop lprun ls lsmagic "
    "lx macro magic mamba man markdown matplotlib memit micromamba mkdir more mprun mv "
    "mypy notebook page pastebin pdb pdef pdoc perl pfile pinfo pinfo2 pip popd pprint "
    "precision prun psearch psource pushd pwd px pycat pylab pypy python python2 python3 "
    "qtconsole quickref recall rehashx reload_ext rep reset reset_selective rm "
    "rmdir ruby run rust save sc script set_env sh spark sql store subshell svg sx "
    "system tb tensorboard time timeit unalias unload_ext uv wandb watermark who who_ls "
    "whos writefile xdel xmode ";

const struct magic *registry_find(const char *name)
{
    for (size_t i = 0; registry_magics[i] != NULL; i++)
        if (strcmp(registry_magics[i]->name, name) == 0)
            return registry_magics[i];
    return NULL;
}

static bool is_of_others(const char *name)
{
    AUTO_FREE char *word = xasprintf(" %s ", name);
    return strstr(others, word) != NULL;
}

/* The magic of ours that is one slip away, of the same kind (%% or %). */
static const struct magic *nearest(const char *name, bool cell)
{
    const char *names[ARRAY_SIZE(registry_magics)];
    size_t count = 0;
    if (is_of_others(name))
        return NULL;
    for (size_t i = 0; registry_magics[i] != NULL; i++)
        if (registry_magics[i]->cell == cell)
            names[count++] = registry_magics[i]->name;
    const char *found = suggest(name, names, count);
    /* Of a short name little is left after two edits: at most one letter more or less. */
    bool alike = found != NULL && labs((long)strlen(found) - (long)strlen(name)) <= 1;
    return found != NULL && (alike || strlen(name) > 6) ? registry_find(found) : NULL;
}

/* What follows the magic in its line: the one that ends before `first->rest`, or with the code. */
static const char *words_of(const char *code, const struct parse_first *first)
{
    const char *line = first->rest != NULL ? first->rest - 1 : code + strlen(code);
    while (line > code && line[-1] != '\n')
        line--;
    return strstr(line, first->magic) + strlen(first->magic);
}

bool registry_claims(const char *code)
{
    struct parse_first first;
    if (!parse_first(code, &first))
        return false;
    AUTO_FREE char *text = first.magic;
    bool cell = text[1] == '%';
    const char *name = text + 1 + cell;
    const struct magic *magic = registry_find(name);
    if (magic != NULL && magic->claims != NULL && !first.help)
        return magic->claims(words_of(code, &first));
    return magic != NULL || nearest(name, cell) != NULL;
}

/* The name is right and the number of % is not: common enough for words of its own. */
static int wrong_kind(const struct magic *magic, const struct parse_call *call, struct error *err)
{
    if (magic->cell) {
        error_set(err, ERROR_INVALID, "%s is a cell magic: it is written with two %%",
                  call->name.text);
        error_hint(err, "write %%%%%s as the first line of a cell, with its text below it",
                   magic->name);
    } else {
        error_set(err, ERROR_INVALID, "%s is a line magic: it is written with one %%",
                  call->name.text);
        error_hint(err, "write %%%s", magic->name);
    }
    return error_at(err, call->name.line, call->name.column);
}

const struct magic *registry_resolve(const struct parse_call *call, struct error *err)
{
    const char *name = call->name.text;
    const char *sigil = call->cell_magic ? "%%" : "%";
    const struct magic *magic = registry_find(name);
    if (magic != NULL && (magic->cell == call->cell_magic || call->help))
        return magic;
    if (magic != NULL) {
        wrong_kind(magic, call, err);
        return NULL;
    }
    const struct magic *near = nearest(name, call->cell_magic);
    if (is_of_others(name)) {
        error_set(err, ERROR_INVALID, "%s%s is Python's, in a cell of Skiff's magics", sigil, name);
        error_hint(err, "put it in a cell of its own");
    } else {
        error_set(err, ERROR_NOT_FOUND, "there is no magic %s%s", sigil, name);
        if (near != NULL)
            error_hint(err, "did you mean %s%s? %%skiff lists all", sigil, near->name);
        else
            error_hint(err, "%%skiff lists all there are");
    }
    error_at(err, call->name.line, call->name.column);
    return NULL;
}
