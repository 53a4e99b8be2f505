/* gateway/pace.h - how much mail a destination may be sent at once, learned from what it takes (pure).
 *
 * Connections grow one by one while messages are taken, as many of them as there are connections, and
 * halve where the destination says that it is too much (421, or 4xx at MAIL) or falls silent. Where it
 * goes on saying so with one connection, messages keep a distance. A destination that takes no mail at
 * any of its addresses is left alone for a while, longer each time: RFC 5321 section 4.5.4.1.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PACE_DISTANCE_FIRST_MS = 250,
    PACE_DISTANCE_MOST_MS = 60 * 1000,
    PACE_WAIT_MS = 200, /* what waits longer than this for the open connections is worth another */
    PACE_MESSAGES =
        10, /* waiting for each connection, the same while no message has shown its time */
    PACE_REST_FIRST_MS = 30 * 1000,
    PACE_REST_MOST_MS = 10 * 60 * 1000,
};

/* What an operator allows. */
struct pace_settings {
    size_t first, most; /* connections at once: to begin with, and ever; at least 1 */
    bool rests; /* left alone where it fails; a server of our own house is asked each time */
};

/* Times are of the loop's clock. */
struct pace {
    struct pace_settings settings;
    size_t most;         /* connections at once, now */
    size_t taken;        /* messages since `most` was changed */
    int64_t message_ms;  /* what the last of them took, at least 1; 0: there was none */
    int64_t distance_ms; /* between two messages; 0: none */
    int64_t next_at_ms;
    unsigned failures; /* one after the other */
    int64_t rests_until_ms;
};

void pace_init(struct pace *pace, const struct pace_settings *settings);

/* A message was taken, and that took so long. */
void pace_take_success(struct pace *pace, int64_t now_ms, int64_t took_ms);
void pace_take_throttle(struct pace *pace,
                        int64_t now_ms); /* it said, or showed, that it is too much */
/* No address takes mail. `most_ms`: the longest rest, such as half of the time until the first of its
 * messages is due again. `chance` is any number: what failed together does not come back together. */
void pace_take_failure(struct pace *pace, int64_t now_ms, int64_t most_ms, uint32_t chance);
/* Somebody wants it tried now. */
void pace_forget(struct pace *pace);

/* Nobody is to dial. */
bool pace_rests(const struct pace *pace, int64_t now_ms);
/* How many connections may be open: one, to try, behind a failure. */
size_t pace_connections(const struct pace *pace);
/* Whether so many that wait are worth one more than are open: greeting and handshake cost as much as
 * several messages, at both ends. */
bool pace_wants_connection(const struct pace *pace, size_t waiting, size_t connections);
/* How long the next message has to wait; 0: not at all. Once 0 was answered, the message is counted as
 * begun. */
int64_t pace_begin(struct pace *pace, int64_t now_ms);
