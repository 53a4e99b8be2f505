/* diagnose/catalogue_rows_policy.c - the words of findings of what a domain publishes and a policy asks for. */
#include "diagnose/catalogue_rows.h"

#include "base/compiler.h"

#define FAILURE "validation-failure"

const struct catalogue_row catalogue_rows_policy[] = {
    {
        .code = "tlsa-mismatch",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = "tlsa-invalid",
        .enhanced_status = "4.7.5",
        .title = "No TLSA record matches the certificate",
        .cause =
            "{records} of {host} {match} the certificate that it shows; senders with DANE will not "
            "deliver",
        .remedy = "Publish the record of the key in use, {tlsa_name}. IN TLSA {record}; at "
                  "each key change publish the new record a TTL before the key",
        .source = "RFC 7672 section 3, RFC 7671 section 8.1",
        .lab = "tlsa-mismatch",
    },
    {
        .code = "tlsa-unusable",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = "tlsa-invalid",
        .enhanced_status = "4.7.5",
        .title = "No TLSA record can be used",
        .cause = "No TLSA record of {host} can be used for mail ({why}), so DANE protects nothing "
                 "here",
        .remedy = "Publish a record with usage 3 or 2, {tlsa_name}. IN TLSA {record}",
        .source = "RFC 7672 section 3.1.3, section 2.2",
        .lab = "tlsa-unusable",
    },
    {
        .code = "tlsa-dangling",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The TLSA name is an alias that leads nowhere",
        .cause = "{tlsa_name} is an alias of {alias}, where there is no TLSA record, so DANE "
                 "protects nothing at {host}",
        .remedy = "Publish {alias}. IN TLSA {record}, in a signed zone; or that record in place of "
                  "the alias: {tlsa_name}. IN TLSA {record}",
        .source = "RFC 7672 section 2.2.3, RFC 7671 section 7",
        .lab = "tlsa-dangling",
    },
    {
        .code = "tlsa-insecure",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The TLSA records are in an unsigned zone",
        .cause = "{tlsa_name} is an alias of {alias}, whose zone is not signed: the TLSA records "
                 "there count for nothing, so DANE protects nothing at {host}",
        .remedy = "Sign the zone of {alias} and have its DS published; or put the record in place "
                  "of the alias: {tlsa_name}. IN TLSA {record}",
        .source = "RFC 7672 section 2.2, section 2.2.3, RFC 7671 section 7",
        .lab = "tlsa-insecure",
    },
    {
        .code = "tlsa-lookup-failed",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = "dnssec-invalid",
        .enhanced_status = "4.7.5",
        .title = "The TLSA look-up fails in a signed zone",
        .cause = "The zone of {host} is signed, and asking for its TLSA record fails; senders with "
                 "DANE must wait, for an attacker could make it fail too",
        .remedy =
            "Repair the name servers: they have to answer or to deny it with a signature: dig "
            "+dnssec TLSA {tlsa_name}",
        .source = "RFC 7672 section 2.1.2, section 2.2",
        .lab = "tlsa-servfail",
    },
    {
        .code = "dane-mx-insecure",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_NOTICE,
        .enhanced_status = "4.7.5",
        .title = "TLSA records behind an MX that is not signed",
        .cause =
            "{host} has TLSA records, but the MX record of {domain} that names it is not signed: "
            "whoever forges that leads the mail elsewhere",
        .remedy = "Sign the zone of {domain}; then DANE protects the whole way",
        .source = "RFC 7672 section 2.2.1",
        .lab = "mx-insecure",
    },
    {
        .code = "dane-required",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = "dane-required",
        .enhanced_status = "4.7.5",
        .title = "Our rule demands DANE, and there is none",
        .cause = "Our rule for {domain} is dane-only, and {host} has no usable TLSA record ({why})",
        .remedy = "The owner of {host} publishes {tlsa_name}. IN TLSA {record} in a signed "
                  "zone; or our rule asks for less (level dane)",
        .source = "RFC 7672 section 6, RFC 8460 section 4.3.2.1",
        .lab = "no-tlsa",
    },
    {
        .code = "sts-record-invalid",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = "sts-policy-invalid",
        .enhanced_status = "4.7.5",
        .title = "The MTA-STS record is invalid",
        .cause = "The TXT record _mta-sts.{domain} is no valid MTA-STS record: {why}",
        .remedy = "Publish exactly one: _mta-sts.{domain}. IN TXT \"v=STSv1; id={id}\"",
        .source = "RFC 8461 section 3.1",
        .lab = "sts-record-without-id",
    },
    {
        .code = "sts-policy-invalid",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = "sts-policy-invalid",
        .enhanced_status = "4.7.5",
        .title = "The MTA-STS policy is invalid",
        .cause = "The MTA-STS policy of {domain} is invalid: {why}",
        .remedy = "Correct https://mta-sts.{domain}/.well-known/mta-sts.txt: version, mode, mx and "
                  "max_age, one a line",
        .source = "RFC 8461 section 3.2",
        .lab = "sts-policy-without-max-age",
    },
    {
        .code = "sts-fetch-failed",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = "sts-policy-fetch-error",
        .enhanced_status = "4.7.5",
        .title = "The MTA-STS policy cannot be fetched",
        .cause = "The MTA-STS policy of {domain} cannot be fetched: {why}",
        .remedy = "Let the web server answer: curl -v "
                  "https://mta-sts.{domain}/.well-known/mta-sts.txt",
        .source = "RFC 8461 section 3.3",
        .lab = "sts-fetch-404",
    },
    {
        .code = "sts-certificate-invalid",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = "sts-webpki-invalid",
        .enhanced_status = "4.7.5",
        .title = "The certificate of the policy host is invalid",
        .cause = "The web server mta-sts.{domain} shows a certificate that does not verify: {why}",
        .remedy = "Give mta-sts.{domain} a certificate of a public authority with that name",
        .source = "RFC 8461 section 3.3",
        .lab = "sts-certificate-expired",
    },
    {
        .code = "sts-host-not-listed",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The MTA-STS policy does not list the host",
        .cause = "The MTA-STS policy of {domain} does not list its MX host {host}",
        .remedy = "Add \"mx: {host}\" to the policy and give its record a new id, or take the host "
                  "out of the MX records",
        .source = "RFC 8461 section 4.1, section 5",
        .lab = "sts-host-not-listed",
    },
    {
        .code = "sts-pattern-unused",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The MTA-STS policy lists a host that is no MX",
        .cause = "The MTA-STS policy of {domain} lists {patterns}, and no MX host of {domain} has "
                 "such a name",
        .remedy = "Correct the line in the policy or take it out ({lines}), then give the record "
                  "_mta-sts.{domain} a new id; while hosts move, old and new ones may both stand "
                  "there",
        .source = "RFC 8461 section 3.2, section 4.1",
        .lab = "sts-pattern-unused",
    },
    {
        .code = "tlsrpt-record-invalid",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The record for TLS reports is invalid",
        .cause = "The TXT record _smtp._tls.{domain} is no valid record for TLS reports: {why}; "
                 "nobody sends any",
        .remedy = "Publish exactly one: _smtp._tls.{domain}. IN TXT \"v=TLSRPTv1; "
                  "rua=mailto:tls-reports@{domain}\"",
        .source = "RFC 8460 section 3",
        .lab = "tlsrpt-without-rua",
    },
    {
        .code = "fingerprint-mismatch",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The certificate is not the one that we pinned",
        .cause = "{host} shows another certificate than our rule has pinned",
        .remedy = "Ask the owner of {host} over another channel whether the certificate was "
                  "changed; if so, put its new fingerprint into our rule: {record}",
        .source = "RFC 7435 section 1.2",
        .lab = "pinned-otherwise",
    },
    {
        .code = "level-unavailable",
        .step = STEP_POLICY,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_UNTRUSTED,
        .enhanced_status = "4.7.0",
        .title = "We failed to look up what a domain publishes",
        .cause = "Our rule for {domain} is {level}, and we failed to look up what {domain} "
                 "publishes ({why}), so that nobody can say whether this server fits",
        .remedy = "Mail waits, and it is looked up again by itself; where that goes on, see to our "
                  "memory, descriptors and resolver, then say postern queue retry @{domain}",
        .source = "RFC 7672 section 2.2, RFC 8461 section 5",
        .lab_reason = "it is our own memory or descriptors that are spent",
    },
    /* of many hosts together */
    {
        .code = "all-fail-alike",
        .step = STEP_CONNECT,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "Every destination fails in the same way",
        .cause = "All of {count} unrelated mail hosts fail with {code}, so the cause lies on our "
                 "side: a firewall or proxy of ours stands before all of them",
        .remedy = "Check again from a host outside our network; switch off SMTP inspection and TLS "
                  "interception for outbound port 25",
        .source = "RFC 3207 section 6",
        .lab_reason = "our own firewall is no server",
    },
    {
        .code = "requiretls-not-offered",
        .step = STEP_POLICY,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = NULL,
        .enhanced_status = "5.7.30",
        .title = "REQUIRETLS is not offered",
        .cause = "{host} does not offer REQUIRETLS inside TLS, which the message asks for",
        .remedy =
            "Let {host} offer it (Postfix from 3.11 on: see its REQUIRETLS_README; Postern does), or send a message that does not need it without REQUIRETLS",
        .source = "RFC 8689 section 4.2.1",
        .lab = "no-requiretls",
    },
    {
        .code = "requiretls-host-insecure",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = NULL,
        .enhanced_status = "5.7.30",
        .title = "Nobody vouches for the name of the host",
        .cause =
            "Nobody vouches for {host} as a mail host of {domain}: its MX answer is not signed, and no MTA-STS policy lists the host; the message asks for REQUIRETLS",
        .remedy =
            "The owner of {domain} signs its zone with DNSSEC, or publishes an MTA-STS policy with \"mx: {host}\"; a message that does not need it is sent without REQUIRETLS",
        .source = "RFC 8689 section 4.2.1, RFC 8461 section 4.1",
        .lab = "requiretls-insecure",
    },
};

const size_t catalogue_rows_policy_count = ARRAY_SIZE(catalogue_rows_policy);
