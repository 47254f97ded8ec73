/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * What makes this kernel process one speaker: one session id for all its messages, unique message
 * ids, the key, and the memory of signatures already seen (a replayed message is dropped).
 */

#include <jansson.h>
#include <stdbool.h>

#include "protocol/connection.h"
#include "protocol/message.h"

#define SESSION_PROTOCOL_VERSION "5.5"

/* How many signatures are remembered. jupyter_client keeps 65,536 and culls a tenth at random; a
 * ring of that many, oldest forgotten first, costs 2.5 MB when full and next to nothing before. */
#define SESSION_REPLAY_MAX 65536

struct session;

/* The session borrows the connection (for its key), which must outlive it. */
MUST_CHECK struct session *session_new(const struct connection *connection);
void session_free(struct session *session);
DEFINE_AUTO(session)

/* 32 hex digits; borrowed from the session. */
const char *session_id(const struct session *session);

/* The connection the session was made for. */
const struct connection *session_connection(const struct session *session);

/* True the first time this signature is shown; false when it is a replay. An empty one (no key) is
 * always new; one that is not 64 hex digits never is. */
bool session_remember(struct session *session, const char *signature);

/* A new header of the given type: msg_id, session, username, date, msg_type, version. New
 * reference. */
MUST_CHECK json_t *session_header(struct session *session, const char *type);
