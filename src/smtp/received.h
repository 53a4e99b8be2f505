/* smtp/received.h - the trace field that a server puts before a message that it took.
 *
 * RFC 5321 section 4.4 (Time-stamp-line), RFC 3848 (ESMTPS), RFC 6531 section 3.7.3 (UTF8SMTPS),
 * RFC 5322 section 3.3 (date). Lines end in CRLF, and whatever a peer said cannot add one.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

/* Texts that may be absent say so; NULL is none. */
struct smtp_received {
    const char *hello;          /* what the client called itself */
    const char *client_name;    /* of its address in the DNS, confirmed; or NULL */
    const char *client_address; /* "192.0.2.1" or "2001:db8::1"; NULL: a program of this host */
    const char *user;           /* of that program; what is above is then not told */
    const char *hostname;       /* ours */
    const char *tls_version;    /* "TLSv1.3"; NULL: not encrypted */
    const char *tls_cipher;     /* of that, or NULL */
    const char *message_id;     /* of our queue */
    const char *recipient;      /* or NULL: of several none is told (RFC 5321 section 7.2) */
    bool is_esmtp, is_utf8;     /* the client said EHLO; the message came with SMTPUTF8 */
    int64_t at_s;               /* seconds since 1970 */
};

/* "SMTP", "ESMTP", "ESMTPS", "UTF8SMTP" or "UTF8SMTPS". HELO inside TLS has no word of its own. */
const char *smtp_received_protocol(bool is_esmtp, bool is_encrypted, bool is_utf8);

/* "Received: ..." with its last CRLF, one clause a line. "" where the arena is exhausted. */
const char *smtp_received_format(struct arena *arena, const struct smtp_received *received);
