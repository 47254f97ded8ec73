/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* `skiff install [options]`: argv[0] is "install". Says on stdout where the kernelspec is now, or on
 * stderr what was wrong. The exit status of the program. */
int command_install(int argc, char **argv);
