/* link/route_fields.c - the fields of a route, and of each look-up for it, as data. */
#include "link/observation_fields.h"

#include "link/route.h"

static const char *const dns_type_list[] = {
    [DNS_TYPE_A] = "A",     [DNS_TYPE_CNAME] = "CNAME", [DNS_TYPE_MX] = "MX",
    [DNS_TYPE_TXT] = "TXT", [DNS_TYPE_AAAA] = "AAAA",   [DNS_TYPE_TLSA] = "TLSA",
};
static const struct words dns_types = { ARRAY_SIZE(dns_type_list), NULL, dns_type_list };

static const char *const dns_outcome_list[] = {
    [DNS_ANSWERED] = "answered", [DNS_NO_DATA] = "no-data", [DNS_NXDOMAIN] = "nxdomain",
    [DNS_SERVFAIL] = "servfail", [DNS_TIMEOUT] = "timeout", [DNS_BOGUS] = "bogus",
};
static const struct words dns_outcomes = { ARRAY_SIZE(dns_outcome_list), NULL, dns_outcome_list };

static const char *const route_outcome_list[] = {
    [ROUTE_FOUND] = "found",           [ROUTE_NULL_MX] = "null-mx", [ROUTE_NXDOMAIN] = "nxdomain",
    [ROUTE_NO_ADDRESS] = "no-address", [ROUTE_TIMEOUT] = "timeout", [ROUTE_SERVFAIL] = "servfail",
    [ROUTE_BOGUS] = "bogus",
};
static const struct words route_outcomes = { ARRAY_SIZE(route_outcome_list), NULL,
                                             route_outcome_list };

#define LOOKUP(k, n, member)      FIELD_OF(struct observed_lookup, k, n, member)
#define LOOKUP_WORD(n, member, w) WORD_OF(struct observed_lookup, n, member, w)
static const struct field lookup_fields[] = {
    LOOKUP(FIELD_TEXT, "name", name),
    LOOKUP_WORD("type", type, &dns_types),
    LOOKUP_WORD("outcome", outcome, &dns_outcomes),
    LOOKUP_WORD("security", security, &security_words),
    LOOKUP(FIELD_TEXT_OR_NULL, "canonical_name", canonical_name),
    LOOKUP(FIELD_TEXT_OR_NULL, "why_bogus", why_bogus),
    LOOKUP(FIELD_BOOL, "anchor_failed", anchor_failed),
    LOOKUP(FIELD_BOOL, "resolver_is_silent", resolver_is_silent),
    LOOKUP(FIELD_I64, "given_up_after_ms", given_up_after_ms),
    LOOKUP(FIELD_INT, "rcode", rcode),
    LOOKUP(FIELD_SIZE, "record_count", record_count),
};
const struct record lookup_record = RECORD_OF(struct observed_lookup, lookup_fields);
static const struct field address_fields[] = {
    { .name = "address", .kind = FIELD_ADDRESS, .offset = 0 },
    FIELD_OF(struct net_address, FIELD_U16, "port", port),
};
static const struct record address_record = RECORD_OF(struct net_address, address_fields);
static const struct field address_item = { .kind = FIELD_RECORD, .record = &address_record };

#define TLSA(k, n, member) FIELD_OF(struct dane_record, k, n, member)
static const struct field dane_fields[] = {
    TLSA(FIELD_U8, "usage", usage),
    TLSA(FIELD_U8, "selector", selector),
    TLSA(FIELD_U8, "matching", matching),
    TLSA(FIELD_BYTES, "data", data),
};
static const struct record dane_record = RECORD_OF(struct dane_record, dane_fields);
static const struct field dane_item = { .kind = FIELD_RECORD, .record = &dane_record };

#define HOST(k, n, member)      FIELD_OF(struct route_host, k, n, member)
#define HOST_WORD(n, member, w) WORD_OF(struct route_host, n, member, w)
static const struct field host_fields[] = {
    HOST(FIELD_TEXT, "name", name),
    BOUNDED_OF(struct route_host, FIELD_INT, "preference", preference, -1, 65535),
    HOST(FIELD_BOOL, "is_alias", is_alias),
    HOST(FIELD_TEXT_OR_NULL, "canonical_name", canonical_name),
    HOST(FIELD_BOOL, "is_address", is_address),
    HOST_WORD("security", security, &security_words),
    LIST_OF(struct route_host, FIELD_ARRAY, "addresses", addresses, address_count,
            ROUTE_ADDRESSES_MOST, &address_item),
    HOST_WORD("outcome", outcome, &dns_outcomes),
    HOST(FIELD_TEXT_OR_NULL, "why_bogus", why_bogus),
    HOST_WORD("tlsa", tlsa, &policy_tlsa_words),
    HOST(FIELD_TEXT_OR_NULL, "tlsa_base", tlsa_base),
    HOST(FIELD_TEXT_OR_NULL, "tlsa_failure", tlsa_failure),
    INNER_OF(struct route_host, "tlsa_flaw", tlsa_flaw, &tlsa_flaw_record),
    LIST_OF(struct route_host, FIELD_LIST, "tlsa_records", tlsa_records, tlsa_count, 256,
            &dane_item),
};
static const struct record host_record = RECORD_OF(struct route_host, host_fields);
static const struct field host_item = { .kind = FIELD_RECORD, .record = &host_record };

static const struct field lookup_item = { .kind = FIELD_RECORD, .record = &lookup_record };

static const struct field route_fields[] = {
    FIELD_OF(struct route, FIELD_TEXT, "domain", domain),
    FIELD_OF(struct route, FIELD_TEXT_OR_NULL, "canonical_domain", canonical_domain),
    WORD_OF(struct route, "outcome", outcome, &route_outcomes),
    WORD_OF(struct route, "mx_security", mx_security, &security_words),
    FIELD_OF(struct route, FIELD_BOOL, "has_mx", has_mx),
    FIELD_OF(struct route, FIELD_TEXT_OR_NULL, "why_bogus", why_bogus),
    LIST_OF(struct route, FIELD_LIST, "hosts", hosts, host_count, ROUTE_HOSTS_MOST, &host_item),
    FIELD_OF(struct route, FIELD_BOOL, "has_stray_null_mx", has_stray_null_mx),
    FIELD_OF(struct route, FIELD_BOOL, "was_cut", was_cut),
    LIST_OF(struct route, FIELD_LIST, "lookups", lookups, lookup_count, ROUTE_LOOKUPS_MOST,
            &lookup_item),
};
const struct record route_record = RECORD_OF(struct route, route_fields);
