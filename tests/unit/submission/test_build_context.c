/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in the tar, read by the system's own tar; when two contexts have one hash; what is refused. */
#include "submission/build_context.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "submission/build_context_list.h"

#include "tests/unit.h"

/* A folder to pack and one beside it for what comes of it, new for each test. */
struct place {
    char root[64];
    char *folder, *other, *scratch;
};

static int setup(void **state)
{
    struct place *place = calloc(1, sizeof *place);
    strcpy(place->root, "/tmp/skiff-test-XXXXXX");
    assert_non_null(mkdtemp(place->root));
    place->folder = xasprintf("%s/folder", place->root);
    place->other = xasprintf("%s/other", place->root);
    place->scratch = xasprintf("%s/scratch", place->root);
    assert_int_equal(mkdir(place->folder, 0755), 0);
    assert_int_equal(mkdir(place->scratch, 0777), 0);
    *state = place;
    return 0;
}

static int teardown(void **state)
{
    struct place *place = *state;
    assert_int_equal(file_remove_tree(place->root, NULL), 0);
    free(place->folder);
    free(place->other);
    free(place->scratch);
    free(place);
    return 0;
}

static void put_sized(const struct place *place, const char *name, const void *data, size_t size)
{
    AUTO_FREE char *path = file_join(place->folder, name);
    AUTO_FREE char *dir = xstrndup(path, (size_t)(file_base_name(path) - path));
    assert_int_equal(file_make_dirs(dir, NULL), 0);
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, data, size), size);
}

static void put(const struct place *place, const char *name, const char *text)
{
    put_sized(place, name, text, strlen(text));
}

static void put_link(const struct place *place, const char *target, const char *name)
{
    AUTO_FREE char *path = file_join(place->folder, name);
    unlink(path);
    assert_int_equal(symlink(target, path), 0);
}

static void put_sparse(const struct place *place, const char *name, off_t size)
{
    put(place, name, "");
    AUTO_FREE char *path = file_join(place->folder, name);
    assert_int_equal(truncate(path, size), 0);
}

static void run(const char *command)
{
    const char *const argv[] = {"sh", "-c", command, NULL};
    pid_t child = fork();
    int status;
    if (child == 0) {
        execv("/bin/sh", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (status != 0)
        fail_msg("%s: %d", command, status);
}

static struct build_context_request request_of(const struct place *place)
{
    return (struct build_context_request){.folder = place->folder, .temporary_dir = place->scratch};
}

static struct build_context *pack(const struct build_context_request *request)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct build_context *context = NULL;
    if (build_context_pack(request, NULL, &context, &err) != 0)
        fail_msg("%s", err.text);
    return context;
}

static struct build_context *pack_folder(const struct place *place)
{
    struct build_context_request request = request_of(place);
    return pack(&request);
}

static void refuse(const struct build_context_request *request, enum error_code code,
                   const char *text, const char *hint)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct build_context *context = NULL;
    assert_int_equal(build_context_pack(request, NULL, &context, &err), -1);
    assert_null(context);
    if (err.code != code || strstr(err.text, text) == NULL ||
        (hint != NULL && (err.hint == NULL || strstr(err.hint, hint) == NULL)))
        fail_msg("%s: %s (%s)", error_name(err.code), err.text, err.hint);
}

static void refuse_folder(const struct place *place, enum error_code code, const char *text,
                          const char *hint)
{
    struct build_context_request request = request_of(place);
    refuse(&request, code, text, hint);
}

/* Writes the tar to scratch/context.tar, in uneven pieces. */
static void save(const struct place *place, struct build_context *context)
{
    AUTO_FREE char *path = file_join(place->scratch, "context.tar");
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    char piece[7001];
    uint64_t size = 0;
    ssize_t got;
    while ((got = build_context_read(context, piece, sizeof piece, NULL)) > 0) {
        assert_int_equal(write(fd, piece, (size_t)got), got);
        size += (uint64_t)got;
    }
    assert_int_equal(got, 0);
    assert_int_equal(size, build_context_size(context));
}

static char *read_scratch(const struct place *place, const char *name)
{
    AUTO_FREE char *path = file_join(place->scratch, name);
    AUTO_BUF struct buf text = BUF_INIT;
    buf_puts(&text, "");
    assert_int_equal(file_read(path, 1 << 20, &text, NULL), 0);
    return buf_steal(&text);
}

/* What the system's tar says with these options. */
static char *list(const struct place *place, struct build_context *context, const char *options)
{
    save(place, context);
    AUTO_FREE char *command =
        xasprintf("cd %s && TZ=UTC LC_ALL=C tar %s --quoting-style=escape -f context.tar >list",
                  place->scratch, options);
    run(command);
    return read_scratch(place, "list");
}

static void assert_names(const struct place *place, const struct build_context_request *request,
                         const char *expected)
{
    AUTO(build_context) struct build_context *context = pack(request);
    AUTO_FREE char *names = list(place, context, "-t");
    for (char *newline = names; (newline = strchr(newline, '\n')) != NULL;)
        *newline = ' ';
    assert_string_equal(names, expected);
}

static void assert_folder(const struct place *place, const char *expected)
{
    struct build_context_request request = request_of(place);
    assert_names(place, &request, expected);
}

/* --- what is in it ---------------------------------------------------------------------------- */

static void packs_what_there_is(void **state)
{
    struct place *place = *state;
    put(place, "Dockerfile", "FROM scratch\n");
    put(place, "lib/a.py", "1");
    put(place, "lib-b", "22");
    put(place, "bin/run", "#!/bin/sh\n");
    put_link(place, "/etc/passwd", "outside");
    put_link(place, "../nowhere", "lib/dangling");
    AUTO_FREE char *command = xasprintf(
        "cd %s && mkdir empty && chmod 750 bin/run && chmod 700 empty && chmod 4711 lib-b && "
        "touch -hd 2001-02-03T04:05:06.7Z Dockerfile lib/* lib-b bin/run outside empty bin lib",
        place->folder);
    run(command);
    AUTO(build_context) struct build_context *context = pack_folder(place);
    AUTO_FREE char *text = list(place, context, "-tv --numeric-owner --full-time");
    AUTO_FREE char *squeezed = xstrdup("");
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;)
        if (word[0] != '\0')
            replace(&squeezed, xasprintf("%s%s ", squeezed, word));
    assert_string_equal(squeezed,
                        "-rw-r--r-- 0/0 13 2001-02-03 04:05:06 Dockerfile\n"
                        "drwxr-xr-x 0/0 0 2001-02-03 04:05:06 bin/\n"
                        "-rwxr-x--- 0/0 10 2001-02-03 04:05:06 bin/run\n"
                        "drwx------ 0/0 0 2001-02-03 04:05:06 empty/\n"
                        "drwxr-xr-x 0/0 0 2001-02-03 04:05:06 lib/\n"
                        "-rws--x--x 0/0 2 2001-02-03 04:05:06 lib-b\n"
                        "-rw-r--r-- 0/0 1 2001-02-03 04:05:06 lib/a.py\n"
                        "lrwxrwxrwx 0/0 0 2001-02-03 04:05:06 lib/dangling -> ../nowhere\n"
                        "lrwxrwxrwx 0/0 0 2001-02-03 04:05:06 outside -> /etc/passwd\n ");
    assert_int_equal(build_context_files(context), 6);
}

/* Contents of every size around the blocks, unusual names; unpacked they are what they were. */
static void packs_it_whole(void **state)
{
    struct place *place = *state;
    static char block[600001];
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 2654435761u >> 13);
    static const size_t sizes[] = {0, 1, 511, 512, 513, 65537, 262143, 262144, 262145, 600001};
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        AUTO_FREE char *name = xasprintf("sizes/%zu", sizes[i]);
        put_sized(place, name, block, sizes[i]);
    }
    AUTO_BUF struct buf deep = BUF_INIT;
    for (int i = 0; i < 40; i++)
        buf_puts(&deep, "a longer name/");
    buf_puts(&deep, "file");
    put(place, deep.data, "deep");
    put_link(place, deep.data, "far");
    put(place, "\xff\xfe\n\xc3\xa9", "bytes");
    put(place, "\xe2\x98\xba", "utf8");
    put(place, "a\\b*", "special");
    AUTO(build_context) struct build_context *context = pack_folder(place);
    save(place, context);
    AUTO_FREE char *command = xasprintf("cd %s && mkdir out && tar -xf context.tar -C out && "
                                        "diff -r --no-dereference out ../folder",
                                        place->scratch);
    run(command);
}

static void leaves_no_file_behind(void **state)
{
    struct place *place = *state;
    put(place, "a", "1");
    AUTO(build_context) struct build_context *context = pack_folder(place);
    DIR *dir = opendir(place->scratch);
    int count = 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    assert_int_equal(count, 2); /* . and .. */
}

static void adds_files_of_ours(void **state)
{
    struct place *place = *state;
    static const struct build_file files[] = {{"b", "ours", 4},
                                              {".skiff/Dockerfile", "FROM x\n", 7}};
    struct build_context_request request = request_of(place);
    request.files = files;
    request.file_count = ARRAY_SIZE(files);
    request.dockerfile = ".skiff/Dockerfile";
    put(place, "b", "theirs");
    put(place, "a", "");
    put(place, ".dockerignore", "b\n");
    assert_names(place, &request, ".dockerignore .skiff/Dockerfile a b ");
    AUTO(build_context) struct build_context *context = pack(&request);
    AUTO_FREE char *text = list(place, context, "--to-stdout -x b");
    assert_string_equal(text, "ours");
    assert_int_equal(build_context_files(context), 4);

    request.folder = NULL;
    assert_names(place, &request, ".skiff/Dockerfile b ");
    request.dockerfile = NULL;
    request.file_count = 0;
    assert_names(place, &request, "");
}

static void ours_must_fit_in(void **state)
{
    struct place *place = *state;
    struct build_file file = {"a/b", "", 0};
    struct build_context_request request = request_of(place);
    request.files = &file;
    request.file_count = 1;
    put(place, "a/b/c", "");
    refuse(&request, ERROR_INVALID, "a/b is a folder", "ignore");
    file.name = "a/b/c/d";
    refuse(&request, ERROR_INVALID, "a/b/c is a file", "ignore");
    put(place, ".dockerignore", "a\n");
    assert_names(place, &request, ".dockerignore a/b/c/d ");
    static const char *const wrong[] = {"", "/a", "../a", "a/../b", "a//b", "a/", "./a"};
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        file.name = wrong[i];
        refuse(&request, ERROR_INVALID, "no path below", NULL);
        struct build_context_request named = request_of(place);
        named.dockerfile = wrong[i];
        refuse(&named, ERROR_INVALID, "no path below", "relative");
    }
}

/* --- what is left out ------------------------------------------------------------------------- */

static void follows_the_rules(void **state)
{
    struct place *place = *state;
    struct build_context_request request = request_of(place);
    request.dockerfile = "docker/Dockerfile";
    put(place, "docker/Dockerfile", "");
    put(place, "docker/notes", "");
    put(place, "data/a.csv", "");
    put(place, "data/deep/keep.py", "");
    put(place, "data/deep/x", "");
    put(place, "data/none/x", "");
    put(place, "src/a.py", "");
    put(place, "src/a.pyc", "");
    put(place, ".dockerignore", "*\n!src\n**/*.pyc\n!data/**/*.py\n");
    assert_names(place, &request,
                 ".dockerignore data/ data/deep/ data/deep/keep.py docker/ docker/Dockerfile src/ "
                 "src/a.py ");
    put(place, "docker/Dockerfile.dockerignore", "data\nsrc\n.docker*\n");
    assert_names(place, &request,
                 "docker/ docker/Dockerfile docker/Dockerfile.dockerignore docker/notes ");
    request.dockerfile = NULL;
    assert_names(place, &request,
                 ".dockerignore data/ data/deep/ data/deep/keep.py src/ src/a.py ");
    put(place, ".dockerignore", "**/*.py*\n");
    assert_folder(place, ".dockerignore data/ data/a.csv data/deep/ data/deep/x data/none/ "
                         "data/none/x docker/ "
                         "docker/Dockerfile docker/Dockerfile.dockerignore docker/notes src/ ");
    put(place, ".dockerignore", "**\n");
    assert_folder(place, ".dockerignore ");
}

static void rules_may_be_a_link(void **state)
{
    struct place *place = *state;
    put(place, "rules", "a\n");
    put(place, "a", "");
    put_link(place, "rules", ".dockerignore");
    assert_folder(place, ".dockerignore rules ");
    put_link(place, "nowhere", ".dockerignore");
    assert_folder(place, ".dockerignore a rules ");
    put_link(place, ".", ".dockerignore");
    refuse_folder(place, ERROR_INVALID, ".dockerignore is not a file", NULL);
}

static void names_the_line_that_is_no_pattern(void **state)
{
    struct place *place = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct build_context *context = NULL;
    struct build_context_request request = request_of(place);
    request.dockerfile = "x";
    put(place, "x", "");
    put(place, "x.dockerignore", "a\n\nb[\n");
    assert_int_equal(build_context_pack(&request, NULL, &context, &err), -1);
    assert_string_equal(err.file, "x.dockerignore");
    assert_int_equal(err.line, 3);
}

/* --- the hash --------------------------------------------------------------------------------- */

/* After `change` has been made. */
static void assert_hash(const struct place *place, const char *hash, const char *change, bool same)
{
    AUTO(build_context) struct build_context *context = pack_folder(place);
    assert_int_equal(strlen(build_context_hash(context)), 64);
    assert_int_equal(strspn(build_context_hash(context), "0123456789abcdef"), 64);
    if ((strcmp(build_context_hash(context), hash) == 0) != same)
        fail_msg("%s: the hash is %s", change, same ? "another" : "the same");
}

static void the_hash_is_of_what_counts(void **state)
{
    static const struct {
        const char *command;
        bool same;
    } changes[] = {
        {"touch -d 1999-01-01 a b/c b", true},
        {"chmod 600 a; chmod 700 b", true},
        {"chmod 654 a", true},
        {"chmod 755 a", false},
        {"chmod 711 run", true},
        {"chmod 611 run", false},
        {"printf 2 >a", false},
        {"printf 11 >a", false},
        {"mv a a2", false},
        {"mv b d", false},
        {"ln -sfn c link", false},
        {"rm link; touch link", false},
        {"rm e; mkdir e", false},
        {"rm e", false},
        {"mkdir new", false},
        {"printf 1c >a; printf '' >b/c", false},
        {"rm -r ../other; cp -r . ../other; rm -r *; cp -r ../other/. .", true},
    };
    struct place *place = *state;
    for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
        AUTO_FREE char *make =
            xasprintf("rm -rf %s && mkdir %s && cd %s && umask 022 && mkdir b ../other "
                      "&& printf 1 >a && printf c >b/c && touch e && "
                      "echo >run && chmod 755 run && ln -s b link",
                      place->folder, place->folder, place->folder);
        AUTO_FREE char *change =
            xasprintf("cd %s && { %s; } && rm -rf ../other", place->folder, changes[i].command);
        run(make);
        AUTO(build_context) struct build_context *context = pack_folder(place);
        assert_hash(place, build_context_hash(context), "nothing", true);
        run(change);
        assert_hash(place, build_context_hash(context), changes[i].command, changes[i].same);
    }
}

static void ours_and_theirs_hash_alike(void **state)
{
    struct place *place = *state;
    static const struct build_file file = {"a", "text", 4};
    struct build_context_request request = {
        .files = &file, .file_count = 1, .temporary_dir = place->scratch};
    put(place, "a", "text");
    AUTO(build_context) struct build_context *context = pack(&request);
    assert_hash(place, build_context_hash(context), "a file of theirs", true);
    put(place, "b", "");
    put(place, ".dockerignore", "b\n");
    assert_hash(place, build_context_hash(context), "a file more", false);
}

/* A content that is what the hash would see of another file. */
static void contents_cannot_pose_as_files(void **state)
{
    struct place *place = *state;
    put(place, "a", "1");
    put(place, "b", "");
    AUTO(build_context) struct build_context *context = pack_folder(place);
    AUTO_FREE char *path = file_join(place->folder, "b");
    unlink(path);
    put_sized(place, "a", "1fb\0\0\0\0\0\0\0\0", 12);
    assert_hash(place, build_context_hash(context), "b within a", false);
    put_sized(place, "a", "1fb", 4);
    assert_hash(place, build_context_hash(context), "b within a", false);
}

/* --- refusals --------------------------------------------------------------------------------- */

static void what_is_no_file_is_refused(void **state)
{
    struct place *place = *state;
    AUTO_FREE char *fifo = file_join(place->folder, "pipe [1]");
    AUTO_FREE char *path = file_join(place->folder, "s");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(mkfifo(fifo, 0644), 0);
    refuse_folder(place, ERROR_INVALID, "pipe [1] is a FIFO", ".dockerignore: /pipe \\[1\\]");
    put(place, ".dockerignore", "/pipe \\[1\\]\n");
    assert_folder(place, ".dockerignore ");
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    refuse_folder(place, ERROR_INVALID, "s is a socket", ".dockerignore: /s");
    struct build_context_request request = {.folder = "/dev", .temporary_dir = place->scratch};
    refuse(&request, ERROR_INVALID, "a device", NULL);
}

static void what_is_not_there_is_refused(void **state)
{
    struct place *place = *state;
    struct build_context_request request = request_of(place);
    request.dockerfile = "b/Dockerfile";
    put(place, "b/x", "");
    refuse(&request, ERROR_NOT_FOUND, "no Dockerfile b/Dockerfile", "relative");
    request.dockerfile = "b";
    refuse(&request, ERROR_NOT_FOUND, "no Dockerfile b", NULL);
    request.folder = "/nonexistent";
    refuse(&request, ERROR_NOT_FOUND, "/nonexistent", NULL);
    request.folder = "/etc/passwd";
    refuse(&request, ERROR_INVALID, "not a folder", NULL);
    request = request_of(place);
    request.temporary_dir = "/nonexistent";
    refuse(&request, ERROR_NOT_FOUND, "temporary file in /nonexistent", NULL);
}

/* Root reads everything, so another user does the looking. */
static void as_nobody(const struct place *place, const char *text, const char *hint)
{
    pid_t child = fork();
    int status;
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(2);
        AUTO_ERROR struct error err = ERROR_INIT;
        struct build_context *context = NULL;
        struct build_context_request request = request_of(place);
        int result = build_context_pack(&request, NULL, &context, &err);
        build_context_free(context);
        bool right = text == NULL ? result == 0
                                  : err.code == ERROR_DENIED && strstr(err.text, text) != NULL &&
                                        strstr(err.hint, hint) != NULL;
        error_clear(&err);
        _exit(right ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void what_cannot_be_read_is_named(void **state)
{
    struct place *place = *state;
    put(place, "b/secret", "");
    put(place, "sealed/x", "");
    AUTO_FREE char *command =
        xasprintf("chmod 755 %s; chmod 777 %s; cd %s && chmod 0 b/secret sealed", place->root,
                  place->scratch, place->folder);
    run(command);
    as_nobody(place, "b/secret", ".dockerignore: /b/secret");
    put(place, ".dockerignore", "b/secret\n");
    as_nobody(place, "sealed", ".dockerignore: /sealed");
    put(place, ".dockerignore", "b/secret\nsealed\n");
    as_nobody(place, NULL, NULL);
}

static void too_much_is_refused(void **state)
{
    struct place *place = *state;
    put(place, "train.py", "x");
    put_sparse(place, "data/a.bin", 4000000000);
    put_sparse(place, "data/b.bin", 4000000000);
    put_sparse(place, "model.bin", 1999999999);
    assert_int_equal(BUILD_CONTEXT_BYTES_MAX, 10000000000);
    put_sparse(place, "x/y/z", 1);
    refuse_folder(place, ERROR_LIMIT,
                  ":\n  data/a.bin (4.0 GB): /data/a.bin\n  data/b.bin (4.0 GB): /data/b.bin\n"
                  "  model.bin (2.0 GB): /model.bin\n  ",
                  ".dockerignore");
    for (int i = 0; i < 9; i++) {
        AUTO_FREE char *name = xasprintf("images/%d/x", i);
        put_sparse(place, name, 1000000000);
    }
    refuse_folder(place, ERROR_LIMIT, "\n  images (9.0 GB): /images\n", NULL);
    put(place, ".dockerignore", "images\n*.bin\n");
    put(place, "data/a.bin", "");
    put(place, "data/b.bin", "");
    assert_folder(place, ".dockerignore data/ data/a.bin data/b.bin train.py x/ x/y/ x/y/z ");
}

static void too_many_are_refused(void **state)
{
    struct place *place = *state;
    struct build_context_request request = request_of(place);
    struct build_context_limits limits = {.bytes_max = 100, .entries_max = 14, .depth_max = 2};
    AUTO_ERROR struct error err = ERROR_INIT;
    for (int i = 0; i < 11; i++) {
        AUTO_FREE char *name = xasprintf("many/%d", i);
        put(place, name, "");
    }
    put(place, "few/a", "");
    for (int i = 0; i < 2; i++) {
        AUTO_BUILD_CONTEXT_LIST struct build_context_list found = BUILD_CONTEXT_LIST_INIT;
        int result = build_context_list_fill(&found, &request, &limits, NULL, &err);
        assert_int_equal(result, i == 0 ? 0 : -1);
        limits.entries_max--;
    }
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "more than 14 files and folders"));
    assert_non_null(strstr(err.text, ":\n  many (11 files): /many\n"));
    limits.entries_max = 2; /* no need to see more */
    AUTO_BUILD_CONTEXT_LIST struct build_context_list few = BUILD_CONTEXT_LIST_INIT;
    assert_int_equal(build_context_list_fill(&few, &request, &limits, NULL, &err), -1);
    assert_true(few.count < 5);
    put(place, "a/b/c/d", "");
    limits.entries_max = 100;
    AUTO_BUILD_CONTEXT_LIST struct build_context_list found = BUILD_CONTEXT_LIST_INIT;
    assert_int_equal(build_context_list_fill(&found, &request, &limits, NULL, &err), -1);
    assert_int_equal(err.code, ERROR_LIMIT);
    assert_non_null(strstr(err.text, "more than 2 folders within one another: a/b/c"));
}

static void stops_when_told(void **state)
{
    struct place *place = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    struct build_context_progress progress = {.files = 7, .bytes = 7, .cancelled = true};
    struct build_context_request request = request_of(place);
    struct build_context *context = NULL;
    put(place, "a", "123");
    assert_int_equal(build_context_pack(&request, &progress, &context, &err), -1);
    assert_int_equal(err.code, ERROR_CANCELLED);
    assert_int_equal(progress.bytes, 0);
    progress.cancelled = false;
    assert_int_equal(build_context_pack(&request, &progress, &context, &err), 0);
    assert_int_equal(progress.files, 1);
    assert_int_equal(progress.bytes, 3);
    build_context_free(context);
}

/* --- while it is packed ----------------------------------------------------------------------- */

struct meddler {
    struct build_context_progress progress;
    const char *path; /* what to append to; NULL: cancel */
    atomic_bool ended;
};

/* Waits until the contents of the file are being read, which takes long. */
static void *meddle(void *data)
{
    struct meddler *meddler = data;
    while (meddler->progress.bytes == 0 && !meddler->ended)
        sched_yield();
    if (meddler->path == NULL) {
        meddler->progress.cancelled = true;
        return NULL;
    }
    AUTO_CLOSE int fd = open(meddler->path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return write(fd, "more", 4) == 4 ? data : NULL;
}

static void pack_meddled(const struct place *place, const char *path, struct error *err)
{
    struct meddler meddler = {.path = path};
    struct build_context_request request = request_of(place);
    struct build_context *context = NULL;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, meddle, &meddler), 0);
    int result = build_context_pack(&request, &meddler.progress, &context, err);
    meddler.ended = true;
    pthread_join(thread, NULL);
    assert_int_equal(result, -1);
    assert_null(context);
}

static void tells_of_a_file_that_changes(void **state)
{
    struct place *place = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *path = file_join(place->folder, "run.log");
    put_sparse(place, "run.log", 200000000);
    pack_meddled(place, path, &err);
    assert_int_equal(err.code, ERROR_BUSY);
    assert_non_null(strstr(err.text, "run.log of the build context changed while it was read"));
    assert_non_null(strstr(err.hint, "try again"));
}

static void stops_within_a_file(void **state)
{
    struct place *place = *state;
    AUTO_ERROR struct error err = ERROR_INIT;
    put_sparse(place, "large", 2000000000);
    pack_meddled(place, NULL, &err);
    assert_int_equal(err.code, ERROR_CANCELLED);
}

#define PLACE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE(packs_what_there_is),
        PLACE(packs_it_whole),
        PLACE(leaves_no_file_behind),
        PLACE(adds_files_of_ours),
        PLACE(ours_must_fit_in),
        PLACE(follows_the_rules),
        PLACE(rules_may_be_a_link),
        PLACE(names_the_line_that_is_no_pattern),
        PLACE(the_hash_is_of_what_counts),
        PLACE(ours_and_theirs_hash_alike),
        PLACE(contents_cannot_pose_as_files),
        PLACE(what_is_no_file_is_refused),
        PLACE(what_is_not_there_is_refused),
        PLACE(what_cannot_be_read_is_named),
        PLACE(too_much_is_refused),
        PLACE(too_many_are_refused),
        PLACE(stops_when_told),
        PLACE(tells_of_a_file_that_changes),
        PLACE(stops_within_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
