/* tests/unit/net/peers.h - both ends of one connection on one loop, and certificates made fresh. */
#pragma once

#include "base/arena.h"
#include "base/buffer.h"
#include "net/listener.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_server.h"

struct peers;

struct end {
    struct peers *peers;
    struct stream *stream;
    struct buffer received;
    struct tls_facts facts;
    bool skips_prompt_drains; /* of the server's stream, set before it is accepted */
    bool is_connected, is_secured, has_ended;
    int drained;
    enum stream_end end;
    /* what to do, by test; NULL: only note */
    void (*on_connected)(struct end *end);
    void (*on_received)(struct end *end, struct span *bytes);
    void (*on_secured)(struct end *end);
    void (*on_resumable)(struct end *end, struct tls_session **session);
    void (*on_drained)(struct end *end);
    void (*on_ended)(struct end *end);
};

struct peers {
    struct loop *loop;
    struct listener *listener;
    struct net_address address;
    struct loop_timer *limit; /* a test that hangs ends and fails */
    bool ran_out;
    struct end client, server;
    struct arena arena;
    struct tls_server_context *context;
    struct tls_client_settings settings;
};

void peers_start(struct peers *peers);
/* Connects, runs until both ends have ended or are closed, or the limit is reached. */
void peers_run(struct peers *peers);
/* The same over a local socket at `path`, which a listener serves. */
void peers_run_local(struct peers *peers, const char *path);
/* As the client alone, to whatever is at `path`. */
void peers_dial_local(struct peers *peers, const char *path);
/* The same over a relay that hands on one byte at a time. */
void peers_run_dribbling(struct peers *peers);
void peers_stop(struct peers *peers);

/* Closes this end; the run is over when both are. */
void end_close(struct end *end);
void end_reset(struct end *end);
void end_say(struct end *end, const char *text);
bool end_heard(const struct end *end, const char *text);
void end_secure_client(struct end *end);
void end_secure_server(struct end *end);

enum made_key { MADE_EC, MADE_RSA_2048, MADE_RSA_1024 };
/* A self-signed certificate for mx.test valid `from_days` to `to_days` from now, and its key; freed
 * with the arena. */
struct span made_certificate(struct arena *arena, enum made_key kind, int from_days, int to_days);
struct tls_credentials *made_credentials(enum made_key kind);
/* The same for names: "DNS:a.test, DNS:*.b.test". */
struct tls_credentials *made_credentials_for(enum made_key kind, const char *names);
