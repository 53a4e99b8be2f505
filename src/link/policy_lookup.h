/* link/policy_lookup.h - looks up what a domain publishes: MTA-STS (RFC 8461) and where TLS reports go (RFC 8460).
 *
 * TXT records and the policy host's addresses by net/dns, the policy file by net/https, its server's certificates by the
 * judge of mail servers. A policy that is kept and has not ended counts whatever the look-up finds, unless that is a newer one
 * (RFC 8461 sections 3.1, 3.3 and 5.1); where its id is still published, nothing is fetched.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/published.h"
#include "net/dns.h"
#include "net/https.h"
#include "net/loop.h"
#include "trust/anchors.h"

enum {
    POLICY_LOOKUP_TIMEOUT_MS = 60 * 1000, /* RFC 8461 section 3.3 */
    POLICY_LOOKUP_HELD_BACK_S =
        5 * 60, /* after a fetch that failed, for the same id: section 3.3 */
};

/* A policy that was fetched once. */
struct sts_cached {
    const char *id;          /* of the record */
    const char *policy_text; /* the file, as it was served */
    int64_t fetched_at_s, ends_at_s;
};

/* A fetch that failed. */
struct sts_failed {
    const char *id;
    int64_t at_s;
    enum https_outcome outcome;
    int http_status;
    const char *content_type, *location, *failure,
        *policy_flaw; /* as in the record; each may be NULL */
};

/* Where policies are kept; all calls come on the loop's thread, and none may wait. */
struct sts_cache {
    void *owner;
    /* Also one that has ended; false: there is none. Texts are put into the arena. */
    bool (*find)(void *owner, const char *domain, struct arena *arena, struct sts_cached *cached);
    /* Copies it. Also one that is already there: it was fetched anew. */
    void (*keep)(void *owner, const char *domain, const struct sts_cached *cached);
    /* The same of the last fetch that failed, and of none since; both may be NULL. */
    bool (*find_failed)(void *owner, const char *domain, struct arena *arena,
                        struct sts_failed *failed);
    void (*keep_failed)(void *owner, const char *domain, const struct sts_failed *failed);
};

/* All is borrowed until `found`, or the cancel. */
struct policy_lookup_settings {
    struct loop *loop;
    struct dns *dns;
    struct https *https; /* NULL: no policy can be fetched, which `failure` then says */
    struct anchors *anchors, *intermediates;
    const struct clock *clock;
    const struct sts_cache *cache; /* NULL: none is kept */
    uint16_t https_port;           /* 0: 443 */
    bool private_addresses;        /* of policy hosts count too: net_address_special */
    int64_t timeout_ms;            /* for all of it; 0: POLICY_LOOKUP_TIMEOUT_MS */
    bool with_sts;                 /* false: _smtp._tls alone */
    bool with_reports;             /* _smtp._tls too */
    bool is_refresh;               /* fetch even where the id is that of the cached one */
};

struct policy_lookup;

/* `found` is called once, never inside this call; what it gets lives in the arena. The owner cancels the look-up in it
 * or later, which frees it. False: our own failure, or `domain` is no domain name. */
MUST_CHECK bool policy_lookup_start(const struct policy_lookup_settings *settings,
                                    struct arena *arena, const char *domain,
                                    void (*found)(void *owner,
                                                  struct observed_published *published),
                                    void *owner, struct policy_lookup **lookup, struct error *err);
/* After it no callback comes; accepts NULL. The record stays: it is the arena's. */
void policy_lookup_cancel(struct policy_lookup **lookup);
