/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The program's commands about runs, for a terminal and for Python (magics/python_module.py). Each
 * works on $SKIFF_HOME, prints its answer on stdout and what is wrong on stderr, and returns the
 * program's exit status: 0, 1 for a failure, 2 for wrong words. They block.
 */

/* skiff metrics RUN: {"loss": [{"step": 1.0, "value": 0.5}, ...], ...}. RUN is an id or the beginning
 * of one. What is not finite is NaN, Infinity or -Infinity, as in metrics.jsonl. */
int command_metrics(int argc, char **argv);

/* skiff cancel RUN: asks it to end, and says so; that it has ended already is no failure. */
int command_cancel(int argc, char **argv);

/* skiff reindex: rebuilds the index from the directories. */
int command_reindex(void);
