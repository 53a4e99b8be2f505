/* diagnose/catalogue_rows_publish.c - the words of findings about what we publish ourselves.
 *
 * The receiving side is ours here: FAULT_SERVER is our gateway, FAULT_DNS our zone, FAULT_POLICY our policy file and
 * the records that belong to it.
 */
#include "diagnose/catalogue_rows.h"

#include "base/compiler.h"

#define SHOWN_BY_A_TEST                                                                             \
    "the lab plays servers, and this is our own publishing; tests/integration/cli/publish_test.py " \
    "has a zone for it"

const struct catalogue_row catalogue_rows_publish[] = {
    {
        .code = "publish-mx-elsewhere",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.4.4",
        .title = "The MX records name no host of ours",
        .cause = "Mail for {domain} goes to {hosts}, and none of these hosts is ours: neither our "
                 "hostname, {hostname}, nor a name in our certificates",
        .remedy = "Let MX lead to us ({domain}. IN MX 10 {hostname}.), or set hostname to what MX "
                  "names; where others are to take the mail first, they publish for their hosts",
        .source = "RFC 5321 section 5.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-zone-unsigned",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The zone is not signed: TLSA counts nothing",
        .cause = "The zone of {zone} is not signed, so the TLSA records of {host} protect nothing: "
                 "no sender goes by them",
        .remedy = "Sign the zone and have its DS record put into the zone above (Knot: "
                  "dnssec-signing: on); until then only MTA-STS protects mail for {domain}",
        .source = "RFC 7672 section 2.2",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-tlsa-missing",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "A host of ours has no TLSA record",
        .cause = "The zone of {host} is signed, and there is no TLSA record in it: senders with "
                 "DANE cannot tell us from anybody between",
        .remedy = "Publish {tlsa_name}. IN TLSA {record}",
        .source = "RFC 7672 section 3.1.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-tlsa-stale",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_UNTRUSTED,
        .enhanced_status = "4.7.5",
        .title = "No live TLSA record matches our certificate",
        .cause = "{records} of {host} {match} the certificate in {file}: senders with DANE keep "
                 "their mail for {domain}",
        .remedy = "Publish {tlsa_name}. IN TLSA {record} at once; take the others away two TTLs "
                  "later",
        .source = "RFC 7672 section 3, RFC 7671 section 8.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-tlsa-leftover",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_NOTICE,
        .enhanced_status = "4.7.5",
        .title = "A live TLSA record stands for no key of ours",
        .cause = "{records} of {host} {stand} for no key of ours, neither a present nor a next one",
        .remedy = "Take it out of the zone; if it is of a key that is to come, name that key in "
                  "next_key of the listener",
        .source = "RFC 7671 section 8.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-tlsa-breaks-at-renewal",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The next renewal breaks DANE",
        .cause = "Once {file} is renewed with its next key, {next}, no live TLSA record of {host} "
                 "matches it, and senders with DANE keep their mail",
        .remedy = "Publish {tlsa_name}. IN TLSA {record} now, beside the present one; renew two "
                  "TTLs later at the earliest",
        .source = "RFC 7671 section 8.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-next-key-unknown",
        .step = STEP_POLICY,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_NOTICE,
        .enhanced_status = "4.7.5",
        .title = "The key of the next renewal is not known",
        .cause = "Whether the TLSA records of {host} outlive the renewal of {file}, due by {date}, "
                 "cannot be told: its next key is not in the settings",
        .remedy = "Make the next key ahead, and name it in next_key of the listener; or keep the "
                  "present one at renewals (certbot --reuse-key), and name that one there",
        .source = "RFC 7671 section 8.1, section 8.4",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-sts-missing",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "Our MTA-STS record is missing",
        .cause = "The settings call for MTA-STS at mode {mode}, and there is no record "
                 "_mta-sts.{domain}: senders see no policy",
        .remedy =
            "Serve the policy file at https://mta-sts.{domain}/.well-known/mta-sts.txt "
            "(--policy-file writes it), and then publish _mta-sts.{domain}. IN TXT \"{record}\"",
        .source = "RFC 8461 section 3.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-sts-policy-stale",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The live MTA-STS policy is not our settings'",
        .cause =
            "The live MTA-STS policy of {domain} is not what the settings call for: {differences}",
        .remedy = "Put the new policy file in its place first (--policy-file writes it), and then "
                  "publish its id: _mta-sts.{domain}. IN TXT \"{record}\"",
        .source = "RFC 8461 section 3.2, section 8.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-sts-id-stale",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The policy was changed, and its id was not",
        .cause = "The record _mta-sts.{domain} has the id of another policy than the one that is "
                 "live: senders that hold the other go by it until it ends by itself",
        .remedy = "Publish _mta-sts.{domain}. IN TXT \"{record}\"",
        .source = "RFC 8461 section 3.1, section 8.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-sts-mx-unlisted",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_UNTRUSTED,
        .enhanced_status = "4.7.5",
        .title = "The policy of the settings misses an MX host",
        .cause =
            "The MTA-STS policy that the settings call for does not list {hosts}, named by the "
            "MX records of {domain}; at mode enforce senders pass over whom it does not list",
        .remedy = "Name every MX host in sts_mx of the domain, or take those out of the MX records",
        .source = "RFC 8461 section 4.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-sts-certificate",
        .step = STEP_CERTIFICATE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_UNTRUSTED,
        .enhanced_status = "4.7.5",
        .title = "Our certificate fails our MTA-STS policy",
        .cause = "With MTA-STS at mode {mode} senders do not accept the certificate of {host} in "
                 "{file}: {why}",
        .remedy = "{remedy}. Until then the policy should say mode: testing",
        .source = "RFC 8461 section 4.2",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-sts-unexpected",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_NOTICE,
        .enhanced_status = "4.7.5",
        .title = "A live MTA-STS policy is not in the settings",
        .cause =
            "{domain} has a live MTA-STS policy of mode {mode}, and the settings say sts = off",
        .remedy = "Say sts = {mode} for the domain, so that the policy is kept in step with the "
                  "hosts; or take it back: sts = none, and the record away once its age is over",
        .source = "RFC 8461 section 8.3",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-reports-missing",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "Our record for TLS reports is missing",
        .cause = "The settings ask for TLS reports about {domain}, and there is no record "
                 "_smtp._tls.{domain}: nobody sends any",
        .remedy = "Publish _smtp._tls.{domain}. IN TXT \"{record}\"",
        .source = "RFC 8460 section 3",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-reports-stale",
        .step = STEP_POLICY,
        .fault = FAULT_POLICY,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "TLS reports go not where the settings say",
        .cause = "TLS reports about {domain} go to {live}, and the settings say {wanted}",
        .remedy = "Publish _smtp._tls.{domain}. IN TXT \"{record}\", or change reports_to",
        .source = "RFC 8460 section 3",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-dkim-missing",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "The key of our TLS reports is not published",
        .cause = "Our TLS reports are signed with the key in {file}, and there is no record "
                 "{dkim_name}: whoever gets them ignores them",
        .remedy = "Publish the TXT record {dkim_name} as it is printed for the zone",
        .source = "RFC 8460 section 3, RFC 6376 section 3.6.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
    {
        .code = "publish-dkim-stale",
        .step = STEP_POLICY,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.7.5",
        .title = "A published key is not that of our reports",
        .cause = "The record {dkim_name} has another key than {file}, which signs our TLS reports: "
                 "whoever gets them ignores them",
        .remedy = "Publish the TXT record {dkim_name} as it is printed for the zone; or take a new "
                  "dkim_selector for the new key, and leave the record before for some days",
        .source = "RFC 8460 section 3, RFC 6376 section 3.6.1",
        .lab_reason = SHOWN_BY_A_TEST,
    },
};

const size_t catalogue_rows_publish_count = ARRAY_SIZE(catalogue_rows_publish);

const struct catalogue_variant catalogue_variants_publish[] = {
    {
        .key = "publish-zone-unsigned-empty",
        .fault = FAULT_DNS,
        .cause =
            "The zone of {zone} is not signed, so a TLSA record of {host} would protect nothing",
    },
    {
        .key = "publish-zone-unsigned-mx",
        .fault = FAULT_DNS,
        .cause =
            "The zone of {zone} is not signed, so no sender can be sure that {host} is its mail "
            "host, and the TLSA records of {host} prove little",
    },
    {
        .key = "publish-tlsa-unusable",
        .fault = FAULT_DNS,
        .cause = "No live TLSA record of {host} counts for mail ({why}): senders with DANE cannot "
                 "tell us from anybody between",
    },
    {
        .key = "publish-renewal-certificate",
        .fault = FAULT_DNS,
        .cause = "The live TLSA records of {host} stand for the very certificate in {file}, which "
                 "ends on {date}: with any other one senders with DANE keep their mail",
    },
    {
        .key = "publish-sts-no-certificate",
        .fault = FAULT_SERVER,
        .cause = "With MTA-STS at mode {mode} senders deliver over STARTTLS alone, and no listener "
                 "of ours offers it with a certificate",
        .remedy = "Give the listener on port 25 a certificate and tls = may; until then the policy "
                  "should say mode: testing",
    },
};

const size_t catalogue_variants_publish_count = ARRAY_SIZE(catalogue_variants_publish);
