/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* What the files of the test front end share. Tests include frontend.h only. */

#include "protocol/multipart.h"
#include "protocol/session.h"
#include "tests/frontend.h"
#include "tests/frontend_process.h"
#include "tests/unit.h"

struct sent {
    char *msg_id;
    enum channel channel;
};

struct frontend {
    struct frontend *first; /* whose folder and kernel we share; NULL when they are ours */
    char *folder;
    char *connection_file;
    struct connection *connection;
    struct frontend_process *process; /* NULL before the start */
    struct session *session;
    void *context;
    void *sockets[CHANNEL_COUNT];
    struct multipart inbox;
    struct frontend_messages kept[CHANNEL_COUNT];
    char *kernel_session; /* the session of the first message received */
    struct sent *sent;
    size_t sent_count;
    size_t sent_capacity;
};

static inline struct frontend_process *process_of(const struct frontend *frontend)
{
    return frontend->first != NULL ? frontend->first->process : frontend->process;
}
