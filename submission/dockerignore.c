/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines to patterns, and which pattern decides: what github.com/moby/patternmatcher does for Docker's
 * client, the cleaning of patterns as paths included. What a single pattern matches is
 * dockerignore_glob.c's. */
#include "submission/dockerignore.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/strlist.h"
#include "base/utf8.h"
#include "submission/dockerignore_glob.h"

#define SPECIAL "*?[]\\"
#define BLANK " \t\r\v\f"

struct pattern {
    bool exception;
    struct dockerignore_glob *glob;
};

struct dockerignore {
    struct pattern *patterns;
    size_t count, capacity;
};

/* --- parsing ---------------------------------------------------------------------------------- */

static char *trim_end(char *line)
{
    size_t size = strlen(line);
    while (size > 0 && strchr(BLANK, line[size - 1]) != NULL)
        size--;
    line[size] = '\0';
    return line;
}

/* The line without blanks around it; its end is cut off in place. */
static char *trim(char *line)
{
    return trim_end(line + strspn(line, BLANK));
}

/* The pattern as a path from the root, without `.`, `..` and slashes that say nothing; "" for the root
 * itself. One that leads out of the root keeps its `..` and matches nothing. */
static char *clean(const char *pattern)
{
    AUTO_STRLIST struct strlist parts = STRLIST_INIT;
    AUTO_FREE char *copy = xstrdup(pattern);
    bool rooted = pattern[0] == '/';
    size_t outside = 0; /* leading parts that are `..` */
    char *rest = copy, *part;
    while ((part = strsep(&rest, "/")) != NULL) {
        bool up = strcmp(part, "..") == 0;
        if (part[0] == '\0' || strcmp(part, ".") == 0 || (up && rooted && parts.count == 0))
            continue;
        if (up && parts.count > outside) {
            free(parts.items[--parts.count]);
            parts.items[parts.count] = NULL;
            continue;
        }
        outside += up;
        strlist_add(&parts, part);
    }
    return strlist_join(&parts, "/");
}

static int add_pattern(struct dockerignore *rules, char *line, struct error *err)
{
    struct pattern pattern = {.exception = line[0] == '!'};
    const char *written = pattern.exception ? trim(line + 1) : line;
    AUTO_FREE char *path = clean(written);
    bool nothing = written[0] == '\0' || (written[0] == '/' && path[0] == '\0');
    /* What was behind a slash may be a blank again. */
    replace(&path, clean(pattern.exception ? trim_end(path) : trim(path)));
    if (strlen(path) > DOCKERIGNORE_PATTERN_MAX)
        return error_set(err, ERROR_LIMIT, "the pattern is longer than %d bytes",
                         DOCKERIGNORE_PATTERN_MAX);
    if (pattern.exception && nothing)
        return error_set(err, ERROR_INVALID, "a \"!\" is followed by what is to be kept");
    if (path[0] == '\0') /* the root, which is no part of itself */
        return 0;
    pattern.glob = dockerignore_glob_new(path, err);
    if (pattern.glob == NULL) {
        AUTO_FREE char *shown = utf8_shown(line);
        return error_wrap(err, "\"%s\" is no pattern", shown);
    }
    if (rules->count == DOCKERIGNORE_PATTERNS_MAX) {
        dockerignore_glob_free(pattern.glob);
        return error_set(err, ERROR_LIMIT, "there are more than %d patterns",
                         DOCKERIGNORE_PATTERNS_MAX);
    }
    grow(&rules->patterns, &rules->capacity, rules->count + 1, sizeof pattern);
    rules->patterns[rules->count++] = pattern;
    return 0;
}

static int parse_line(struct dockerignore *rules, char *line, size_t size, struct error *err)
{
    if (strlen(line) != size) {
        error_set(err, ERROR_INVALID, "there is a NUL byte in this line");
        return error_hint(err, "save the file as UTF-8 text");
    }
    if (line[0] == '#')
        return 0;
    char *trimmed = trim(line);
    return trimmed[0] != '\0' ? add_pattern(rules, trimmed, err) : 0;
}

/* `text` is followed by a NUL and is cut apart. */
static int parse_lines(struct dockerignore *rules, char *text, size_t size, struct error *err)
{
    char *end = text + size;
    int number = 0;
    for (char *line = text; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        char *stop = newline != NULL ? newline : end;
        *stop = '\0';
        number++;
        if (parse_line(rules, line, (size_t)(stop - line), err) != 0)
            return error_at(err, number, 0);
        line = stop + 1;
    }
    return 0;
}

struct dockerignore *dockerignore_parse(const char *source, const char *text, size_t size,
                                        struct error *err)
{
    AUTO_ERROR struct error fault = ERROR_INIT;
    AUTO(dockerignore) struct dockerignore *rules = xcalloc(1, sizeof *rules);
    if (size > DOCKERIGNORE_FILE_MAX) {
        error_set(err, ERROR_LIMIT, "%s is larger than %d bytes", source, DOCKERIGNORE_FILE_MAX);
        return NULL;
    }
    size_t bom = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    AUTO_FREE char *copy = xmalloc(size - bom + 1);
    if (size > bom)
        memcpy(copy, text + bom, size - bom);
    copy[size - bom] = '\0';
    if (parse_lines(rules, copy, size - bom, &fault) != 0) {
        fault.file = xstrdup(source);
        error_move(err, &fault);
        return NULL;
    }
    return steal(&rules);
}

void dockerignore_free(struct dockerignore *rules)
{
    if (rules == NULL)
        return;
    for (size_t i = 0; i < rules->count; i++)
        dockerignore_glob_free(rules->patterns[i].glob);
    free(rules->patterns);
    free(rules);
}

/* --- matching --------------------------------------------------------------------------------- */

size_t dockerignore_count(const struct dockerignore *rules)
{
    return rules->count;
}

bool dockerignore_match(const struct dockerignore *rules, const char *path, const bool *above,
                        bool *ret_spoken)
{
    bool dropped = false;
    for (size_t i = 0; i < rules->count; i++) {
        const struct pattern *pattern = &rules->patterns[i];
        ret_spoken[i] = above != NULL && above[i];
        /* One that would change nothing here is not asked: and so it does not speak for what is below. */
        if (!ret_spoken[i] && pattern->exception == dropped)
            ret_spoken[i] = dockerignore_glob_match(pattern->glob, path);
        if (ret_spoken[i])
            dropped = !pattern->exception;
    }
    return dropped;
}

bool dockerignore_may_keep_below(const struct dockerignore *rules, const char *path,
                                 const bool *spoken)
{
    /* The pattern that dropped the folder drops what is below: only those behind it can keep. */
    for (size_t i = rules->count; i-- > 0 && !spoken[i];)
        if (rules->patterns[i].exception &&
            dockerignore_glob_match_below(rules->patterns[i].glob, path))
            return true;
    return false;
}

/* --- writing ---------------------------------------------------------------------------------- */

char *dockerignore_line(const char *path)
{
    AUTO_BUF struct buf line = BUF_INIT;
    size_t size = strlen(path);
    buf_putc(&line, '/'); /* no comment, no exception */
    for (size_t step; size > 0; path += step, size -= step) {
        step = utf8_sequence(path, size);
        bool last_blank = size == 1 && *path == ' ';
        if (step == 0 || (unsigned char)*path < ' ' || *path == 127 || last_blank) {
            step = 1;
            buf_putc(&line, '?');
            continue;
        }
        /* A blank behind that slash would be trimmed. */
        if (strchr(SPECIAL, *path) != NULL || (*path == ' ' && line.size == 1))
            buf_putc(&line, '\\');
        buf_append(&line, path, step);
    }
    return buf_steal(&line);
}
