/* SPDX-License-Identifier: BSD-3-Clause */
/* Run ids in Azure ML's manner: two words to remember and ten characters to be unique (50 random
 * bits). Every adjective goes with every noun, and the alphabet has no u and no letter that looks
 * like a digit. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "submission/run.h"

#define TAIL_SIZE 10

/* Powers of two, so that a random byte picks without bias. */
static const char *const adjectives[64] = {
    "able",   "amber",  "azure",  "bold",   "brave",  "bright", "brisk",  "bronze",
    "calm",   "candid", "clear",  "clever", "coral",  "crisp",  "daring", "dapper",
    "eager",  "early",  "easy",   "epic",   "fair",   "fine",   "fleet",  "fresh",
    "gentle", "glad",   "golden", "good",   "grand",  "green",  "happy",  "honest",
    "icy",    "ivory",  "jolly",  "keen",   "kind",   "lively", "loyal",  "lucky",
    "mellow", "merry",  "mighty", "neat",   "nimble", "noble",  "olive",  "patient",
    "plucky", "polite", "quick",  "quiet",  "rapid",  "ready",  "serene", "shiny",
    "silver", "steady", "sunny",  "swift",  "tidy",   "warm",   "wise",   "witty",
};
static const char *const nouns[64] = {
    "anchor", "arch",   "basin",   "bay",    "beacon", "birch", "boat",    "breeze",
    "bridge", "brook",  "buoy",    "canal",  "canoe",  "cape",  "cedar",   "cliff",
    "cloud",  "coast",  "compass", "cove",   "crane",  "creek", "current", "delta",
    "dock",   "dune",   "eagle",   "ferry",  "field",  "fjord", "garden",  "glacier",
    "harbor", "hill",   "island",  "kayak",  "lagoon", "lake",  "lantern", "maple",
    "mast",   "meadow", "moon",    "oak",    "oar",    "ocean", "orchard", "otter",
    "paddle", "pier",   "pine",    "planet", "quay",   "reef",  "river",   "rudder",
    "sail",   "shore",  "sloop",   "star",   "stream", "tide",  "valley",  "wave",
};
static const char alphabet[33] = "0123456789abcdefghjkmnpqrstvwxyz";

char *run_new_id(void)
{
    unsigned char random[TAIL_SIZE + 2];
    char tail[TAIL_SIZE + 1] = "";
    if (getentropy(random, sizeof random) != 0)
        abort(); /* an id that may repeat would be worse, and no system of ours lacks it */
    for (size_t i = 0; i < TAIL_SIZE; i++)
        tail[i] = alphabet[random[i] % 32];
    return xasprintf("%s_%s_%s", adjectives[random[TAIL_SIZE] % 64],
                     nouns[random[TAIL_SIZE + 1] % 64], tail);
}

bool run_id_is_valid(const char *id)
{
    size_t length = strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return length > 0 && length <= RUN_ID_MAX && id[length] == '\0' && id[0] != '.';
}
