/* link/policy_fetch.h - fetches the MTA-STS policy file of a domain, and notes what came of it (RFC 8461 section 3.3).
 *
 * Its host's addresses by net/dns, without those that not everybody reaches: no stranger's DNS leads us inside. The file by
 * net/https, of status 200 and text/plain alone, behind no redirect, from a server whose certificates the judge of mail
 * servers believes. What is kept of policies and of failures is not its matter: link/policy_lookup.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "link/https_judge.h"
#include "link/published.h"
#include "link/question.h"
#include "net/address.h"
#include "net/dns.h"
#include "net/https.h"
#include "net/loop.h"
#include "trust/anchors.h"
#include "trust/mta_sts.h"

/* In the caller's storage, which stays where it is until `fetched`, or the stop. */
struct policy_fetch {
    /* set by the caller, all else zero; borrowed until then */
    struct loop *loop;
    struct dns *dns;
    struct https *https;
    struct anchors *anchors, *intermediates; /* intermediates may be NULL */
    const struct clock *clock;
    struct arena *arena;    /* for all that is noted */
    bool private_addresses; /* those that not everybody reaches count too: net_address_special */
    int64_t deadline_ms;    /* by the loop; past it everything is asked with a millisecond left */
    struct observed_published *published; /* has domain, url and a valid record */
    /* The policy that came, borrowed during the call (its hosts are the arena's); NULL: none did. Then published->failure
     * (our own, which may also be there beside a policy: one kind of address could not be asked for), fetch_failure or
     * policy_flaw says why. */
    void (*fetched)(void *owner, const struct mta_sts_policy *policy);
    void *owner;

    /* its own */
    struct question ipv4, ipv6;
    struct net_address addresses[HTTPS_ADDRESSES_MOST];
    size_t address_count;
    const char *refused; /* an address that is not asked, and why; NULL: none */
    struct https_judge judge;
    struct https_query *query;
};

/* Writes what *published has of the policy file, from its `fetched` to its `address` but for was_held_back and url, and
 * `failure`. Calls `fetched` once: inside this call where nothing can be asked for. */
void policy_fetch_start(struct policy_fetch *fetch);
/* After it no callback comes. Also for one that has ended, or was never started and is all zero. */
void policy_fetch_stop(struct policy_fetch *fetch);
