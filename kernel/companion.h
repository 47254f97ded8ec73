/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The companion: another kernel (ipykernel), which runs the cells that are not ours. The front end
 * sees one kernel: requests go to it as they came, what it says goes out as it said it, in our
 * session and with our busy and idle.
 *
 * It is started when something needs it (or soon after the first front end is there), ended with us,
 * and started again after it died.
 */

#include <jansson.h>
#include <stdbool.h>
#include <uv.h>

#include "base/error.h"
#include "kernel/interpreter.h"

struct companion;

/* All of it is borrowed and must outlive the companion. */
struct companion_options {
    const char *choice; /* kernel/companion_find.h; NULL: the rule alone */

    /* Python that every new companion runs first, silently; NULL: none. Called at its start; the
     * companion frees the text. */
    char *(*prelude)(void *data);
    void *data;
};

MUST_CHECK struct companion *companion_new(uv_loop_t *loop,
                                           const struct companion_options *options);

/* Asks the kernel to go, kills it when it does not, and frees once it has: the loop must still run.
 * What it was asked ends now, so before server_close(). NULL is allowed. */
void companion_close(struct companion *companion);

/* Claims all code, as long as there may be a companion: next to last in the server's list. What is
 * last answers when none was found. */
extern const struct interpreter companion_interpreter;

/* What it is, for people: {"state": "running", "starting", "not started" or "none", "command",
 * "why", "version", "pid", "notes": [what could not be used]}. New reference. */
MUST_CHECK json_t *companion_describe(const struct companion *companion);

/* Python that the companion runs silently before its next cell. Forgotten when it is not running:
 * the prelude must tell it. */
void companion_tell(struct companion *companion, const char *code);

/* SIGINT, or what its kernelspec wants instead: what it runs ends soon. NULL is allowed. */
void companion_interrupt(struct companion *companion);

/* Asks for the values of expressions ({name: text}, taken) in the companion's namespace, which is
 * started for it. `answered` is called once, later, or now when there is none: `values` is {name: {"status": "ok", "data":
 * {MIME bundle}} or {"status": "error", "ename", "evalue", "traceback"}}, borrowed, or NULL with an
 * error when there is no companion or it died. */
typedef void (*companion_values_fn)(json_t *values, const struct error *err, void *data);
void companion_evaluate(struct companion *companion, json_t *expressions,
                        companion_values_fn answered, void *data);
