/* diagnose/catalogue_rows_tls.c - the words of findings of the handshake. */
#include "diagnose/catalogue_rows.h"

#include "base/compiler.h"

#define FAILURE "validation-failure"

const struct catalogue_row catalogue_rows_tls[] = {
    {
        .code = "handshake-closed",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The server hangs up in the handshake",
        .cause = "{host} closes the connection {when}, without an alert that says why{though}",
        .remedy =
            "Read the TLS errors in the log of {host} at that time: mostly its key and "
            "certificate do not load, or the TLS process dies; try {probe} on the host itself",
        .source = "RFC 8446 section 6.2",
        .lab = "closes-in-handshake",
    },
    {
        .code = "handshake-reset",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The connection is reset in the handshake",
        .cause = "The connection to {host} is reset {when}{though}",
        .remedy = "Read the log of {host} at that time (Windows resets without an alert where its "
                  "service may not read its private key, or where nothing fits: Schannel events "
                  "36870 to 36888); if it shows nothing, something in between resets: try {probe} "
                  "on the host itself and from another network",
        .source = "RFC 8446 section 6.2",
        .lab = "resets-in-handshake",
    },
    {
        .code = "handshake-timeout",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The handshake stalls",
        .cause = "{host} says 220 to STARTTLS and then falls silent {when}: nothing more came "
                 "within {seconds}{though}",
        .remedy =
            "Look on {host} whether its TLS process hangs (random source, OCSP fetch, a proxy "
            "without backend); if {probe} works there, something in between drops packets "
            "(MTU, firewall). In a STARTTLS server of your own make sure that no buffered reader "
            "swallows the ClientHello behind the command",
        .source = "RFC 3207 section 4, RFC 4821 section 1",
        .lab = "stalls-in-handshake",
    },
    {
        .code = "handshake-no-common-version",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "No TLS version in common",
        .cause = "{host} speaks {theirs}; we offer {ours}, and nothing older is safe",
        .remedy =
            "Enable TLS 1.2 and 1.3 on {host} (Postfix: smtpd_tls_protocols = >=TLSv1.2; "
            "Exchange: SCHANNEL registry keys, then restart), mostly with a newer TLS library",
        .source = "RFC 8996 section 4, RFC 8446 section 4.1.3",
        .lab = "tls10-only",
    },
    {
        .code = "handshake-no-common-cipher",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "No cipher in common",
        .cause = "{host} accepts no cipher, group or signature algorithm that we offer",
        .remedy = "Allow today's ciphers on {host} (Postfix: smtpd_tls_ciphers = medium and no "
                  "smtpd_tls_exclude_ciphers; Exim: tls_require_ciphers unset) and make sure that "
                  "its certificate and key are loaded",
        .source = "RFC 9325 section 4.2, RFC 8446 section 4.1.1",
        .lab = "rc4-only",
    },
    {
        .code = "handshake-weak-dh",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The Diffie-Hellman group is too small",
        .cause = "{host} uses a Diffie-Hellman group of {bits}; at least 2048 bits are needed",
        .remedy = "Enable ECDHE on {host}, or give it a group of 2048 bits (Postfix: unset "
                  "smtpd_tls_dh1024_param_file; Exim: tls_dhparam = ffdhe2048; Sendmail: O "
                  "DHParameters=2)",
        .source = "RFC 9325 section 4.5, RFC 7919 section 4",
        .lab = "dh-1024",
    },
    {
        .code = "handshake-legacy-renegotiation",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The server lacks secure renegotiation",
        .cause =
            "{host} does not know secure renegotiation (RFC 5746), the repair of CVE-2009-3555; "
            "TLS libraries of today refuse such a server",
        .remedy = "Update the TLS library or the appliance that answers for {host}; it dates from "
                  "before 2010",
        .source = "RFC 5746 section 4.1, RFC 9325 section 3.5",
        .lab = "legacy-renegotiation",
    },
    {
        .code = "handshake-name-not-recognized",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The server does not know the name in SNI",
        .cause = "{host} refuses the name \"{sni}\" in SNI with the alert unrecognized_name",
        .remedy =
            "Teach {host} the name that its MX record has, or let it fall back to its default "
            "certificate for unknown names, as RFC 6066 advises",
        .source = "RFC 6066 section 3, RFC 7672 section 8.1",
        .lab = "unknown-name",
    },
    {
        .code = "handshake-alert",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The handshake ends with an alert",
        .cause = "{host} ends the handshake {when} with the alert {alert}: {meaning}{though}",
        .remedy = "Read the TLS error in the log of {host} at that time; reproduce it with {probe}",
        .source = "RFC 8446 section 6.2",
        .lab = "internal-error",
    },
    {
        .code = "client-certificate-required",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The server demands a client certificate",
        .cause = "{host} demands a client certificate and we showed none",
        .remedy = "Configure a client certificate (postern check: --client-cert FILE "
                  "--client-key FILE; postern.conf: the section client), issued by {authorities}",
        .source = "RFC 8446 section 4.4.2.4, RFC 5246 section 7.4.6",
        .lab = "needs-client-certificate",
    },
    {
        .code = "client-certificate-rejected",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The server refuses our client certificate",
        .cause = "{host} refuses our client certificate {subject}: {why}",
        .remedy = "{advice}",
        .source = "RFC 8446 section 4.4.2.4, section 6.2",
        .lab = "rejects-client-certificate",
    },
    {
        .code = "client-certificate-expired",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "Our client certificate has expired",
        .cause = "Our own client certificate {subject} expired on {date}",
        .remedy = "Renew it and replace {file}: openssl x509 -noout -enddate -in {file}",
        .source = "RFC 5280 section 4.1.2.5, RFC 8446 section 6.2",
        .lab = "expired-client-certificate",
    },
    {
        .code = "client-certificate-unusable",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "Our client certificate cannot be used",
        .cause = "Our own client certificate {subject} cannot be used: {why}",
        .remedy = "{advice}",
        .source = "RFC 8446 section 4.4.3",
        .lab = "wrong-client-key",
    },
    {
        .code = "server-tls13-only",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_WARNING,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "Senders without TLS 1.3 fail",
        .cause = "{host} works for us because we speak TLS 1.3; senders that know TLS 1.2 at most, "
                 "such as those with OpenSSL before 1.1.1 or Windows before Server 2022, get no "
                 "session",
        .remedy = "Allow TLS 1.2 beside TLS 1.3 on {host} (Postfix: smtpd_tls_protocols = "
                  ">=TLSv1.2); it is still sound with modern ciphers",
        .source = "RFC 9325 section 3.1.1",
        .lab_reason =
            "healthy-tls13-only shows it to --as-others; without that it is a sound server",
    },
    {
        .code = "version-below-minimum",
        .step = STEP_POLICY,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_UNTRUSTED,
        .tls_report = FAILURE,
        .enhanced_status = "4.7.5",
        .title = "The TLS version is older than the rule allows",
        .cause = "{host} chose {version}, and the rule for {domain} asks for {minimum} or newer",
        .remedy = "Enable {minimum} on {host}, or lower minimum_tls in the rule for {domain}",
        .source = "RFC 9325 section 3.1.1",
        .lab_reason = "it takes a rule of ours; a unit test has one",
    },
};

const size_t catalogue_rows_tls_count = ARRAY_SIZE(catalogue_rows_tls);

const struct catalogue_variant catalogue_variants[] = {
    {
        .key = "large-hello",
        .fault = FAULT_NETWORK,
        .cause = "Something on the way to {host} does not let a ClientHello of {large} octets "
                 "through, though one of {small} octets passes",
        .remedy = "Update or bypass the firewall or load balancer in front of {host} that inspects "
                  "TLS (known: F5 BIG-IP with ClientHello of 256 to 511 octets, old Cisco ASA); "
                  "until then limit what is offered to it: TLS 1.2 and few ciphers",
    },
    {
        .key = "tls13-intolerant",
        .fault = FAULT_SERVER,
        .cause = "{host} {how} where TLS 1.3 is offered, though it accepts a ClientHello that "
                 "offers TLS 1.2 at most: it is intolerant of newer versions",
        .remedy = "Update the TLS library or appliance that answers for {host}: a server has to "
                  "answer an offer of newer versions with the newest that it knows",
    },
    {
        .key = "sni-intolerant",
        .fault = FAULT_SERVER,
        .cause = "{host} {how} where the ClientHello carries SNI ({sni}), though it accepts one "
                 "without",
        .remedy =
            "Repair the SNI handling of {host}: a server ignores names that it does not know, "
            "and serves its default certificate",
    },
    {
        .key = "ticket-intolerant",
        .fault = FAULT_SERVER,
        .cause = "{host} {how} where the client offers session tickets, though it accepts a "
                 "ClientHello without",
        .remedy = "Repair or switch off the session tickets of {host} (several backends behind one "
                  "address have to share the ticket key); until then switch resumption off for it",
    },
    {
        .key = "ecdsa-broken",
        .fault = FAULT_SERVER,
        .cause = "{host} {how} with its ECDSA certificate, though a handshake with RSA alone "
                 "succeeds",
        .remedy = "Check the ECDSA certificate and key of {host}, or take them out and leave RSA",
    },
    {
        .key = "tls13-broken",
        .fault = FAULT_SERVER,
        .cause = "{host} {how} under TLS 1.3, though TLS 1.2 with it succeeds: its TLS 1.3 is "
                 "broken",
        .remedy = "Update the TLS library of {host}; until then limit it to TLS 1.2 (Postfix: "
                  "smtpd_tls_protocols = >=TLSv1.2, <=TLSv1.2)",
    },
    {
        .key = "unstable",
        .fault = FAULT_SERVER,
        .cause = "{host} is unstable: it {how} at the first try, and the very same handshake "
                 "succeeds at the next",
        .remedy = "Look for what differs from one connection to the next: several machines behind "
                  "one address of which one is broken, a limit that is reached now and then, a "
                  "process that dies; the log of {host} at that second tells",
    },
    {
        .key = "key-mismatch",
        .fault = FAULT_SERVER,
        .cause = "The signature of {host} in the handshake does not verify with the key in its "
                 "certificate: key and certificate do not belong together, or the handshake was "
                 "altered on the way",
        .remedy = "Load the key that belongs to the certificate; both must print the same: openssl "
                  "x509 -in CERT -noout -pubkey; openssl pkey -in KEY -pubout",
    },
    {
        .key = "downgraded",
        .fault = FAULT_NETWORK,
        .cause = "{host} marks its ServerHello as a downgrade: it knows TLS 1.3 and was made to "
                 "choose less, though we offer TLS 1.3; so something in between alters our "
                 "ClientHello",
        .remedy =
            "Compare from another network; take out what inspects or alters TLS on the way to "
            "{host} (RFC 8446 section 4.1.3 has the marker for just this)",
    },
    {
        .key = "after-tls-record",
        .fault = FAULT_SERVER,
        .cause = "The handshake with {host} succeeds, and then it sends a record that TLS cannot "
                 "take ({meaning}), so that we end the session",
        .remedy = "Update the TLS library of {host}, or take out what alters bytes in between",
    },
    {
        .key = "cipher-obsolete",
        .fault = FAULT_SERVER,
        .cause = "{host} accepts only {theirs} ({weakness}), which no TLS library of today offers",
        .remedy = NULL,
    },
    {
        .key = "cipher-rare",
        .fault = FAULT_SERVER,
        .cause = "{host} accepts only {theirs}, which hardly any sender offers",
        .remedy = NULL,
    },
    {
        .key = "certificate-message",
        .fault = FAULT_SERVER,
        .cause = "The Certificate message of {host} is empty or cannot be read, so that we end the "
                 "handshake with the alert {alert}: {meaning}",
        .remedy = "Load a certificate that openssl x509 reads, with its key, and show it: {probe}",
    },
    {
        .key = "neither-tls-nor-text",
        .fault = FAULT_SERVER,
        .cause = "{host} says 220 to STARTTLS and then sends bytes that are neither TLS nor text",
        .remedy = "Find what answers behind the 220: SSLv2, another protocol, or a device that "
                  "alters bytes; the first bytes are in the proof",
    },
    {
        .key = "after-tls-no-reply",
        .fault = FAULT_SERVER,
        .cause = "TLS stands, and inside it {host} answers EHLO with what is no SMTP reply: {what}",
        .remedy = "Let an SMTP server answer inside TLS: what stands behind the TLS side speaks "
                  "another protocol, or breaks the grammar of replies",
    },
    {
        .key = "cipher-none",
        .fault = FAULT_SERVER,
        .cause =
            "{host} refuses every cipher that TLS ever had: its certificate or its key is not "
            "loaded or cannot be used, or its settings leave no cipher or group that fits them",
        .remedy = "Read the TLS error in the log of {host} and load certificate and key (Postfix: "
                  "postconf -n | grep smtpd_tls; smtpd_tls_chain_files = /PATH/KEY-AND-CHAIN.pem)",
    },
    {
        .key = "security-level",
        .fault = FAULT_SERVER,
        .cause = "{host} accepts only what is too weak for us: {theirs}",
        .remedy =
            "Replace what is weak on {host}: a certificate and key exchange signed with "
            "SHA-256 or better, RSA or DSA keys of 2048 bits, curves of 224 bits, AES ciphers",
    },
    {
        .key = "signature-algorithm",
        .fault = FAULT_SERVER,
        .cause = "{host} and we have no signature algorithm in common: {theirs}",
        .remedy = "Let {host} sign with RSA-PSS or ECDSA and SHA-256 or better; mostly a new "
                  "certificate with an RSA 2048 or P-256 key does it",
    },
    {
        .key = "group",
        .fault = FAULT_SERVER,
        .cause = "{host} and we have no key exchange group in common: {theirs}",
        .remedy =
            "Allow X25519 and P-256 on {host} (Postfix: tls_eecdh_auto_curves at its default; "
            "OpenSSL: Groups unset in openssl.cnf), and give it a certificate with a key that is "
            "RSA 2048 or on P-256",
    },
    {
        .key = "stops-before-signing",
        .fault = FAULT_SERVER,
        .cause =
            "{host} {closes} the connection after its Certificate, where it has to sign its key "
            "exchange: its private key cannot sign, or it finds no group for that{though}",
        .remedy =
            "Read the TLS errors in the log of {host} at that time: its key does not load or "
            "is not that of its certificate, or its list of curves has none of X25519, P-256, "
            "P-384; {probe} shows the same",
    },
    {
        .key = "required-in-silence",
        .fault = FAULT_CLIENT,
        .cause = "{host} asks for a client certificate and hangs up without a word when it gets "
                 "none, or one of an authority that it does not know: most likely it demands one",
        .remedy = NULL,
    },
    {
        .key = "name-or-none",
        .fault = FAULT_SERVER,
        .cause =
            "{host} has no certificate for the name \"{sni}\" in SNI, nor one for a client that "
            "gives no name: it answers both with the alert unrecognized_name",
        .remedy =
            "Load a certificate on {host} for the name that its MX record has, and make it the "
            "default (Go servers answer so where none is loaded at all)",
    },
    {
        .key = "version-unknown",
        .fault = FAULT_SERVER,
        .cause = "{host} says with the alert protocol_version that it has no TLS version in common "
                 "with us; we offer {ours}",
        .remedy = NULL,
    },
    {
        .key = "our-alert",
        .fault = FAULT_SERVER,
        .cause = "{host} breaks the rules of TLS {when}, so that we end the handshake with the "
                 "alert {alert}: {meaning}",
        .remedy = "Update the TLS library of {host}, or take out what alters bytes in between; try "
                  "{probe} on the host itself to tell which",
    },
    {
        .key = "certificate-too-large",
        .fault = FAULT_SERVER,
        .cause = "The certificate message of {host} is too large: {meaning}",
        .remedy = "Send the leaf and its intermediates alone, not a whole trust store",
    },
    {
        .key = "weak-dh-accepted",
        .fault = FAULT_SERVER,
        .cause = "{host} uses a Diffie-Hellman group of {bits}; it works for us, but OpenSSL at "
                 "security level 2 (Debian's default) refuses less than 2048 bits",
        .remedy = NULL,
    },
    {
        .key = "own-route",
        .fault = FAULT_CLIENT,
        .cause = "Our own host has no route to {endpoint}: {why}",
        .remedy =
            "Give our host a route for that address family (ip route get {address}), or leave "
            "these addresses out where we have none",
    },
    {
        .key = "name-mismatch-by-sni",
        .fault = FAULT_SERVER,
        .cause =
            "{host} serves a certificate for {names} when it is asked for {reference}, and the "
            "right one when it is not asked by name",
        .remedy = "Correct the SNI map of {host}: it leads {reference} to the wrong certificate",
    },
    {
        .key = "no-names",
        .fault = FAULT_SERVER,
        .cause = "The certificate carries no DNS name at all in subjectAltName, so it cannot name "
                 "{reference}",
        .remedy = NULL,
    },
    {
        .key = "name-mismatch-by-address",
        .fault = FAULT_CLIENT,
        .cause = "We went to {reference} by address, and its certificate does not name that "
                 "address; it names {names}",
        .remedy = "Say which host is meant: postern check --connect {address_port} HOST; in "
                  "postern.conf, next_hop with the name in place of the address. Or have the "
                  "certificate reissued with the IP address {reference} in subjectAltName",
    },
    {
        .key = "address-mismatch",
        .fault = FAULT_SERVER,
        .cause = "The certificate does not name the address {reference}; it names {names}",
        .remedy = "Reissue the certificate with the IP address {reference} in subjectAltName, or "
                  "ask for the host by its name",
    },
    {
        .key = "self-signed-by-address",
        .fault = FAULT_SERVER,
        .cause = "{host} shows a certificate that nobody vouches for: {subject} is its own issuer",
        .remedy = "Give that server a name and a certificate for it (there: certbot certonly "
                  "--standalone -d NAME), and go to it by that name: postern check --connect "
                  "{address_port} NAME; in postern.conf, next_hop with the name in place of the "
                  "address. Or hold it to its key: level = fingerprint",
    },
    {
        .key = "self-signed-for-address",
        .fault = FAULT_SERVER,
        .cause = "{host} shows a certificate that nobody vouches for: {subject} is its own issuer",
        .remedy = "Get a certificate with the IP address {reference} in subjectAltName from an "
                  "authority that senders trust, or ask for the host by its name",
    },
    {
        .key = "intermediate-of-another-key",
        .fault = FAULT_SERVER,
        .cause = "{host} sends {missing} with another key than the one that signed its "
                 "certificate, so nobody can get from its certificate to a root",
        .remedy = "Put the {missing} that came with the present certificate into the certificate "
                  "file of {host} and reload the mail server; with certbot use fullchain.pem",
    },
    {
        .key = "root-expired",
        .fault = FAULT_SERVER,
        .cause = "The chain of {host} leads to a root of our trust store that has expired: "
                 "{subject}, on {date}",
        .remedy = "If the authority has a newer root, our trust store is too old: apt-get install "
                  "--only-upgrade ca-certificates. If not, {host} needs a certificate under a root "
                  "that lasts",
    },
    {
        .key = "stray-null-mx",
        .fault = FAULT_DNS,
        .cause = "{domain} says with a null MX record that it takes no mail, and names mail hosts "
                 "beside it; some senders heed the one, some the other",
        .remedy = "The owner of {domain} takes out the record \"MX 0 .\", or all the others",
    },
    {
        .key = "tlsa-insecure-zone",
        .fault = FAULT_DNS,
        .cause =
            "The TLSA records at {tlsa_name} are in a zone of their own that is not signed: they "
            "count for nothing, so DANE protects nothing at {host}",
        .remedy =
            "Sign that zone and have its DS published, or let {tlsa_name} belong to the signed "
            "zone of {host}",
    },
    {
        .key = "tlsa-flaw-below",
        .fault = FAULT_SERVER,
        .cause = "A TLSA record of {host} names an authority above its certificate, but what hangs "
                 "below that does not hold; senders with DANE will not deliver",
        .remedy =
            "Leave the TLSA record as it is: it matches once the certificate below that authority "
            "is valid and names {host}",
    },
    {
        .key = "tlsa-key-changed",
        .fault = FAULT_POLICY,
        .cause =
            "{host} has had a new key since {date} and no new TLSA record: what is published is for the "
            "key of before; senders with DANE will not deliver",
        .remedy = NULL,
    },
    {
        .key = "tlsa-renewed-lately",
        .fault = FAULT_POLICY,
        .cause =
            "The TLSA records of {host} do not match its certificate, which began on {date}: it looks as "
            "if it was renewed without a new record; senders with DANE will not deliver",
        .remedy = NULL,
    },
    {
        .key = "tlsa-wrong-head",
        .fault = FAULT_POLICY,
        .cause =
            "TLSA record {number} of {host} is {what}, so its numbers have to be {head}; with {published} "
            "it matches nothing, and senders with DANE will not deliver",
        .remedy = "Publish it as {tlsa_name}. IN TLSA {record}",
    },
    {
        .key = "trusted-without",
        .fault = FAULT_SERVER,
        .cause = "The chain lacks {missing}; we know that certificate from elsewhere, but most "
                 "senders do not and will call this server untrusted",
        .remedy = NULL,
    },
    {
        .key = "second-greeting-fatal",
        .fault = FAULT_SERVER,
        .cause = "{host} greets a second time inside TLS and answers no EHLO there",
        .remedy = NULL,
    },
    {
        .key = "turned-away",
        .fault = FAULT_SERVER,
        .cause = "{host} turns us away at EHLO: {reply}",
        .remedy = "Read the reason in the reply; \"421\" is an overload or a shutdown at {host}, "
                  "\"5xx\" mostly our name in EHLO or our address",
    },
    {
        .key = "ehlo-hangs-up",
        .fault = FAULT_SERVER,
        .cause = "{host} {closes} on EHLO and takes only HELO, so it cannot offer STARTTLS",
        .remedy = NULL,
    },
    {
        .key = "keyword-lost",
        .fault = FAULT_SERVER,
        .cause = "The EHLO reply of {host} has {keywords} on its first line, which is the greeting "
                 "line; a strict client does not see {keywords} there (STARTTLS is not concerned)",
        .remedy = NULL,
    },
    {
        .key = "ehlo-tolerated",
        .fault = FAULT_SERVER,
        .cause = "The reply of {host} to EHLO is malformed: {what}; we can read it, stricter "
                 "senders cannot",
        .remedy = NULL,
    },
    {
        .key = "greeting-unfinished",
        .fault = FAULT_SERVER,
        .cause = "{endpoint} begins a greeting and does not end it within {seconds}: it keeps "
                 "senders waiting on purpose, or hangs",
        .remedy =
            "Shorten what {host} does against unwanted senders (a tarpit, a banner delay), or "
            "have our address excepted from it; RFC 5321 lets senders wait five minutes, and "
            "many wait less",
    },
    {
        .key = "greeting-tolerated",
        .fault = FAULT_SERVER,
        .cause = "The greeting of {host} is malformed: {what}; we can read it, stricter senders "
                 "cannot",
        .remedy = "Correct the greeting: \"220 HOST ESMTP\" and CRLF, at most 512 octets a line",
    },
};

const size_t catalogue_variants_count = ARRAY_SIZE(catalogue_variants);
