/* SPDX-License-Identifier: BSD-3-Clause */
/* The program: reads the command line and wires the parts together. It decides nothing. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "kernel/companion.h"
#include "kernel/companion_process.h"
#include "kernel/server.h"
#include "kernelspec/command.h"
#include "magics/magics.h"
#include "magics/python_module.h"
#include "submission/command.h"

#define EXIT_USAGE 2 /* as in kernelspec/command.c */
#define EXIT_PORTS 3 /* the connection file's ports are taken: another try with others may work */

static const char usage[] =
    "skiff, a Jupyter kernel that trains a script anywhere from three notebook cells\n"
    "\n"
    "  skiff kernel [--companion PYTHON|NAME|none] -f FILE\n"
    "                            run as a kernel (Jupyter does this)\n"
    "  skiff install [--user | --sys-prefix | --prefix P] [--name N] [--display-name D]\n"
    "                [--companion PYTHON|NAME|none]\n"
    "                            install the kernelspec where Jupyter looks for it, and choose\n"
    "                            what runs Python cells: a Python, a kernelspec, or nothing\n"
    "  skiff metrics RUN         print a run's metrics as JSON\n"
    "  skiff cancel RUN          ask a run to end\n"
    "  skiff reindex             rebuild the index of $SKIFF_HOME from its directories\n"
    "  skiff version\n"
    "  skiff help\n";

static int report(const struct error *err, int status)
{
    AUTO_FREE char *text = error_format(err);
    fprintf(stderr, "skiff: %s\n", text);
    return status;
}

/* --- kernel ------------------------------------------------------------------------------------------ */

struct program {
    struct python_module *python;
    struct companion *companion;
    struct magics *magics;
    struct submission *submission;
    struct server *server;
};

static void on_stopping(bool restart, void *data)
{
    struct program *program = data;
    (void)restart;
    magics_free(program->magics);
    submission_close(program->submission);
    companion_close(program->companion);
    server_close(program->server);
}

/* Our parent, when Jupyter is it: a kernel must not outlive the server that started it. */
static pid_t parent_pid(void)
{
    const char *given = getenv("JPY_PARENT_PID");
    pid_t parent = getppid();
    return given != NULL && parent > 1 && atol(given) == parent ? parent : 0;
}

static int serve(const struct connection *connection, const char *companion, uv_loop_t *loop)
{
    AUTO_ERROR struct error err = ERROR_INIT;
    struct program program = {0};
    struct submission_options options = {.loop = loop};
    program.submission = submission_new(&options);
    program.python = python_module_new(submission_home(program.submission));
    const struct companion_options companion_options = {
        .choice = companion, .prelude = python_module_prelude, .data = program.python};
    program.companion = companion_new(loop, &companion_options);
    const struct magics_options magics_options = {
        .submission = program.submission, .companion = program.companion, .python = program.python};
    program.magics = magics_new(loop, &magics_options);
    AUTO_FREE char *history = file_join(submission_home(program.submission), "history.db");
    const struct interpreter_slot interpreters[] = {{&magics_interpreter, program.magics},
                                                    {&companion_interpreter, program.companion},
                                                    {&plain_interpreter, program.companion}};
    struct server_options server = {.connection = connection,
                                    .interpreters = interpreters,
                                    .interpreter_count = ARRAY_SIZE(interpreters),
                                    .companion = program.companion,
                                    .implementation = "skiff",
                                    .version = SKIFF_VERSION,
                                    .banner = "Skiff " SKIFF_VERSION ": %skiff lists its magics",
                                    .history_path = history,
                                    .parent_pid = parent_pid(),
                                    .stopping = on_stopping,
                                    .data = &program};
    int result = server_open(loop, &server, &program.server, &err);
    if (result != 0)
        on_stopping(false, &program);
    uv_run(loop, UV_RUN_DEFAULT);
    python_module_free(program.python);
    return result == 0 ? EXIT_SUCCESS : report(&err, err.code == ERROR_BUSY ? EXIT_PORTS : 1);
}

static int run_kernel(int argc, char **argv)
{
    static const struct option options[] = {{"companion", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO(connection) struct connection *connection = NULL;
    const char *file = NULL;
    const char *companion = NULL;
    uv_loop_t loop;
    int option;
    while ((option = getopt_long(argc, argv, "f:", options, NULL)) != -1) {
        if (option == 'f')
            file = optarg;
        else if (option == 'c')
            companion = optarg;
        else
            return EXIT_USAGE;
    }
    if (file == NULL || optind < argc) {
        fputs("skiff: usage: skiff kernel [--companion PYTHON|NAME|none] -f FILE\n", stderr);
        return EXIT_USAGE;
    }
    if (connection_read(file, &connection, &err) != 0)
        return report(&err, 1);
    signal(SIGPIPE, SIG_IGN);
    uv_loop_init(&loop);
    int status = serve(connection, companion, &loop);
    uv_loop_close(&loop);
    return status;
}

static int show(const char *text)
{
    return fputs(text, stdout) < 0 ? 1 : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *command = argc > 1 ? argv[1] : "help";
    log_set_level_name(getenv("SKIFF_LOG"));
    if (strcmp(command, "kernel") == 0)
        return run_kernel(argc - 1, argv + 1);
    if (strcmp(command, "companion") == 0)
        return companion_process_become(argc - 1, argv + 1);
    if (strcmp(command, "install") == 0)
        return command_install(argc - 1, argv + 1);
    if (strcmp(command, "reindex") == 0)
        return command_reindex();
    if (strcmp(command, "metrics") == 0)
        return command_metrics(argc - 1, argv + 1);
    if (strcmp(command, "cancel") == 0)
        return command_cancel(argc - 1, argv + 1);
    if (strcmp(command, "version") == 0)
        return show("skiff " SKIFF_VERSION "\n");
    if (strcmp(command, "help") == 0 || strcmp(command, "--help") == 0)
        return show(usage);
    fprintf(stderr, "skiff: there is no command \"%s\"\n\n%s", command, usage);
    return EXIT_USAGE;
}
