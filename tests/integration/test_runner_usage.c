/* SPDX-License-Identifier: BSD-3-Clause */
/* The runner as a program: what it samples, and how it tells that memory ran out. */
#include <errno.h>
#include <sys/resource.h>

#include "tests/integration/runner_start.h"

/* --- samples ---------------------------------------------------------------------------------- */

static json_t *last_usage(const char *dir)
{
    AUTO_FREE char *text = read_text(dir, "usage.jsonl", NULL);
    AUTO_ERROR struct error err = ERROR_INIT;
    json_t *last = NULL;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        if (line[0] == '\0')
            continue;
        json_decref(last);
        last = json_parse(line, strlen(line), "usage.jsonl", &err);
        assert_non_null(last);
    }
    assert_non_null(last);
    return last;
}

static void counts_what_the_tree_used(void **state)
{
    /* A second of CPU in a grandchild: only the sum of the whole tree knows it. */
    assert_int_equal(
        start_sh(*state, NULL, "perl -e '1 while (times)[0] + (times)[1] < 1'; exit 0"), 0);
    wait_for_text(*state, "usage.jsonl", "\"processes\":2");
    AUTO_JSON json_t *status = finished(*state);
    AUTO_JSON json_t *usage = last_usage(*state);
    assert_true(json_get_number(usage, "cpu_seconds", 0) > 0.95);
    assert_true(json_get_number(usage, "cpu_seconds", 0) < 30);
    AUTO_FREE char *lines = read_text(*state, "usage.jsonl", NULL);
    assert_null(strstr(lines, "gpu"));
    assert_true(json_get_time(usage, "time") > 0);
}

/* Gives this mount namespace an NVIDIA driver and an nvidia-smi that is `text`. */
static void fake_gpu(const char *dir, const char *text)
{
    assert_int_equal(mount("none", "/proc/driver", "tmpfs", 0, NULL), 0);
    assert_int_equal(mkdir("/proc/driver/nvidia", 0755), 0);
    AUTO_FREE char *program = file_join(dir, "nvidia-smi");
    write_text(program, text);
    chmod(program, 0755);
}

static void samples_gpus(void **state)
{
    fake_gpu(*state, "#!/bin/sh\n"
                     "case \"$*\" in --query-gpu=index,*nounits) ;; *) exit 1 ;; esac\n"
                     "echo '0, NVIDIA \"A100\", 35, 1024, 40960'\n"
                     "echo '1, NVIDIA T4, [N/A], 0, 16384'\n");
    AUTO_FREE char *path = xasprintf("PATH=%s:/usr/bin:/bin", (char *)*state);
    const char *const env[] = {path, NULL};
    const char *const argv[] = {"sleep", "1000", NULL};
    int started = start_with(*state, &(struct how){.env = env}, argv);
    wait_for_text(*state, "usage.jsonl", "\"gpu\"");
    wait_for_text(*state, "usage.jsonl", "]}\n");
    cancel(*state);
    umount2("/proc/driver", MNT_DETACH);
    assert_int_equal(started, 0);
    AUTO_JSON json_t *status = finished(*state);
    AUTO_FREE char *usage = read_text(*state, "usage.jsonl", NULL);
    assert_non_null(strstr(usage, "\"gpu\":[{\"name\":\"NVIDIA \\\"A100\\\"\",\"index\":0,"
                                  "\"utilization_percent\":35,\"memory_used_bytes\":1073741824,"
                                  "\"memory_total_bytes\":42949672960},{\"name\":\"NVIDIA T4\","
                                  "\"index\":1,\"utilization_percent\":null,"));
}

static void a_hanging_gpu_tool_delays_nothing(void **state)
{
    fake_gpu(*state, "#!/bin/sh\necho asked >> \"$0.asked\"\nexec sleep 1000\n");
    AUTO_FREE char *path = xasprintf("PATH=%s:/usr/bin:/bin", (char *)*state);
    AUTO_FREE char *cwd = xasprintf("--cwd=%s", (char *)*state);
    const char *const options[] = {cwd, NULL};
    const char *const env[] = {path, NULL};
    const char *const argv[] = {
        "sh", "-c", "while [ ! -e nvidia-smi.asked ]; do sleep 0.01; done; echo done", NULL};
    int started = start_with(*state, &(struct how){.env = env, .options = options}, argv);
    AUTO_JSON json_t *status = finished(*state);
    umount2("/proc/driver", MNT_DETACH);
    assert_int_equal(started, 0);
    assert_text(*state, LOG, "done\n");
    assert_int_equal(json_get_int(status, "exit_code", -1), 0);
}

#define OOM_GROUP "/sys/fs/cgroup/memory/skiff-test"
#define OOM_GROUP_V2 "/sys/fs/cgroup/skiff-test"

/* Makes a cgroup with little memory; false when this machine lets us make none. */
static bool small_memory(char procs[static 128])
{
    bool first = mkdir(OOM_GROUP, 0755) == 0 || errno == EEXIST;
    const char *group = first ? OOM_GROUP : OOM_GROUP_V2;
    if (!first && mkdir(group, 0755) != 0 && errno != EEXIST)
        return false;
    char limit[128];
    snprintf(limit, sizeof limit, "%s/%s", group, first ? "memory.limit_in_bytes" : "memory.max");
    snprintf(procs, 128, "%s/cgroup.procs", group);
    int fd = open(limit, O_WRONLY | O_CLOEXEC);
    bool limited = fd >= 0 && write(fd, "30000000", 8) == 8;
    close(fd);
    return limited;
}

static void tells_out_of_memory(void **state)
{
    char procs[128];
    if (!small_memory(procs)) {
        print_message("no cgroup with a memory limit can be made here\n");
        skip();
    }
    AUTO_FREE char *text =
        xasprintf("echo $$ > %s; exec perl -e '$x = \"x\" x 200000000; sleep 1000'", procs);
    /* The runner joins too, as in a container or a Slurm job: it reads the counter of its own. */
    AUTO_FREE char *join = xasprintf("echo $$ > %s; exec \"$0\" \"$@\"", procs);
    AUTO_FREE char *log = xasprintf("--log=%s", LOG);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", join, runner_path(), log, (char *)*state, "--", "sh", "-c",
              text, NULL);
        _exit(99);
    }
    assert_int_equal(wait_status(pid), 0);
    AUTO_JSON json_t *status = finished(*state);
    rmdir(OOM_GROUP);
    rmdir(OOM_GROUP_V2);
    assert_int_equal(json_get_int(status, "signal", 0), SIGKILL);
    assert_true(json_get_bool(status, "oom", false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RUN(counts_what_the_tree_used),
        RUN(samples_gpus),
        RUN(a_hanging_gpu_tool_delays_nothing),
        RUN(tells_out_of_memory),
    };
    fixture_isolate();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
