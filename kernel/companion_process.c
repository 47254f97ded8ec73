/* SPDX-License-Identifier: BSD-3-Clause */
/* Starts, signals and ends one kernel process.
 *
 * libuv has no hook between fork and exec, so our own program is started first; it binds its life to
 * ours and becomes the kernel (same pid). The folder is named after our pid, so that the next Skiff
 * can remove what one that was killed left behind. */
#include "kernel/companion_process.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"

#define DIR_PREFIX "skiff-companion-"
#define KEY_BYTES 32

struct companion_process {
    uv_process_t handle;
    char *dir;
    struct connection *connection;
    companion_exited_fn exited;
    void *data;
    pid_t pid; /* its group too; 0 once it has ended */
    pid_t group;
    bool closed;
};

/* --- the folder ------------------------------------------------------------------------------- */

/* A socket's path must be short: the system's folder for such things. */
static const char *base_dir(void)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    const char *tmp = getenv("TMPDIR");
    if (runtime != NULL && runtime[0] == '/' && access(runtime, W_OK) == 0)
        return runtime;
    return tmp != NULL && tmp[0] == '/' ? tmp : "/tmp";
}

/* Folders of ours whose Skiff is gone. */
static void remove_leftovers(const char *base)
{
    DIR *dir = opendir(base);
    const struct dirent *entry;
    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        struct stat st;
        if (strncmp(entry->d_name, DIR_PREFIX, sizeof DIR_PREFIX - 1) != 0)
            continue;
        AUTO_FREE char *path = file_join(base, entry->d_name);
        pid_t owner = (pid_t)strtol(entry->d_name + sizeof DIR_PREFIX - 1, NULL, 10);
        if (owner > 0 && kill(owner, 0) != 0 && errno == ESRCH && lstat(path, &st) == 0 &&
            S_ISDIR(st.st_mode) && st.st_uid == geteuid())
            file_remove_tree(path, NULL);
    }
    if (dir != NULL)
        closedir(dir);
}

static int make_dir(char **ret_dir, struct error *err)
{
    const char *base = base_dir();
    AUTO_FREE char *dir = xasprintf("%s/" DIR_PREFIX "%d-XXXXXX", base, (int)getpid());
    remove_leftovers(base);
    if (mkdtemp(dir) == NULL)
        return error_errno(err, "cannot make a folder for the companion's sockets in %s", base);
    *ret_dir = steal(&dir);
    return 0;
}

/* As a front end writes one. */
static int write_connection(const char *path, const char *dir, struct error *err)
{
    unsigned char random[KEY_BYTES];
    char key[2 * KEY_BYTES + 1];
    AUTO_FREE char *ip = file_join(dir, "k");
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(key, sizeof key, random, sizeof random);
    AUTO_JSON json_t *file = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i, s:i}", "transport", "ipc", "ip", ip, "key",
        key, "signature_scheme", "hmac-sha256", "kernel_name", "", "shell_port", 1, "iopub_port", 2,
        "stdin_port", 3, "control_port", 4, "hb_port", 5);
    sodium_memzero(key, sizeof key);
    return json_write(path, file, 0600, err);
}

/* --- the process ------------------------------------------------------------------------------ */

static void set_variable(struct strlist *env, const char *name, const char *value)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < env->count; i++)
        if (strncmp(env->items[i], name, size) == 0 && env->items[i][size] == '=') {
            replace(&env->items[i], xasprintf("%s=%s", name, value));
            return;
        }
    strlist_addf(env, "%s=%s", name, value);
}

/* Ours, what the kernelspec adds, and whose child it is (ipykernel watches that itself). */
static void make_environment(const json_t *more, struct strlist *env)
{
    const char *name;
    json_t *value;
    for (char **variable = environ; *variable != NULL; variable++)
        strlist_add(env, *variable);
    json_object_foreach ((json_t *)(uintptr_t)more, name, value)
        if (json_is_string(value))
            set_variable(env, name, json_string_value(value));
    AUTO_FREE char *self = xasprintf("%d", (int)getpid());
    set_variable(env, "JPY_PARENT_PID", self);
}

static void make_argv(const struct candidate *candidate, const char *connection_file,
                      struct strlist *argv)
{
    static const char mark[] = "{connection_file}";
    strlist_add(argv, "skiff");
    strlist_add(argv, "companion");
    strlist_addf(argv, "%d", (int)getpid());
    for (size_t i = 0; i < candidate->argv.count; i++) {
        const char *text = candidate->argv.items[i];
        const char *found = strstr(text, mark);
        if (found != NULL)
            strlist_addf(argv, "%.*s%s%s", (int)(found - text), text, connection_file,
                         found + sizeof mark - 1);
        else
            strlist_add(argv, text);
    }
}

static void on_exited(uv_process_t *handle, int64_t status, int number)
{
    struct companion_process *process = handle->data;
    AUTO_FREE char *how = number != 0 ? xasprintf("was killed by signal %d", number)
                                      : xasprintf("exited with status %lld", (long long)status);
    process->pid = 0;
    if (!process->closed)
        process->exited(how, number == SIGKILL || number == SIGTERM, process->data);
}

static void on_closed(uv_handle_t *handle)
{
    struct companion_process *process = handle->data;
    if (process->dir != NULL)
        file_remove_tree(process->dir, NULL);
    connection_free(process->connection);
    free(process->dir);
    free(process);
}

static int spawn(uv_loop_t *loop, struct companion_process *process,
                 const struct candidate *candidate, const char *connection_file, struct error *err)
{
    AUTO_STRLIST struct strlist argv = STRLIST_INIT;
    AUTO_STRLIST struct strlist env = STRLIST_INIT;
    /* Its output belongs with ours, in the server's log: cells' output comes by messages. */
    uv_stdio_container_t stdio[] = {{.flags = UV_IGNORE},
                                    {.flags = UV_INHERIT_FD, .data.fd = STDOUT_FILENO},
                                    {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO}};
    make_argv(candidate, connection_file, &argv);
    make_environment(candidate->env, &env);
    uv_process_options_t options = {.file = "/proc/self/exe",
                                    .args = argv.items,
                                    .env = env.items,
                                    .exit_cb = on_exited,
                                    .flags = UV_PROCESS_DETACHED, /* setsid(2) */
                                    .stdio = stdio,
                                    .stdio_count = ARRAY_SIZE(stdio)};
    int result = uv_spawn(loop, &process->handle, &options);
    process->handle.data = process;
    if (result != 0)
        return error_set(err, ERROR_IO, "cannot start %s: %s", candidate->argv.items[0],
                         uv_strerror(result));
    process->pid = process->group = process->handle.pid;
    return 0;
}

int companion_process_start(uv_loop_t *loop, const struct candidate *candidate,
                            companion_exited_fn exited, void *data,
                            struct companion_process **ret_process, struct error *err)
{
    AUTO_FREE char *dir = NULL;
    if (make_dir(&dir, err) < 0)
        return -1;
    struct companion_process *process = xcalloc(1, sizeof *process);
    AUTO_FREE char *file = file_join(dir, "connection.json");
    process->dir = steal(&dir);
    process->exited = exited;
    process->data = data;
    if (write_connection(file, process->dir, err) < 0 ||
        connection_read(file, &process->connection, err) < 0) {
        process->handle.data = process;
        on_closed((uv_handle_t *)&process->handle);
        return -1;
    }
    if (spawn(loop, process, candidate, file, err) < 0) {
        companion_process_close(process); /* uv_spawn() wants its handle closed, too */
        return -1;
    }
    *ret_process = process;
    return 0;
}

const struct connection *companion_process_connection(const struct companion_process *process)
{
    return process->connection;
}

pid_t companion_process_pid(const struct companion_process *process)
{
    return process->pid;
}

void companion_process_signal(const struct companion_process *process, int number)
{
    if (process->pid > 0 && kill(-process->group, number) != 0)
        log_debug("the companion: signal %d: %s", number, strerror(errno));
}

void companion_process_close(struct companion_process *process)
{
    if (process == NULL || process->closed)
        return;
    process->closed = true;
    if (process->group > 0)
        kill(-process->group, SIGKILL); /* children it left in its group, too */
    uv_close((uv_handle_t *)&process->handle, on_closed);
}

int companion_process_become(int argc, char **argv)
{
    pid_t parent = argc > 2 ? (pid_t)strtol(argv[1], NULL, 10) : 0;
    if (parent <= 0) {
        fputs("skiff: usage: skiff companion PARENT-PID PROGRAM [ARGUMENT...]\n", stderr);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* it went before we asked */
        return 1;
    execvp(argv[2], argv + 2);
    fprintf(stderr, "skiff: cannot start %s: %s\n", argv[2], strerror(errno));
    return 127;
}
