/* lab/faults_policy.c - what is wrong in the zone: names, DNSSEC and TLSA. */
#include "base/compiler.h"
#include "lab/fault_row.h"

static const struct fault_row rows[] = {
    {
        .name = "tlsa-mismatch",
        .summary = "the TLSA record is for another key",
        .expect = { "tlsa-mismatch", "policy", "tlsa-invalid" },
        .tlsa = FAULT_TLSA_OTHER,
        .client = { .level = "dane" },
    },
    {
        .name = "tlsa-unusable",
        .summary = "the only TLSA record has usage 1, which SMTP does not use",
        .expect = { "tlsa-unusable", "policy", "tlsa-invalid" },
        .tlsa = FAULT_TLSA_UNUSABLE,
        .client = { .level = "dane" },
    },
    {
        .name = "tlsa-servfail",
        .summary = "the zone is signed, and asking for TLSA fails",
        .expect = { "tlsa-lookup-failed", "dns", "dnssec-invalid" },
        .tlsa = FAULT_TLSA_SERVFAIL,
        .client = { .level = "dane" },
    },
    {
        .name = "no-tlsa",
        .summary = "no TLSA record, and a client that demands one",
        .expect = { "dane-required", "policy", "dane-required" },
        .client = { .level = "dane-only" },
    },
    {
        .name = "nxdomain",
        .summary = "the domain does not exist",
        .expect = { "dns-nxdomain", "dns", NULL },
        .safety = FAULT_DEAD,
        .listening = FAULT_NOWHERE,
        .zone = FAULT_ZONE_NXDOMAIN,
    },
    {
        .name = "null-mx",
        .summary = "the domain takes no mail (RFC 7505)",
        .expect = { "dns-null-mx", "dns", NULL },
        .safety = FAULT_DEAD,
        .listening = FAULT_NOWHERE,
        .zone = FAULT_ZONE_NULL_MX,
    },
    {
        .name = "no-address",
        .summary = "the MX host has no address",
        .expect = { "dns-no-address", "dns", NULL },
        .safety = FAULT_DEAD,
        .listening = FAULT_NOWHERE,
        .zone = FAULT_ZONE_NO_ADDRESS,
    },
    {
        .name = "mx-alias",
        .summary = "the MX names an alias",
        .expect = { "dns-mx-is-alias", "dns", NULL },
        .zone = FAULT_ZONE_MX_ALIAS,
    },
    {
        .name = "mx-address",
        .summary = "the MX names an address in place of a host",
        .expect = { "dns-mx-is-address", "dns", NULL },
        .safety = FAULT_DEAD,
        .listening = FAULT_NOWHERE,
        .zone = FAULT_ZONE_MX_ADDRESS,
    },
    {
        .name = "servfail",
        .summary = "the name server answers SERVFAIL",
        .expect = { "dns-servfail", "dns", NULL },
        .safety = FAULT_DEAD,
        .listening = FAULT_NOWHERE,
        .zone = FAULT_ZONE_SERVFAIL,
    },
    {
        .name = "dns-silent",
        .summary = "the name server never answers",
        .expect = { "dns-timeout", "dns", NULL },
        .safety = FAULT_DEAD,
        .listening = FAULT_NOWHERE,
        .zone = FAULT_ZONE_TIMEOUT,
        .client = { .timeout_s = 4 },
    },
    {
        .name = "bogus",
        .summary = "the signature over the MX record is wrong",
        .expect = { "dns-bogus", "dns", "dnssec-invalid" },
        .safety = FAULT_DEAD,
        .listening = FAULT_NOWHERE,
        .zone = FAULT_ZONE_BOGUS,
    },
    {
        .name = "signature-expired",
        .summary = "the signature over the MX record has expired",
        .expect = { "dns-bogus", "dns", "dnssec-invalid" },
        .safety = FAULT_DEAD,
        .listening = FAULT_NOWHERE,
        .zone = FAULT_ZONE_SIGNATURE_EXPIRED,
    },
};

const struct fault_part faults_policy = { rows, ARRAY_SIZE(rows) };
