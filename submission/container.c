/* SPDX-License-Identifier: BSD-3-Clause */
/* From definitions to the body of a create call. Nothing the user wrote becomes a flag: each value has a
 * field of its own. */
#include "submission/container.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/images.h"
#include "submission/run.h"
#include "submission/spec.h"
#include "submission/variables.h"

#define CONTAINER_RUNNER "/skiff/runner"
#define CONTAINER_INPUTS "/skiff/inputs"

#define GRACE_SECONDS 10 /* between SIGTERM and SIGKILL: docker stop's default, which people know */
#define GROUPS_MAX 64    /* of the caller's; more than any account has that mounts files */

#define PODMAN_WITH_CDI 504 /* before 5.4 its API drops requests for devices without an error */

/* --- the engine ------------------------------------------------------------------------------------- */

static bool has_security_option(const json_t *info, const char *name)
{
    AUTO_FREE char *option = xasprintf("name=%s", name);
    size_t i;
    json_t *item;
    json_array_foreach (json_object_get(info, "SecurityOptions"), i, item)
        if (json_is_string(item) && strstr(json_string_value(item), option) != NULL)
            return true;
    return false;
}

/* Is there a specification of a CDI device on this machine? */
static bool has_cdi_files(void)
{
    static const char *const folders[] = {"/etc/cdi", "/var/run/cdi"};
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        DIR *dir = opendir(folders[i]);
        const struct dirent *entry;
        bool found = false;
        while (dir != NULL && (entry = readdir(dir)) != NULL)
            found = found || strstr(entry->d_name, ".yaml") != NULL ||
                    strstr(entry->d_name, ".json") != NULL;
        if (dir != NULL)
            closedir(dir);
        if (found)
            return true;
    }
    return false;
}

/* Docker takes GPU requests when it knows the runtime, or finds the runtime's hook on its PATH. */
static bool has_nvidia_runtime(const json_t *info)
{
    AUTO_FREE char *hook = file_find_program("nvidia-container-runtime-hook");
    return hook != NULL || json_object_get(json_object_get(info, "Runtimes"), "nvidia") != NULL;
}

void container_engine_read(const json_t *connected, const json_t *info,
                           struct container_engine *ret_engine)
{
    int major = 0;
    int minor = 0;
    bool podman = strcmp(json_get_string(connected, "engine", ""), "Podman") == 0;
    if (podman)
        sscanf(json_get_string(connected, "version", ""), "%d.%d", &major, &minor);
    *ret_engine = (struct container_engine){
        .podman = podman,
        .podman_version = major * 100 + minor,
        .rootless = has_security_option(info, "rootless"),
        .remaps_users = has_security_option(info, "userns"),
        .labels_files = has_security_option(info, "selinux"),
        .has_nvidia_runtime = !podman && has_nvidia_runtime(info),
        .has_cdi = has_cdi_files() && (podman ? major * 100 + minor >= PODMAN_WITH_CDI
                                              : json_object_get(info, "CDISpecDirs") != NULL)};
}

static const json_t *gpus_of(const json_t *compute)
{
    return json_object_get(json_object_get(compute, "container"), "gpus");
}

int container_check_gpus(const json_t *compute, const struct container_engine *engine,
                         struct error *err)
{
    if (gpus_of(compute) == NULL || engine->has_nvidia_runtime || engine->has_cdi)
        return 0;
    if (engine->podman && engine->podman_version < PODMAN_WITH_CDI) {
        error_set(err, ERROR_UNSUPPORTED,
                  "this Podman, %d.%d, takes no GPUs over its API; 5.4 and later do",
                  engine->podman_version / 100, engine->podman_version % 100);
        return error_hint(err, "upgrade Podman, or use Docker: container: {engine: docker}");
    }
    error_set(err, ERROR_UNSUPPORTED,
              "the compute asks for GPUs, and the container engine has none to give: there is %s "
              "and no CDI specification in /etc/cdi or /var/run/cdi",
              engine->podman ? "no NVIDIA support in Podman but CDI" : "no nvidia runtime");
    return error_hint(err,
                      "install the NVIDIA Container Toolkit, then run `%s`; without GPUs remove "
                      "`gpus` from the compute",
                      engine->podman ? "nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml"
                                     : "nvidia-ctk runtime configure --runtime=docker");
}

static json_t *device_requests(const json_t *gpus, const struct container_engine *engine)
{
    AUTO_JSON json_t *ids = json_array();
    size_t i;
    json_t *id;
    if (!engine->has_nvidia_runtime) {
        json_array_foreach (gpus, i, id) {
            AUTO_FREE char *device = xasprintf("nvidia.com/gpu=%s", json_string_value(id));
            json_array_append_new(ids, json_string(device));
        }
        for (json_int_t n = 0; n < json_integer_value(gpus); n++) {
            AUTO_FREE char *device = xasprintf("nvidia.com/gpu=%d", (int)n);
            json_array_append_new(ids, json_string(device));
        }
        if (json_is_string(gpus))
            json_array_append_new(ids, json_string("nvidia.com/gpu=all"));
        return json_pack("[{s:s, s:O}]", "Driver", "cdi", "DeviceIDs", ids);
    }
    if (json_is_array(gpus))
        return json_pack("[{s:O, s:[[s]]}]", "DeviceIDs", gpus, "Capabilities", "gpu");
    return json_pack("[{s:I, s:[[s]]}]", "Count",
                     json_is_integer(gpus) ? json_integer_value(gpus) : (json_int_t)-1,
                     "Capabilities", "gpu");
}

/* --- what runs -------------------------------------------------------------------------------------- */

/* Where an input is in the container: a file keeps its name. Caller frees. */
static char *input_target(const char *name, const json_t *input)
{
    const char *path = json_get_string(input, "path", "");
    if (file_is_dir(path))
        return xasprintf(CONTAINER_INPUTS "/%s", name);
    return xasprintf(CONTAINER_INPUTS "/%s/%s", name, file_base_name(path));
}

/* The job with the paths its inputs have in there. New reference. */
static json_t *job_inside(const json_t *job)
{
    json_t *inside = json_deep_copy(job);
    json_t *inputs = json_object_get(inside, "inputs");
    const char *name;
    json_t *input;
    json_object_foreach (inputs, name, input) {
        if (!json_is_object(input))
            continue;
        AUTO_FREE char *target = input_target(name, input);
        json_set_string(input, "path", target);
    }
    return inside;
}

int container_argv(const json_t *job, struct strlist *ret_argv, const char **ret_fallback,
                   struct error *err)
{
    AUTO_JSON json_t *inside = job_inside(job);
    const json_t *command = json_object_get(job, "command");
    *ret_fallback = command == NULL ? "python3" : json_is_string(command) ? "sh" : NULL;
    return spec_job_argv(inside, "python", CONTAINER_RUN, ret_argv, err);
}

/* Who the script is. Caller frees. */
static char *user_of(const struct container_request *request)
{
    const char *given =
        json_get_string(json_object_get(request->compute, "container"), "user", NULL);
    if (given != NULL)
        return xstrdup(given);
    if (request->engine->rootless)
        return xstrdup("0:0");
    return xasprintf("%d:%d", (int)getuid(), (int)getgid());
}

/* The caller has no home in the image; many programs need one they can write to. */
static void add_account(const struct container_request *request, struct strlist *list)
{
    AUTO_FREE char *user = user_of(request);
    const struct passwd *account = getpwuid(getuid());
    if (json_get_string(json_object_get(request->compute, "container"), "user", NULL) != NULL ||
        strcmp(user, "0:0") == 0)
        return;
    variables_set(list, "HOME", "/tmp");
    if (account != NULL)
        variables_set(list, "USER", account->pw_name);
}

int container_variables(const struct container_request *request, const char *home,
                        struct strlist *ret_list, struct error *err)
{
    add_account(request, ret_list);
    variables_set(ret_list, "PYTHONUNBUFFERED", "1"); /* output is seen as it is printed */
    if (variables_define(ret_list, json_object_get(request->environment, "environment_variables"),
                         home, err) != 0 ||
        variables_define(ret_list, json_object_get(request->job, "environment_variables"), home,
                         err) != 0)
        return -1;
    variables_identity(ret_list, request->run_id, request->experiment, CONTAINER_RUN);
    return 0;
}

static json_t *command_of(const struct container_request *request, struct error *err)
{
    AUTO_STRLIST struct strlist words = STRLIST_INIT;
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    const char *fallback;
    const json_t *limits = json_object_get(request->job, "limits");
    if (container_argv(request->job, &argv, &fallback, err) != 0)
        return NULL;
    strlist_add(&words, "--foreground");
    strlist_addf(&words, "--id=%s", request->run_id);
    strlist_add(&words, "--cwd=" CONTAINER_RUN "/code");
    strlist_add(&words, "--log=" RUN_LOG);
    strlist_addf(&words, "--grace=%d", GRACE_SECONDS);
    strlist_addf(&words, "--timeout=%lld", (long long)json_get_int(limits, "timeout", 0));
    if (fallback != NULL)
        strlist_addf(&words, "--fallback=%s", fallback);
    strlist_add(&words, CONTAINER_RUN);
    strlist_add(&words, "--");
    for (size_t i = 0; i < argv.count; i++)
        strlist_add(&words, argv.items[i]);
    return json_strings(words.items);
}

/* --- what it sees ----------------------------------------------------------------------------------- */

static void add_mount(json_t *mounts, const char *source, const char *target, bool read_only)
{
    json_array_append_new(mounts, json_pack("{s:s, s:s, s:s, s:b}", "Type", "bind", "Source",
                                            source, "Target", target, "ReadOnly", read_only));
}

static json_t *mounts_of(const struct container_request *request)
{
    json_t *mounts = json_array();
    size_t i;
    json_t *mount;
    const char *name;
    json_t *input;
    add_mount(mounts, request->run_dir, CONTAINER_RUN, false);
    add_mount(mounts, request->runner, CONTAINER_RUNNER, true);
    json_object_foreach (json_object_get(request->job, "inputs"), name, input) {
        if (!json_is_object(input))
            continue;
        AUTO_FREE char *target = input_target(name, input);
        bool writable = strcmp(json_get_string(input, "mode", ""), "rw_mount") == 0;
        add_mount(mounts, json_get_string(input, "path", ""), target, !writable);
    }
    json_array_foreach (json_object_get(json_object_get(request->compute, "container"), "mounts"),
                        i, mount)
        add_mount(mounts, json_get_string(mount, "source", ""),
                  json_get_string(mount, "target", ""), json_get_bool(mount, "read_only", true));
    return mounts;
}

static int check_folder(const char *path, const char *what, struct error *err)
{
    if (file_exists(path))
        return 0;
    error_set(err, ERROR_NOT_FOUND, "%s, %s, is not there", what, path);
    return error_hint(err, "give a file or folder of this machine");
}

int container_check_folders(const json_t *job, const json_t *compute, struct error *err)
{
    size_t i;
    json_t *mount;
    const char *name;
    json_t *input;
    json_object_foreach (json_object_get(job, "inputs"), name, input) {
        AUTO_FREE char *what = xasprintf("the input %s", name);
        if (json_is_object(input) &&
            check_folder(json_get_string(input, "path", ""), what, err) != 0)
            return -1;
    }
    json_array_foreach (json_object_get(json_object_get(compute, "container"), "mounts"), i, mount)
        if (check_folder(json_get_string(mount, "source", ""), "a mount of the compute", err) != 0)
            return -1;
    return 0;
}

/* --- what it may ------------------------------------------------------------------------------------ */

static void add_ulimit(json_t *list, const char *name, json_int_t soft, json_int_t hard)
{
    json_array_append_new(list,
                          json_pack("{s:s, s:I, s:I}", "Name", name, "Soft", soft, "Hard", hard));
}

/* What the caller may have, the engine may give: some may not raise more than that. */
static void add_own_limit(json_t *list, const json_t *given, const char *name, int resource,
                          json_int_t most)
{
    struct rlimit own;
    if (json_object_get(given, name) != NULL ||
        getrlimit((__rlimit_resource_t)resource, &own) != 0 || own.rlim_max == RLIM_INFINITY)
        return;
    json_int_t limit = (json_int_t)own.rlim_max < most ? (json_int_t)own.rlim_max : most;
    add_ulimit(list, name, limit, limit);
}

/* No more processes than there are numbers for them: Podman lowers its own limit to that. */
static json_int_t processes_at_most(void)
{
    char text[32] = "";
    AUTO_CLOSE int fd = open("/proc/sys/kernel/pid_max", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    json_int_t most = size > 0 ? strtoll(text, NULL, 10) : 0;
    return most > 0 ? most : INT_MAX;
}

static json_t *ulimits_of(const json_t *container)
{
    json_t *given = json_object_get(container, "ulimits");
    json_t *list = json_array();
    const char *name;
    json_t *pair;
    json_object_foreach (given, name, pair)
        add_ulimit(list, name, json_integer_value(json_array_get(pair, 0)),
                   json_integer_value(json_array_get(pair, 1)));
    add_own_limit(list, given, "nofile", RLIMIT_NOFILE, INT_MAX);
    add_own_limit(list, given, "nproc", RLIMIT_NPROC, processes_at_most());
    return list;
}

/* The caller's groups, for files that a mount shows. */
static json_t *groups_of(const struct container_request *request)
{
    gid_t groups[GROUPS_MAX];
    json_t *list = json_array();
    int count = request->engine->rootless ? 0 : getgroups(GROUPS_MAX, groups);
    for (int i = 0; i < count; i++) {
        char text[16];
        snprintf(text, sizeof text, "%u", (unsigned)groups[i]);
        json_array_append_new(list, json_string(text));
    }
    return list;
}

static void set_if_given(json_t *host, const char *field, const json_t *container, const char *key)
{
    json_t *value = json_object_get(container, key);
    if (value != NULL)
        json_object_set(host, field, value);
}

static json_t *host_config(const struct container_request *request)
{
    const json_t *container = json_object_get(request->compute, "container");
    const json_t *gpus = gpus_of(request->compute);
    json_t *host = json_pack("{s:o, s:o, s:o}", "Mounts", mounts_of(request), "Ulimits",
                             ulimits_of(container), "GroupAdd", groups_of(request));
    double cpus = json_get_number(container, "cpus", 0);
    set_if_given(host, "NetworkMode", container, "network");
    set_if_given(host, "Memory", container, "memory");
    set_if_given(host, "ShmSize", container, "shm_size");
    set_if_given(host, "ShmSize", json_object_get(request->job, "resources"), "shm_size");
    set_if_given(host, "Runtime", container, "runtime");
    if (cpus > 0)
        json_object_set_new(host, "NanoCpus", json_integer((json_int_t)(cpus * 1e9)));
    if (gpus != NULL)
        json_object_set_new(host, "DeviceRequests", device_requests(gpus, request->engine));
    if (request->engine->remaps_users)
        json_object_set_new(host, "UsernsMode", json_string("host"));
    if (request->engine->labels_files)
        json_object_set_new(host, "SecurityOpt", json_pack("[s]", "label=disable"));
    return host;
}

json_t *container_body(const struct container_request *request, struct error *err)
{
    AUTO_VARIABLES struct strlist variables = STRLIST_INIT;
    if (container_check_folders(request->job, request->compute, err) != 0 ||
        container_variables(request, request->home, &variables, err) != 0)
        return NULL;
    json_t *command = command_of(request, err);
    if (command == NULL)
        return NULL;
    AUTO_FREE char *user = user_of(request);
    return json_pack("{s:s, s:[s], s:o, s:o, s:s, s:{s:s, s:s}, s:{s:[s]}, s:o}", "Image",
                     request->image, "Entrypoint", CONTAINER_RUNNER, "Cmd", command, "Env",
                     json_strings(variables.items), "User", user, "Labels", CONTAINER_LABEL_RUN,
                     request->run_id, IMAGE_LABEL_HOME, request->home, "Healthcheck", "Test",
                     "NONE", "HostConfig", host_config(request));
}
