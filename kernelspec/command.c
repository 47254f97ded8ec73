/* SPDX-License-Identifier: BSD-3-Clause */
/* The command line of `skiff install`. */
#include "kernelspec/command.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/file.h"
#include "kernelspec/install.h"

#define EXIT_USAGE 2

int command_install(int argc, char **argv)
{
    static const struct option options[] = {{"user", no_argument, NULL, 'u'},
                                            {"sys-prefix", no_argument, NULL, 's'},
                                            {"prefix", required_argument, NULL, 'p'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"display-name", required_argument, NULL, 'd'},
                                            {"companion", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    AUTO_ERROR struct error err = ERROR_INIT;
    AUTO_FREE char *path = NULL;
    struct install_options install = {.where = INSTALL_USER};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 'u':
            install.where = INSTALL_USER;
            break;
        case 's':
            install.where = INSTALL_SYS_PREFIX;
            break;
        case 'p':
            install.where = INSTALL_PREFIX;
            install.prefix = optarg;
            break;
        case 'n':
            install.name = optarg;
            break;
        case 'd':
            install.display_name = optarg;
            break;
        case 'c':
            install.companion = optarg;
            break;
        default:
            return EXIT_USAGE;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "skiff: install takes options alone, not \"%s\" (see: skiff help)\n",
                argv[optind]);
        return EXIT_USAGE;
    }
    if (install_kernelspec(&install, &path, &err) != 0) {
        AUTO_FREE char *text = error_format(&err);
        fprintf(stderr, "skiff: %s\n", text);
        return EXIT_FAILURE;
    }
    printf("Installed the kernel in %s\nChoose it as \"%s\" in Jupyter, or: jupyter console "
           "--kernel %s\n",
           path, install.display_name ? install.display_name : "Skiff", file_base_name(path));
    return EXIT_SUCCESS;
}
