/* net/tls_watch.h - fills tls_facts from what OpenSSL shows while it runs. */
#pragma once

#include <openssl/ssl.h>

#include "base/arena.h"
#include "net/loop.h"
#include "net/tls.h"

struct tls_watch {
    struct tls_facts *facts;
    struct arena *arena;
    const struct loop *loop;
    char *first_bytes; /* TLS_FIRST_BYTES in the arena; NULL before the first */
    struct span hello; /* the client's first, in the arena, for a server; empty before it came */
    bool is_server;
    bool forgets_renegotiation; /* a server that plays one from before RFC 5746 */
};

/* Starts the facts over, and has OpenSSL report to them from now on; `watch` outlives the SSL. */
void tls_watch_start(struct tls_watch *watch, SSL *ssl);

/* What the peer sends first, kept up to TLS_FIRST_BYTES. */
void tls_watch_first_bytes(struct tls_watch *watch, struct span bytes);

/* Both Finished are verified. */
void tls_watch_completed(struct tls_watch *watch, SSL *ssl);

/* OpenSSL gave up: takes its reason from the thread's error queue, where the peer's alert is not
 * the reason. */
void tls_watch_failed(struct tls_watch *watch);

/* The session is over, by whomever: what only the SSL still knows, and what the client offered. */
void tls_watch_ended(struct tls_watch *watch, SSL *ssl);
