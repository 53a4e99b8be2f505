/* gateway/inbound.h - the receiving sessions of one worker: who may send what, and 250 once it is safe.
 *
 * One object a loop. It answers the engine's questions by the profile (relay rules, limits), writes the
 * envelope, puts the message in the queue part by part, and says 250 when the store has said that all of
 * it is on stable storage. Of a body it holds at most two parts (QUEUE_PART_BYTES) and one run of
 * content; a client that sends faster than the store takes waits. A client whose TLS failed is one line
 * of the log and one note of tracking (within its failures a minute), and counts in the history.
 *
 * Log: client-certificate, accepted, rejected, refused, turned-away, cut-off, timed-out, tls-failed.
 */
#pragma once

#include <stddef.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "gateway/inbound_history.h"
#include "gateway/profile.h"
#include "gateway/shared_limits.h"
#include "net/address.h"
#include "net/loop.h"
#include "queue/store.h"

struct inbound;

/* Everything is borrowed, and outlives the inbound. */
struct inbound_settings {
    struct loop *loop;
    struct queue_door *door;
    struct log *log; /* NULL: none */
    const struct clock *clock;
    struct gateway_shared_limits *limits;
    struct inbound_history *history; /* of what fails; NULL: none */
    /* On this loop, after a message was put in the queue; NULL: nobody asks. */
    void (*accepted)(void *owner);
    void *owner;
};

MUST_CHECK bool inbound_open(const struct inbound_settings *settings, struct inbound **inbound,
                             struct error *err);

/* A client has come to the profile's n-th listener. Takes the socket; the profile is held while the
 * session lives. */
void inbound_accept(struct inbound *inbound, struct gateway_profile *profile, size_t listener,
                    int socket, const struct net_address *peer);

/* From here on: who has no message under way is told 421 and sent away, the others when their message
 * has had its answer; who comes now is told 421 at once. `drained` is called, never inside this call,
 * when nothing is left: no session, and no request to the store. */
void inbound_drain(struct inbound *inbound, void (*drained)(void *owner), void *owner);

/* After inbound_drain: cuts off those that are left. `drained` still comes. */
void inbound_cut(struct inbound *inbound);

size_t inbound_sessions(const struct inbound *inbound);

/* Nothing may be left: before the first session, or once it is drained (inside `drained` too). */
void inbound_close(struct inbound **inbound);
