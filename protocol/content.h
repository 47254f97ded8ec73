/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * The contents of the messages we send: the only place that spells their field names. Each function
 * returns a new reference; json_t arguments are taken, NULL where the contract allows it.
 * https://jupyter-client.readthedocs.io/en/stable/messaging.html
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* status: "busy", "idle" or "starting". */
json_t *content_status(const char *state);
json_t *content_iopub_welcome(const char *subscription);

/* Replies. content_ok() is {"status":"ok"}, to which the caller adds nothing: the functions below
 * make whole replies. */
json_t *content_ok(void);
json_t *content_error(const char *ename, const char *evalue, json_t *traceback);
json_t *content_aborted(void);
json_t *content_execute_ok(int execution_count, json_t *payload, json_t *user_expressions);
json_t *content_execute_error(int execution_count, json_t *error);
json_t *content_complete(json_t *matches, json_t *types, size_t cursor_start, size_t cursor_end);
json_t *content_inspect(bool found, json_t *bundle);
json_t *content_is_complete(const char *status, const char *indent);
json_t *content_history(json_t *history);
json_t *content_comm_info(json_t *comms);
json_t *content_shutdown(bool restart);

/* IOPub. */
json_t *content_execute_input(const char *code, int execution_count);
json_t *content_stream(const char *name, const char *bytes, size_t size);
json_t *content_display(json_t *bundle, json_t *metadata, const char *display_id);
json_t *content_iopub_error(const char *ename, const char *evalue, json_t *traceback);
json_t *content_clear_output(bool wait);
json_t *content_comm_open(const char *comm_id, const char *target, json_t *data);
json_t *content_comm_msg(const char *comm_id, json_t *data);
json_t *content_comm_close(const char *comm_id, json_t *data);

/* stdin. */
json_t *content_input_request(const char *prompt, bool password);
