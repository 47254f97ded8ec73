/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Definitions: what a %%environment, %%compute or %%submit cell says, checked and made canonical.
 *
 * The canonical form is a JSON object with the keys of Azure ML's v2 YAML; the v1 names of Azure's
 * SDK are accepted as synonyms. One table of keys per kind serves the parser, completion, help and
 * the documentation's tests. The keys, their meaning and their defaults: docs/magics.md.
 *
 * Parsing has no side effects and touches no file except those a definition names to be read
 * (dockerfile_path, conda_file, requirements files), which it reads within limits.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/strlist.h"
#include "submission/notes.h"

enum spec_kind { SPEC_ENVIRONMENT, SPEC_COMPUTE, SPEC_JOB };
#define SPEC_KIND_COUNT 3

enum spec_type {
    SPEC_STRING,
    SPEC_PATH, /* a string; completed as a path */
    SPEC_INT,
    SPEC_BOOL,
    SPEC_STRING_LIST, /* a list of scalars, or one scalar meaning a list of one */
    SPEC_STRING_MAP,  /* a map to scalars, which become strings */
    SPEC_MAP,         /* a map with the keys of `children` */
    SPEC_ANY,         /* read by the kind's own check, or passed on */
    SPEC_SECRET,      /* a reference to a secret (secret.h), never the secret itself */
};

struct spec_key {
    const char *name;            /* the canonical (v2) name */
    const char *const *synonyms; /* NULL-terminated v1 names; NULL means none */
    enum spec_type type;
    const char *const *allowed;      /* NULL-terminated values of a SPEC_STRING; NULL means any */
    const struct spec_key *children; /* SPEC_MAP: ends with a NULL name */
    const char *help;                /* one line */
    const char *example;             /* one YAML line or lines, valid as it stands */
    bool unserved;       /* known to Azure ML, not served by this workspace: a warning says so */
    const char *instead; /* unserved: what will happen instead, a sentence */
};

/* The keys of a kind, ending with a NULL name. Static storage. */
const struct spec_key *spec_keys(enum spec_kind kind);

/* "environment", "compute", "job". Static storage. */
const char *spec_kind_name(enum spec_kind kind);

struct spec_source {
    const char *name; /* the name after the magic, or NULL to take it from the text's `name:` */
    const char *text; /* YAML */
    size_t size;
    int first_line;   /* the line of the cell in which the text begins (1 for a file) */
    const char *file; /* the path when the text came from --file, else NULL */
    const char *base; /* the folder relative paths are relative to (the notebook's); absolute */
};

/*
 * Checks the whole text and gives its canonical form (a new reference in *ret_definition). Keys that
 * were not given are absent unless a default is named here:
 *
 *   environment  "name"; "image" | "build": {"dockerfile": text} | {"path","dockerfile_path"} |
 *                neither: a process on the machine that runs it, with "python" (a path, name or
 *                version). "conda_file" is the parsed file, "pip" the requirement lines (from
 *                `pip:`, `pip_requirements:` or both), in order. "user_managed_dependencies",
 *                "registry": {address, username, password: a reference}, "environment_variables",
 *                "description", "tags".
 *   compute      "name", "type": "amlcompute", and with Azure's defaults filled in "size", "tier":
 *                "dedicated" | "low_priority", "min_instances", "max_instances",
 *                "idle_time_before_scale_down"; or "name", "type": "local".
 *   job          "experiment_name" (default: the folder's name, as on Azure), "display_name";
 *                "script" and "arguments": [text] | "command": text or [text]; "code": absolute,
 *                without a trailing slash (default with a script: the notebook's folder; absent with
 *                a command that names none); "environment": absent, "name", "name:VERSION" or an
 *                inline definition without a name; "compute" (default "local");
 *                "environment_variables"; "inputs": {name: text | {"type","path","mode"}}, local
 *                paths absolute; "outputs": {name: {..}}; "limits": {"timeout": seconds}.
 *
 * What is known but not served is kept as it was given, and noted. Values of environment_variables
 * are text; one that is a secret reference is resolved when the run starts.
 *
 * What is wrong is an error with its place in the cell, the value, what is allowed and the next
 * step; what is understood but not served, and v1 habits worth a word, are notes. Literal passwords
 * are refused, and never quoted: where the line at fault may hold one, the place is told in words
 * only, so that nobody shows the line. Both spellings of one key are an error that names both.
 */
int spec_parse(enum spec_kind kind, const struct spec_source *source, json_t **ret_definition,
               struct notes *notes, struct error *err);

/* Checks a name by Azure's rules for the kind (a job's is its experiment name). */
int spec_check_name(enum spec_kind kind, const char *name, struct error *err);

/* What to execute for a job definition: its script with `python` as the interpreter, its command as
 * a list, or its command's text with `bash -c`. ${{inputs.NAME}} becomes the literal or the path,
 * ${{outputs.NAME}} a folder below `run_dir`/outputs (the outputs folder itself for `default`).
 * Appends to *ret_argv. Pure; fails only for a definition that spec_parse() would refuse. */
int spec_job_argv(const json_t *job, const char *python, const char *run_dir,
                  struct strlist *ret_argv, struct error *err);

/* SHA-256 of the canonical JSON without name, description and tags, in 64 hex digits: the identity
 * of a definition. */
void spec_hash(const json_t *definition, char ret_hex[65]);
