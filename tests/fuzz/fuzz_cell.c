/* SPDX-License-Identifier: BSD-3-Clause */
/* The cell parser on any bytes: it never crashes, and what it accepts keeps its promises. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "magics/parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *code, size_t size, const struct parse *parse)
{
    assert(parse->count > 0);
    assert(parse->body == NULL || (parse->body >= code && parse->body <= code + size));
    for (size_t i = 0; i < parse->count; i++) {
        const struct parse_call *call = &parse->calls[i];
        assert(call->name.text[0] != '\0' && call->name.line > 0 && call->name.column > 0);
        for (size_t w = 0; w < call->count; w++) {
            const struct parse_word *word = &call->words[w];
            assert(word->start < word->end && word->end <= size);
            assert(strlen(word->text) <= word->end - word->start);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(parse) struct parse *parse = NULL;
    struct parse_first first = {.magic = NULL};
    AUTO_FREE char *code = xmalloc(size + 1);
    if (size > 0)
        memcpy(code, data, size);
    code[size] = '\0';
    size = strlen(code);
    bool is_magic = parse_first(code, &first);
    assert(!is_magic || (first.magic != NULL && !parse_is_blank(code)));
    free(first.magic);
    if (parse_cell(code, &parse, &err) == 0)
        check(code, size, parse);
    else
        assert(err.text != NULL);
    if (err.line > 0) {
        AUTO_FREE char *line = parse_line(code, err.line);
        assert(line != NULL);
    }
    return 0;
}
