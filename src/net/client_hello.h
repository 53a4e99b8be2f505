/* net/client_hello.h - reads a ClientHello: what a client offers, by number and by name.
 *
 * RFC 5246 sections 6.2.1 and 7.4.1, RFC 6066 section 3 (server_name), RFC 5077 (session tickets),
 * RFC 7301 section 3.1 (ALPN), RFC 8446 sections 4.2.1, 4.2.3, 4.2.7 and 4.2.11 (supported_versions,
 * signature_algorithms, supported_groups, pre_shared_key). Pure functions over bytes. Values reserved to mean
 * nothing (RFC 8701 section 2) are left out.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"
#include "net/tls.h"

enum client_hello_status {
    CLIENT_HELLO_PARTIAL, /* more bytes are needed */
    CLIENT_HELLO_WHOLE,
    CLIENT_HELLO_BROKEN, /* not TLS, or no ClientHello that can be read */
};

enum {
    CLIENT_HELLO_CIPHERS_MOST = 256,
    CLIENT_HELLO_LIST_MOST = 64, /* of versions, groups and signature algorithms each */
    CLIENT_HELLO_PROTOCOLS_BYTES = 256,
    CLIENT_HELLO_BYTES_MOST = 16 * 1024,
};

struct client_hello_list {
    uint16_t values[CLIENT_HELLO_LIST_MOST]; /* in the client's order; more are dropped */
    size_t count;
};

struct client_hello {
    size_t bytes;     /* of all its records, headers included; 0 where a message alone was read */
    uint16_t version; /* legacy_version */
    uint16_t ciphers[CLIENT_HELLO_CIPHERS_MOST]; /* with the signalling ones */
    size_t cipher_count;
    struct client_hello_list versions; /* of supported_versions; none before TLS 1.3 */
    struct client_hello_list groups, signatures;
    bool has_sni, has_ticket, has_tls13;
    bool has_session; /* to be resumed: a ticket, or what TLS 1.3 has in its place */
    char sni[256];    /* the host name; "" where there is none */
    char protocols[CLIENT_HELLO_PROTOCOLS_BYTES]; /* of ALPN, each behind its length */
    size_t protocols_len;
};

/* `bytes` is all that came so far; the message may be split over records. */
MUST_CHECK enum client_hello_status client_hello_read(struct span bytes,
                                                      struct client_hello *hello);

/* What follows the message's header of four octets. False: no ClientHello. */
MUST_CHECK bool client_hello_parse(struct span body, struct client_hello *hello);

/* The oldest version that it names (0: it does not say) and the newest. */
uint16_t client_hello_oldest(const struct client_hello *hello);
uint16_t client_hello_newest(const struct client_hello *hello);

/* The same by name, for the facts; unknown values are "0x1234", protocols are
 * safe to print. */
struct tls_offer client_hello_offer(const struct client_hello *hello, struct arena *arena);
