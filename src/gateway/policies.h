/* gateway/policies.h - which policy is for a domain (pure).
 *
 * The title of a policy says which domains it is for: "example.org" for that one alone, ".example.org"
 * for every name below it, "default" for all that no other is for. The longest title that fits counts.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "net/address.h"
#include "trust/policy.h"

struct gateway_policy {
    const char *name; /* as it stands in the file; "default" */
    enum policy_level level;
    uint16_t minimum_version; /* TLS_VERSION_1_0 and up; 0: none */
    const char *fingerprint;  /* SHA-256, lower-case hex; NULL */
    /* At level secure: the names that the certificate may carry; ".example.org" is every name below it.
     * None: the domain, and every name below it. */
    const char *const *match;
    size_t match_count;
    bool has_next_hop;              /* else mail goes to the MX hosts */
    const char *hop_host;           /* A-labels; NULL: `hop_address` */
    struct net_address hop_address; /* with its port, which is set for a host too */
    unsigned line;                  /* 0: the one that is built in */
};

/* What a title is for: lower case, A-labels, no dot at the end. */
struct gateway_policy_pattern {
    const char *text;
    const struct gateway_policy *policy;
};

/* All borrowed for the time of a call. */
struct gateway_policies {
    const struct gateway_policy *fallback;         /* NULL: level may, and nothing else */
    const struct gateway_policy_pattern *patterns; /* sorted by strcmp of the texts */
    size_t pattern_count;
};

enum gateway_policy_rule {
    GATEWAY_POLICY_EXACT,  /* the domain itself is named */
    GATEWAY_POLICY_PARENT, /* ".parent" is; the longest one counts */
    GATEWAY_POLICY_DEFAULT
};

struct gateway_policy_choice {
    const struct gateway_policy *policy; /* never NULL */
    enum gateway_policy_rule rule;
    const char *pattern; /* what fitted; "default" */
};

/* `domain` in A-labels; case and a final dot do not matter. */
struct gateway_policy_choice gateway_policies_find(const struct gateway_policies *policies,
                                                   struct span domain);
