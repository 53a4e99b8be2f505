/* net/tls_tickets.h - the keys that seal session tickets, shared by all of a server's contexts.
 *
 * A ticket is opened by whichever thread or context gets it back (RFC 5077 section 4, RFC 8446
 * section 4.6.1): AES-256-CBC and HMAC-SHA-256 under keys that never leave this memory. Who learns
 * them can read what was resumed, so they are replaced now and then.
 */
#pragma once

#include "base/compiler.h"
#include "base/error.h"

/* Counted: each context that uses them holds them. For any thread; a lock inside is held while a
 * key is copied, no longer. */
struct tls_tickets;

MUST_CHECK bool tls_tickets_new(struct tls_tickets **tickets, struct error *err);
void tls_tickets_free(struct tls_tickets **tickets);

/* From now on a new key seals. The one before it still opens, and what it opened is sealed anew;
 * older ones are gone, and their tickets lead to a full handshake. False: no randomness, and all is
 * as it was. */
MUST_CHECK bool tls_tickets_rotate(struct tls_tickets *tickets, struct error *err);
