/* lab/client_hello.h - reads a ClientHello, and answers one as servers of an older time did.
 *
 * RFC 5246 sections 6.2.1 and 7.4.1, RFC 6066 section 3 (server_name), RFC 5077 (session tickets),
 * RFC 8446 section 4.2.1 (supported_versions). Pure functions over bytes; the message may be split
 * over records.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

enum client_hello_status {
    CLIENT_HELLO_PARTIAL, /* more bytes are needed */
    CLIENT_HELLO_WHOLE,
    CLIENT_HELLO_BROKEN, /* not TLS, or no ClientHello that can be read */
};

enum { CLIENT_HELLO_CIPHERS_MOST = 256, CLIENT_HELLO_BYTES_MOST = 16 * 1024 };

struct client_hello {
    size_t bytes;     /* of all its records, headers included */
    uint16_t version; /* legacy_version */
    uint16_t ciphers[CLIENT_HELLO_CIPHERS_MOST];
    size_t cipher_count;
    bool has_sni, has_ticket, has_tls13;
    char sni[256]; /* "" where there is none */
};

/* `bytes` is all that came so far. */
MUST_CHECK enum client_hello_status client_hello_read(struct span bytes,
                                                      struct client_hello *hello);

/* A ServerHello of `version` (or of the client's, where that is older) with the first of `ciphers`
 * that the client offers, or a fatal handshake_failure where it offers none. Returns the length;
 * 128 octets are enough. */
MUST_CHECK size_t client_hello_answer(const struct client_hello *hello, uint16_t version,
                                      const uint16_t *ciphers, size_t cipher_count,
                                      const uint8_t random[32], uint8_t *out, size_t size);
