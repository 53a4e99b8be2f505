/* net/tls_session_internal.h - how a connection's sessions get from OpenSSL to the stream's owner. */
#pragma once

#include <openssl/ssl.h>

#include "net/tls_session.h"

enum {
    TLS_SESSIONS_AT_ONCE = 4
}; /* told between two turns; a server that gives more gives too many */

/* A connection's part. Zeroed: none. */
struct tls_session_box {
    const struct tls_facts *facts; /* NULL: nothing is kept */
    struct tls_session *kin; /* held: the one offered, then one of this connection; what it knows of
                              * the server is shared with all that follow */
    struct tls_session *given[TLS_SESSIONS_AT_ONCE]; /* not told yet */
    size_t count;
};

/* Has OpenSSL report new sessions to what tls_session_box_join was given for their SSL. */
void tls_session_prepare(SSL_CTX *context);

/* Before the handshake: offers `session` (NULL: none) and, where `facts` is given, keeps what comes.
 * The box outlives the SSL. False: OpenSSL does not take the session, and offers none. */
MUST_CHECK bool tls_session_box_join(struct tls_session_box *box, SSL *ssl,
                                     struct tls_session *session, const struct tls_facts *facts);
/* Both Finished are verified: fills the facts of a resumed handshake, and takes the session where it
 * comes with the handshake (before TLS 1.3). */
void tls_session_box_completed(struct tls_session_box *box, SSL *ssl, struct tls_facts *facts,
                               struct arena *arena);
/* The next that was not told yet; NULL: none. The caller frees it. */
struct tls_session *tls_session_box_next(struct tls_session_box *box);
void tls_session_box_clear(struct tls_session_box *box);
