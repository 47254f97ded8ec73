/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * skiff-runner: the program beside the script (README.md is its contract). Reads the command line,
 * takes the run folder's lock, leaves its parent, and hands over to supervise.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "runner/detach.h"
#include "runner/failpoint.h"
#include "runner/record.h"
#include "runner/supervise.h"

/* As in sysexits(3); in the foreground the script's own status is returned too, and scripts rarely
 * use these. status.json tells for certain. */
#define EXIT_USAGE 64
#define EXIT_SYSTEM 71
#define EXIT_STARTED 73

#define DEFAULT_LOG "user_logs/std_log.txt"
#define DEFAULT_GRACE_MS 10000
#define SECONDS_MAX 315360000 /* ten years: more is a mistake, and milliseconds still fit */

static const char usage[] =
    "usage: skiff-runner [--id ID] [--cwd DIR] [--log PATH] [--grace SECONDS]\n"
    "                    [--timeout SECONDS] [--fallback PROGRAM] [--foreground]\n"
    "                    RUN_DIR -- ARGV...\n";

struct command {
    struct supervise_options run;
    const char *dir;
    const char *fallback; /* NULL when none was given */
    bool foreground;
};

static int parse_seconds(const char *option, const char *value, int64_t *ret_ms)
{
    char *end;
    errno = 0;
    long long seconds = strtoll(value, &end, 10);
    if (end == value || *end != '\0' || errno != 0 || seconds < 0 || seconds > SECONDS_MAX) {
        fprintf(stderr, "skiff-runner: --%s %s: whole seconds from 0 to %d are allowed\n", option,
                value, SECONDS_MAX);
        return -1;
    }
    *ret_ms = seconds * 1000;
    return 0;
}

static int parse_option(int option, struct command *command)
{
    switch (option) {
    case 'i':
        command->run.id = optarg;
        return 0;
    case 'c':
        command->run.cwd = optarg;
        return 0;
    case 'l':
        command->run.log = optarg;
        return 0;
    case 'g':
        return parse_seconds("grace", optarg, &command->run.grace_ms);
    case 't':
        return parse_seconds("timeout", optarg, &command->run.timeout_ms);
    case 'o':
        command->fallback = optarg;
        return 0;
    case 'f':
        command->foreground = true;
        return 0;
    default:
        fputs(usage, stderr);
        return -1;
    }
}

static int parse(int argc, char **argv, struct command *command)
{
    static const struct option options[] = {
        {"id", required_argument, NULL, 'i'},      {"cwd", required_argument, NULL, 'c'},
        {"log", required_argument, NULL, 'l'},     {"grace", required_argument, NULL, 'g'},
        {"timeout", required_argument, NULL, 't'}, {"fallback", required_argument, NULL, 'o'},
        {"foreground", no_argument, NULL, 'f'},    {NULL, 0, NULL, 0}};
    *command =
        (struct command){.run = {.id = "", .log = DEFAULT_LOG, .grace_ms = DEFAULT_GRACE_MS}};
    int option;
    while ((option = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (parse_option(option, command) != 0)
            return -1;
    }
    /* Exactly one folder, then "--", then the script's own words, whatever they look like. */
    if (argc - optind < 3 || strcmp(argv[optind + 1], "--") != 0) {
        fputs(usage, stderr);
        return -1;
    }
    command->dir = argv[optind];
    command->run.argv = argv + optind + 2;
    return 0;
}

/* The same words with another program; kept for life. NULL without memory. */
static char **fallback_words(const char *program, char *const *argv)
{
    size_t count = 0;
    while (argv[count] != NULL)
        count++;
    char **words = calloc(count + 1, sizeof *words);
    if (words == NULL)
        return NULL;
    memcpy(words, argv, count * sizeof *words);
    words[0] = (char *)(uintptr_t)program; /* execvp changes nothing */
    return words;
}

/* The run folder, locked for life. -1 after saying why, with the exit status in *ret_status. */
static int open_dir(const char *path, int *ret_status)
{
    int dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* One start at a time: whoever comes second waits until the first is on record, so that "already
     * started" always has a status.json to look at. Let go by end_of_start(), or by our death. */
    if (dir >= 0 && flock(dir, LOCK_EX) == 0 && record_lock(dir) >= 0)
        return dir;
    *ret_status = dir >= 0 && errno == EEXIST ? EXIT_STARTED : EXIT_SYSTEM;
    if (*ret_status == EXIT_STARTED)
        fprintf(stderr, "skiff-runner: already started: %s has a run in it\n", path);
    else
        fprintf(stderr, "skiff-runner: cannot open the run folder %s: %s\n", path, strerror(errno));
    return -1;
}

static void end_of_start(int dir)
{
    flock(dir, LOCK_UN);
}

static int run_here(const struct command *command, int dir)
{
    char error[SUPERVISE_ERROR_SIZE];
    struct supervise *run = supervise_start(&command->run, dir, error);
    end_of_start(dir);
    if (run != NULL)
        return supervise_loop(run);
    fprintf(stderr, "skiff-runner: %s: %s\n", command->dir, error);
    return EXIT_SYSTEM;
}

static int run_detached(const struct command *command, int dir)
{
    char error[SUPERVISE_ERROR_SIZE];
    int parent = detach(EXIT_SYSTEM);
    if (parent < 0) {
        fprintf(stderr, "skiff-runner: cannot leave the parent: %s\n", strerror(errno));
        return EXIT_SYSTEM;
    }
    failpoint_pass("detached");
    struct supervise *run = supervise_start(&command->run, dir, error);
    end_of_start(dir);
    if (run == NULL) {
        char line[2 * SUPERVISE_ERROR_SIZE];
        snprintf(line, sizeof line, "%s: %s", command->dir, error);
        detach_tell(parent, EXIT_SYSTEM, line);
        return EXIT_SYSTEM;
    }
    bool failed = supervise_failed(run);
    if (!failed)
        detach_tell(parent, 0, NULL);
    int status = supervise_loop(run);
    if (failed) /* only now is it recorded why */
        detach_tell(parent, 0, NULL);
    return status;
}

int main(int argc, char **argv)
{
    struct command command;
    int status = EXIT_SYSTEM;
    failpoint_init();
    detach_close_inherited();
    if (parse(argc, argv, &command) != 0)
        return EXIT_USAGE;
    if (command.fallback != NULL)
        command.run.fallback = fallback_words(command.fallback, command.run.argv);
    int dir = open_dir(command.dir, &status);
    if (dir < 0)
        return status;
    failpoint_pass("locked");
    return command.foreground ? run_here(&command, dir) : run_detached(&command, dir);
}
