/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes that store at once, are killed, or run out of space: afterwards every object is whole
 * and storing again works. */
#include <dirent.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/submission/snapshot_fixture.h"

#define FILES 120
#define BOUND_MS 30000 /* far more than anything here takes */

static void put_many(const struct folders *folders)
{
    char block[3000];
    for (int i = 0; i < FILES; i++) {
        AUTO_FREE char *name = xasprintf("d%d/f%d", i % 7, i);
        memset(block, i, sizeof block);
        put_bytes(folders->source, name, block, (size_t)(i * 25));
    }
    AUTO_FREE char *large = xcalloc(1, 2 << 20);
    put_bytes(folders->source, "large", large, 2 << 20);
}

/* Every object has the hash that is its name. Returns how many there are. */
static size_t check_objects(const struct folders *folders)
{
    size_t count = 0;
    for (int i = 0; i < 256; i++) {
        AUTO_FREE char *path = xasprintf("%s/objects/%02x", folders->home, i);
        DIR *dir = opendir(path);
        const struct dirent *entry;
        while (dir != NULL && (entry = readdir(dir)) != NULL) {
            AUTO_FREE char *file = file_join(path, entry->d_name);
            AUTO_BUF struct buf text = BUF_INIT;
            unsigned char hash[32];
            char hex[65];
            if (entry->d_name[0] == '.')
                continue;
            assert_int_equal(file_read(file, 1 << 26, &text, NULL), 0);
            crypto_generichash(hash, sizeof hash, (const void *)text.data, text.size, NULL, 0);
            sodium_bin2hex(hex, sizeof hex, hash, sizeof hash);
            assert_string_equal(hex + 2, entry->d_name);
            count++;
        }
        if (dir != NULL)
            closedir(dir);
    }
    return count;
}

static size_t count_leftovers(const struct folders *folders)
{
    AUTO_FREE char *path = file_join(folders->home, "objects/tmp");
    DIR *dir = opendir(path);
    size_t count = 0;
    assert_non_null(dir);
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static pid_t start_storing(const struct folders *folders)
{
    pid_t child = fork();
    if (child == 0) {
        struct snapshot_limits limits = SNAPSHOT_LIMITS_INIT;
        struct snapshot *snapshot = NULL;
        _exit(snapshot_scan(folders->source, &limits, false, NULL, &snapshot, NULL, NULL) != 0 ||
              snapshot_store(snapshot, folders->home, NULL, NULL) != 0);
    }
    return child;
}

static int wait_for(pid_t child)
{
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void many_may_store_at_once(void **state)
{
    struct folders *folders = *state;
    pid_t children[6];
    put_many(folders);
    for (size_t i = 0; i < ARRAY_SIZE(children); i++)
        children[i] = start_storing(folders);
    for (size_t i = 0; i < ARRAY_SIZE(children); i++)
        assert_int_equal(wait_for(children[i]), 0);
    assert_int_equal(check_objects(folders), FILES + 1);
    assert_int_equal(count_leftovers(folders), 0);
}

/* Lets the child write `steps` files to tmp/, then kills it. */
static void kill_at(const struct folders *folders, int steps)
{
    char events[4096] __attribute__((aligned(8)));
    AUTO_FREE char *tmp = file_join(folders->home, "objects/tmp");
    assert_int_equal(file_make_dirs(tmp, NULL), 0);
    AUTO_CLOSE int watch = inotify_init1(IN_CLOEXEC);
    assert_true(inotify_add_watch(watch, tmp, IN_CREATE) >= 0);
    pid_t child = start_storing(folders);
    for (int seen = 0; seen < steps;) {
        struct pollfd ready = {.fd = watch, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, BOUND_MS), 1);
        ssize_t got = read(watch, events, sizeof events);
        for (ssize_t at = 0; at < got; seen++)
            at += (ssize_t)(sizeof(struct inotify_event) +
                            ((const struct inotify_event *)(const void *)(events + at))->len);
    }
    kill(child, SIGKILL);
    wait_for(child);
}

static void a_kill_leaves_no_half_object(void **state)
{
    struct folders *folders = *state;
    put_many(folders);
    for (int steps = 1; steps < 30; steps += 2) {
        assert_int_equal(file_remove_tree(folders->home, NULL), 0);
        kill_at(folders, steps);
        check_objects(folders);
        AUTO(snapshot) struct snapshot *snapshot = store(folders);
        assert_int_equal(check_objects(folders), FILES + 1);
        assert_int_equal(count_leftovers(folders), 0);
        lay_out(folders, snapshot);
        AUTO_FREE char *text = text_of(folders->code, "d1/f1");
        assert_memory_equal(text, "\1\1\1\1", 4);
        assert_int_equal(file_remove_tree(folders->code, NULL), 0);
    }
}

static void a_file_too_large_to_write_is_an_error(void **state)
{
    struct folders *folders = *state;
    put_many(folders);
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
        AUTO_ERROR struct error err = ERROR_INIT;
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        struct snapshot *snapshot = scan(folders, NULL);
        int result = snapshot_store(snapshot, folders->home, NULL, &err);
        _exit(result == -1 && err.code == ERROR_IO && strstr(err.text, "large") != NULL ? 0 : 1);
    }
    assert_int_equal(wait_for(child), 0);
    check_objects(folders);
    assert_int_equal(count_leftovers(folders), 0);
    AUTO(snapshot) struct snapshot *snapshot = store(folders);
    lay_out(folders, snapshot);
}

/* 0: as it should be, 1: not, 77: no file system of one's own may be mounted here. */
static int try_full_disk(const struct folders *folders)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mkdir(folders->home, 0755) != 0 || mount("none", folders->home, "tmpfs", 0, "size=1m") != 0)
        return 77;
    struct snapshot *snapshot = scan(folders, NULL);
    int result = snapshot_store(snapshot, folders->home, NULL, &err);
    check_objects(folders);
    return result == -1 && err.code == ERROR_IO && err.hint != NULL && count_leftovers(folders) == 0
               ? 0
               : 1;
}

static void a_full_disk_is_an_error(void **state)
{
    struct folders *folders = *state;
    put_many(folders);
    pid_t child = fork();
    if (child == 0)
        _exit(try_full_disk(folders));
    int status = wait_for(child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDERS(many_may_store_at_once),
        FOLDERS(a_kill_leaves_no_half_object),
        FOLDERS(a_file_too_large_to_write_is_an_error),
        FOLDERS(a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
