/* SPDX-License-Identifier: BSD-3-Clause */

#include <sys/wait.h>

#include "base/buf.h"
#include "base/json.h"
#include "tests/unit/submission/snapshot_fixture.h"

static void link_to(const struct folders *folders, const char *target, const char *name)
{
    AUTO_FREE char *path = file_join(folders->source, name);
    assert_int_equal(symlink(target, path), 0);
}

static char *notes_text(const struct notes *notes)
{
    AUTO_BUF struct buf text = BUF_INIT;
    buf_puts(&text, "");
    for (size_t i = 0; i < notes->count; i++)
        buf_printf(&text, "%s\n", notes->items[i].text);
    return buf_steal(&text);
}

/* A scan that must fail. */
static void assert_refused(const struct folders *folders, const struct snapshot_limits *limits,
                           enum error_code code, struct error *err)
{
    static const struct snapshot_limits usual = SNAPSHOT_LIMITS_INIT;
    struct snapshot *snapshot = NULL;
    assert_int_equal(snapshot_scan(folders->source, limits != NULL ? limits : &usual, false, NULL,
                                   &snapshot, NULL, err),
                     -1);
    assert_null(snapshot);
    assert_int_equal(err->code, code);
}

static void keeps_everything_without_rules(void **state)
{
    struct folders *folders = *state;
    put(folders, "train.py", "12345");
    put(folders, "lib/a.py", "1");
    put(folders, "lib-b", "");
    make_dir(folders, "empty");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_paths(snapshot, "empty/ lib/ lib-b lib/a.py train.py ");
    assert_int_equal(snapshot->file_count, 3);
    assert_int_equal(snapshot->size, 6);
    assert_null(snapshot->ignore_file);
}

static void gitignore_rules_with_the_ones_below(void **state)
{
    struct folders *folders = *state;
    put(folders, ".gitignore", "*.csv\ndata/\n");
    put(folders, "data/big.bin", "x");
    put(folders, "data/.gitignore", "!big.bin\n"); /* too late: data/ is never entered */
    put(folders, "lib/.gitignore", "!keep.csv\n*.tmp\n");
    put(folders, "lib/.amlignore", "keep.csv\n"); /* of no meaning here */
    put(folders, "lib/keep.csv", "x");
    put(folders, "lib/b.csv", "x");
    put(folders, "lib/c.tmp", "x");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_paths(snapshot, ".gitignore lib/ lib/.amlignore lib/.gitignore lib/keep.csv ");
    assert_string_equal(snapshot->ignore_file, ".gitignore");
}

static void amlignore_replaces_gitignore(void **state)
{
    struct folders *folders = *state;
    put(folders, ".gitignore", "*.csv\n");
    put(folders, ".amlignore", "*.bin\n");
    put(folders, "a/.gitignore", "*.txt\n");
    put(folders, "a/x.txt", "x");
    put(folders, "a/x.bin", "x");
    put(folders, "x.csv", "x");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_paths(snapshot, ".amlignore .gitignore a/ a/.gitignore a/x.txt x.csv ");
    assert_string_equal(snapshot->ignore_file, ".amlignore");
}

static void tells_what_dropped_each_path(void **state)
{
    struct folders *folders = *state;
    put(folders, "a.py", "");
    put(folders, ".gitignore", "# big\n/data/\n*.log\n");
    put(folders, "data/x", "x");
    put(folders, "lib/a.log", "12345");
    put(folders, ".git/config", "x");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_int_equal(snapshot->dropped_count, 3);
    assert_string_equal(snapshot->dropped[0].path, ".git");
    assert_contains(snapshot->dropped[0].rule, "built in");
    assert_string_equal(snapshot->dropped[1].path, "data");
    assert_string_equal(snapshot->dropped[1].rule, "/data/ (.gitignore:2)");
    assert_true(snapshot->dropped[1].is_dir);
    assert_string_equal(snapshot->dropped[2].path, "lib/a.log");
    assert_int_equal(snapshot->dropped[2].size, 5);
}

static void some_folders_are_never_sent(void **state)
{
    struct folders *folders = *state;
    put(folders, "a.py", "");
    put(folders, ".git/HEAD", "");
    put(folders, "sub/.git", "gitdir: elsewhere");
    put(folders, ".venv/bin/python", "");
    put(folders, "my-env/pyvenv.cfg", "");
    put(folders, "my-env/lib/x.py", "");
    put(folders, "lib/__pycache__/a.pyc", "");
    put(folders, ".ipynb_checkpoints/a.ipynb", "");
    put(folders, "skiff/objects/x", "");
    AUTO_FREE char *home = file_join(folders->source, "skiff");
    setenv("SKIFF_HOME", home, 1);
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_paths(snapshot, "a.py lib/ sub/ ");
    AUTO_ERROR struct error err = ERROR_INIT;
    setenv("SKIFF_HOME", folders->source, 1);
    assert_refused(folders, NULL, ERROR_INVALID, &err);
}

static void links_stay_links(void **state)
{
    struct folders *folders = *state;
    AUTO_NOTES struct notes notes = NOTES_INIT;
    put(folders, "lib/a.py", "");
    link_to(folders, "lib", "inside");
    link_to(folders, "../lib/a.py", "lib/up-and-down");
    link_to(folders, "/etc/hosts", "absolute");
    link_to(folders, "lib/../../x", "outside");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, &notes);
    AUTO_FREE char *text = notes_text(&notes);
    assert_paths(snapshot, "absolute inside lib/ lib/a.py lib/up-and-down outside ");
    assert_string_equal(entry_of(snapshot, "inside")->target, "lib");
    assert_contains(text, "absolute, outside;");
    assert_int_equal(snapshot->file_count, 5);
}

static void a_linked_ignore_file_does_not_count(void **state)
{
    struct folders *folders = *state;
    AUTO_NOTES struct notes notes = NOTES_INIT;
    put(folders, "rules", "*.csv\n");
    put(folders, "a.csv", "");
    put(folders, "lib/b.csv", "");
    link_to(folders, "rules", ".amlignore");
    link_to(folders, "../rules", "lib/.gitignore");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, &notes);
    AUTO_FREE char *text = notes_text(&notes);
    assert_paths(snapshot, ".amlignore a.csv lib/ lib/.gitignore lib/b.csv rules ");
    assert_contains(text, ".amlignore does not count: it is a symbolic link");
}

static void warns_about_secrets_by_name(void **state)
{
    static const char *const secret[] = {
        ".env",   ".env.local",  "server.pem",       "ID_RSA",     "deploy/a.KEY",
        ".netrc", ".aws/config", "credentials.json", "id_ed25519", "x.kdbx"};
    static const char *const plain[] = {".env.example", "id_rsa.pub", "keys.py", "environment.yml"};
    struct folders *folders = *state;
    AUTO_NOTES struct notes notes = NOTES_INIT;
    for (size_t i = 0; i < ARRAY_SIZE(secret); i++)
        put(folders, secret[i], "");
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        put(folders, plain[i], "");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, &notes);
    AUTO_FREE char *text = notes_text(&notes);
    assert_int_equal(notes.count, 1);
    assert_int_equal(notes.items[0].level, NOTE_WARNING);
    for (size_t i = 0; i < ARRAY_SIZE(secret); i++)
        assert_contains(text, secret[i]);
    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        assert_null(strstr(text, plain[i]));
}

static void leaves_out_what_is_no_file(void **state)
{
    struct folders *folders = *state;
    AUTO_NOTES struct notes notes = NOTES_INIT;
    put(folders, "a.py", "");
    AUTO_FREE char *fifo = file_join(folders->source, "pipe");
    assert_int_equal(mkfifo(fifo, 0644), 0);
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, &notes);
    AUTO_FREE char *text = notes_text(&notes);
    assert_paths(snapshot, "a.py ");
    assert_contains(text, "pipe is left out: it is a FIFO");
}

static void names_may_be_any_bytes(void **state)
{
    struct folders *folders = *state;
    put(folders, ".gitignore", "\xfe*\n");
    put(folders, "\xff\n", "x");
    put(folders, "\xfe\xff", "x");
    AUTO(snapshot) struct snapshot *snapshot = scan(folders, NULL);
    assert_paths(snapshot, ".gitignore \xff\n ");
    AUTO_JSON json_t *manifest = snapshot_manifest(snapshot);
    assert_int_equal(json_array_size(json_object_get(manifest, "entries")), 2);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void too_large_names_what_to_drop(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct snapshot_limits limits = {.size_max = 1000, .files_max = 100};
    char block[900] = "";
    for (int i = 0; i < 12; i++) {
        AUTO_FREE char *name = xasprintf("data/train/%d.bin", i);
        put_bytes(folders->source, name, block, sizeof block);
    }
    put_bytes(folders->source, "models/a [1].bin", block, sizeof block);
    put(folders, "models/readme", "x");
    put(folders, "train.py", "x");
    put(folders, ".gitignore", "nothing\n");
    assert_refused(folders, &limits, ERROR_LIMIT, &err);
    assert_contains(err.text, "16 files");
    assert_contains(err.text, "12 kB");
    /* The folder of many as a whole, the one large file by its name, escaped. */
    assert_contains(err.text, "\n  data/train/ (11 kB in 12 files): /data/train/\n"
                              "  models/a [1].bin (900 B): /models/a \\[1].bin");
    assert_null(strstr(err.text, "train.py")); /* dropping it would not help */
    assert_contains(err.hint, ".gitignore");
}

static void too_many_names_what_to_drop(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct snapshot_limits limits = {.size_max = 1 << 20, .files_max = 20};
    char block[5000] = "";
    for (int i = 0; i < 30; i++) {
        AUTO_FREE char *name = xasprintf("images/%d.png", i);
        put(folders, name, "");
    }
    put_bytes(folders->source, "large", block, sizeof block);
    assert_refused(folders, &limits, ERROR_LIMIT, &err);
    assert_contains(err.text, ":\n  images/ (0 B in 30 files): /images/\n");
    assert_contains(err.hint, ".amlignore");
}

static void at_the_limits_is_fine(void **state)
{
    struct folders *folders = *state;
    struct snapshot_limits limits = {.size_max = 4, .files_max = 2};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    put(folders, "a", "12");
    put(folders, "b/c", "34");
    assert_int_equal(snapshot_scan(folders->source, &limits, false, NULL, &snapshot, NULL, NULL),
                     0);
    assert_null(snapshot->dropped);
}

static void nothing_to_send_is_refused(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    make_dir(folders, "empty");
    assert_refused(folders, NULL, ERROR_INVALID, &err);
    put(folders, ".amlignore", "*\n");
    put(folders, "train.py", "");
    assert_refused(folders, NULL, ERROR_INVALID, &err);
    assert_contains(err.hint, ".amlignore");
}

static void a_folder_must_be_one(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct folders missing = {.source = (char[]){"/nonexistent"}};
    assert_refused(&missing, NULL, ERROR_NOT_FOUND, &err);
    put(folders, "file", "");
    AUTO_FREE char *file = file_join(folders->source, "file");
    missing.source = file;
    assert_refused(&missing, NULL, ERROR_INVALID, &err);
}

static void stops_when_told(void **state)
{
    struct folders *folders = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct snapshot_limits limits = SNAPSHOT_LIMITS_INIT;
    struct snapshot_progress progress = {.cancelled = true};
    struct snapshot *snapshot = NULL;
    put(folders, "a", "");
    assert_int_equal(
        snapshot_scan(folders->source, &limits, false, &progress, &snapshot, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
}

/* Root reads everything, so another user does the looking. */
static void as_nobody(const struct folders *folders, const char *part, const char *line)
{
    pid_t child = fork();
    if (child == 0) {
        AUTO_ERROR struct error err = ERROR_INIT;
        struct snapshot_limits limits = SNAPSHOT_LIMITS_INIT;
        struct snapshot *snapshot = NULL;
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        int result = snapshot_scan(folders->source, &limits, false, NULL, &snapshot, NULL, &err);
        if (part == NULL)
            _exit(result == 0 ? 0 : 3);
        _exit(result == -1 && err.code == ERROR_DENIED && strstr(err.text, part) != NULL &&
                      strstr(err.hint, line) != NULL
                  ? 0
                  : 4);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void what_cannot_be_read_is_named(void **state)
{
    struct folders *folders = *state;
    AUTO_FREE char *file = file_join(folders->source, "lib/private.bin");
    AUTO_FREE char *dir = file_join(folders->source, "sealed");
    assert_int_equal(chmod(folders->root, 0755), 0);
    put(folders, "a.py", "");
    put(folders, "lib/private.bin", "");
    assert_int_equal(chmod(file, 0), 0);
    as_nobody(folders, "lib/private.bin", ": /lib/private.bin");
    put(folders, ".gitignore", "/lib/private.bin\n");
    as_nobody(folders, NULL, NULL);
    assert_int_equal(mkdir(dir, 0), 0);
    as_nobody(folders, "sealed/", ": /sealed/");
    put(folders, ".gitignore", "/lib/private.bin\n/sealed/\n");
    as_nobody(folders, NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDERS(keeps_everything_without_rules),
        FOLDERS(gitignore_rules_with_the_ones_below),
        FOLDERS(amlignore_replaces_gitignore),
        FOLDERS(tells_what_dropped_each_path),
        FOLDERS(some_folders_are_never_sent),
        FOLDERS(links_stay_links),
        FOLDERS(a_linked_ignore_file_does_not_count),
        FOLDERS(warns_about_secrets_by_name),
        FOLDERS(leaves_out_what_is_no_file),
        FOLDERS(names_may_be_any_bytes),
        FOLDERS(too_large_names_what_to_drop),
        FOLDERS(too_many_names_what_to_drop),
        FOLDERS(at_the_limits_is_fine),
        FOLDERS(nothing_to_send_is_refused),
        FOLDERS(a_folder_must_be_one),
        FOLDERS(stops_when_told),
        FOLDERS(what_cannot_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
