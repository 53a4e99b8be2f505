/* gateway/relay.h - may this client send to this recipient? (pure)
 *
 * Two ways to yes and no third: the recipient's domain is one of ours, or the client's address lies
 * in a network that may send anywhere. RFC 5321 section 7.9 leaves the rest to us, and we refuse it.
 * Nothing that an address can be made to look like changes that: the domain is what stands behind
 * the @ of a Mailbox by smtp/address.h, compared whole as A-labels, and no part of a local part is
 * ever taken for a route.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "base/span.h"
#include "net/address.h"
#include "smtp/answer.h"

/* A domain whose mail ends with us. */
struct gateway_relay_domain {
    const char *name;  /* as names_normalize writes it: lower case, A-labels, no dot at the end */
    bool is_passed_on; /* to a server of the same house, which might read routes into local parts */
};

struct gateway_relay_network {
    struct net_address base; /* its port means nothing */
    unsigned bits;           /* 0 to 32, or to 128; bits of base beyond them do not count */
};

/* All borrowed for the time of a call. */
struct gateway_relay_rules {
    const struct gateway_relay_domain *domains; /* sorted by strcmp of the names */
    size_t domain_count;
    const struct gateway_relay_network *networks; /* relay_from */
    size_t network_count;
    const char *postmaster_domain; /* where "Postmaster" without a domain lives: the name of one of
                                    * the domains, or NULL: there is none */
};

enum gateway_relay_choice {
    GATEWAY_RELAY_REFUSE,
    GATEWAY_RELAY_LOCAL,    /* ours to deliver: `domain` says which */
    GATEWAY_RELAY_ANYWHERE, /* not ours, but this client may send there */
};

struct gateway_relay_decision {
    enum gateway_relay_choice choice;
    const struct gateway_relay_domain *domain; /* of LOCAL, one of the rules'; else NULL */
    struct smtp_answer answer;                 /* of REFUSE: what to say, static; else code 0 */
};

/* Does the address lie in one of relay_from? An IPv4 address that came over an IPv6 socket
 * (::ffff:192.0.2.1, RFC 4291 section 2.5.5.2) is the IPv4 one, in networks too; no other way of
 * writing IPv4 inside IPv6 is. */
MUST_CHECK bool gateway_relay_match_client(const struct gateway_relay_rules *rules,
                                           const struct net_address *client);

/* Is the network so large that nobody can know who is in it: more than a /8 of IPv4, mapped or not, or a /16 of IPv6? */
MUST_CHECK bool gateway_relay_is_open(const struct gateway_relay_network *network);

/* `recipient` is the mailbox without its brackets, as it came, or "Postmaster" alone (RFC 5321
 * section 4.1.1.3). Whatever else it is, the answer is no. For a domain that is passed on, a client
 * from elsewhere may not use '@', '%', '!' or ':' in the local part, nor characters that
 * normalization turns into them: the server behind us trusts us, and would follow the route. */
struct gateway_relay_decision gateway_relay_decide(const struct gateway_relay_rules *rules,
                                                   const struct net_address *client,
                                                   struct span recipient);
