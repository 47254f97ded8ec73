/* SPDX-License-Identifier: BSD-3-Clause */
/* What an engine is told of a run's container. */
#include "submission/container.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "tests/unit/submission/store_fixture.h"

static const struct container_engine docker = {.podman = false};

/* The body for texts of JSON, or NULL with the error. */
static json_t *body(const char *home, const char *job_text, const char *environment_text,
                    const char *compute_text, const struct container_engine *engine,
                    struct error *err)
{
    AUTO_JSON json_t *job = json_loads(job_text, 0, NULL);
    AUTO_JSON json_t *environment = json_loads(environment_text, 0, NULL);
    AUTO_JSON json_t *compute = json_loads(compute_text, 0, NULL);
    assert_true(job != NULL && environment != NULL && compute != NULL);
    struct container_request request = {.run_id = "brave_owl",
                                        .run_dir = "/home/sam/.skiff/runs/brave_owl",
                                        .home = home,
                                        .experiment = "digits",
                                        .image = "sha256:ab",
                                        .runner = "/usr/libexec/skiff/skiff-runner",
                                        .job = job,
                                        .environment = environment,
                                        .compute = compute,
                                        .engine = engine};
    return container_body(&request, err);
}

static json_t *good(const char *home, const char *job, const char *compute)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    json_t *made = body(home, job, "{\"image\": \"a\"}", compute, &docker, &err);
    if (made == NULL)
        fail_msg("%s", err.text);
    return made;
}

static json_t *host_of(const json_t *made)
{
    return json_object_get(made, "HostConfig");
}

static bool has_text(const json_t *list, const char *text)
{
    size_t i;
    json_t *item;
    json_array_foreach (list, i, item)
        if (strcmp(json_string_value(item), text) == 0)
            return true;
    return false;
}

static const char *last_word(const json_t *made, size_t from_end)
{
    const json_t *words = json_object_get(made, "Cmd");
    return json_string_value(json_array_get(words, json_array_size(words) - from_end));
}

static void runs_the_runner_as_the_caller(void **state)
{
    AUTO_JSON json_t *made =
        good(*state, "{\"script\": \"train.py\", \"arguments\": [\"--epochs\", \"3\"]}", "{}");
    AUTO_FREE char *user = xasprintf("%d:%d", (int)getuid(), (int)getgid());
    const json_t *labels = json_object_get(made, "Labels");
    const json_t *mounts = json_object_get(host_of(made), "Mounts");
    assert_string_equal(json_get_string(made, "Image", ""), "sha256:ab");
    assert_string_equal(json_get_string(made, "User", ""), user);
    assert_true(has_text(json_object_get(made, "Entrypoint"), "/skiff/runner"));
    assert_true(has_text(json_object_get(made, "Cmd"), "--foreground"));
    assert_true(has_text(json_object_get(made, "Cmd"), "--fallback=python3"));
    assert_string_equal(last_word(made, 4), "python");
    assert_string_equal(last_word(made, 1), "3");
    assert_string_equal(json_get_string(labels, "skiff.run", ""), "brave_owl");
    assert_string_equal(json_get_string(labels, "skiff.home", ""), *state);
    assert_int_equal(json_array_size(mounts), 2);
    assert_string_equal(json_get_string(json_array_get(mounts, 0), "Target", ""), "/skiff/run");
    assert_false(json_get_bool(json_array_get(mounts, 0), "ReadOnly", true));
    assert_true(json_get_bool(json_array_get(mounts, 1), "ReadOnly", false));
}

static void names_the_run_to_the_script(void **state)
{
    AUTO_JSON json_t *made = good(
        *state, "{\"script\": \"a.py\", \"environment_variables\": {\"AZUREML_RUN_ID\": \"x\"}}",
        "{}");
    const json_t *variables = json_object_get(made, "Env");
    assert_true(has_text(variables, "AZUREML_RUN_ID=brave_owl"));
    assert_true(has_text(variables, "SKIFF_OUTPUTS=/skiff/run/outputs"));
    assert_true(has_text(variables, "PYTHONUNBUFFERED=1"));
    assert_false(has_text(variables, "AZUREML_RUN_ID=x"));
}

static void a_command_is_for_the_shell_there_is(void **state)
{
    AUTO_JSON json_t *text = good(*state, "{\"command\": \"make all\"}", "{}");
    AUTO_JSON json_t *words = good(*state, "{\"command\": [\"make\", \"all\"]}", "{}");
    assert_true(has_text(json_object_get(text, "Cmd"), "--fallback=sh"));
    assert_string_equal(last_word(text, 3), "bash");
    assert_string_equal(last_word(words, 2), "make");
    assert_string_equal(last_word(words, 3), "--");
}

static void who_the_script_is(void **state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    const struct container_engine rootless = {.rootless = true};
    AUTO_JSON json_t *inside =
        body(*state, "{\"script\": \"a.py\"}", "{\"image\": \"a\"}", "{}", &rootless, &err);
    AUTO_JSON json_t *named =
        good(*state, "{\"script\": \"a.py\"}", "{\"container\": {\"user\": \"train\"}}");
    assert_string_equal(json_get_string(inside, "User", ""), "0:0");
    assert_string_equal(json_get_string(named, "User", ""), "train");
}

static void tells_the_engine_what_the_compute_says(void **state)
{
    AUTO_JSON json_t *made =
        good(*state, "{\"script\": \"a.py\", \"resources\": {\"shm_size\": 4096}}",
             "{\"container\": {\"network\": \"none\", \"memory\": 10000000, \"cpus\": 1.5,"
             " \"shm_size\": 1024, \"runtime\": \"runc\", \"ulimits\": {\"nofile\": [10, 20]}}}");
    const json_t *host = host_of(made);
    size_t i;
    json_t *limit;
    int seen = 0;
    assert_string_equal(json_get_string(host, "NetworkMode", ""), "none");
    assert_string_equal(json_get_string(host, "Runtime", ""), "runc");
    assert_int_equal(json_get_int(host, "Memory", 0), 10000000);
    assert_int_equal(json_get_int(host, "NanoCpus", 0), 1500000000);
    assert_int_equal(json_get_int(host, "ShmSize", 0), 4096); /* the job's, before the compute's */
    json_array_foreach (json_object_get(host, "Ulimits"), i, limit)
        if (strcmp(json_get_string(limit, "Name", ""), "nofile") == 0) {
            assert_int_equal(json_get_int(limit, "Soft", 0), 10);
            assert_int_equal(json_get_int(limit, "Hard", 0), 20);
            seen++;
        }
    assert_int_equal(seen, 1);
}

static void limits_are_the_callers_by_default(void **state)
{
    struct rlimit own;
    AUTO_JSON json_t *made = good(*state, "{\"script\": \"a.py\"}", "{}");
    const json_t *first = json_array_get(json_object_get(host_of(made), "Ulimits"), 0);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &own), 0);
    if (own.rlim_max == RLIM_INFINITY)
        return;
    assert_string_equal(json_get_string(first, "Name", ""), "nofile");
    assert_int_equal(json_get_int(first, "Hard", 0), own.rlim_max);
}

static void mounts_inputs_and_folders(void **state)
{
    const char *home = *state;
    AUTO_FREE char *folder = file_join(home, "data");
    AUTO_FREE char *file = file_join(home, "words.txt");
    AUTO_FREE char *job =
        xasprintf("{\"command\": \"cat ${{inputs.words}} ${{inputs.data}} ${{inputs.epochs}}\","
                  " \"inputs\": {\"words\": {\"path\": \"%s\"}, \"data\": {\"path\": \"%s\","
                  " \"mode\": \"rw_mount\"}, \"epochs\": \"3\"}}",
                  file, folder);
    AUTO_FREE char *compute = xasprintf("{\"container\": {\"mounts\": [{\"source\": \"%s\","
                                        " \"target\": \"/more\", \"read_only\": true}]}}",
                                        folder);
    assert_int_equal(file_make_dirs(folder, NULL), 0);
    assert_int_equal(file_write(file, "a", 1, 0644, NULL), 0);
    AUTO_JSON json_t *made = good(home, job, compute);
    const json_t *mounts = json_object_get(host_of(made), "Mounts");
    assert_string_equal(last_word(made, 1),
                        "cat /skiff/inputs/words/words.txt /skiff/inputs/data 3");
    assert_int_equal(json_array_size(mounts), 5);
    assert_true(json_get_bool(json_array_get(mounts, 2), "ReadOnly", false));
    assert_false(json_get_bool(json_array_get(mounts, 3), "ReadOnly", true));
    assert_string_equal(json_get_string(json_array_get(mounts, 4), "Target", ""), "/more");
}

static void says_which_folder_is_missing(void **state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_JSON json_t *none = body(
        *state, "{\"script\": \"a.py\", \"inputs\": {\"data\": {\"path\": \"/nowhere/data\"}}}",
        "{\"image\": \"a\"}", "{}", &docker, &err);
    assert_null(none);
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "the input data, /nowhere/data"));
}

static void gpus_in_the_engines_own_way(void **state)
{
    static const struct {
        const char *gpus;
        struct container_engine engine;
        const char *requests; /* NULL: refused */
    } cases[] = {
        {"\"all\"", {.has_nvidia_runtime = true}, "[{\"Capabilities\":[[\"gpu\"]],\"Count\":-1}]"},
        {"2", {.has_nvidia_runtime = true}, "[{\"Capabilities\":[[\"gpu\"]],\"Count\":2}]"},
        {"[\"0\"]",
         {.has_nvidia_runtime = true},
         "[{\"Capabilities\":[[\"gpu\"]],\"DeviceIDs\":[\"0\"]}]"},
        {"\"all\"",
         {.podman = true, .podman_version = 504, .has_cdi = true},
         "[{\"DeviceIDs\":[\"nvidia.com/gpu=all\"],\"Driver\":\"cdi\"}]"},
        {"2",
         {.has_cdi = true},
         "[{\"DeviceIDs\":[\"nvidia.com/gpu=0\",\"nvidia.com/gpu=1\"],\"Driver\":\"cdi\"}]"},
        {"[\"GPU-1\"]",
         {.has_cdi = true},
         "[{\"DeviceIDs\":[\"nvidia.com/gpu=GPU-1\"],\"Driver\":\"cdi\"}]"},
        {"1", {.podman = false}, NULL},
        {"1", {.podman = true, .podman_version = 403}, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        AUTO_ERROR struct error err = ERROR_INIT;
        AUTO_FREE char *text = xasprintf("{\"container\": {\"gpus\": %s}}", cases[i].gpus);
        AUTO_JSON json_t *compute = json_loads(text, 0, NULL);
        int result = container_check_gpus(compute, &cases[i].engine, &err);
        assert_int_equal(result, cases[i].requests != NULL ? 0 : -1);
        if (result != 0) {
            assert_int_equal(err.code, ERROR_UNSUPPORTED);
            assert_non_null(err.hint);
            continue;
        }
        AUTO_JSON json_t *made = body(*state, "{\"script\": \"a.py\"}", "{\"image\": \"a\"}", text,
                                      &cases[i].engine, &err);
        AUTO_FREE char *requests = json_canonical(json_object_get(host_of(made), "DeviceRequests"));
        assert_string_equal(requests, cases[i].requests);
    }
}

static void reads_what_an_engine_can(void **state)
{
    (void)state;
    AUTO_JSON json_t *podman = json_pack("{s:s, s:s}", "engine", "Podman", "version", "4.3.1");
    AUTO_JSON json_t *plain = json_pack("{s:s}", "engine", "Docker");
    AUTO_JSON json_t *info =
        json_loads("{\"SecurityOptions\": [\"name=seccomp,profile=default\", \"name=rootless\","
                   " \"name=selinux\", \"name=userns\"], \"Runtimes\": {\"nvidia\": {}}}",
                   0, NULL);
    struct container_engine engine;
    container_engine_read(podman, info, &engine);
    assert_true(engine.podman && engine.rootless && engine.labels_files && engine.remaps_users);
    assert_int_equal(engine.podman_version, 403);
    assert_false(engine.has_cdi);
    container_engine_read(plain, info, &engine);
    assert_true(engine.has_nvidia_runtime && !engine.podman);
}

static void secrets_are_resolved_at_the_last_moment(void **state)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    setenv("SKIFF_TEST_TOKEN", "canary", 1);
    AUTO_JSON json_t *made =
        body(*state, "{\"script\": \"a.py\"}",
             "{\"image\": \"a\", \"environment_variables\": {\"TOKEN\": \"env:SKIFF_TEST_TOKEN\"}}",
             "{}", &docker, &err);
    assert_true(has_text(json_object_get(made, "Env"), "TOKEN=canary"));
    unsetenv("SKIFF_TEST_TOKEN");
    AUTO_JSON json_t *none =
        body(*state, "{\"script\": \"a.py\"}",
             "{\"image\": \"a\", \"environment_variables\": {\"TOKEN\": \"env:SKIFF_TEST_TOKEN\"}}",
             "{}", &docker, &err);
    assert_null(none);
    assert_non_null(strstr(err.text, "TOKEN"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        UNIT_HOME(runs_the_runner_as_the_caller),
        UNIT_HOME(names_the_run_to_the_script),
        UNIT_HOME(a_command_is_for_the_shell_there_is),
        UNIT_HOME(who_the_script_is),
        UNIT_HOME(tells_the_engine_what_the_compute_says),
        UNIT_HOME(limits_are_the_callers_by_default),
        UNIT_HOME(mounts_inputs_and_folders),
        UNIT_HOME(says_which_folder_is_missing),
        UNIT_HOME(gpus_in_the_engines_own_way),
        UNIT_HOME(reads_what_an_engine_can),
        UNIT_HOME(secrets_are_resolved_at_the_last_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
