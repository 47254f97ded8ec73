/* SPDX-License-Identifier: BSD-3-Clause */
/* Random trees with random ignore files, every path of them asked of us and of the real git. One
 * seed is fixed, one is new each time and printed; IGNORE_SEED=n runs that one again. */
#include "submission/ignore.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/strlist.h"

#include "tests/unit.h"

#define FOLDERS 14
#define FILES 110
#define ROUNDS 60
#define FIXED_SEED 20261123u
#define GIT                                                                 \
    "GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null HOME=/nonexistent; " \
    "export GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL HOME; unset GIT_DIR GIT_WORK_TREE; git "

struct world {
    char root[64];
    uint64_t random;
    struct strlist dirs;  /* relative, "" first */
    struct strlist paths; /* folders and files */
};

/* --- chance ----------------------------------------------------------------------------------- */

/* xorshift64*: the same numbers everywhere. */
static unsigned below(struct world *world, unsigned limit)
{
    world->random ^= world->random >> 12;
    world->random ^= world->random << 25;
    world->random ^= world->random >> 27;
    return (unsigned)((world->random * 0x2545F4914F6CDD1Dull) >> 33) % limit;
}

static const char *const name_parts[] = {
    "a", "b", "c",  "A", "B", "1",    "9",        ".", "-",  "_",  " ",  "!",    "#",
    "[", "]", "\\", "*", "?", "\xff", "\xc3\xa9", "^", "\t", "\r", "\n", "\x01", ":",
    "a", "b", "c",  "a", "b", "c",    "foo",      "o", "x",  "y",  "z",
};

static const char *const pattern_parts[] = {
    "*",
    "**",
    "?",
    "[a-c]",
    "[!a]",
    "[^a-b]",
    "[]a]",
    "[!]a]",
    "[a-]",
    "[-a]",
    "[[:alpha:]]",
    "[[:digit:]b]",
    "[![:upper:]]",
    "[[:space:]]",
    "[[:punct:]]",
    "[[:nope:]]",
    "[[:alpha]",
    "[[:]",
    "[",
    "]",
    "\\",
    "\\*",
    "\\a",
    "\\\\",
    "\\[",
    "/",
    "**/",
    "/**",
    "/**/",
    "*/",
    "/*",
    "\\/",
    "***",
    "[\\]a]",
    "[a\\-c]",
    "[c-a]",
    "[\xc3]",
    "[\x80-\xff]",
    "[/]",
    "[a/b]",
    "[!/]",
    "a**",
    "**b",
    "*a*",
    "*.",
    "[[:cntrl:]]",
    "[[:print:]]",
    "[[:graph:]]",
    "[[:alnum:]-z]",
    "[[:xdigit:][:blank:]]",
    "[a-[:alpha:]]",
    "\xff",
    "[[:lower:]",
    "[b-\\c]",
    "[\\",
    "[a-",
    "[[::]]",
    "[--a]",
    "[*-?]",
    "\\!",
    "\\#",
    " ",
    "\\ ",
};

static char *random_name(struct world *world)
{
    AUTO_BUF struct buf name = BUF_INIT;
    unsigned parts = 1 + below(world, 4);
    while (parts-- > 0)
        buf_puts(&name, name_parts[below(world, ARRAY_SIZE(name_parts))]);
    if (name.data[0] == ':') /* would be pathspec magic to git */
        name.data[0] = 'a';
    if (strcmp(name.data, ".") == 0 || strcmp(name.data, "..") == 0)
        buf_puts(&name, "a");
    return buf_steal(&name);
}

/* A pattern near a path of the tree: some bytes become something special. */
static void put_near_pattern(struct world *world, struct buf *line)
{
    const char *path = world->paths.items[below(world, (unsigned)world->paths.count)];
    if (below(world, 2) == 0)
        path = file_base_name(path);
    if (below(world, 4) == 0)
        buf_putc(line, '/');
    for (const char *p = path; *p != '\0'; p++) {
        unsigned luck = below(world, 12);
        if (luck == 0)
            buf_puts(line, pattern_parts[below(world, ARRAY_SIZE(pattern_parts))]);
        else if (luck == 1)
            buf_puts(line, "*");
        else if (luck == 2 && *p == '/')
            buf_puts(line, "/**/");
        else if (luck == 3 && strchr("*?[\\", *p) != NULL)
            buf_printf(line, "\\%c", *p);
        else if (*p != '\n')
            buf_putc(line, *p);
    }
}

static void put_wild_pattern(struct world *world, struct buf *line)
{
    unsigned parts = 1 + below(world, 5);
    while (parts-- > 0) {
        if (below(world, 2) == 0)
            buf_puts(line, pattern_parts[below(world, ARRAY_SIZE(pattern_parts))]);
        else
            buf_puts(line, name_parts[below(world, ARRAY_SIZE(name_parts))]);
    }
}

static void put_line(struct world *world, struct buf *file)
{
    static const char *const endings[] = {"", "", "", "", "", "/", "/", " ", "  ", "\\ ", "\t"};
    if (below(world, 5) == 0)
        buf_putc(file, '!');
    if (below(world, 25) == 0)
        buf_putc(file, '#');
    if (below(world, 3) > 0)
        put_near_pattern(world, file);
    else
        put_wild_pattern(world, file);
    buf_puts(file, endings[below(world, ARRAY_SIZE(endings))]);
    if (below(world, 60) == 0)
        buf_putc(file, '\0');
    buf_puts(file, below(world, 10) == 0 ? "\r\n" : "\n");
}

/* --- the tree --------------------------------------------------------------------------------- */

static char *full(const struct world *world, const char *path)
{
    return xasprintf("%s/%s", world->root, path);
}

static void put_file(const char *path, const void *data, size_t size)
{
    AUTO_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    assert_int_equal(write(fd, data, size), size);
}

static void make_tree(struct world *world)
{
    strlist_add(&world->dirs, "");
    for (unsigned i = 0; i < FOLDERS + FILES; i++) {
        const char *dir = world->dirs.items[below(world, (unsigned)world->dirs.count)];
        AUTO_FREE char *name = random_name(world);
        AUTO_FREE char *path = dir[0] != '\0' ? xasprintf("%s/%s", dir, name) : xstrdup(name);
        AUTO_FREE char *where = full(world, path);
        if (strlist_has(&world->paths, path))
            continue;
        if (i < FOLDERS) {
            assert_int_equal(mkdir(where, 0755), 0);
            strlist_add(&world->dirs, path);
        } else {
            put_file(where, "", 0);
        }
        strlist_add(&world->paths, path);
    }
}

static void write_ignore_files(struct world *world)
{
    for (size_t i = 0; i < world->dirs.count; i++) {
        AUTO_FREE char *name = file_join(world->dirs.items[i], ".gitignore");
        AUTO_FREE char *path = full(world, name);
        AUTO_BUF struct buf file = BUF_INIT;
        unlink(path);
        if (i > 0 && below(world, 3) > 0)
            continue;
        if (below(world, 8) == 0)
            buf_puts(&file, "\xef\xbb\xbf");
        for (unsigned lines = 1 + below(world, 12); lines > 0; lines--)
            put_line(world, &file);
        if (below(world, 4) == 0)
            file.size--; /* the last line without its newline */
        put_file(path, file.data, file.size);
    }
}

/* --- the two answers -------------------------------------------------------------------------- */

static struct ignore_list *parse_folder(const struct world *world, const char *dir,
                                        const struct ignore_list *parent)
{
    AUTO_FREE char *name = file_join(dir, ".gitignore");
    AUTO_FREE char *where = full(world, name);
    AUTO_BUF struct buf text = BUF_INIT;
    if (file_exists(where))
        assert_int_equal(file_read(where, IGNORE_FILE_MAX, &text, NULL), 0);
    return ignore_parse(parent, dir, name, text.data, text.size);
}

/* Our answer: from the root down, the first dropped folder decides; otherwise the path's own rule.
 * Appends "source NUL line NUL pattern NUL path NUL", as check-ignore does. */
static void ask_us(const struct world *world, const char *path, struct buf *out)
{
    struct ignore_list *lists[FOLDERS + 2] = {parse_folder(world, "", NULL)};
    size_t depth = 0;
    struct ignore_rule rule;
    for (const char *end = path;; end++) {
        end = strchrnul(end, '/');
        AUTO_FREE char *name = xstrndup(path, (size_t)(end - path));
        AUTO_FREE char *where = full(world, name);
        if (ignore_match(lists[depth], name, file_is_dir(where), &rule) || *end == '\0')
            break;
        lists[depth + 1] = parse_folder(world, name, lists[depth]);
        depth++;
    }
    if (rule.source != NULL)
        buf_printf(out, "%s%c%d%c%s%c%s%c", rule.source, 0, rule.line, 0, rule.pattern, 0, path, 0);
    else
        buf_printf(out, "%c%c%c%s%c", 0, 0, 0, path, 0);
    for (size_t i = 0; i <= depth; i++)
        ignore_free(lists[i]);
}

static void ask_git(const struct world *world, struct buf *out)
{
    AUTO_FREE char *list = full(world, ".git/asked");
    AUTO_FREE char *answer = full(world, ".git/answered");
    AUTO_BUF struct buf asked = BUF_INIT;
    for (size_t i = 0; i < world->paths.count; i++)
        buf_append(&asked, world->paths.items[i], strlen(world->paths.items[i]) + 1);
    put_file(list, asked.data, asked.size);
    AUTO_FREE char *command =
        xasprintf(GIT "-C %s check-ignore --no-index -v --non-matching --stdin -z "
                      " < %s > %s",
                  world->root, list, answer);
    int status = system(command);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) <= 1); /* 1: nothing is ignored */
    assert_int_equal(file_read(answer, 64 << 20, out, NULL), 0);
}

static void show(const char *who, const char *record)
{
    print_error("%s:", who);
    for (int field = 0; field < 4; field++, record += strlen(record) + 1) {
        print_error(" [");
        for (const char *p = record; *p != '\0'; p++)
            print_error(*p > ' ' && *p < 127 ? "%c" : "\\x%02x", (unsigned char)*p);
        print_error("]");
    }
    print_error("\n");
}

static size_t record_size(const char *record)
{
    size_t size = 0;
    for (int field = 0; field < 4; field++)
        size += strlen(record + size) + 1;
    return size;
}

static void compare(const struct world *world, uint64_t seed, unsigned *matched)
{
    AUTO_BUF struct buf git = BUF_INIT;
    ask_git(world, &git);
    const char *record = git.data;
    for (size_t i = 0; i < world->paths.count; i++) {
        AUTO_BUF struct buf ours = BUF_INIT;
        ask_us(world, world->paths.items[i], &ours);
        assert_true(record < git.data + git.size);
        size_t size = record_size(record);
        if (size != ours.size || memcmp(record, ours.data, size) != 0) {
            show("git ", record);
            show("ours", ours.data);
            fail_msg("seed %llu", (unsigned long long)seed);
        }
        *matched += record[0] != '\0';
        record += size;
    }
}

/* --- the tests -------------------------------------------------------------------------------- */

static void world_init(struct world *world, uint64_t seed)
{
    *world = (struct world){.root = "/tmp/skiff-test-XXXXXX", .random = seed * 2 + 1};
    assert_non_null(mkdtemp(world->root));
    AUTO_FREE char *command = xasprintf(GIT "init -q %s", world->root);
    assert_int_equal(system(command), 0);
    make_tree(world);
}

static void world_done(struct world *world)
{
    assert_int_equal(file_remove_tree(world->root, NULL), 0);
    strlist_done(&world->dirs);
    strlist_done(&world->paths);
}

static void answers_like_git(uint64_t seed)
{
    struct world world;
    unsigned matched = 0;
    world_init(&world, seed);
    for (int round = 0; round < ROUNDS; round++) {
        write_ignore_files(&world);
        compare(&world, seed, &matched);
    }
    assert_true(matched > ROUNDS); /* the patterns do reach the tree */
    world_done(&world);
}

static void answers_like_git_with_the_fixed_seeds(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        answers_like_git(FIXED_SEED + i);
}

static void answers_like_git_with_a_new_seed(void **state)
{
    (void)state;
    const char *asked = getenv("IGNORE_SEED");
    unsigned long seed = asked != NULL ? strtoul(asked, NULL, 10) : (unsigned long)time(NULL);
    print_message("IGNORE_SEED=%lu\n", seed);
    answers_like_git(seed);
}

/* The line we recommend drops that path, and none beside it, in git's own eyes. */
static void recommended_lines_drop_what_they_name(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, FIXED_SEED);
    for (size_t i = 0; i < world.paths.count; i += 3) {
        AUTO_BUF struct buf git = BUF_INIT;
        const char *path = world.paths.items[i];
        AUTO_FREE char *where = full(&world, path);
        AUTO_FREE char *line = ignore_line(path, file_is_dir(where));
        AUTO_FREE char *ignore_file = full(&world, ".gitignore");
        put_file(ignore_file, line, strlen(line));
        ask_git(&world, &git);
        const char *record = git.data;
        for (size_t j = 0; j < world.paths.count; j++, record += record_size(record))
            if (record[0] != '\0' && strchr(line, '?') == NULL)
                assert_true(strncmp(world.paths.items[j], path, strlen(path)) == 0);
            else
                assert_string_not_equal(record[0] != '\0' ? "" : world.paths.items[j], path);
    }
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT(answers_like_git_with_the_fixed_seeds),
        UNIT(answers_like_git_with_a_new_seed),
        UNIT(recommended_lines_drop_what_they_name),
    };
    if (system("git --version > /dev/null 2>&1") != 0) {
        print_message("git is not installed: nothing to compare with\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
