/* net/hello.h - a ClientHello of our own, and a reader of the answer (pure functions over bytes).
 *
 * Debian's OpenSSL cannot offer SSLv3, RC4, 3DES, export, anonymous or NULL ciphers. To tell
 * "offers only those" a hello with all of them is sent and the ServerHello is read: RFC 5246
 * section 7.4.1, RFC 8446 section 4.1, RFC 6101 appendix A. No handshake is ever completed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

struct hello_offer {
    uint16_t version;        /* legacy_version: 0x0300 to 0x0303 */
    bool with_tls13;         /* supported_versions, key_share (X25519) and the TLS 1.3 ciphers */
    const uint16_t *ciphers; /* NULL: every cipher that TLS up to 1.2 ever named */
    size_t cipher_count;
    const char *sni;      /* NULL: none */
    bool with_extensions; /* false: none at all, as SSLv3 clients did */
};

/* The whole record; returns its length, 0 where size is too small (2 KiB always do). */
MUST_CHECK size_t hello_format(const struct hello_offer *offer, const uint8_t random[32],
                               uint8_t *out, size_t size);

enum hello_status {
    HELLO_PARTIAL,   /* more bytes are needed */
    HELLO_ANSWERED,  /* ServerHello: version and cipher are set */
    HELLO_ALERTED,   /* alert_level, alert_description are set */
    HELLO_NOT_TLS,   /* these bytes are no TLS record */
    HELLO_MALFORMED, /* a record, but no ServerHello in it */
};

struct hello_answer {
    uint16_t record_version, version; /* version after supported_versions is applied */
    uint16_t cipher;
    bool is_retry; /* HelloRetryRequest */
    uint8_t alert_level, alert_description;
};

/* Looks at all bytes that came so far (at most 64 KiB are needed). A warning alert in front of the
 * ServerHello is passed over; it stays in alert_level and alert_description. */
MUST_CHECK enum hello_status hello_read(struct span bytes, struct hello_answer *answer);

/* The IANA name, "TLS_RSA_WITH_RC4_128_SHA"; NULL: unknown. */
const char *hello_cipher_name(uint16_t cipher);

enum hello_cipher_weakness {
    HELLO_CIPHER_SOUND,
    HELLO_CIPHER_NULL,
    HELLO_CIPHER_ANONYMOUS,
    HELLO_CIPHER_EXPORT,
    HELLO_CIPHER_RC4,
    HELLO_CIPHER_DES,
    HELLO_CIPHER_3DES,
    HELLO_CIPHER_OTHER
};
enum hello_cipher_weakness hello_cipher_weakness(uint16_t cipher);
