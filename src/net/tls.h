/* net/tls.h - TLS settings, credentials, and the record of what a handshake showed.
 *
 * The handshake never decides about trust: it collects the chain and all it saw; trust/ judges
 * before MAIL. Facts are a plain struct whose texts and bytes live in the arena of whoever asked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"

enum {
    TLS_VERSION_SSL3 = 0x0300,
    TLS_VERSION_1_0 = 0x0301,
    TLS_VERSION_1_1 = 0x0302,
    TLS_VERSION_1_2 = 0x0303,
    TLS_VERSION_1_3 = 0x0304,
    TLS_CHAIN_MOST = 32,
    TLS_ALERTS_MOST = 8,
    TLS_FIRST_BYTES = 512, /* kept of what the peer sent first */
    TLS_AUTHORITIES_MOST = 64,
    TLS_OFFER_MOST = 256, /* of any list of an offer */
    TLS_OFFER_PROTOCOLS_MOST = 16,
};

const char *tls_version_name(uint16_t version);  /* "TLSv1.3"; "0x0305" style for unknown ones */
const char *tls_alert_name(uint8_t description); /* "handshake_failure"; RFC 8446 section 6 */
const char *tls_handshake_message_name(uint8_t type); /* "ServerHello"; 0xff: "none" */

/* A certificate of ours with its key; loaded once, shared, never changed. */
struct tls_credentials;

enum tls_credentials_state {
    TLS_CREDENTIALS_FINE,
    TLS_CREDENTIALS_KEY_MISMATCH, /* the key is not the certificate's */
    TLS_CREDENTIALS_EXPIRED,
    TLS_CREDENTIALS_NOT_YET_VALID,
};

/* From PEM in memory (the chain, leaf first, and a key; both may be one text). False: unreadable,
 * err says which and where. A key that does not match still loads: see the state. */
MUST_CHECK bool tls_credentials_load(struct span chain_pem, struct span key_pem,
                                     struct tls_credentials **credentials, struct error *err);
void tls_credentials_free(struct tls_credentials **credentials);
enum tls_credentials_state tls_credentials_state(const struct tls_credentials *credentials,
                                                 int64_t now_s);
/* The leaf in DER, borrowed from the credentials. */
struct span tls_credentials_leaf(const struct tls_credentials *credentials);

/* One that can be resumed: net/tls_session.h. */
struct tls_session;

/* How to speak as a client. The default (zeroed, then tls_client_defaults) is what the gateway
 * uses; experiments change one thing each and have a context of their own. */
struct tls_client_settings {
    uint16_t minimum_version, maximum_version; /* TLS_VERSION_1_2 and _1_3 */
    int security_level;  /* 1; experiments: 0, which refuses nothing, not even DH of 512 bits */
    const char *ciphers; /* OpenSSL list for TLS 1.2 and older; NULL: the default */
    const char *groups;  /* NULL: the default */
    const char *sni;     /* NULL: send none */
    bool
        no_tickets; /* offers no session ticket and keeps none; a TLS 1.3 server may still send some */
    bool legacy_renegotiation; /* accept a server without RFC 5746 */
    bool small_hello; /* keep the ClientHello under 256 octets: few ciphers, one group, 1.2 */
    bool ask_staple;  /* status_request (RFC 6066 section 8) */
    /* Shown only where the server asks; may be NULL. Not at all where the key does not match. */
    const struct tls_credentials *credentials;
    bool keeps_sessions; /* what the server lets us resume is told: `resumable` of the stream */
    /* Offered to the server, which does a full handshake where it does not take it; held while that
     * is under way. NULL: none. From a connection with the same settings. */
    struct tls_session *session;
};

void tls_client_defaults(struct tls_client_settings *settings);

struct tls_alert {
    bool is_sent, is_fatal, is_after_handshake;
    uint8_t description; /* RFC 8446 section 6 */
    int64_t at_ms;
};

/* What a ClientHello offers by name, or what a server takes; each in the order of preference. */
struct tls_offer {
    const char **versions; /* "TLSv1.3"; before TLS 1.3 a client names but its newest */
    size_t version_count;
    const char **ciphers; /* IANA names; none that only signals */
    size_t cipher_count;
    const char **groups;
    size_t group_count; /* 0 where the client leaves the choice to the server */
    const char **signatures;
    size_t signature_count;
    const char **protocols; /* ALPN */
    size_t protocol_count;
};

/* What one handshake and what followed showed. In a server's facts "our" ClientHello is the one that
 * the client sent, and the chain is the client's. */
struct tls_facts {
    bool was_started, was_completed; /* completed: both Finished verified, on our side */
    int64_t began_ms, ended_ms;      /* loop time; 0: not reached */

    /* what we offered */
    const char *sni;                           /* NULL: none */
    uint16_t offered_minimum, offered_maximum; /* a client's minimum: 0 where it does not say */
    size_t hello_bytes; /* of our first ClientHello: the handshake message with its header */
    bool offered_ticket;
    bool offered_session; /* of a client: one to be resumed */
    /* Of the first ClientHello; nothing in it where none was read. In a server's facts it comes with
     * the end of the stream, for those that fail: forgotten facts never had it. */
    struct tls_offer offer;

    /* what came */
    struct span first_bytes; /* at most TLS_FIRST_BYTES of what the peer sent first */
    bool is_not_tls;         /* they are not a TLS record */
    bool has_server_hello, has_hello_retry;
    uint16_t version;      /* chosen; 0 before a ServerHello */
    const char *cipher;    /* IANA name, "TLS_AES_256_GCM_SHA384"; NULL */
    const char *group;     /* "X25519", "secp256r1", "ffdhe2048", "DH 1024 bits"; NULL */
    int group_bits;        /* of a finite-field DH key, else 0 */
    const char *signature; /* "ecdsa_secp256r1_sha256"; NULL */
    uint8_t last_message_received, last_message_sent; /* handshake types; 0xff: none */
    struct tls_alert alerts[TLS_ALERTS_MOST]; /* without the close_notify of an orderly end */
    size_t alert_count;
    struct span chain[TLS_CHAIN_MOST]; /* DER, as sent, leaf first */
    size_t chain_count;
    bool chain_was_cut; /* more certificates came than are kept */
    struct span staple; /* OCSP response, or empty */
    bool client_certificate_requested, client_certificate_sent;
    const char *authorities[TLS_AUTHORITIES_MOST]; /* names of CAs that the server takes */
    size_t authority_count;
    bool sni_was_used;         /* the server says that it chose by our name: RFC 6066 section 3 */
    bool secure_renegotiation; /* RFC 5746, or TLS 1.3 */
    /* The server took the session that was offered; its chain, staple and signature are then those of
     * the full handshake. Also of a handshake that broke behind that. */
    bool was_resumed;
    size_t tickets_received;
    bool close_notify_received;
    uint64_t bytes_received, bytes_sent; /* on the wire, from the handshake on */

    /* why it failed, on our side; unset where the peer's alert is the reason */
    unsigned long library_code; /* OpenSSL's packed error; 0: none */
    const char *library_reason; /* its words, "wrong version number"; NULL */
};
