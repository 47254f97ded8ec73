/* SPDX-License-Identifier: BSD-3-Clause */
/* The whole content of the tests' images, linked statically: says its arguments (odd ones on stderr)
 * and exits with their number, or, told "pause", waits to be killed. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        fprintf(i % 2 == 1 ? stderr : stdout, "%s\n", argv[i]);
    fflush(stdout);
    while (argc == 2 && strcmp(argv[1], "pause") == 0)
        pause();
    return argc - 1;
}
