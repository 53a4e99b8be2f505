/* link/route.h - from a domain to the hosts that take its mail (RFC 5321 section 5.1, RFC 7505).
 *
 * MX, then A and AAAA of each host, then TLSA where the addresses, or the alias that leads to them, were
 * secure (RFC 7672 section 2.2.2); also where the MX was not, which is noted: such records authenticate
 * nothing (section 2.2.1). All through net/dns, in parallel, within one deadline.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/observation.h"
#include "net/address.h"
#include "net/dns.h"
#include "net/loop.h"

enum { ROUTE_HOSTS_MOST = 32, ROUTE_ADDRESSES_MOST = 16, ROUTE_LOOKUPS_MOST = 160 };

struct route_host {
    const char *name;           /* lower case, no trailing dot */
    int preference;             /* -1: no MX, the domain itself */
    bool is_alias;              /* CNAME: RFC 5321 section 5.1 forbids it; still followed */
    const char *canonical_name; /* where the alias leads; NULL */
    bool is_address;            /* an address where a name should be: nobody can deliver there */
    enum dns_security security; /* weakest of its address answers; what failed counts if all did */
    struct net_address addresses[ROUTE_ADDRESSES_MOST];
    size_t address_count;
    enum dns_outcome outcome; /* why there is none: the worse of A and AAAA */
    const char *why_bogus;
    enum policy_tlsa tlsa;
    const char
        *tlsa_base; /* the TLSA base domain, where records count: the host's own name, or where
                                 the alias leads; NULL: there are none */
    const char *
        tlsa_failure; /* with POLICY_TLSA_LOOKUP_FAILED: what failed and how; with POLICY_TLSA_NONE: why
                                 what is published counts for nothing; NULL */
    struct observed_tlsa_flaw tlsa_flaw; /* with POLICY_TLSA_NONE alone */
    struct dane_record *tlsa_records;
    size_t tlsa_count;
};

enum route_outcome {
    ROUTE_FOUND,   /* hosts; some may lack addresses */
    ROUTE_NULL_MX, /* RFC 7505 */
    ROUTE_NXDOMAIN,
    ROUTE_NO_ADDRESS, /* neither MX nor A nor AAAA */
    ROUTE_TIMEOUT,
    ROUTE_SERVFAIL,
    ROUTE_BOGUS,
};

/* Lives in the arena. */
struct route {
    const char *domain;
    const char *canonical_domain; /* where its MX was found, if it is an alias; NULL */
    enum route_outcome outcome;
    enum dns_security mx_security; /* secure too where no MX was asked for */
    bool has_mx;                   /* MX records were found */
    bool has_stray_null_mx;        /* "." beside other MX hosts: RFC 7505 section 3 */
    const char *why_bogus;         /* NULL */
    struct route_host *hosts;      /* best preference first */
    size_t host_count;
    bool was_cut;                    /* more hosts than ROUTE_HOSTS_MOST */
    struct observed_lookup *lookups; /* every question asked, for the report */
    size_t lookup_count;
};

enum route_start {
    ROUTE_FROM_DOMAIN, /* its MX hosts, else itself */
    ROUTE_FROM_HOST,   /* that very host: no MX is asked for */
};

struct route_query;

/* `found` is called once, never inside this call; the owner cancels the query in it or later, which
 * frees it. False: no memory, or `domain` is no domain name. */
MUST_CHECK bool route_find(struct loop *loop, struct dns *dns, struct arena *arena,
                           const char *domain, enum route_start start, uint16_t port,
                           int64_t timeout_ms, void (*found)(void *owner, struct route *route),
                           void *owner, struct route_query **query, struct error *err);
/* After it no callback comes; accepts NULL. The route stays: it is the arena's. */
void route_cancel(struct route_query **query);
