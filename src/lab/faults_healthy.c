/* lab/faults_healthy.c - the healthy servers: a careful client finds nothing worse than a notice. */
#include "base/compiler.h"
#include "lab/fault_row.h"

static const struct fault_row rows[] = {
    {
        .name = "healthy",
        .summary = "TLS 1.3 and 1.2 with an ECDSA certificate",
    },
    {
        .name = "healthy-rsa",
        .summary = "TLS 1.2 with an RSA certificate",
        .tls = { .certificate = CERTIFICATE_RSA, .maximum_version = TLS_VERSION_1_2 },
    },
    {
        .name = "healthy-tls13-only",
        .summary = "TLS 1.3 and nothing older",
        .tls = { .minimum_version = TLS_VERSION_1_3 },
    },
    {
        .name = "healthy-no-tickets",
        .summary = "no session tickets",
        .tls = { .no_tickets = true },
    },
    {
        .name = "healthy-drops-resumed",
        .summary = "resumes a TLS session, and breaks it off before a word is said",
        .tls = { .drops_resumed = true },
    },
    {
        .name = "healthy-dislikes-resuming",
        .summary = "resets where the client offers to resume a TLS session",
        .hello = { .when = FAULT_HELLO_WITH_SESSION, .then = FAULT_RESET },
    },
    {
        .name = "healthy-lower-case",
        .summary = "keywords in lower case, which RFC 5321 section 2.4 allows",
        .ehlo = { .bytes = "250-{host} at your service\r\n250-pipelining\r\n250-size 52428800\r\n"
                           "250-starttls\r\n250 8bitmime\r\n" },
    },
    {
        .name = "healthy-requiretls",
        .summary = "REQUIRETLS inside TLS, and mail that asks for it",
        .ehlo_after_tls = { .bytes = "250-{host} at your service\r\n250-PIPELINING\r\n"
                                     "250-REQUIRETLS\r\n250 8BITMIME\r\n" },
        .client = { .requires_tls = true },
    },
    {
        .name = "healthy-wildcard",
        .summary = "a wildcard as the whole left-most label",
        .tls = { .certificate = CERTIFICATE_WILDCARD },
    },
    {
        .name = "healthy-slow",
        .summary = "every step takes a third of a second",
        .greeting = { .delay_ms = 300 },
        .ehlo = { .delay_ms = 300 },
        .starttls = { .delay_ms = 300 },
        .ehlo_after_tls = { .delay_ms = 300 },
    },
    {
        .name = "healthy-long-greeting",
        .summary = "a greeting of many lines",
        .greeting = { .bytes = "220-{host} ESMTP\r\n220-Unsolicited mail is not wanted here.\r\n"
                               "220-All connections are logged.\r\n220 Go ahead\r\n" },
    },
    {
        .name = "healthy-asks-client-certificate",
        .summary = "asks for a client certificate, and lives without one",
        .tls = { .client_certificate = TLS_CLIENT_CERTIFICATE_REQUEST },
    },
    {
        .name = "healthy-takes-client-certificate",
        .summary = "requires a client certificate, and gets a good one",
        .tls = { .client_certificate = TLS_CLIENT_CERTIFICATE_REQUIRE },
        .client = { .credentials = FAULT_CREDENTIALS_GOOD },
    },
    {
        .name = "healthy-stapled",
        .summary = "must-staple, and a good OCSP response stapled",
        .tls = { .certificate = CERTIFICATE_MUST_STAPLE, .staple = FAULT_STAPLE_GOOD },
    },
    {
        .name = "healthy-dane",
        .summary = "a TLSA record 3 1 1 that matches",
        .tlsa = FAULT_TLSA_MATCHING,
        .client = { .level = "dane" },
    },
    {
        .name = "healthy-dane-ta",
        .summary = "a TLSA record 2 0 1 that matches the intermediate",
        .tlsa = FAULT_TLSA_MATCHING_ROOT,
        .client = { .level = "dane" },
    },
    {
        .name = "healthy-dane-mixed",
        .summary = "TLSA records that cannot be used or do not match, and one that does",
        .tlsa = FAULT_TLSA_MIXED,
        .client = { .level = "dane-only" },
    },
    {
        .name = "healthy-dane-rollover",
        .summary = "TLSA records of the next key and of this one, as before a key change",
        .tlsa = FAULT_TLSA_ROLLOVER,
        .client = { .level = "dane-only" },
    },
    {
        .name = "healthy-insecure-zone",
        .summary = "a zone without DNSSEC, which most are",
        .zone = FAULT_ZONE_INSECURE,
    },
    {
        .name = "healthy-no-mx",
        .summary = "no MX record: mail goes to the domain's own address",
        .zone = FAULT_ZONE_NO_MX,
    },
};

const struct fault_part faults_healthy = { rows, ARRAY_SIZE(rows) };
