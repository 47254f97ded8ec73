/* SPDX-License-Identifier: BSD-3-Clause */

#include <sys/wait.h>

#include "tests/unit/submission/snapshot_fixture.h"

static mode_t mode_of(const struct folders *folders, const char *name)
{
    AUTO_FREE char *path = file_join(folders->code, name);
    struct stat st;
    assert_int_equal(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

static void code_is_the_folder_again(void **state)
{
    struct folders *folders = *state;
    AUTO_FREE char *program = file_join(folders->source, "bin/run");
    AUTO_FREE char *link = file_join(folders->source, "bin/link");
    AUTO_FREE char *copy = file_join(folders->code, "bin/link");
    char target[32] = "";
    mode_t before = umask(0077);
    put(folders, "bin/run", "#!/bin/sh\n");
    put(folders, "lib/\xff\xfe", "bytes");
    make_dir(folders, "empty");
    assert_int_equal(chmod(program, 0755), 0);
    assert_int_equal(symlink("../lib", link), 0);
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    lay_out(folders, snapshot);
    umask(before);
    AUTO_FREE char *text = text_of(folders->code, "lib/\xff\xfe");
    assert_string_equal(text, "bytes");
    assert_int_equal(mode_of(folders, "bin/run"), 0755);
    assert_int_equal(mode_of(folders, "lib/\xff\xfe"), 0600);
    assert_true(readlink(copy, target, sizeof target - 1) > 0);
    assert_string_equal(target, "../lib");
    AUTO_FREE char *empty = file_join(folders->code, "empty");
    assert_true(file_is_dir(empty));
}

static void read_only_folders_are_filled_first(void **state)
{
    struct folders *folders = *state;
    AUTO_FREE char *inner = file_join(folders->source, "a/b");
    AUTO_FREE char *outer = file_join(folders->source, "a");
    put(folders, "a/b/c", "x");
    assert_int_equal(chmod(inner, 0555), 0);
    assert_int_equal(chmod(outer, 0555), 0);
    assert_int_equal(chmod(folders->root, 0777), 0);
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    pid_t child = fork();
    if (child == 0) { /* root could fill anything */
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        _exit(snapshot_store(snapshot, folders->home, NULL, NULL) != 0 ||
              snapshot_lay_out(snapshot, folders->home, folders->code, NULL, NULL) != 0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(mode_of(folders, "a"), 0555);
    assert_int_equal(mode_of(folders, "a/b"), 0555);
    AUTO_FREE char *text = text_of(folders->code, "a/b/c");
    assert_string_equal(text, "x");
}

static void a_script_cannot_reach_the_store(void **state)
{
    struct folders *folders = *state;
    AUTO_FREE char *large = xcalloc(1, 1 << 20);
    put(folders, "config.json", "original");
    put_bytes(folders->source, "large", large, 1 << 20);
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    lay_out(folders, snapshot);
    put_bytes(folders->code, "config.json", "changed!", 8); /* what the script does */
    put_bytes(folders->code, "large", "changed!", 8);
    assert_int_equal(file_remove_tree(folders->code, NULL), 0);
    lay_out(folders, snapshot);
    AUTO_FREE char *text = text_of(folders->code, "config.json");
    AUTO_FREE char *first = text_of(folders->code, "large");
    assert_string_equal(text, "original");
    assert_string_equal(first, ""); /* zeros */
}

static void what_is_in_the_way_stays(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    put(folders, "a", "1");
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    assert_int_equal(mkdir(folders->code, 0755), 0);
    put_bytes(folders->code, "precious", "x", 1);
    assert_int_equal(snapshot_lay_out(snapshot, folders->home, folders->code, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_EXISTS);
    AUTO_FREE char *text = text_of(folders->code, "precious");
    assert_string_equal(text, "x");
}

static void a_lost_object_is_named(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    put(folders, "lib/a.py", "1");
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    AUTO_FREE char *object = object_path(folders, entry_of(snapshot, "lib/a.py"));
    assert_int_equal(unlink(object), 0);
    assert_int_equal(snapshot_lay_out(snapshot, folders->home, folders->code, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_contains(err.text, "lib/a.py");
    assert_non_null(err.hint);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDERS(code_is_the_folder_again),        FOLDERS(read_only_folders_are_filled_first),
        FOLDERS(a_script_cannot_reach_the_store), FOLDERS(what_is_in_the_way_stays),
        FOLDERS(a_lost_object_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
