/* lab/faults_handshake.c - what goes wrong between the ClientHello and the last Finished. */
#include "base/compiler.h"
#include "lab/fault_row.h"

#define FAILURE "validation-failure"
#define BYTES(literal)                                                                             \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }
/* A fatal alert in a record of TLS 1.2: RFC 5246 sections 6.2.1 and 7.2. */
#define ALERT(description) BYTES("\x15\x03\x03\x00\x02\x02" description)

/* A ServerHello of TLS 1.2 (ECDHE-ECDSA-AES128-GCM-SHA256, no extensions but RFC 5746's), and the
 * first octets of a Certificate that never ends. */
#define CUT_SHORT                                                                                  \
    BYTES("\x16\x03\x03\x00\x31\x02\x00\x00\x2d\x03\x03"                                           \
          "0123456789abcdef0123456789abcdef\x00\xc0\x2b\x00\x00\x05\xff\x01\x00\x01\x00"           \
          "\x16\x03\x03\x04\x00\x0b\x00\x03\xfc\x00\x03\xf9")

static const struct fault_row rows[] = {
    {
        .name = "closes-in-handshake",
        .summary = "reads the ClientHello and closes",
        .expect = { "handshake-closed", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_ALWAYS, .then = FAULT_CLOSE },
    },
    {
        .name = "cut-short",
        .summary = "closes in the middle of its certificate",
        .expect = { "handshake-closed", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_ALWAYS, .bytes = CUT_SHORT, .then = FAULT_CLOSE },
    },
    {
        .name = "resets-in-handshake",
        .summary = "reads the ClientHello and resets",
        .expect = { "handshake-reset", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_ALWAYS, .then = FAULT_RESET },
    },
    {
        .name = "stalls-in-handshake",
        .summary = "reads the ClientHello and says nothing",
        .expect = { "handshake-timeout", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_ALWAYS, .then = FAULT_STALL },
        .client = { .timeout_s = 5 },
    },
    {
        .name = "drops-large-hello",
        .summary = "a ClientHello above 255 octets is lost on the way",
        .expect = { "handshake-timeout", "network", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_LONGER, .limit = 255, .then = FAULT_STALL },
        .tls = { .certificate = CERTIFICATE_RSA },
        .client = { .timeout_s = 8 },
    },
    {
        .name = "resets-large-hello",
        .summary = "a ClientHello above 255 octets is answered with RST",
        .expect = { "handshake-reset", "network", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_LONGER, .limit = 255, .then = FAULT_RESET },
        .tls = { .certificate = CERTIFICATE_RSA },
    },
    {
        .name = "dislikes-tickets",
        .summary = "resets where the client offers session tickets",
        .expect = { "handshake-reset", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_WITH_TICKET, .then = FAULT_RESET },
        .tls = { .no_tickets = true },
    },
    {
        .name = "alerts-on-tls13",
        .summary = "answers an offer of TLS 1.3 with alert 40, and speaks TLS 1.2 else",
        .expect = { "handshake-alert", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_WITH_TLS13, .bytes = ALERT("\x28"), .then = FAULT_CLOSE },
        .tls = { .maximum_version = TLS_VERSION_1_2 },
    },
    {
        .name = "dislikes-tls13",
        .summary = "closes where the client offers TLS 1.3, and speaks TLS 1.2 else",
        .expect = { "handshake-closed", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_WITH_TLS13, .then = FAULT_CLOSE },
        .tls = { .maximum_version = TLS_VERSION_1_2 },
    },
    {
        .name = "dislikes-sni",
        .summary = "closes where the client sends a server name",
        .expect = { "handshake-closed", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_WITH_SNI, .then = FAULT_CLOSE },
    },
    {
        .name = "needs-sni",
        .summary = "serves those who name it in SNI, and answers others with alert 112",
        .expect = { "server-needs-sni", "server", "certificate-host-mismatch" },
        .tls = { .needs_sni = true },
    },
    {
        .name = "tls10-only",
        .summary = "TLS 1.0 and nothing newer",
        .expect = { "handshake-no-common-version", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .certificate = CERTIFICATE_RSA,
                 .minimum_version = TLS_VERSION_1_0,
                 .maximum_version = TLS_VERSION_1_0,
                 .is_lax = true },
    },
    {
        .name = "tls11-only",
        .summary = "TLS 1.1 and nothing newer",
        .expect = { "handshake-no-common-version", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .certificate = CERTIFICATE_RSA,
                 .minimum_version = TLS_VERSION_1_1,
                 .maximum_version = TLS_VERSION_1_1,
                 .is_lax = true },
    },
    {
        .name = "ssl3-only",
        .summary = "SSL 3.0 and nothing newer",
        .expect = { "handshake-no-common-version", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .obsolete = { TLS_VERSION_SSL3, { 0x0005, 0x000a, 0x002f }, 3 },
    },
    {
        .name = "rc4-only",
        .summary = "RC4 and no other cipher",
        .expect = { "handshake-no-common-cipher", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .obsolete = { TLS_VERSION_1_2, { 0x0005, 0x0004 }, 2 },
    },
    {
        .name = "3des-only",
        .summary = "3DES and no other cipher",
        .expect = { "handshake-no-common-cipher", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .obsolete = { TLS_VERSION_1_2, { 0x000a, 0xc012 }, 2 },
    },
    {
        .name = "export-only",
        .summary = "40-bit export ciphers alone",
        .expect = { "handshake-no-common-cipher", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .obsolete = { TLS_VERSION_1_0, { 0x0003, 0x0008, 0x0014 }, 3 },
    },
    {
        .name = "null-only",
        .summary = "ciphers that encrypt nothing",
        .expect = { "handshake-no-common-cipher", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .obsolete = { TLS_VERSION_1_2, { 0x003b, 0x0002 }, 2 },
    },
    {
        .name = "anonymous-only",
        .summary = "ciphers without a certificate alone",
        .expect = { "handshake-no-common-cipher", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .obsolete = { TLS_VERSION_1_2, { 0x0034, 0x003a, 0x00a6 }, 3 },
    },
    {
        .name = "dh-1024",
        .summary = "a Diffie-Hellman group of 1024 bits",
        .expect = { "handshake-weak-dh", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .certificate = CERTIFICATE_RSA,
                 .maximum_version = TLS_VERSION_1_2,
                 .ciphers = "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256",
                 .dh_bits = 1024,
                 .is_lax = true },
    },
    {
        .name = "dh-768",
        .summary = "a Diffie-Hellman group of 768 bits",
        .expect = { "handshake-weak-dh", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .certificate = CERTIFICATE_RSA,
                 .maximum_version = TLS_VERSION_1_2,
                 .ciphers = "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256",
                 .dh_bits = 768,
                 .is_lax = true },
    },
    {
        .name = "legacy-renegotiation",
        .summary = "does not know RFC 5746",
        .expect = { "handshake-legacy-renegotiation", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .certificate = CERTIFICATE_RSA,
                 .maximum_version = TLS_VERSION_1_2,
                 .legacy_renegotiation = true },
    },
    {
        .name = "unknown-name",
        .summary = "answers the server name with alert 112, unrecognized_name",
        .expect = { "handshake-name-not-recognized", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .only_other_name = true },
    },
    {
        .name = "internal-error",
        .summary = "answers the ClientHello with alert 80, internal_error",
        .expect = { "handshake-alert", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_ALWAYS, .bytes = ALERT("\x50"), .then = FAULT_CLOSE },
    },
    {
        .name = "access-denied",
        .summary = "answers the ClientHello with alert 49, access_denied",
        .expect = { "handshake-alert", "server", FAILURE },
        .safety = FAULT_NO_TLS,
        .hello = { .when = FAULT_HELLO_ALWAYS, .bytes = ALERT("\x31"), .then = FAULT_CLOSE },
    },
    {
        .name = "needs-client-certificate",
        .summary = "requires a client certificate (TLS 1.3)",
        .expect = { "client-certificate-required", "client", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE },
    },
    {
        .name = "needs-client-certificate-tls12",
        .summary = "requires a client certificate (TLS 1.2)",
        .expect = { "client-certificate-required", "client", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .maximum_version = TLS_VERSION_1_2,
                 .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE },
    },
    {
        .name = "rejects-client-certificate",
        .summary = "requires a client certificate of a CA that ours is not from",
        .expect = { "client-certificate-rejected", "client", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE, .distrusts_clients = true },
        .client = { .credentials = FAULT_CREDENTIALS_GOOD },
    },
    {
        .name = "rejects-client-certificate-tls12",
        .summary = "the same under TLS 1.2",
        .expect = { "client-certificate-rejected", "client", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .maximum_version = TLS_VERSION_1_2,
                 .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE,
                 .distrusts_clients = true },
        .client = { .credentials = FAULT_CREDENTIALS_GOOD },
    },
    {
        .name = "expired-client-certificate",
        .summary = "requires a client certificate, and ours has expired",
        .expect = { "client-certificate-expired", "client", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE },
        .client = { .credentials = FAULT_CREDENTIALS_EXPIRED },
    },
    {
        .name = "wrong-client-key",
        .summary = "requires a client certificate, and the key of ours is another's",
        .expect = { "client-certificate-unusable", "client", FAILURE },
        .safety = FAULT_NO_TLS,
        .tls = { .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE },
        .client = { .credentials = FAULT_CREDENTIALS_WRONG_KEY },
    },
};

const struct fault_part faults_handshake = { rows, ARRAY_SIZE(rows) };
