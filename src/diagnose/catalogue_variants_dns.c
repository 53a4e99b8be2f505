/* diagnose/catalogue_variants_dns.c - other words for look-ups and for what a domain publishes, by what keeps it from senders. */
#include "diagnose/catalogue_rows.h"

#include "base/compiler.h"

#define NOT_FETCHED "The MTA-STS policy of {domain} cannot be fetched: {why}"

const struct catalogue_variant catalogue_variants_dns[] = {
    {
        .key = "own-resolver",
        .fault = FAULT_CLIENT,
        .cause = "Our own resolver answers nothing, neither {name} {type} nor a question for the "
                 "root: it says nothing of {domain}, and every domain fails alike",
        .remedy = "Start our resolver or open the way to it: dig . SOA (with @ADDRESS where our "
                  "settings or --resolver name another than /etc/resolv.conf) has to be answered",
    },
    {
        .key = "short-time",
        .fault = FAULT_CLIENT,
        .cause = "No answer for {name} {type} came within {seconds}, and that was all the time "
                 "given for it: it says nothing of {domain} yet",
        .remedy = "Give it more time: postern check --timeout 30 {domain}; it takes 10 seconds to "
                  "know that nobody answers for a name",
    },
    {
        .key = "own-anchor",
        .fault = FAULT_CLIENT,
        .cause = "DNSSEC validation fails from our trust anchor on, so the answer for {name} "
                 "{type} cannot be believed, nor any other below it: {why}",
        .remedy = "See that our resolver hands signatures on (dig +dnssec . DNSKEY shows RRSIG), "
                  "and renew the anchor: apt-get install --only-upgrade dns-root-data",
    },
    {
        .key = "sts-fetch-no-address",
        .fault = FAULT_POLICY,
        .cause = NOT_FETCHED,
        .remedy = "Give mta-sts.{domain} an A or AAAA record: dig A mta-sts.{domain}",
    },
    {
        .key = "sts-fetch-look-up",
        .fault = FAULT_POLICY,
        .cause = NOT_FETCHED,
        .remedy = "Repair the name servers of mta-sts.{domain}: dig +trace A mta-sts.{domain}",
    },
    {
        .key = "sts-fetch-no-connect",
        .fault = FAULT_POLICY,
        .cause = NOT_FETCHED,
        .remedy = "Let a web server listen on port 443 of mta-sts.{domain}, open to everybody: "
                  "curl -v https://mta-sts.{domain}/.well-known/mta-sts.txt",
    },
    {
        .key = "sts-fetch-private",
        .fault = FAULT_POLICY,
        .cause = NOT_FETCHED,
        .remedy =
            "Give mta-sts.{domain} an address that everybody reaches; where it is a host of our "
            "own network, set private_addresses = yes in the section client, or say "
            "check --private-addresses",
    },
    {
        .key = "sts-fetch-no-tls",
        .fault = FAULT_POLICY,
        .cause = NOT_FETCHED,
        .remedy = "Let the web server speak TLS 1.2 or 1.3 on port 443: openssl s_client "
                  "-connect mta-sts.{domain}:443 -servername mta-sts.{domain}",
    },
    {
        .key = "sts-fetch-redirect",
        .fault = FAULT_POLICY,
        .cause = NOT_FETCHED,
        .remedy = "Serve the file under that name itself, without a redirect: curl -sv "
                  "https://mta-sts.{domain}/.well-known/mta-sts.txt must show 200 and no "
                  "Location",
    },
    {
        .key = "sts-fetch-status",
        .fault = FAULT_POLICY,
        .cause = NOT_FETCHED,
        .remedy = "Put the policy there (postern publish --policy-file FILE {domain} writes it "
                  "where Postern serves {domain}): curl -sv "
                  "https://mta-sts.{domain}/.well-known/mta-sts.txt must show 200",
    },
    {
        .key = "sts-fetch-type",
        .fault = FAULT_POLICY,
        .cause = NOT_FETCHED,
        .remedy = "Send it as text/plain (nginx: default_type text/plain; Apache: AddType "
                  "text/plain .txt): curl -sI https://mta-sts.{domain}/.well-known/mta-sts.txt",
    },
    {
        .key = "sts-records-several",
        .fault = FAULT_POLICY,
        .cause = "The TXT record _mta-sts.{domain} is no valid MTA-STS record: {why}",
        .remedy = "Leave one of them and delete the others: dig TXT _mta-sts.{domain} shows them",
    },
    {
        .key = "tlsrpt-records-several",
        .fault = FAULT_POLICY,
        .cause = "The TXT record _smtp._tls.{domain} is no valid record for TLS reports: {why}; "
                 "nobody sends any",
        .remedy = "Leave one of them and delete the others (one record may name several addresses, "
                  "with commas): dig TXT _smtp._tls.{domain} shows them",
    },
};

const size_t catalogue_variants_dns_count = ARRAY_SIZE(catalogue_variants_dns);
