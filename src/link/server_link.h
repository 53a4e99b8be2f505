/* link/server_link.h - joins the SMTP server engine to a stream, and observes how TLS went.
 *
 * The one way to speak to a client. A link serves one connection: it feeds the engine what comes,
 * does TLS where the engine or the listener asks for it, keeps time, and leaves every decision to
 * its owner, who gets the engine's events and answers them. A TLS session that failed, or that the
 * client left before it said a word inside, is told with an inbound observation.
 *
 * A session at rest holds no storage of the engine, no record of its handshake and no buffer: what
 * it costs is its stream, OpenSSL's part of it, and a few hundred bytes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/inbound_observation.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls_server.h"
#include "smtp/answer.h"
#include "smtp/server.h"

enum {
    SERVER_LINK_UNSENT_MOST = 64 * 1024, /* of replies that the peer does not read; then it waits */
    SERVER_LINK_FAREWELL_MS =
        2000, /* for a peer that still sends when we have said our last word */
};

/* Borrowed; they outlive the link, and are shared by all links of a listener. */
struct server_link_settings {
    const struct smtp_server_settings *smtp;
    struct tls_server_context *tls; /* NULL where smtp->tls is SMTP_SERVER_TLS_NONE */
    const struct inbound_self *self;
    uint16_t port; /* ours */
    const struct clock *clock;
    int64_t handshake_timeout_ms; /* 0: one minute */
};

struct server_link_pool;
struct server_link;

struct server_link_handlers {
    /* Those that ask are answered now or later. FINISHED and HANDSHAKE_NOW are the link's own
     * business, and not told. */
    void (*event)(void *owner, const struct smtp_server_event *event);
    void (*secured)(void *owner, const struct tls_facts *facts); /* borrowed for the call */
    /* TLS failed, was injected into, or was left by the client before it spoke inside. All of it is
     * borrowed for the call; the arena has room for what is made of it there. `closed` follows. */
    void (*failed)(void *owner, const struct inbound_observation *observation, struct arena *arena);
    /* The last call: the link is gone after it. */
    void (*closed)(void *owner);
};

/* Lends the links of one loop what they do not hold at rest. Every link is closed before it. */
MUST_CHECK bool server_link_pool_new(struct loop *loop, struct server_link_pool **pool,
                                     struct error *err);
void server_link_pool_free(struct server_link_pool **pool);

/* Takes the socket in any case. No callback comes inside this call; SMTP_SERVER_CONNECTED is the
 * first event (after the handshake, where TLS is implicit). */
MUST_CHECK bool server_link_open(struct server_link_pool *pool,
                                 const struct server_link_settings *settings, int socket,
                                 const struct net_address *peer,
                                 const struct server_link_handlers *handlers, void *owner,
                                 struct server_link **link, struct error *err);

/* To the event that asked last. Callbacks may come inside, `closed` too where it was not called
 * from within one. */
void server_link_answer(struct server_link *link, struct smtp_answer answer);

/* Back-pressure: while paused nothing is read, and the peer's time stands still. Callbacks may come
 * inside resume. */
void server_link_pause(struct server_link *link);
void server_link_resume(struct server_link *link);

/* Ends the session from our side, by 421 as a rule; one whose handshake is under way without a word. */
void server_link_quit(struct server_link *link, struct smtp_answer answer);

/* What the client called itself last; "" before that. Borrowed until the next event. */
const char *server_link_hello(const struct server_link *link);
const struct net_address *server_link_peer(const struct server_link *link);

/* Closes at once; no callback comes. */
void server_link_close(struct server_link **link);
