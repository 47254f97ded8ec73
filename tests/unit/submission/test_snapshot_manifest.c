/* SPDX-License-Identifier: BSD-3-Clause */
/* A snapshot that was written down is laid out again as it was; what was not written by us is refused. */
#include "tests/unit/submission/snapshot_fixture.h"
/* keep apart */
#include "base/json.h"

static char *write_manifest(const struct folders *folders, const json_t *manifest)
{
    char *path = file_join(folders->root, "snapshot.json");
    assert_int_equal(json_write(path, manifest, 0644, NULL), 0);
    return path;
}

static int read_back(const struct folders *folders, const json_t *manifest,
                     struct snapshot **ret_snapshot, struct error *err)
{
    AUTO_FREE char *path = write_manifest(folders, manifest);
    return snapshot_manifest_read(path, folders->home, ret_snapshot, err);
}

static void is_laid_out_as_it_was(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *program = file_join(folders->source, "bin/run");
    AUTO_FREE char *link = file_join(folders->source, "bin/\xff");
    AUTO_FREE char *laid_out = file_join(folders->code, "bin/\xff");
    AUTO_FREE char *copy = file_join(folders->code, "bin/run");
    char target[32] = "";
    struct stat st;
    put(folders, "bin/run", "#!/bin/sh\n");
    put(folders, "lib/caf\xe9\n", "bytes");
    put(folders, "lib/\xef\xbf\xbd", "named like what stands for bytes");
    put(folders, "lib-2", "sorts before lib/");
    make_dir(folders, "empty");
    assert_int_equal(chmod(program, 0755), 0);
    assert_int_equal(symlink("../lib/caf\xe9\n", link), 0);
    AUTO(snapshot) struct snapshot *before = store(folders);
    AUTO_JSON json_t *manifest = snapshot_manifest(before);
    AUTO(snapshot) struct snapshot *after = NULL;
    if (read_back(folders, manifest, &after, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(after->count, before->count);
    assert_int_equal(after->size, before->size);
    assert_int_equal(after->file_count, before->file_count);
    assert_string_equal(after->hash, before->hash);
    AUTO_JSON json_t *again = snapshot_manifest(after);
    assert_true(json_equal(manifest, again));
    lay_out(folders, after);
    AUTO_FREE char *text = text_of(folders->code, "lib/caf\xe9\n");
    assert_string_equal(text, "bytes");
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0755);
    assert_true(readlink(laid_out, target, sizeof target - 1) > 0);
    assert_string_equal(target, "../lib/caf\xe9\n");
}

/* Changes one thing in a manifest that reads; the hash over all of it stays what it was. */
static void refuses_what_would_lead_elsewhere(void **state)
{
    static const struct {
        size_t entry;            /* of: a, a/b, c (a link) */
        const char *key, *value; /* NULL: taken out */
    } changes[] = {
        {0, "path", "/a"},      {0, "path", ".."},         {0, "path", "../a"},
        {0, "path", ""},        {1, "path", "a//b"},       {1, "path", "a/../b"},
        {1, "path", "x/b"},     {1, "path", "a"},          {1, "path", "a/."},
        {1, "path", "0"},       {1, "path", NULL},         {1, "path_hex", "612f2"},
        {1, "path_hex", "zz"},  {1, "path_hex", "612f00"}, {1, "hash", "xyz"},
        {1, "mode", "07777"},   {1, "mode", "4755"},       {1, "mode", NULL},
        {1, "size", "3"},       {2, "target", ""},         {0, "target", "/etc"},
        {1, "path", "a/other"},
    };
    struct folders *folders = *state;
    AUTO_FREE char *link = file_join(folders->source, "c");
    put(folders, "a/b", "xyz");
    assert_int_equal(symlink("a", link), 0);
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    AUTO_JSON json_t *manifest = snapshot_manifest(snapshot);
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_JSON json_t *changed = json_deep_copy(manifest);
        json_t *row = json_array_get(json_object_get(changed, "entries"), changes[i].entry);
        struct snapshot *read = NULL;
        if (changes[i].value != NULL)
            json_set_string(row, changes[i].key, changes[i].value);
        else
            json_object_del(row, changes[i].key);
        if (read_back(folders, changed, &read, &err) == 0)
            fail_msg("%s: \"%s\" is accepted", changes[i].key, changes[i].value);
        assert_int_equal(err.code, ERROR_CORRUPT);
        assert_contains(err.text, "snapshot.json");
        assert_null(read);
    }
}

static void says_what_is_missing(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *path = file_join(folders->root, "none.json");
    struct snapshot *read = NULL;
    assert_int_equal(snapshot_manifest_read(path, folders->home, &read, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_contains(err.text, path);
    put(folders, "a/train.py", "one");
    put(folders, "b.py", "two");
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    AUTO_JSON json_t *manifest = snapshot_manifest(snapshot);
    const char *hash = entry_of(snapshot, "a/train.py")->hash;
    AUTO_FREE char *object = xasprintf("%s/objects/%.2s/%s", folders->home, hash, hash + 2);
    assert_int_equal(unlink(object), 0);
    assert_int_equal(read_back(folders, manifest, &read, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_contains(err.text, "a/train.py");
    assert_contains(err.text, object);
    AUTO_JSON json_t *empty = json_pack("{s:[]}", "entries");
    assert_int_equal(read_back(folders, empty, &read, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDERS(is_laid_out_as_it_was),
        FOLDERS(refuses_what_would_lead_elsewhere),
        FOLDERS(says_what_is_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
