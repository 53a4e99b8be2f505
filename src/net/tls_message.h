/* net/tls_message.h - reads the handshake messages that go by, for the facts (pure).
 *
 * What OpenSSL refuses it does not keep: so version, cipher, group and chain are read from the
 * messages themselves, before its verdict. RFC 5246 section 7.4, RFC 8446 section 4, RFC 4492
 * section 5.4, RFC 5746 section 3.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/span.h"
#include "net/tls.h"

enum {
    TLS_MESSAGE_CLIENT_HELLO = 1,
    TLS_MESSAGE_SERVER_HELLO = 2,
    TLS_MESSAGE_NEW_SESSION_TICKET = 4,
    TLS_MESSAGE_ENCRYPTED_EXTENSIONS = 8,
    TLS_MESSAGE_CERTIFICATE = 11,
    TLS_MESSAGE_SERVER_KEY_EXCHANGE = 12,
    TLS_MESSAGE_CERTIFICATE_REQUEST = 13,
    TLS_MESSAGE_CERTIFICATE_VERIFY = 15,
    TLS_MESSAGE_CERTIFICATE_STATUS = 22,
};

struct tls_server_hello {
    uint16_t version; /* after supported_versions is applied */
    uint16_t cipher;
    uint16_t group; /* of key_share; 0: none */
    bool is_retry;  /* HelloRetryRequest: RFC 8446 section 4.1.3 */
    bool has_renegotiation_info;
    bool has_server_name; /* it looked at ours: RFC 6066 section 3 */
};

/* `body` is what follows the message's header of four octets. */
MUST_CHECK bool tls_message_server_hello(struct span body, struct tls_server_hello *hello);

/* One whole message with its header, as `is_sent` or received by a server or a client. What is
 * not well formed leaves the facts as they are. */
void tls_message_note(struct span message, bool is_sent, bool is_server, struct tls_facts *facts,
                      struct arena *arena);

/* What a ClientHello, whole with its header, offers by name. tls_message_note leaves that out for a
 * server: it takes longer than all the rest, and is wanted only where the session fails. */
void tls_message_note_offer(struct span message, struct tls_facts *facts, struct arena *arena);

/* Makes a ClientHello look as if its client had never heard of RFC 5746: the signalling cipher and
 * the extension become ones that nobody knows. The length stays. For a server that plays an old
 * one; what is not well formed stays as it is. */
void tls_message_forget_renegotiation(uint8_t *message, size_t len);

/* "X25519", "secp256r1", "ffdhe2048"; NULL: unknown. */
const char *tls_group_name(uint16_t group);
/* "rsa_pss_rsae_sha256"; NULL: unknown. */
const char *tls_signature_name(uint16_t signature);
