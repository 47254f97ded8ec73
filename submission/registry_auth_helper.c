/* SPDX-License-Identifier: BSD-3-Clause */
/* Docker's credential helpers: programs that are told a server on stdin and print its credentials
 * as JSON. A helper's exit is always waited for, also when it was killed, so that none is left
 * unreaped; its output is read straight into protected memory and is never shown: it is a
 * password, or may hold one. Handles close together, and `done` is called when the last of them
 * has. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "submission/registry_auth_private.h"

#define OUTPUT_MAX (64 * 1024) /* a token is a few kB */

/* For output to be read, or for a daemon that the helper has started to let go of the pipe. */
#define DRAIN_MS 1000

struct registry_auth_helper {
    uv_process_t process;
    uv_pipe_t output;
    uv_timer_t limit;
    char *name;
    char *server;
    struct secret text; /* with room for OUTPUT_MAX + 1 bytes */
    struct error fault;
    int64_t status;
    int signal; /* that ended it, or 0 */
    uint64_t limit_ms;
    int open;        /* handles */
    bool is_process; /* `process` is initialised */
    bool runs;
    bool at_end;                  /* of its output */
    registry_auth_helper_fn done; /* NULL once cancelled */
    void *data;
};

/* --- its answer ------------------------------------------------------------------------------- */

/* How a helper says that it has none: the words are the protocol's. */
static bool knows_none(const struct secret *text)
{
    static const char words[] = "credentials not found in native keychain";
    size_t size = text->size;
    while (size > 0 && strchr("\r\n ", text->value[size - 1]) != NULL)
        size--;
    return size == strlen(words) && memcmp(text->value, words, size) == 0;
}

static int explain_exit(const struct registry_auth_helper *helper, struct error *err)
{
    AUTO_FREE char *how = helper->signal != 0
                              ? xasprintf("was killed by signal %d", helper->signal)
                              : xasprintf("ended with status %lld", (long long)helper->status);
    error_set(err, ERROR_FAILED, "%s, asked for the credentials of %s, %s", helper->name,
              helper->server, how);
    return error_hint(err, "`echo %s | %s get` in a terminal shows why; or log in again",
                      helper->server, helper->name);
}

static int read_answer(const struct registry_auth_helper *helper,
                       struct registry_auth_credentials *ret_credentials, struct error *err)
{
    if (helper->status != 0 || helper->signal != 0)
        return knows_none(&helper->text) ? 0 : explain_exit(helper, err);
    AUTO_JSON json_t *answer = json_loadb(helper->text.value, helper->text.size, 0, NULL);
    const char *username = json_get_string(answer, "Username", NULL);
    const char *password = json_get_string(answer, "Secret", NULL);
    if (username == NULL || password == NULL)
        return error_set(err, ERROR_FAILED,
                         "%s, asked for the credentials of %s, answered something else than JSON "
                         "with a Username and a Secret",
                         helper->name, helper->server);
    if (password[0] == '\0')
        return 0;
    if (registry_auth_copy(password, strlen(password), &ret_credentials->password, err) != 0)
        return -1;
    if (strcmp(username, "<token>") != 0)
        ret_credentials->username = xstrdup(username);
    return 0;
}

/* --- its course ------------------------------------------------------------------------------- */

static void on_closed(uv_handle_t *handle)
{
    struct registry_auth_helper *helper = handle->data;
    AUTO_CREDENTIALS struct registry_auth_credentials credentials = REGISTRY_AUTH_CREDENTIALS_INIT;
    if (--helper->open > 0)
        return;
    if (helper->done != NULL && !error_is_set(&helper->fault))
        read_answer(helper, &credentials, &helper->fault);
    secret_done(&helper->text);
    if (helper->done != NULL)
        helper->done(&credentials, error_is_set(&helper->fault) ? &helper->fault : NULL,
                     helper->data);
    error_clear(&helper->fault);
    free(helper->name);
    free(helper->server);
    free(helper);
}

static void finish(struct registry_auth_helper *helper)
{
    if (helper->is_process)
        uv_close((uv_handle_t *)&helper->process, on_closed);
    uv_close((uv_handle_t *)&helper->output, on_closed);
    uv_close((uv_handle_t *)&helper->limit, on_closed);
}

static void kill_all(struct registry_auth_helper *helper)
{
    uv_read_stop((uv_stream_t *)&helper->output);
    if (helper->runs)
        kill(-helper->process.pid, SIGKILL); /* it leads a group of its own */
}

static bool is_given_up(const struct registry_auth_helper *helper)
{
    return helper->done == NULL || error_is_set(&helper->fault);
}

static void on_exit_of_helper(uv_process_t *process, int64_t status, int signal)
{
    struct registry_auth_helper *helper = process->data;
    helper->runs = false;
    helper->status = status;
    helper->signal = signal;
    if (helper->at_end || is_given_up(helper))
        finish(helper);
    else
        uv_timer_again(&helper->limit); /* in DRAIN_MS */
}

static void on_limit(uv_timer_t *timer)
{
    struct registry_auth_helper *helper = timer->data;
    if (!helper->runs) {
        finish(helper);
        return;
    }
    uv_timer_stop(timer);
    error_set(&helper->fault, ERROR_LIMIT,
              "%s, asked for the credentials of %s, did not answer within %g s and was stopped",
              helper->name, helper->server, (double)helper->limit_ms / 1000);
    error_hint(&helper->fault,
               "it may be waiting for a passphrase: `echo %s | %s get` in a terminal asks for it",
               helper->server, helper->name);
    kill_all(helper);
}

static void on_room(uv_handle_t *handle, size_t size, uv_buf_t *ret_buf)
{
    (void)size;
    struct registry_auth_helper *helper = handle->data;
    size_t room = OUTPUT_MAX + 1 - helper->text.size;
    *ret_buf = uv_buf_init(helper->text.value + helper->text.size, (unsigned)room);
}

static void on_output(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    (void)buf;
    struct registry_auth_helper *helper = stream->data;
    if (size < 0) {
        uv_read_stop(stream);
        helper->at_end = true;
        if (!helper->runs)
            finish(helper);
        return;
    }
    helper->text.size += (size_t)size;
    if (helper->text.size <= OUTPUT_MAX)
        return;
    error_set(&helper->fault, ERROR_LIMIT,
              "%s, asked for the credentials of %s, printed more than %d kB", helper->name,
              helper->server, OUTPUT_MAX / 1024);
    if (helper->runs)
        kill_all(helper);
    else
        finish(helper);
}

/* A pipe that holds the server's name and has no writer: nothing is to be written later, and no
 * SIGPIPE to be had. -1 with an errno. */
static int make_input(const char *server)
{
    int ends[2];
    size_t size = strlen(server); /* of a host: far below what a pipe takes at once */
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    int result = file_write_full(ends[1], server, size);
    close(ends[1]);
    if (result == 0)
        return ends[0];
    close(ends[0]);
    return -1;
}

static int spawn(uv_loop_t *loop, struct registry_auth_helper *helper, struct error *err)
{
    AUTO_FREE char *path = file_find_program(helper->name);
    if (path == NULL) {
        error_set(err, ERROR_NOT_FOUND,
                  "the credential helper %s, which keeps the logins to registries, is not on the "
                  "kernel's PATH",
                  helper->name);
        return error_hint(err, "install it, or remove it from the file that names it and log in "
                               "again");
    }
    AUTO_CLOSE int input = make_input(helper->server);
    if (input < 0)
        return error_errno(err, "cannot start %s", helper->name);
    char get[] = "get";
    char *argv[] = {helper->name, get, NULL};
    uv_stdio_container_t stdio[] = {
        {.flags = UV_INHERIT_FD, .data.fd = input},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&helper->output},
        {.flags = UV_IGNORE}, /* stderr is for people, but may hold anything */
    };
    uv_process_options_t options = {.exit_cb = on_exit_of_helper,
                                    .file = path,
                                    .args = argv,
                                    .flags = UV_PROCESS_DETACHED, /* a group, and no terminal */
                                    .stdio_count = ARRAY_SIZE(stdio),
                                    .stdio = stdio};
    int failure = uv_spawn(loop, &helper->process, &options);
    helper->is_process = true; /* also when it failed: uv wants the handle closed */
    helper->open++;
    if (failure != 0)
        return error_set(err, ERROR_IO, "cannot start %s: %s", path, uv_strerror(failure));
    helper->runs = true;
    return 0;
}

struct registry_auth_helper *registry_auth_helper_start(uv_loop_t *loop, const char *name,
                                                        const char *server, uint64_t limit_ms,
                                                        registry_auth_helper_fn done, void *data)
{
    struct registry_auth_helper *helper = xcalloc(1, sizeof *helper);
    *helper = (struct registry_auth_helper){.name = xstrdup(name),
                                            .server = xstrdup(server),
                                            .limit_ms = limit_ms,
                                            .open = 2,
                                            .done = done,
                                            .data = data};
    helper->process.data = helper->output.data = helper->limit.data = helper;
    uv_pipe_init(loop, &helper->output, 0);
    uv_timer_init(loop, &helper->limit);
    if (registry_auth_room(OUTPUT_MAX, &helper->text, &helper->fault) == 0 &&
        spawn(loop, helper, &helper->fault) == 0) {
        uv_read_start((uv_stream_t *)&helper->output, on_room, on_output);
        uv_timer_start(&helper->limit, on_limit, limit_ms, DRAIN_MS);
    } else {
        finish(helper);
    }
    return helper;
}

void registry_auth_helper_cancel(struct registry_auth_helper *helper)
{
    helper->done = NULL;
    kill_all(helper);
    if (!helper->runs && !uv_is_closing((uv_handle_t *)&helper->limit))
        finish(helper);
}
