/* net/tls_session.h - a session that a server lets us resume, and what its full handshake showed.
 *
 * A resumed handshake brings no certificate along (RFC 8446 section 2.2, RFC 5077 section 3.1): what
 * the full one showed of the server stays with the session, so that it can be judged again. Who has
 * a session can pretend to be its owner: it is kept in memory alone, and wiped. Counted; a session
 * and its copies belong to one thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "net/tls.h"

struct tls_session;

/* One more that uses it; NULL stays NULL. */
struct tls_session *tls_session_hold(struct tls_session *session);
void tls_session_free(struct tls_session **session);

uint16_t tls_session_version(const struct tls_session *session);
/* To be offered once and no more: RFC 8446 appendix C.4. */
bool tls_session_is_single_use(const struct tls_session *session);
/* For how long the server means to take it from when it was given; 0: it did not say. */
int64_t tls_session_life_s(const struct tls_session *session);
/* The loop's time at which the server last proved that it has the key of its certificate: the end
 * of the full handshake, however often was resumed since. */
int64_t tls_session_proved_ms(const struct tls_session *session);

/* What the full handshake showed and a resumed one cannot: the chain, the staple, how the server
 * signed, whether it asked for our certificate. The rest of *facts stays as it is. */
void tls_session_recall(const struct tls_session *session, struct tls_facts *facts,
                        struct arena *arena);
