/* net/tls_server.h - a server's TLS context: certificates, versions, and what it asks of clients. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "net/tls.h"
#include "net/tls_tickets.h"

struct tls_server_context;

enum tls_client_certificate {
    TLS_CLIENT_CERTIFICATE_NONE,
    TLS_CLIENT_CERTIFICATE_REQUEST, /* asked for, never refused */
    TLS_CLIENT_CERTIFICATE_REQUIRE  /* and verified, where client_ca_pem names anybody */
};

struct tls_server_settings {
    const struct tls_credentials *credentials;
    /* More, chosen by SNI: what is for the name (DNS names of subjectAltName, a wildcard is one whole
     * label: RFC 9525 section 6.3), an RSA and an ECDSA key side by side. Who asks for no name or
     * nobody's gets `credentials`, with those of other keys that share a name with it, and no alert. */
    const struct tls_credentials *const *more;
    size_t more_count;
    uint16_t minimum_version, maximum_version; /* 0: TLS 1.2 and 1.3 */
    int security_level;                        /* lab servers go down to 0 */
    const char *ciphers;                       /* TLS 1.2 and older; NULL: default */
    const char *groups;                        /* NULL: default */
    const char *signature_algorithms;          /* NULL: default */
    int dh_bits; /* fixed DH: 512, 768, 1024, 1536, 2048, 3072, 4096; 0: automatic */
    bool no_tickets;
    struct tls_tickets *tickets; /* held from then on; NULL: keys that this context alone knows */
    bool legacy_renegotiation;   /* behave as a server without RFC 5746 (TLS 1.2 and older) */
    enum tls_client_certificate client_certificate;
    struct span client_ca_pem; /* whom it trusts to sign clients; may be empty */
    bool names_no_client_ca;   /* they are not told to clients: a whole store of roots is long */
    const char *only_sni;      /* any other name: alert unrecognized_name; NULL: any */
    bool sni_required;         /* and none at all likewise */
    struct span staple;        /* OCSP response to staple; may be empty */
};

/* The settings are copied; credentials may go while it is in use. One context serves all threads.
 * It keeps no sessions: a client that comes back brings its ticket, one for each session. */
MUST_CHECK bool tls_server_context_new(const struct tls_server_settings *settings,
                                       struct tls_server_context **context, struct error *err);
/* One more that uses it, and frees it. Each TLS stream does. */
struct tls_server_context *tls_server_context_hold(struct tls_server_context *context);
/* The last one frees it. */
void tls_server_context_free(struct tls_server_context **context);

/* What it takes from a client's offer, whatever its certificate can be used for. */
MUST_CHECK bool tls_server_offer(struct tls_server_context *context, struct arena *arena,
                                 struct tls_offer *offer, struct error *err);
