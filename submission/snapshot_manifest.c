/* SPDX-License-Identifier: BSD-3-Clause */
/* Snapshots as records: written when a run was laid out, read back to lay out another run from the
 * contents that were stored then. Paths that are not UTF-8 are written in hex beside what people read, so
 * that nothing is lost on the way. What is read back can be laid out as it is: every path leads into the
 * folder, every parent is a folder, and the hash over all of it is right. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "submission/snapshot.h"
#include "submission/snapshot_objects.h"
#include "submission/snapshot_tree.h"

/* 2,000 files with the longest paths there are, and their folders, take some 20 MB. */
#define MANIFEST_SIZE_MAX (64 * 1024 * 1024)

#define HEX_SUFFIX "_hex"

/* --- writing ----------------------------------------------------------------------------------- */

static bool is_utf8(const char *text, size_t size)
{
    for (size_t length; size > 0; text += length, size -= length) {
        length = utf8_sequence(text, size);
        if (length == 0)
            return false;
    }
    return true;
}

static void set_bytes(json_t *row, const char *key, const char *bytes)
{
    size_t size = strlen(bytes);
    json_set_string(row, key, bytes);
    if (is_utf8(bytes, size))
        return;
    AUTO_FREE char *hex_key = xasprintf("%s" HEX_SUFFIX, key);
    AUTO_FREE char *hex = xmalloc(2 * size + 1);
    sodium_bin2hex(hex, 2 * size + 1, (const unsigned char *)bytes, size);
    json_set_string(row, hex_key, hex);
}

static json_t *write_entry(const struct snapshot_entry *entry)
{
    json_t *row = json_object();
    char mode[8];
    snprintf(mode, sizeof mode, "%04o", (unsigned)entry->mode);
    set_bytes(row, "path", entry->path);
    if (entry->kind == SNAPSHOT_LINK) {
        set_bytes(row, "target", entry->target);
        return row;
    }
    json_set_string(row, "mode", mode);
    if (entry->kind == SNAPSHOT_FILE) {
        json_object_set_new(row, "size", json_integer((json_int_t)entry->size));
        json_set_string(row, "hash", entry->hash);
    }
    return row;
}

json_t *snapshot_manifest(const struct snapshot *snapshot)
{
    json_t *entries = json_array();
    for (size_t i = 0; i < snapshot->count; i++)
        json_array_append_new(entries, write_entry(&snapshot->entries[i]));
    return json_pack("{s:s, s:I, s:I, s:o}", "hash", snapshot->hash, "files",
                     (json_int_t)snapshot->file_count, "size", (json_int_t)snapshot->size,
                     "entries", entries);
}

/* --- reading back ------------------------------------------------------------------------------ */

/* The bytes of a text that may stand beside in hex; NULL when there are none. The caller frees it. */
static char *get_bytes(const json_t *row, const char *key)
{
    AUTO_FREE char *hex_key = xasprintf("%s" HEX_SUFFIX, key);
    const char *hex = json_get_string(row, hex_key, NULL);
    if (hex == NULL)
        return xstrdup_or_null(json_get_string(row, key, NULL));
    size_t max = strlen(hex) / 2;
    size_t size = 0;
    const char *end = NULL;
    AUTO_FREE char *bytes = xcalloc(max + 1, 1);
    if (sodium_hex2bin((unsigned char *)bytes, max, hex, strlen(hex), NULL, &size, &end) != 0 ||
        *end != '\0' || memchr(bytes, '\0', size) != NULL)
        return NULL;
    return steal(&bytes);
}

static int compare_paths(const void *key, const void *entry)
{
    return strcmp(key, ((const struct snapshot_entry *)entry)->path);
}

/* Is there a folder of this path among the entries so far? */
static bool has_folder(const struct snapshot *snapshot, const char *path)
{
    if (snapshot->count == 0)
        return false;
    const struct snapshot_entry *found =
        bsearch(path, snapshot->entries, snapshot->count, sizeof *snapshot->entries, compare_paths);
    return found != NULL && found->kind == SNAPSHOT_DIR;
}

/* Sorted, without "." and "..", below folders that come before: nothing can be laid out elsewhere. */
static bool is_next_path(const struct snapshot *snapshot, const char *path)
{
    const char *last = snapshot->count > 0 ? snapshot->entries[snapshot->count - 1].path : "";
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    if (strcmp(last, path) >= 0 || *name == '\0' || strcmp(name, ".") == 0 ||
        strcmp(name, "..") == 0)
        return false;
    if (slash == NULL)
        return true;
    AUTO_FREE char *parent = xstrndup(path, (size_t)(slash - path));
    return has_folder(snapshot, parent);
}

static bool read_mode(const json_t *row, uint32_t *ret_mode)
{
    const char *mode = json_get_string(row, "mode", "");
    if (strlen(mode) != 4 || strspn(mode, "01234567") != 4)
        return false;
    *ret_mode = (uint32_t)strtoul(mode, NULL, 8);
    return *ret_mode <= 0777;
}

/* Fills in what the entry is. False when it does not read. */
static bool read_kind(const json_t *row, struct snapshot_entry *entry)
{
    const char *hash = json_get_string(row, "hash", NULL);
    int64_t size = json_get_int(row, "size", -1);
    if (json_object_get(row, "target") != NULL) {
        entry->kind = SNAPSHOT_LINK;
        entry->target = get_bytes(row, "target");
        return entry->target != NULL && *entry->target != '\0';
    }
    entry->kind = hash != NULL ? SNAPSHOT_FILE : SNAPSHOT_DIR;
    if (!read_mode(row, &entry->mode))
        return false;
    if (hash == NULL)
        return true;
    if (size < 0 || strlen(hash) != 64 || strspn(hash, "0123456789abcdef") != 64)
        return false;
    entry->size = (uint64_t)size;
    memcpy(entry->hash, hash, sizeof entry->hash);
    return true;
}

static bool read_entry(const json_t *row, struct snapshot *snapshot)
{
    AUTO_FREE char *path = get_bytes(row, "path");
    struct snapshot_entry entry = {.path = path};
    if (path == NULL || !is_next_path(snapshot, path))
        return false;
    if (!read_kind(row, &entry)) {
        free(entry.target);
        return false;
    }
    path = NULL; /* the entry's */
    grow(&snapshot->entries, &snapshot->capacity, snapshot->count + 1, sizeof entry);
    snapshot->entries[snapshot->count++] = entry;
    snapshot->size += entry.size;
    snapshot->file_count += entry.kind != SNAPSHOT_DIR;
    return true;
}

static struct snapshot *read_entries(const json_t *manifest)
{
    AUTO(snapshot) struct snapshot *snapshot = xcalloc(1, sizeof *snapshot);
    const json_t *entries = json_object_get(manifest, "entries");
    size_t i;
    json_t *row;
    snapshot->root = xstrdup("");
    json_array_foreach (entries, i, row)
        if (!read_entry(row, snapshot))
            return NULL;
    snapshot_tree_hash(snapshot);
    if (snapshot->count == 0 || strcmp(snapshot->hash, json_get_string(manifest, "hash", "")) != 0)
        return NULL;
    return steal(&snapshot);
}

static int check_contents(const struct snapshot *snapshot, const char *home, struct error *err)
{
    AUTO(snapshot_objects) struct snapshot_objects *objects = snapshot_objects_open(home, err);
    if (objects == NULL)
        return -1;
    for (size_t i = 0; i < snapshot->count; i++) {
        const struct snapshot_entry *entry = &snapshot->entries[i];
        if (entry->kind != SNAPSHOT_FILE || snapshot_objects_has(objects, entry->hash, entry->size))
            continue;
        AUTO_FREE char *shown = utf8_shown(entry->path);
        return error_set(err, ERROR_CORRUPT,
                         "the content of %s is not in the store any more: %s/objects/%.2s/%s",
                         shown, home, entry->hash, entry->hash + 2);
    }
    return 0;
}

int snapshot_manifest_read(const char *path, const char *home, struct snapshot **ret_snapshot,
                           struct error *err)
{
    AUTO_BUF struct buf text = BUF_INIT;
    if (file_read(path, MANIFEST_SIZE_MAX, &text, err) != 0)
        return -1;
    AUTO_JSON json_t *manifest = json_parse(text.data, text.size, path, err);
    if (manifest == NULL)
        return -1;
    AUTO(snapshot) struct snapshot *snapshot = read_entries(manifest);
    if (snapshot == NULL)
        return error_set(err, ERROR_CORRUPT, "%s does not read as a snapshot", path);
    if (check_contents(snapshot, home, err) != 0)
        return -1;
    *ret_snapshot = steal(&snapshot);
    return 0;
}
