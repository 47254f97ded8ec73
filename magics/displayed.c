/* SPDX-License-Identifier: BSD-3-Clause */
/* A list per folder, appended to. Two kernels may append at once: each line is one write. */
#include "magics/displayed.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "submission/run.h"

/* Some thousand lines: notebooks that old are shown by %attach. Beyond it the older half is dropped. */
#define FILE_BYTES_MAX (128 * 1024)

#define HASH_BYTES 16 /* folders of one user: no two alike */

static char *list_path(const char *home, const char *directory)
{
    unsigned char hash[HASH_BYTES];
    char hex[2 * HASH_BYTES + 1];
    crypto_generichash(hash, sizeof hash, (const unsigned char *)directory, strlen(directory), NULL,
                       0);
    sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
    return xasprintf("%s/notebooks/%s.jsonl", home, hex);
}

/* "" when nobody says. */
static const char *notebook_name(void)
{
    const char *session = getenv("JPY_SESSION_NAME");
    return session != NULL ? file_base_name(session) : "";
}

/* Keeps the newer half, from a line's beginning. */
static void shorten(const char *path)
{
    AUTO_BUF struct buf text = BUF_INIT;
    if (file_read(path, 2 * FILE_BYTES_MAX, &text, NULL) != 0)
        return;
    const char *half = text.data + text.size / 2;
    const char *line = memchr(half, '\n', (size_t)(text.data + text.size - half));
    if (line != NULL)
        file_write(path, line + 1, (size_t)(text.data + text.size - line - 1), 0644, NULL);
}

static void append(const char *home, const char *directory, json_t *line)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *path = list_path(home, directory);
    AUTO_FREE char *folder = xstrndup(path, (size_t)(file_base_name(path) - path));
    struct stat st;
    json_set_string(line, "notebook", notebook_name());
    if (stat(path, &st) == 0 && st.st_size > FILE_BYTES_MAX)
        shorten(path);
    if (file_make_dirs(folder, &err) != 0 || json_append_line(path, line, &err) != 0)
        log_debug("the notebook's runs: %s", err.text);
}

void displayed_note(const char *home, const char *directory, const char *run_id, const char *below)
{
    AUTO_JSON json_t *line = json_object();
    json_set_string(line, "run", run_id);
    json_set_string(line, "below", below);
    append(home, directory, line);
}

void displayed_note_table(const char *home, const char *directory, json_t *options)
{
    AUTO_JSON json_t *line = json_pack("{s:O}", "table", options);
    append(home, directory, line);
}

/* Is the line about a run (or, by `key`, a table) that has none yet? */
static bool is_new(const json_t *entries, const char *key, const json_t *value)
{
    size_t i;
    const json_t *entry;
    bool valid = strcmp(key, "run") == 0
                     ? json_is_string(value) && run_id_is_valid(json_string_value(value))
                     : json_is_object(value);
    json_array_foreach (entries, i, entry)
        if (json_equal(json_object_get(entry, key), value))
            return false;
    return valid;
}

/* Adds the lines of this notebook, or those of the others, from the last one on. */
static void collect(json_t *entries, const char *key, const struct buf *text, bool own, size_t max)
{
    const char *end = text->data + text->size;
    while (end > text->data && json_array_size(entries) < max) {
        const char *line = memrchr(text->data, '\n', (size_t)(end - text->data - 1));
        line = line != NULL ? line + 1 : text->data;
        AUTO_JSON json_t *entry = json_parse(line, (size_t)(end - line), "line", NULL);
        bool ours = strcmp(json_get_string(entry, "notebook", ""), notebook_name()) == 0;
        if (ours == own && is_new(entries, key, json_object_get(entry, key)))
            json_array_append(entries, entry);
        end = line;
    }
}

static json_t *read_lines(const char *home, const char *directory, const char *key, size_t max)
{
    AUTO_BUF struct buf text = BUF_INIT;
    AUTO_FREE char *path = list_path(home, directory);
    json_t *entries = json_array();
    if (file_read(path, 2 * FILE_BYTES_MAX, &text, NULL) != 0 || text.size == 0)
        return entries;
    collect(entries, key, &text, true, max);
    collect(entries, key, &text, false, max);
    return entries;
}

json_t *displayed_read(const char *home, const char *directory, size_t max)
{
    return read_lines(home, directory, "run", max);
}

json_t *displayed_read_tables(const char *home, const char *directory, size_t max)
{
    return read_lines(home, directory, "table", max);
}
