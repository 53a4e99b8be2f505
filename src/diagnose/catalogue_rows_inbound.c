/* diagnose/catalogue_rows_inbound.c - the words of findings about clients that fail against us.
 *
 * The receiving side is ours here: FAULT_SERVER is us, FAULT_CLIENT is whoever runs the client.
 */
#include "diagnose/catalogue_rows.h"

#include "base/compiler.h"

#define PLAYED_BY_A_TEST                                                                           \
    "the lab plays servers, and this is a client's doing; tests/integration/inbound plays the "    \
    "clients"

const struct catalogue_row catalogue_rows_inbound[] = {
    {
        .code = "inbound-no-common-version",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client offers no TLS version that we take",
        .cause = "{client} offers nothing newer than {theirs}; we take {ours}, and nothing older "
                 "is safe",
        .remedy = "Ask the operator of {client} for a TLS library of this decade, with TLS 1.2 or "
                  "1.3 enabled; until then its mail comes in the clear or not at all",
        .source = "RFC 8996 section 4, RFC 8446 section 4.1.2",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-no-common-cipher",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client offers no cipher that we take",
        .cause = "{client} offers no cipher that we take: it knows {theirs}",
        .remedy = "Ask the operator of {client} to allow ECDHE with AES-GCM or ChaCha20 (Postfix: "
                  "smtp_tls_ciphers = medium and no smtp_tls_exclude_ciphers)",
        .source = "RFC 9325 section 4.2, RFC 5246 section 7.4.1.2",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-no-common-group",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client offers no group that we take",
        .cause = "{client} offers no key exchange group that we take: it knows {theirs}, we take "
                 "{ours}",
        .remedy = "Ask the operator of {client} to allow X25519 or P-256 (OpenSSL: Groups unset in "
                  "openssl.cnf)",
        .source = "RFC 8446 section 4.2.7",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-no-common-signature",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client takes no signature of our key",
        .cause = "{client} takes no signature that our key ({key}) can make: it knows {theirs}",
        .remedy = "Ask the operator of {client} to allow ECDSA and RSA-PSS with SHA-256; if many "
                  "clients fail so, give {host} a second certificate with the other kind of key",
        .source = "RFC 8446 section 4.2.3",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-name-not-recognized",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client asks for a name that we do not have",
        .cause = "{client} asks for {sni}, and no certificate of {host} is for that name; we "
                 "refuse with the alert unrecognized_name",
        .remedy = "If {sni} is a name of ours, add a certificate for it; if not, see whose MX "
                  "record leads here: dig MX {sni}",
        .source = "RFC 6066 section 3",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-certificate-rejected",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client rejects our certificate",
        .cause = "{client} rejects our certificate with the alert {alert}: {meaning}",
        .remedy = "We find no fault with it; ask the operator of {client} to renew its store of "
                  "roots, and which name and which roots it demands",
        .source = "RFC 8446 section 4.4.2.4",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-client-certificate-missing",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client shows no certificate, and has to",
        .cause = "{client} shows no certificate, and this listener of {host} requires one",
        .remedy = "Give {client} a certificate from a CA that we take, or set client_certificate = "
                  "request on a listener that strangers send to",
        .source = "RFC 8446 section 4.4.2.4",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-client-certificate-rejected",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "We reject the certificate of a client",
        .cause = "The certificate of {client} does not hold: {why}",
        .remedy = "Give {client} a valid certificate from a CA that this listener takes, or add "
                  "its CA to those of the listener",
        .source = "RFC 8446 section 4.4.2.4",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-closed",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client hangs up in the handshake",
        .cause = "{client} hangs up {when}, without an alert that says why",
        .remedy = "Ask the operator of {client} for the line of its log at that time; mostly it "
                  "does not like our certificate or our offer, and does not say so",
        .source = "RFC 8446 section 6.2",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-reset",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client's handshake ends in a reset",
        .cause = "The connection of {client} is reset {when}",
        .remedy =
            "Ask the operator of {client} for the line of its log at that time: a program that "
            "closes with our answer unread resets so; if its log shows nothing, look for a "
            "firewall between {client} and us",
        .source = "RFC 8446 section 6.2",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-timeout",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client falls silent in the handshake",
        .cause = "{client} falls silent {when}: nothing more came within {seconds}",
        .remedy = "If it happens to many clients, look for lost large packets on our side (MTU, "
                  "firewall); else it is the client's: a port scanner, or a proxy that hangs",
        .source = "RFC 3207 section 4, RFC 4821 section 1",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-alert",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "An alert of a client ends the handshake",
        .cause = "{client} ends the handshake {when} with the alert {alert}: {meaning}",
        .remedy = "Ask the operator of {client} for the line of its log at that time, and compare "
                  "its offer with ours, which the proof shows",
        .source = "RFC 8446 section 6.2",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-plaintext",
        .step = STEP_STARTTLS,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "A client speaks plaintext where TLS begins",
        .cause = "{client} asks for STARTTLS, hears 220 and then goes on in plaintext: {what}",
        .remedy = "Ask the operator of {client} to see why its TLS does not start after 220; "
                  "mostly a script that sends all its commands at once",
        .source = "RFC 3207 section 4",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-other-protocol",
        .step = STEP_HANDSHAKE,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_NOTICE,
        .enhanced_status = "4.7.5",
        .title = "A client speaks another protocol",
        .cause = "{client} sends {what} where a ClientHello is due; it is no mail client but "
                 "mostly a scanner",
        .remedy = "Nothing is to be done about a scanner; if it is a health check of ours, let it "
                  "speak SMTP or only connect",
        .source = "RFC 3207 section 4",
        .lab_reason = PLAYED_BY_A_TEST,
    },
    {
        .code = "inbound-injected",
        .step = STEP_STARTTLS,
        .fault = FAULT_NETWORK,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "Something came in clear behind STARTTLS",
        .cause = "Behind the STARTTLS of {client} came {octets} octets in clear, which somebody "
                 "in between may have put there to be run inside TLS; none was run, and we end "
                 "the session",
        .remedy = "Ask the operator of {client} whether it pipelines behind STARTTLS, which RFC "
                  "3207 forbids; if it does not, somebody on the way injects commands "
                  "(CVE-2011-0411)",
        .source = "RFC 3207 section 4.2, RFC 2920 section 3.1",
        .lab_reason = PLAYED_BY_A_TEST,
    },
};

const size_t catalogue_rows_inbound_count = ARRAY_SIZE(catalogue_rows_inbound);

const struct catalogue_variant catalogue_variants_inbound[] = {
    {
        .key = "inbound-version-ours",
        .fault = FAULT_SERVER,
        .cause = "{client} offers {theirs}, which is sound, and this listener of {host} takes only "
                 "{ours}",
        .remedy = "Allow TLS 1.2 and TLS 1.3 on this listener of {host}",
    },
    {
        .key = "inbound-cipher-key",
        .fault = FAULT_SERVER,
        .cause = "{client} knows no cipher for a certificate with our kind of key ({key}): it "
                 "knows {theirs}",
        .remedy = "Give {host} a second certificate with the other kind of key (RSA of 2048 bits "
                  "beside ECDSA P-256, or the reverse)",
    },
    {
        .key = "inbound-fallback",
        .fault = FAULT_CLIENT,
        .cause = "{client} dials again with {theirs} at most and says that it fell back; we take "
                 "{ours}, so its first attempt failed for another reason",
        .remedy = "Look for the session of {client} just before this one: its finding is the cause",
    },
    {
        .key = "inbound-certificate-ours",
        .fault = FAULT_SERVER,
        .cause =
            "{client} rejects our certificate with the alert {alert}, and rightly: {own_cause}",
        .remedy = "{own_remedy}",
    },
    {
        .key = "inbound-certificate-name",
        .fault = FAULT_SERVER,
        .cause = "{client} asks for {sni} and rejects our certificate with the alert {alert}; ours "
                 "is for {names}",
        .remedy = "If {sni} is a name of ours, reissue the certificate with it; if not, see whose "
                  "MX record leads here: dig MX {sni}",
    },
    {
        .key = "inbound-certificate-clock",
        .fault = FAULT_CLIENT,
        .cause = "{client} says with the alert {alert} that our certificate has expired, and it "
                 "is valid until {until}",
        .remedy = "Ask the operator of {client} to set its clock, and to drop expired "
                  "intermediates from its store",
    },
    {
        .key = "inbound-certificate-revoked",
        .fault = FAULT_SERVER,
        .cause = "{client} says with the alert {alert} that our certificate is revoked",
        .remedy = "Ask the CA whether and why it is revoked, and install a new one with a new key",
    },
    {
        .key = "inbound-closed-early",
        .fault = FAULT_CLIENT,
        .cause = "{client} hangs up {when}",
        .remedy = "A port scanner and a health check do so, and nothing is to be done; if it is a "
                  "mail server, its TLS does not start: its operator's log says why",
    },
    {
        .key = "inbound-closed-certificate",
        .fault = FAULT_SERVER,
        .cause = "{client} hangs up {when}, without an alert; most likely for our certificate: "
                 "{own_cause}",
        .remedy = "{own_remedy}",
    },
    {
        .key = "inbound-timeout-greeting",
        .fault = FAULT_CLIENT,
        .cause = "{client} sends nothing within {seconds} to a port that begins with TLS: it seems "
                 "to wait for a greeting in clear",
        .remedy = "Point {client} at port 25 or 587 for STARTTLS, or let it use implicit TLS here",
    },
    {
        .key = "inbound-plaintext-implicit",
        .fault = FAULT_CLIENT,
        .cause = "{client} speaks plain SMTP to a port that begins with TLS: {what}",
        .remedy = "Point {client} at port 25 or 587 for STARTTLS, or let it use implicit TLS here",
    },
    {
        .key = "inbound-injected-hello",
        .fault = FAULT_CLIENT,
        .cause = "{client} begins TLS in one breath with its STARTTLS and does not wait for our "
                 "220; nothing of it is taken, and we end the session",
        .remedy = "Ask the operator of {client} for a program that waits for the answer to "
                  "STARTTLS before it begins TLS, as RFC 3207 section 4 has it",
    },
    {
        .key = "inbound-our-alert",
        .fault = FAULT_CLIENT,
        .cause = "{client} breaks the rules of TLS {when}, so that we end the handshake with the "
                 "alert {alert}: {meaning}",
        .remedy = "Ask the operator of {client} to update its TLS library, or take out what alters "
                  "bytes in between",
    },
};

const size_t catalogue_variants_inbound_count = ARRAY_SIZE(catalogue_variants_inbound);
