/* SPDX-License-Identifier: BSD-3-Clause */
/* The speaker: session id, message ids, headers, and the signatures already seen.
 *
 * Signatures are kept in a ring, newest over oldest, and found through chains hanging off buckets.
 * They are HMACs that were verified, so their first bytes are as good a hash as any and nobody
 * without the key can choose them. The tables come zeroed from the system and cost memory only as
 * far as they have been written. */
#include "protocol/session.h"

#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

#define SESSION_ID_BYTES 16
#define DIGEST_SIZE 32
#define BUCKETS 65536 /* by the first two bytes of a signature */

struct seen {
    unsigned char digest[DIGEST_SIZE];
    uint32_t next; /* slot + 1 of the next in the bucket; 0 ends the chain */
};

struct session {
    const struct connection *connection;
    char id[2 * SESSION_ID_BYTES + 1];
    json_t *username;
    unsigned long long message_count;
    struct seen *ring;       /* SESSION_REPLAY_MAX slots */
    uint32_t *buckets;       /* slot + 1 of the newest in each; 0 for none */
    size_t remembered_count; /* since the start; the ring holds the last ones */
};

struct session *session_new(const struct connection *connection)
{
    if (sodium_init() < 0)
        abort(); /* no source of randomness: nothing after this could be trusted */
    struct session *session = xcalloc(1, sizeof *session);
    unsigned char random[SESSION_ID_BYTES];
    randombytes_buf(random, sizeof random);
    sodium_bin2hex(session->id, sizeof session->id, random, sizeof random);
    const char *user = getenv("USER");
    if (user == NULL || user[0] == '\0')
        user = "kernel";
    session->connection = connection;
    session->username = json_text_value(user, strlen(user));
    session->ring = xcalloc(SESSION_REPLAY_MAX, sizeof *session->ring);
    session->buckets = xcalloc(BUCKETS, sizeof *session->buckets);
    return session;
}

void session_free(struct session *session)
{
    if (session == NULL)
        return;
    json_decref(session->username);
    free(session->ring);
    free(session->buckets);
    free(session);
}

const char *session_id(const struct session *session)
{
    return session->id;
}

const struct connection *session_connection(const struct session *session)
{
    return session->connection;
}

static uint32_t *bucket_of(struct session *session, const unsigned char *digest)
{
    return &session->buckets[digest[0] << 8 | digest[1]];
}

static bool is_known(struct session *session, const unsigned char *digest)
{
    for (uint32_t at = *bucket_of(session, digest); at != 0; at = session->ring[at - 1].next)
        if (memcmp(session->ring[at - 1].digest, digest, DIGEST_SIZE) == 0)
            return true;
    return false;
}

/* Takes a slot out of its chain before it is written over. */
static void forget(struct session *session, uint32_t slot)
{
    uint32_t *link = bucket_of(session, session->ring[slot].digest);
    while (*link != slot + 1)
        link = &session->ring[*link - 1].next;
    *link = session->ring[slot].next;
}

bool session_remember(struct session *session, const char *signature)
{
    unsigned char digest[DIGEST_SIZE];
    size_t size = 0;
    if (signature[0] == '\0')
        return true;
    if (sodium_hex2bin(digest, sizeof digest, signature, strlen(signature), NULL, &size, NULL) !=
            0 ||
        size != sizeof digest || is_known(session, digest))
        return false;
    uint32_t slot = (uint32_t)(session->remembered_count % SESSION_REPLAY_MAX);
    if (session->remembered_count >= SESSION_REPLAY_MAX)
        forget(session, slot);
    uint32_t *bucket = bucket_of(session, digest);
    memcpy(session->ring[slot].digest, digest, sizeof digest);
    session->ring[slot].next = *bucket;
    *bucket = slot + 1;
    session->remembered_count++;
    return true;
}

json_t *session_header(struct session *session, const char *type)
{
    char msg_id[128];
    char date[CLOCK_TEXT_SIZE];
    snprintf(msg_id, sizeof msg_id, "%s_%d_%llu", session->id, (int)getpid(),
             session->message_count++);
    return json_pack("{s:s, s:s, s:s, s:O, s:s, s:s}", "msg_id", msg_id, "msg_type", type,
                     "session", session->id, "username", session->username, "date",
                     clock_format(clock_now(), date), "version", SESSION_PROTOCOL_VERSION);
}
