/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* A $SKIFF_HOME of a test's own, and processes that act on it at the same time. Include after
 * tests/unit.h. */

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"

#define PROCESSES 6

static inline int home_setup(void **state)
{
    char *home = xstrdup("/tmp/skiff-test-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    *state = home;
    return 0;
}

static inline int home_teardown(void **state)
{
    clock_set_for_test(0);
    file_remove_tree(*state, NULL);
    free(*state);
    return 0;
}

#define UNIT_HOME(test) cmocka_unit_test_setup_teardown(test, home_setup, home_teardown)

/* Runs `act` in several processes at once; each must return 0 within 30 s. */
static inline void home_act_together(const char *home, int (*act)(const char *home, int index))
{
    pid_t children[PROCESSES];
    int start[2];
    char byte;
    assert_int_equal(pipe(start), 0);
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            alarm(30);
            close(start[1]);
            if (read(start[0], &byte, 1) < 0) /* until all are there */
                _exit(99);
            _exit(act(home, i));
        }
    }
    close(start[0]);
    close(start[1]);
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

/* What a run is made from. New reference. */
static inline json_t *home_intent(const char *id, const char *experiment, const char *compute)
{
    json_t *intent = json_pack("{s:i, s:s, s:s, s:s, s:{}, s:{s:s, s:i, s:s, s:{}}, s:{s:s, s:{}}}",
                               "version", 1, "id", id, "experiment", experiment, "display_name", id,
                               "job", "environment", "name", "env", "version", 2, "hash", "h",
                               "definition", "compute", "name", compute, "definition");
    json_set_time(intent, "created_at", clock_now());
    return intent;
}
