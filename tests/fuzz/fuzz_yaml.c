/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as YAML and as each of the three definitions. A refusal has words, a place inside of the
 * text or none; what is read is canonical: it can be dumped,
 * hashed, and, for a job, made into an argv. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "submission/spec.h"
#include "submission/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_refusal(const struct error *err, const char *text, size_t size)
{
    int lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n' || text[i] == '\r' || (unsigned char)text[i] >= 0x80;
    assert(error_is_set(err) && err->text != NULL && err->text[0] != '\0');
    assert(err->line >= 0 && err->column >= 0);
    assert(err->file != NULL || err->line <= lines + 1); /* the end of a text may be a line more */
}

static void check_yaml(const char *text, size_t size)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(yaml_node) struct yaml_node *root = yaml_parse(text, size, 1, &err);
    if (root == NULL) {
        check_refusal(&err, text, size);
        return;
    }
    AUTO_JSON json_t *value = yaml_to_json(root);
    AUTO_FREE char *json = json_text(value);
    assert(json[0] != '\0' && root->weight <= YAML_NODES_MAX && root->height <= YAML_DEPTH_MAX);
}

static void check_spec(enum spec_kind kind, const char *text, size_t size)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_NOTES struct notes notes = NOTES_INIT;
    AUTO_JSON json_t *definition = NULL;
    const struct spec_source source = {
        .name = "fuzz-a", .text = text, .size = size, .first_line = 1, .base = "/nonexistent"};
    char hash[65];
    if (spec_parse(kind, &source, &definition, &notes, &err) != 0) {
        check_refusal(&err, text, size);
        return;
    }
    AUTO_FREE char *json = json_canonical(definition);
    spec_hash(definition, hash);
    assert(json[0] == '{' && strlen(hash) == 64);
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    if (kind == SPEC_JOB)
        assert(spec_job_argv(definition, "python", "/run", &argv, &err) == 0 && argv.count > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    check_yaml(text, size);
    for (int kind = 0; kind < SPEC_KIND_COUNT; kind++)
        check_spec((enum spec_kind)kind, text, size);
    return 0;
}
