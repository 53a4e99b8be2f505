/* lab/faults_published.c - what is wrong with what a domain publishes by HTTPS and TXT: MTA-STS and TLS reports. */
#include "base/compiler.h"
#include "lab/fault_row.h"

#define STS_RECORD "v=STSv1; id=20261122T000000;"
#define TESTING    "version: STSv1\nmode: testing\nmx: *.elsewhere.test\nmax_age: 604800\n"

static const struct fault_row rows[] = {
    {
        .name = "healthy-sts",
        .summary = "an MTA-STS policy in mode enforce that lists the host",
        .published = { .sts_record = STS_RECORD,
                       .report_record = "v=TLSRPTv1; rua=mailto:tls@healthy-sts.lab.test" },
    },
    {
        .name = "healthy-sts-none",
        .summary = "an MTA-STS policy in mode none",
        .published = { .sts_record = STS_RECORD,
                       .policy = "version: STSv1\nmode: none\nmax_age: 86400\n" },
    },
    {
        .name = "sts-record-without-id",
        .summary = "the MTA-STS record has no id",
        .expect = { "sts-record-invalid", "policy", "sts-policy-invalid" },
        .published = { .sts_record = "v=STSv1;" },
    },
    {
        .name = "sts-two-records",
        .summary = "two MTA-STS records where one may be",
        .expect = { "sts-record-invalid", "policy", "sts-policy-invalid" },
        .published = { .sts_record = STS_RECORD, .second_sts_record = "v=STSv1; id=2;" },
    },
    {
        .name = "sts-record-servfail",
        .summary = "asking for the MTA-STS record fails",
        .expect = { "dns-servfail", "dns", NULL },
        .published = { .sts_record = STS_RECORD, .sts_record_servfail = true },
    },
    {
        .name = "sts-policy-without-max-age",
        .summary = "the MTA-STS policy has no max_age",
        .expect = { "sts-policy-invalid", "policy", "sts-policy-invalid" },
        .published = { .sts_record = STS_RECORD,
                       .policy = "version: STSv1\nmode: enforce\nmx: {host}\n" },
    },
    {
        .name = "sts-policy-unknown-mode",
        .summary = "the MTA-STS policy has a mode that does not exist",
        .expect = { "sts-policy-invalid", "policy", "sts-policy-invalid" },
        .published = { .sts_record = STS_RECORD,
                       .policy = "version: STSv1\nmode: strict\nmx: {host}\nmax_age: 86400\n" },
    },
    {
        .name = "sts-fetch-html",
        .summary = "a page of HTML in place of the MTA-STS policy",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD,
                       .content_type = "text/html",
                       .policy = "<!doctype html><title>Welcome</title>\n" },
    },
    {
        .name = "sts-fetch-404",
        .summary = "the web server has no MTA-STS policy (404)",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .status = 404, .policy = "" },
    },
    {
        .name = "sts-fetch-redirect",
        .summary = "the MTA-STS policy is behind a redirect, which nobody may follow",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD,
                       .status = 301,
                       .location = "https://www.lab.test/.well-known/mta-sts.txt",
                       .policy = "" },
    },
    {
        .name = "sts-fetch-refused",
        .summary = "nobody listens where the MTA-STS policy should be",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_REFUSES },
    },
    {
        .name = "sts-fetch-no-address",
        .summary = "the name of the MTA-STS policy's server has no address",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_NO_ADDRESS },
    },
    {
        .name = "sts-fetch-servfail",
        .summary = "asking for the address of the MTA-STS policy's server fails",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_SERVFAIL },
    },
    {
        .name = "sts-fetch-not-tls",
        .summary = "HTTP in the clear where the MTA-STS policy should be",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_NOT_TLS },
    },
    {
        .name = "sts-fetch-tls11-only",
        .summary = "the server of the MTA-STS policy speaks TLS 1.1 at most",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD,
                       .minimum_version = TLS_VERSION_1_0,
                       .maximum_version = TLS_VERSION_1_1 },
    },
    {
        .name = "sts-fetch-stalls-in-tls",
        .summary = "the server of the MTA-STS policy never answers the ClientHello",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_STALLS },
        .client = { .timeout_s = 4 },
    },
    {
        .name = "sts-fetch-silent",
        .summary = "the server of the MTA-STS policy never answers the request",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_SILENT },
        .client = { .timeout_s = 4 },
    },
    {
        .name = "sts-fetch-drips",
        .summary = "the MTA-STS policy comes at an octet a second, without end",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_DRIPS },
        .client = { .timeout_s = 4 },
    },
    {
        .name = "sts-fetch-cut",
        .summary = "the connection ends in the middle of the MTA-STS policy",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_CUT },
    },
    {
        .name = "sts-fetch-not-http",
        .summary = "a mail server where the MTA-STS policy should be",
        .expect = { "sts-fetch-failed", "policy", "sts-policy-fetch-error" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_NOT_HTTP },
    },
    {
        .name = "sts-policy-huge",
        .summary = "an MTA-STS policy without end",
        .expect = { "sts-policy-invalid", "policy", "sts-policy-invalid" },
        .published = { .sts_record = STS_RECORD, .server = FAULT_POLICY_HUGE },
    },
    {
        .name = "sts-certificate-expired",
        .summary = "the certificate of the MTA-STS policy's server has expired",
        .expect = { "sts-certificate-invalid", "policy", "sts-webpki-invalid" },
        .published = { .sts_record = STS_RECORD, .certificate = CERTIFICATE_EXPIRED },
    },
    {
        .name = "sts-certificate-wrong-name",
        .summary = "the MTA-STS policy's server has a certificate for another name",
        .expect = { "sts-certificate-invalid", "policy", "sts-webpki-invalid" },
        .published = { .sts_record = STS_RECORD, .certificate = CERTIFICATE_WRONG_NAME },
    },
    {
        .name = "sts-certificate-self-signed",
        .summary = "the server of the MTA-STS policy signed its certificate itself",
        .expect = { "sts-certificate-invalid", "policy", "sts-webpki-invalid" },
        .published = { .sts_record = STS_RECORD, .certificate = CERTIFICATE_SELF_SIGNED },
    },
    {
        .name = "sts-certificate-leaf-only",
        .summary = "the server of the MTA-STS policy leaves its intermediate out",
        .expect = { "sts-certificate-invalid", "policy", "sts-webpki-invalid" },
        .published = { .sts_record = STS_RECORD, .certificate = CERTIFICATE_LEAF_ONLY },
    },
    {
        .name = "sts-host-not-listed",
        .summary = "the MTA-STS policy in force does not list the MX host",
        .expect = { "sts-host-not-listed", "policy", "validation-failure" },
        .safety = FAULT_UNTRUSTED,
        .published = { .sts_record = STS_RECORD,
                       .policy = "version: STSv1\nmode: enforce\nmx: *.elsewhere.test\n"
                                 "max_age: 604800\n" },
    },
    {
        .name = "sts-host-not-listed-testing",
        .summary = "the MTA-STS policy does not list the MX host, in mode testing",
        .expect = { "sts-host-not-listed", "policy", "validation-failure" },
        .published = { .sts_record = STS_RECORD, .policy = TESTING },
    },
    {
        .name = "sts-pattern-unused",
        .summary = "the MTA-STS policy lists the MX host, and one that the domain does not have",
        .expect = { "sts-pattern-unused", "policy", NULL },
        .published = { .sts_record = STS_RECORD,
                       .policy = "version: STSv1\nmode: enforce\nmx: {host}\n"
                                 "mx: gone.lab.test\nmax_age: 604800\n" },
    },
    {
        .name = "tlsrpt-without-rua",
        .summary = "the record for TLS reports names nobody who gets them",
        .expect = { "tlsrpt-record-invalid", "policy", NULL },
        .published = { .report_record = "v=TLSRPTv1;" },
    },
    {
        .name = "tlsrpt-two-records",
        .summary = "two records for TLS reports where one may be",
        .expect = { "tlsrpt-record-invalid", "policy", NULL },
        .published = { .report_record = "v=TLSRPTv1; rua=mailto:a@lab.test",
                       .second_report_record = "v=TLSRPTv1; rua=mailto:b@lab.test" },
    },
};

const struct fault_part faults_published = { rows, ARRAY_SIZE(rows) };
