/* gateway/received_join.h - what a TLS report says failed, beside what failed here at that time (pure).
 *
 * The failures of a report (RFC 8460 section 4.3.1) are put together by policy, result type and MX host. What we saw
 * counts for one where it came from an address that the report names; where it names none, or none of them is known
 * here, where the client called itself by a name below the domain of the report's contact.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "gateway/inbound_history.h"
#include "trust/tls_report.h"

enum {
    RECEIVED_JOIN_GROUPS_MOST = 200, /* of a report; what comes behind them is in the last */
    RECEIVED_JOIN_FINDINGS_MOST = 8, /* of a group, the most frequent */
    RECEIVED_JOIN_ADDRESSES_MOST = 20000,
};

enum received_join_by {
    RECEIVED_JOIN_BY_NOTHING, /* nothing of that sender failed here */
    RECEIVED_JOIN_BY_ADDRESS,
    RECEIVED_JOIN_BY_NAME,
};

/* Failures here with one finding. */
struct received_join_seen {
    const char *finding, *cause; /* the words of one of them */
    int64_t count, first_s, last_s;
};

struct received_join_group {
    const struct tls_report_policy *policy;
    const char *result_type, *mx,
        *receiving_ip;                /* of the first of them; "" where it does not say */
    const char *reason, *information; /* the first that is said; "" */
    int64_t failed;
    const char *const
        *addresses; /* of the senders, without doubles; as text of net/address where it is one */
    size_t address_count;
    bool is_rest; /* of more kinds than there is room for */
    enum received_join_by by;
    struct received_join_seen seen[RECEIVED_JOIN_FINDINGS_MOST];
    size_t seen_count;
    int64_t seen_failed, first_s, last_s; /* of all that was seen */
};

struct received_join {
    struct received_join_group *groups; /* by policy, as in the report; the most failures first */
    size_t count;
    const char *domain; /* of the contact; "" */
};

/* Texts are the report's, the failures' or the arena's. False: it is exhausted. */
MUST_CHECK bool received_join_make(const struct tls_report *report,
                                   const struct inbound_failures *failures, struct arena *arena,
                                   struct received_join *join);

/* Is it about what the domain publishes, so that no handshake with us has to fail for it? */
bool received_join_is_of_what_is_published(const char *result_type);

/* What a result type means, in words for the receiving side; NULL: it is none of RFC 8460 section 4.3. */
const char *received_join_meaning(const char *result_type);
