/* gateway/profile.h - what one load of the settings means to all threads: never changed, and counted.
 *
 * A reload, or a certificate that was renewed, makes another profile; a session holds the one that it
 * began with, and goes on by it. Whoever makes a profile fills it, with `references` 1, before any
 * other thread sees it.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

#include "gateway/limits.h"
#include "gateway/policies.h"
#include "gateway/relay.h"
#include "link/inbound_observation.h"
#include "link/observation.h"
#include "net/address.h"
#include "net/dns.h"
#include "net/tls.h"
#include "net/tls_server.h"
#include "queue/schedule.h"
#include "smtp/server.h"
#include "trust/anchors.h"

struct gateway_certificates;
struct gateway_client_certificate;

struct dkim_key;

/* TLS reports: gateway/tls_reports.h. All but `key` and `read` are set. */
struct gateway_profile_reports {
    bool sends; /* else they are only counted */
    const char *organization, *contact, *from;
    const char *submitter;      /* the domain of `contact`, lower case */
    const struct dkim_key *key; /* NULL: nothing is signed */
    const char *read;           /* mail to this address is read as reports of others; NULL */
};

struct gateway_profile_listener {
    struct net_address address; /* as in the settings; port 0: a free one */
    const char *said_at;        /* "FILE:LINE" of them; NULL */
    struct smtp_server_settings smtp;
    struct smtp_server_settings smtp_mending; /* the same for bare_lf_from: mends_bare_lf is set */
    struct tls_server_context *tls;           /* NULL: without TLS */
    struct inbound_self self;
    struct gateway_certificates *certificates; /* that tls and self are of; NULL: without TLS */
};

enum gateway_delivery_kind {
    GATEWAY_DELIVER_MAILDIR,
    GATEWAY_DELIVER_LMTP_SOCKET,
    GATEWAY_DELIVER_LMTP,
    GATEWAY_DELIVER_SMTP,
};

struct gateway_profile_domain {
    const char *name;
    enum gateway_delivery_kind kind;
    const char *path;           /* pattern of the Maildir (gateway/maildir_path.h); LMTP socket */
    const char *host;           /* of LMTP and SMTP; NULL: `address` */
    struct net_address address; /* with its port, which is set for a host too */
};

struct gateway_profile {
    atomic_uint references;
    struct gateway_profile *origin; /* of a renewal: whose settings it borrows; else NULL */
    const char *hostname;
    struct gateway_relay_rules relay;
    const struct gateway_relay_network
        *bare_lf_from; /* their bare LF in content is mended to CRLF */
    size_t bare_lf_from_count;
    struct gateway_limits_settings limits;
    struct queue_schedule_settings schedule;
    struct gateway_profile_listener *listeners;
    size_t listener_count;
    struct gateway_profile_domain *domains; /* the n-th is relay.domains[n] */
    size_t domain_count;
    /* How we deliver to servers elsewhere. */
    struct gateway_policies policies;
    struct anchors *anchors, *intermediates;   /* for the delivery's thread alone; may be empty */
    struct gateway_client_certificate *client; /* for servers that ask for a certificate; NULL */
    const struct tls_credentials *credentials; /* of that; NULL */
    struct observed_self self;                 /* what of it the findings tell */
    struct dns_settings dns;
    struct gateway_profile_reports reports;
    uint16_t mx_port;       /* of MX hosts: 25 */
    uint16_t sts_port;      /* of the web servers that MTA-STS policies are fetched from: 443 */
    bool private_addresses; /* web servers at special addresses are asked: net_address_special */
    /* How long a server may be silent at any step; 0: 30 s to connect, then RFC 5321 section 4.5.3.2. */
    int64_t client_timeout_ms;
    /* Frees the profile and all that it was made from, with the last reference, on whichever thread
     * drops it. */
    void (*release)(void *owner);
    void *owner;
};

/* One more reference, from any thread that has one. */
struct gateway_profile *gateway_profile_hold(struct gateway_profile *profile);

/* Those of the n-th listener, to tell of; NULL: it has none, or one before it has those of the same
 * files, so that all is told already. */
struct gateway_certificates *
gateway_profile_first_certificates(const struct gateway_profile *profile, size_t number);

/* NULL is nothing. */
void gateway_profile_release(struct gateway_profile **profile);
