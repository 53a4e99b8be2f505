/* link/client_link_tls.c - what each way of dialling changes in the handshake, one thing each. */
#include "link/client_link_parts.h"

#include <string.h>

#include "link/self_signed.h"

/* Do TLSA records say what the host is to be called and to show? */
static bool goes_by_tlsa(const struct client_link_settings *settings)
{
    bool is_asked = settings->level == POLICY_DANE || settings->level == POLICY_DANE_ONLY ||
                    (settings->level == POLICY_STS && settings->mx_dnssec == DNS_SECURE);

    return is_asked && settings->tlsa_state == POLICY_TLSA_USABLE;
}

/* RFC 6066 section 3: the name of a host, never an address, nor what has octets that only escapes can show (and may
 * be longer so than OpenSSL takes). RFC 7672 section 8.1: with TLSA records their base domain. */
static const char *choose_sni(const struct client_link_settings *settings)
{
    struct net_address address = { .port = 0 };
    const char *name = settings->tlsa_base != NULL && goes_by_tlsa(settings) ? settings->tlsa_base
                                                                             : settings->host;

    if (settings->dial == DIAL_WITHOUT_SNI || name[0] == '\0' || strchr(name, '\\') != NULL ||
        net_address_parse(span_of(name), &address))
        return NULL;
    return name;
}

/* TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL 3 allows at level 0 alone. */
static void allow_old_versions(struct tls_client_settings *settings, uint16_t minimum_version)
{
    settings->minimum_version = minimum_version;
    settings->security_level = 0;
}

static bool make_credentials(struct client_link *link, struct tls_client_settings *settings,
                             struct error *err)
{
    if (link->made_credentials == NULL &&
        !self_signed_new(link->settings.hostname,
                         link->settings.clock->wall_s(link->settings.clock),
                         &link->made_credentials, err))
        return false;
    settings->credentials = link->made_credentials;
    return true;
}

bool client_link_tls_settings(struct client_link *link, struct tls_client_settings *settings,
                              struct error *err)
{
    uint16_t minimum_version = link->settings.minimum_version;

    tls_client_defaults(settings);
    settings->sni = choose_sni(&link->settings);
    settings->credentials = link->settings.credentials;
    settings->ask_staple = true;
    if (minimum_version >= TLS_VERSION_1_0 && minimum_version < TLS_VERSION_1_2)
        allow_old_versions(settings, minimum_version);
    switch (link->settings.dial) {
    case DIAL_OLD_VERSIONS: allow_old_versions(settings, TLS_VERSION_1_0); break;
    case DIAL_SECURITY_LEVEL_0: settings->security_level = 0; break;
    case DIAL_TLS12_ONLY:
        settings->minimum_version = settings->maximum_version = TLS_VERSION_1_2;
        break;
    case DIAL_TLS13_ONLY: settings->minimum_version = TLS_VERSION_1_3; break;
    case DIAL_SMALL_HELLO: /* small, and with nothing in it that a server could dislike */
        settings->small_hello = true;
        settings->no_tickets = true;
        break;
    case DIAL_WITHOUT_CLIENT_CERTIFICATE: settings->credentials = NULL; break;
    case DIAL_WITH_CLIENT_CERTIFICATE: return make_credentials(link, settings, err);
    case DIAL_RSA_ONLY: /* in TLS 1.3 the cipher does not say how the server signs */
        settings->maximum_version = TLS_VERSION_1_2;
        settings->ciphers = "HIGH+aRSA:!kRSAPSK:!SRP";
        break;
    case DIAL_WITHOUT_TICKETS: settings->no_tickets = true; break;
    case DIAL_LEGACY_RENEGOTIATION: settings->legacy_renegotiation = true; break;
    case DIAL_LARGE_GROUPS_ONLY:
        settings->ciphers = "DEFAULT:!kDHE";
        settings->groups = "X25519:P-256:X448:P-521:P-384";
        break;
    case DIAL_AS_CONFIGURED:
    case DIAL_WITHOUT_SNI:
    case DIAL_RAW_OBSOLETE:
    case DIAL_RAW_SSL3:
    case DIAL_PLAIN_TLS:
    case DIAL_HELO:
    case DIAL_COUNT: break;
    }
    return true;
}
