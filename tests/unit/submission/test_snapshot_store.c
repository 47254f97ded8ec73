/* SPDX-License-Identifier: BSD-3-Clause */

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <sys/inotify.h>
#include <time.h>

#include "base/json.h"
#include "submission/snapshot_index.h"
#include "tests/unit/submission/snapshot_fixture.h"

static void hash_text(const void *data, size_t size, char hex[65])
{
    unsigned char hash[32];
    crypto_generichash(hash, sizeof hash, data, size, NULL, 0);
    sodium_bin2hex(hex, 65, hash, sizeof hash);
}

static void each_content_is_stored_once(void **state)
{
    struct folders *folders = *state;
    char expected[65];
    struct stat st;
    put(folders, "a", "same");
    put(folders, "b/c", "same");
    put(folders, "empty", "");
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    hash_text("same", 4, expected);
    assert_string_equal(entry_of(snapshot, "a")->hash, expected);
    assert_string_equal(entry_of(snapshot, "b/c")->hash, expected);
    AUTO_FREE char *path = object_path(folders, entry_of(snapshot, "a"));
    AUTO_FREE char *objects = file_join(folders->home, "objects");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0444);
    assert_int_equal(st.st_nlink, 1);
    assert_int_equal(stat(objects, &st), 0);
    assert_int_equal(st.st_mode & 0077, 0); /* what was private stays so */
}

/* Sizes around the buffer, where reading in parts begins. */
static void every_size_is_stored_whole(void **state)
{
    static const size_t sizes[] = {1, 262143, 262144, 262145, 524288, 3000001};
    struct folders *folders = *state;
    AUTO_FREE char *data = xmalloc(3000001);
    for (size_t i = 0; i < 3000001; i++)
        data[i] = (char)(i * 7 + i / 1000);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        AUTO_FREE char *name = xasprintf("f%zu", i);
        put_bytes(folders->source, name, data, sizes[i]);
    }
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    lay_out(folders, snapshot);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        char expected[65];
        AUTO_FREE char *name = xasprintf("f%zu", i);
        AUTO_FREE char *path = file_join(folders->code, name);
        AUTO_BUF struct buf got = BUF_INIT;
        hash_text(data, sizes[i], expected);
        assert_string_equal(entry_of(snapshot, name)->hash, expected);
        assert_int_equal(file_read(path, 1 << 26, &got, NULL), 0);
        assert_int_equal(got.size, sizes[i]);
        assert_memory_equal(got.data, data, sizes[i]);
    }
}

static void the_hash_of_the_tree_is_about_what_runs(void **state)
{
    struct folders *folders = *state;
    AUTO_FREE char *path = file_join(folders->source, "a.py");
    char first[65];
    put(folders, "a.py", "1");
    AUTO(snapshot) struct snapshot *before = store(folders);
    memcpy(first, before->hash, sizeof first);
    assert_int_equal(chmod(path, 0600), 0); /* who may read it makes no difference */
    AUTO(snapshot) struct snapshot *same = store(folders);
    assert_string_equal(same->hash, first);
    assert_int_equal(chmod(path, 0755), 0);
    AUTO(snapshot) struct snapshot *program = store(folders);
    assert_string_not_equal(program->hash, first);
    assert_int_equal(chmod(path, 0644), 0);
    make_dir(folders, "d");
    AUTO(snapshot) struct snapshot *folder = store(folders);
    assert_string_not_equal(folder->hash, first);
}

static void the_manifest_lists_it(void **state)
{
    struct folders *folders = *state;
    AUTO_FREE char *link = file_join(folders->source, "b");
    put(folders, "a", "xyz");
    assert_int_equal(symlink("a", link), 0);
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    AUTO_JSON json_t *manifest = snapshot_manifest(snapshot);
    const json_t *entries = json_object_get(manifest, "entries");
    const json_t *file = json_array_get(entries, 0);
    assert_string_equal(json_get_string(manifest, "hash", ""), snapshot->hash);
    assert_int_equal(json_get_int(manifest, "files", 0), 2);
    assert_int_equal(json_get_int(manifest, "size", 0), 3);
    assert_string_equal(json_get_string(file, "path", ""), "a");
    assert_string_equal(json_get_string(file, "mode", ""), "0644");
    assert_int_equal(json_get_int(file, "size", 0), 3);
    assert_string_equal(json_get_string(file, "hash", ""), snapshot->entries[0].hash);
    assert_string_equal(json_get_string(json_array_get(entries, 1), "target", ""), "a");
}

/* --- the index -------------------------------------------------------------------------------- */

/* Writes the index as a snapshot taken ten seconds later would have. */
static void save_as_quiet(const struct folders *folders, const struct snapshot *snapshot)
{
    struct stat st;
    struct timespec now;
    assert_int_equal(stat(folders->source, &st), 0);
    clock_gettime(CLOCK_REALTIME, &now);
    AUTO(snapshot_objects)
    struct snapshot_objects *objects = snapshot_objects_open(folders->home, NULL);
    AUTO(snapshot_index)
    struct snapshot_index *index = snapshot_index_load(objects, st.st_dev, st.st_ino);
    snapshot_index_save(index, objects, snapshot, (now.tv_sec + 10) * 1000000000ll);
}

/* How often files of the source folder are opened while it is stored again. */
static unsigned count_opens(const struct folders *folders)
{
    char events[4096];
    unsigned count = 0;
    AUTO_CLOSE int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(inotify_add_watch(watch, folders->source, IN_OPEN) >= 0);
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    ssize_t got = read(watch, events, sizeof events);
    for (ssize_t at = 0; at < got;) {
        const struct inotify_event *event = (const void *)(events + at);
        count += (event->mask & IN_ISDIR) == 0;
        at += (ssize_t)(sizeof *event + event->len);
    }
    return count;
}

static void what_is_known_is_not_read_again(void **state)
{
    struct folders *folders = *state;
    put(folders, "a", "1");
    put(folders, "b", "2");
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    save_as_quiet(folders, snapshot);
    /* An index of such files is kept only until the next store finds them too fresh. */
    assert_int_equal(count_opens(folders), 0);
    assert_int_equal(count_opens(folders), 2);
}

static void what_has_just_been_written_is_read_again(void **state)
{
    struct folders *folders = *state;
    AUTO_FREE char *path = file_join(folders->source, "a");
    struct stat st;
    put(folders, "a", "one");
    assert_int_equal(stat(path, &st), 0);
    AUTO(snapshot) struct snapshot *before = store(folders);
    put(folders, "a", "two");
    const struct timespec times[2] = {st.st_mtim, st.st_mtim};
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
    AUTO(snapshot) struct snapshot *after = store(folders);
    assert_string_not_equal(before->hash, after->hash);
    assert_int_equal(count_opens(folders), 1);
}

static void a_damaged_index_is_rebuilt(void **state)
{
    struct folders *folders = *state;
    struct stat st;
    put(folders, "a", "1");
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    assert_int_equal(stat(folders->source, &st), 0);
    AUTO_FREE char *path = xasprintf("%s/objects/index/%llx-%llx", folders->home,
                                     (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    for (off_t at = 0; at < 100; at += 9) {
        char byte;
        save_as_quiet(folders, snapshot);
        AUTO_CLOSE int fd = open(path, O_RDWR | O_CLOEXEC);
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        byte ^= 1;
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        assert_int_equal(count_opens(folders), 1);
    }
    save_as_quiet(folders, snapshot);
    assert_int_equal(truncate(path, 60), 0);
    assert_int_equal(count_opens(folders), 1);
}

static void a_damaged_object_is_stored_again(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    put(folders, "a", "content");
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    AUTO_FREE char *object = object_path(folders, entry_of(snapshot, "a"));
    save_as_quiet(folders, snapshot);
    assert_int_equal(truncate(object, 3), 0);
    assert_int_equal(snapshot_lay_out(snapshot, folders->home, folders->code, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_CORRUPT);
    assert_contains(err.text, object);
    assert_int_equal(file_remove_tree(folders->code, NULL), 0);
    AUTO(snapshot) struct snapshot *again = store(folders);
    lay_out(folders, again);
    AUTO_FREE char *text = text_of(folders->code, "a");
    assert_string_equal(text, "content");
}

/* --- trouble ---------------------------------------------------------------------------------- */

struct writer {
    int fd;
    atomic_bool stop;
};

static void *keep_writing(void *data)
{
    struct writer *writer = data;
    for (char byte = 0; !writer->stop; byte++)
        if (pwrite(writer->fd, &byte, 1, 0) != 1)
            return writer;
    return NULL;
}

static void a_file_that_keeps_changing_is_named(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *path = file_join(folders->source, "train.log");
    struct writer writer = {.fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644)};
    pthread_t thread;
    void *failed;
    assert_int_equal(ftruncate(writer.fd, 64 << 20), 0);
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_int_equal(pthread_create(&thread, NULL, keep_writing, &writer), 0);
    int result = snapshot_store(snapshot, folders->home, NULL, &err);
    writer.stop = true;
    pthread_join(thread, &failed);
    close(writer.fd);
    assert_null(failed);
    assert_int_equal(result, -1);
    assert_int_equal(err.code, ERROR_BUSY);
    assert_contains(err.text, "train.log");
    assert_contains(err.hint, "/train.log");
}

static void a_file_that_is_gone_is_named(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *path = file_join(folders->source, "a/b.py");
    put(folders, "a/b.py", "1");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(snapshot_store(snapshot, folders->home, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_contains(err.text, "a/b.py");
    assert_int_equal(symlink("/etc/hostname", path), 0); /* and never followed */
    assert_int_equal(snapshot_store(snapshot, folders->home, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_BUSY);
}

static void a_file_changed_since_the_scan_is_taken_as_it_is(void **state)
{
    struct folders *folders = *state;
    put(folders, "a", "1");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    put(folders, "a", "longer");
    assert_int_equal(snapshot_store(snapshot, folders->home, NULL, NULL), 0);
    assert_int_equal(snapshot->size, 6);
    lay_out(folders, snapshot);
    AUTO_FREE char *text = text_of(folders->code, "a");
    assert_string_equal(text, "longer");
}

static void stops_when_told_and_counts(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct snapshot_progress progress = {.cancelled = true};
    put(folders, "a", "123");
    put(folders, "b", "45");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_int_equal(snapshot_store(snapshot, folders->home, &progress, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    progress.cancelled = false;
    assert_int_equal(snapshot_store(snapshot, folders->home, &progress, NULL), 0);
    assert_int_equal(progress.files_done, 2);
    assert_int_equal(progress.files_total, 2);
    assert_int_equal(progress.bytes_done, 5);
    progress.cancelled = true;
    assert_int_equal(snapshot_lay_out(snapshot, folders->home, folders->code, &progress, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDERS(each_content_is_stored_once),
        FOLDERS(every_size_is_stored_whole),
        FOLDERS(the_hash_of_the_tree_is_about_what_runs),
        FOLDERS(the_manifest_lists_it),
        FOLDERS(what_is_known_is_not_read_again),
        FOLDERS(what_has_just_been_written_is_read_again),
        FOLDERS(a_damaged_index_is_rebuilt),
        FOLDERS(a_damaged_object_is_stored_again),
        FOLDERS(a_file_that_keeps_changing_is_named),
        FOLDERS(a_file_that_is_gone_is_named),
        FOLDERS(a_file_changed_since_the_scan_is_taken_as_it_is),
        FOLDERS(stops_when_told_and_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
