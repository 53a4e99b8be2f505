/* diagnose/catalogue_rows_smtp.c - the words of findings from DNS to STARTTLS, and after TLS. */
#include "diagnose/catalogue_rows.h"

#include "base/compiler.h"

const struct catalogue_row catalogue_rows_smtp[] = {
    /* dns */
    {
        .code = "dns-nxdomain",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "5.1.2",
        .title = "The domain does not exist",
        .cause = "The domain {domain} does not exist in the DNS",
        .remedy = "Check the spelling of {domain}; if it is right, its owner has to register it or "
                  "to put it back into its parent zone: dig +trace MX {domain}",
        .source = "RFC 5321 section 5.1, RFC 2308 section 2.1",
        .lab = "nxdomain",
    },
    {
        .code = "dns-null-mx",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "5.1.10",
        .title = "The domain takes no mail",
        .cause = "{domain} says with a null MX record (\"0 .\") that it takes no mail at all",
        .remedy = "Nothing if that is meant; else the owner of {domain} replaces the record \"MX 0 "
                  ".\" by the names of its mail hosts",
        .source = "RFC 7505 section 3",
        .lab = "null-mx",
    },
    {
        .code = "dns-timeout",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.3",
        .title = "No answer from the DNS",
        .cause = "The DNS gave no answer for {name} {type} within {seconds}",
        .remedy = "Look whether the name servers of {domain} answer: dig +trace {type} {name}; if "
                  "every domain times out, it is our resolver",
        .source = "RFC 5321 section 5.1",
        .lab = "dns-silent",
    },
    {
        .code = "dns-servfail",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.3",
        .title = "The DNS answers with an error",
        .cause = "The DNS answers {rcode} for {name} {type}",
        .remedy =
            "The owner of {domain} repairs its name servers; ask each of them: dig +norecurse "
            "{type} {name} @SERVER",
        .source = "RFC 2308 section 7.1",
        .lab = "servfail",
    },
    {
        .code = "dns-bogus",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_FATAL,
        .tls_report = "dnssec-invalid",
        .enhanced_status = "4.4.3",
        .title = "DNSSEC validation fails",
        .cause = "The answer for {name} {type} fails DNSSEC validation: {why}",
        .remedy = "The owner of {domain} signs the zone again or corrects the DS record at its "
                  "parent: delv +rtrace {type} {name} shows where the chain breaks",
        .source = "RFC 4035 section 5.5, RFC 7672 section 2.1",
        .lab = "bogus",
    },
    {
        .code = "dns-no-address",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "5.4.4",
        .title = "A mail host has no address",
        .cause = "{name} has neither an A nor an AAAA record, so nobody can connect to it",
        .remedy = "The owner of {domain} adds an A or AAAA record for {name}, or takes it out of "
                  "the MX records",
        .source = "RFC 5321 section 5.1",
        .lab = "no-address",
    },
    {
        .code = "dns-mx-is-address",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "5.4.4",
        .title = "An MX record holds an IP address",
        .cause = "An MX record of {domain} holds the IP address {name} where a host name must be",
        .remedy = "The owner of {domain} gives the host a name with an A or AAAA record and puts "
                  "that name into the MX record",
        .source = "RFC 1035 section 3.3.9, RFC 5321 section 5.1",
        .lab = "mx-address",
    },
    {
        .code = "dns-mx-is-alias",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.4.4",
        .title = "An MX record leads to an alias",
        .cause =
            "The MX host {name} is an alias (CNAME) of {canonical}; some senders do not follow "
            "it, and DANE and certificates then go by two names",
        .remedy = "The owner of {domain} puts {canonical} itself into the MX record",
        .source = "RFC 5321 section 5.1, RFC 2181 section 10.3, RFC 7672 section 2.2.2",
        .lab = "mx-alias",
    },
    {
        .code = "dns-hosts-left-out",
        .step = STEP_DNS,
        .fault = FAULT_DNS,
        .severity = SEVERITY_NOTICE,
        .enhanced_status = "4.4.4",
        .title = "More mail hosts than were looked at",
        .cause = "{domain} has more mail hosts than the {count} that were looked at",
        .remedy = "Publish fewer MX records; senders give up after a few",
        .source = "RFC 5321 section 5.1",
        .lab_reason = "a limit of ours, not a fault of a server",
    },
    /* connect */
    {
        .code = "connect-refused",
        .step = STEP_CONNECT,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.1",
        .title = "Nothing listens on that port",
        .cause = "{endpoint} refuses the connection: nothing listens there, or a firewall says so",
        .remedy = "Start the mail server on {host}, or make it listen on that address: ss -ltn "
                  "'sport = :{port}' on the host shows whether it does",
        .source = "RFC 9293 section 3.5.3",
        .lab = "refused",
    },
    {
        .code = "connect-timeout",
        .step = STEP_CONNECT,
        .fault = FAULT_NETWORK,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.1",
        .title = "No answer to the connection",
        .cause = "{endpoint} does not answer: our SYN is dropped on the way, or the host is down",
        .remedy = "See where packets stop: traceroute -T -p {port} {address}; open the port in the "
                  "firewall in front of {host}, and make sure that our provider lets port {port} "
                  "out",
        .source = "RFC 5321 section 4.5.4.1",
        .lab = "unanswered",
    },
    {
        .code = "connect-unreachable",
        .step = STEP_CONNECT,
        .fault = FAULT_NETWORK,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.1",
        .title = "No route to the host",
        .cause = "There is no way to {endpoint}: {why}",
        .remedy = "Find the router that answers so: traceroute -T -p {port} {address}",
        .source = "RFC 1122 section 4.2.3.9",
        .lab = "unreachable",
    },
    {
        .code = "connect-reset",
        .step = STEP_CONNECT,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.2",
        .title = "The connection is reset before a greeting",
        .cause = "{endpoint} takes the connection and resets it before it says a word",
        .remedy = "Look on {host} for what drops our address before the mail server speaks: TCP "
                  "wrappers, a connection limit, a load balancer without a live backend",
        .source = "RFC 5321 section 3.1",
        .lab = "resets",
    },
    {
        .code = "port-25-blocked",
        .step = STEP_CONNECT,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.1",
        .title = "Our network blocks outbound port 25",
        .cause = "None of {count} unrelated mail hosts answers us on port 25, so our own network "
                 "blocks it",
        .remedy = "Ask our provider to open outbound TCP port 25, or send through a relay on port "
                  "587; nc -vz {address} 25 from another network shows the difference",
        .source = "RFC 5068 section 3.1",
        .lab_reason = "our own provider's firewall is no server",
    },
    /* greeting */
    {
        .code = "greeting-timeout",
        .step = STEP_GREETING,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.2",
        .title = "The server says nothing",
        .cause = "{endpoint} takes the connection and sends no greeting within {seconds}",
        .remedy = "Look what {host} waits for before it greets: a DNS look-up of our address that "
                  "hangs, a content filter that is down, all its processes busy",
        .source = "RFC 5321 section 4.5.3.2.1",
        .lab = "silent",
    },
    {
        .code = "greeting-closed",
        .step = STEP_GREETING,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.2",
        .title = "The server hangs up before a greeting",
        .cause = "{endpoint} takes the connection and closes it {when}",
        .remedy =
            "Read the mail log of {host} at that time: a block list, a connection limit, or a "
            "mail server that dies at start",
        .source = "RFC 5321 section 3.1",
        .lab = "hangs-up",
    },
    {
        .code = "greeting-malformed",
        .step = STEP_GREETING,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.5.0",
        .title = "What answers is not SMTP",
        .cause = "The first words of {endpoint} are no SMTP greeting: {what}",
        .remedy = "Let a mail server answer on port {port} of {host}, or correct the port; a "
                  "greeting is \"220 HOST ESMTP\" and CRLF",
        .source = "RFC 5321 section 4.2, section 4.3.1",
        .lab = "speaks-ssh",
    },
    {
        .code = "greeting-rejected",
        .step = STEP_GREETING,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.3.2",
        .title = "The server turns us away at once",
        .cause = "{host} turns us away in place of a greeting: {reply}",
        .remedy = "Read the reason in the reply; a block list or a missing reverse name of our "
                  "address is ours to repair, an overload is for {host}",
        .source = "RFC 5321 section 3.1, section 3.8",
        .lab = "rejects",
    },
    {
        .code = "greeting-expects-tls",
        .step = STEP_GREETING,
        .fault = FAULT_CLIENT,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.4",
        .title = "The port speaks TLS from the first byte",
        .cause = "Port {port} of {host} speaks implicit TLS: it waits for a ClientHello and never "
                 "greets in plaintext",
        .remedy =
            "Mail between servers goes to port 25; for submission over implicit TLS dial port "
            "{port} with TLS at once: openssl s_client -connect {address_port}",
        .source = "RFC 8314 section 3.3, RFC 3207 section 4",
        .lab = "implicit-tls",
    },
    /* ehlo */
    {
        .code = "ehlo-rejected",
        .step = STEP_EHLO,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "starttls-not-supported",
        .enhanced_status = "4.7.4",
        .title = "EHLO is refused, so there is no STARTTLS",
        .cause = "{host} refuses EHLO and takes only HELO, so it cannot offer STARTTLS",
        .remedy = "Let {host} answer EHLO; where a firewall inspects SMTP, switch that off (Cisco "
                  "PIX: no fixup protocol smtp 25; ASA: remove \"inspect esmtp\")",
        .source = "RFC 5321 section 3.2, RFC 3207 section 4",
        .lab = "helo-only",
    },
    {
        .code = "ehlo-timeout",
        .step = STEP_EHLO,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.2",
        .title = "No answer to EHLO",
        .cause = "{host} greets and then does not answer EHLO within {seconds}",
        .remedy =
            "Look what {host} does at EHLO: mostly a DNS look-up of our name that hangs, or a "
            "proxy in front without a backend",
        .source = "RFC 5321 section 4.5.3.2",
        .lab = "silent-at-ehlo",
    },
    {
        .code = "ehlo-closed",
        .step = STEP_EHLO,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.2",
        .title = "The server hangs up at EHLO",
        .cause = "{host} greets and {closes} the connection in place of an answer to EHLO",
        .remedy = "Read the mail log of {host} at that time: a crash, an access rule, or a proxy "
                  "that lost its backend",
        .source = "RFC 5321 section 3.8",
        .lab = "closes-at-ehlo",
    },
    {
        .code = "ehlo-keyword-before-greeting",
        .step = STEP_EHLO,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "starttls-not-supported",
        .enhanced_status = "4.7.4",
        .title = "A keyword stands where the greeting must be",
        .cause = "The EHLO reply of {host} has {keywords} on its first line, which is the greeting "
                 "line; a strict client does not see {keywords} there, a lenient one would",
        .remedy = "Put a line \"250-{host} Hello\" in front of the keywords",
        .source = "RFC 1869 section 4.3, RFC 5321 section 4.1.1.1",
        .lab = "keyword-first",
    },
    {
        .code = "ehlo-malformed",
        .step = STEP_EHLO,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.5.0",
        .title = "The EHLO reply is malformed",
        .cause = "The reply of {host} to EHLO is malformed: {what}",
        .remedy = "Correct the EHLO reply: each line \"250-KEYWORD\" and CRLF, the last \"250 "
                  "KEYWORD\", at most 512 octets each",
        .source = "RFC 5321 section 4.2, section 4.1.1.1",
        .lab = "no-codes",
    },
    {
        .code = "ehlo-bare-lf",
        .step = STEP_EHLO,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.5.0",
        .title = "Reply lines end in a bare LF",
        .cause = "{host} ends reply lines with a bare LF; strict senders refuse that or wait for "
                 "the CRLF that never comes",
        .remedy = "End every reply line with CR LF",
        .source = "RFC 5321 section 2.3.8",
        .lab = "bare-lf",
    },
    {
        .code = "ehlo-lower-case",
        .step = STEP_EHLO,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_NOTICE,
        .enhanced_status = "4.5.0",
        .title = "Keywords in lower case",
        .cause = "{host} writes its EHLO keywords in lower case, which is legal; some test tools "
                 "wrongly say that it offers no STARTTLS",
        .remedy = "Nothing has to be done; upper case spares false alarms of such tools",
        .source = "RFC 5321 section 4.1.1.1, section 2.4",
        .lab = "healthy-lower-case",
    },
    {
        .code = "starttls-masked",
        .step = STEP_EHLO,
        .fault = FAULT_NETWORK,
        .severity = SEVERITY_FATAL,
        .tls_report = "starttls-not-supported",
        .enhanced_status = "4.7.4",
        .title = "STARTTLS is overwritten on the way",
        .cause = "Something between us and {host} overwrites its EHLO reply (\"{line}\"), and "
                 "STARTTLS with it",
        .remedy =
            "Switch off SMTP inspection in the firewall (Cisco PIX: no fixup protocol smtp 25; "
            "ASA: policy-map global_policy / class inspection_default / no inspect esmtp, or "
            "\"allow-tls\" in its esmtp map)",
        .source = "RFC 3207 section 6",
        .lab = "masked",
    },
    {
        .code = "starttls-not-offered",
        .step = STEP_EHLO,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "starttls-not-supported",
        .enhanced_status = "4.7.4",
        .title = "STARTTLS is not offered",
        .cause = "{host} does not offer STARTTLS in its EHLO reply",
        .remedy = "Give {host} a certificate and switch STARTTLS on (Postfix: postconf -e "
                  "smtpd_tls_security_level=may smtpd_tls_chain_files=/PATH/KEY-AND-CHAIN.pem; "
                  "Exim: tls_advertise_hosts = *; Exchange: Enable-ExchangeCertificate -Services "
                  "SMTP for one that names the FQDN of the connector)",
        .source = "RFC 3207 section 4",
        .lab = "no-starttls",
    },
    /* starttls */
    {
        .code = "starttls-refused-temporarily",
        .step = STEP_STARTTLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "starttls-not-supported",
        .enhanced_status = "4.7.4",
        .title = "STARTTLS is offered, then put off",
        .cause = "{host} offers STARTTLS and then puts it off: {reply}",
        .remedy = "Read the mail log of {host}: mostly the certificate or key file cannot be read, "
                  "or the TLS process is down (Postfix: postfix check; tlsmgr in master.cf)",
        .source = "RFC 3207 section 4",
        .lab = "tls-unavailable",
    },
    {
        .code = "starttls-refused",
        .step = STEP_STARTTLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "starttls-not-supported",
        .enhanced_status = "4.7.4",
        .title = "STARTTLS is offered, then refused",
        .cause = "{host} offers STARTTLS and then refuses it: {reply}",
        .remedy = "Configure TLS on {host} fully or do not offer STARTTLS; a proxy in front may "
                  "offer what the server behind it does not know",
        .source = "RFC 3207 section 4",
        .lab = "starttls-502",
    },
    {
        .code = "starttls-closed",
        .step = STEP_STARTTLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "validation-failure",
        .enhanced_status = "4.7.5",
        .title = "The server hangs up at STARTTLS",
        .cause = "{host} offers STARTTLS and {closes} the connection {when}",
        .remedy = "Read the mail log of {host}: the TLS side dies at start, mostly for a "
                  "certificate or key that it cannot read",
        .source = "RFC 3207 section 4",
        .lab = "closes-after-220",
    },
    {
        .code = "starttls-timeout",
        .step = STEP_STARTTLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "validation-failure",
        .enhanced_status = "4.7.5",
        .title = "No answer to STARTTLS",
        .cause = "{host} offers STARTTLS and does not answer it within {seconds}",
        .remedy = "Look what {host} waits for at STARTTLS: the TLS process, its random source, a "
                  "proxy that swallows the command",
        .source = "RFC 3207 section 4, RFC 5321 section 4.5.3.2",
        .lab = "silent-at-starttls",
    },
    {
        .code = "starttls-malformed",
        .step = STEP_STARTTLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "validation-failure",
        .enhanced_status = "4.5.0",
        .title = "The answer to STARTTLS is not SMTP",
        .cause = "The answer of {host} to STARTTLS is no SMTP reply: {what}",
        .remedy = "Let {host} answer STARTTLS with one line, \"220 Ready to start TLS\" and CRLF",
        .source = "RFC 3207 section 4, RFC 5321 section 4.2",
        .lab = "babbles-at-starttls",
    },
    {
        .code = "starttls-injected",
        .step = STEP_STARTTLS,
        .fault = FAULT_NETWORK,
        .severity = SEVERITY_FATAL,
        .tls_report = "validation-failure",
        .enhanced_status = "4.7.5",
        .title = "Plaintext stands behind the 220 to STARTTLS",
        .cause = "Plaintext came behind the 220 to STARTTLS, where only TLS may follow: somebody "
                 "between us and {host} can speak as the server, or the server itself leaks its "
                 "buffer",
        .remedy = "Treat the path as hostile until it is understood: compare with a check from "
                  "another network; on {host}, update the mail server (CVE-2011-0411 and its kin) "
                  "and take away SMTP proxies in front of it",
        .source = "RFC 3207 section 4.2, RFC 3207 section 6",
        .lab = "injected",
    },
    {
        .code = "starttls-not-tls",
        .step = STEP_STARTTLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .tls_report = "validation-failure",
        .enhanced_status = "4.7.5",
        .title = "After the 220 the server goes on in plaintext",
        .cause = "{host} says 220 to STARTTLS and then goes on in plaintext: it never started TLS",
        .remedy = "Find what answers STARTTLS in the name of the server: a proxy or content filter "
                  "that passes the command on and does not know that TLS begins",
        .source = "RFC 3207 section 4",
        .lab = "plaintext",
    },
    /* after-tls */
    {
        .code = "after-tls-ehlo-rejected",
        .step = STEP_AFTER_TLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.5.0",
        .title = "EHLO inside TLS is refused",
        .cause = "TLS stands, and inside it {host} refuses EHLO: {reply}",
        .remedy = "Let {host} forget the plaintext session after STARTTLS and take a second EHLO; "
                  "read its log for an access rule that only applies under TLS",
        .source = "RFC 3207 section 4.2",
        .lab = "rejects-ehlo-in-tls",
    },
    {
        .code = "after-tls-second-greeting",
        .step = STEP_AFTER_TLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_WARNING,
        .enhanced_status = "4.5.0",
        .title = "A second greeting comes inside TLS",
        .cause = "{host} greets a second time inside TLS; senders take that 220 for the answer to "
                 "their EHLO and are one reply behind from then on",
        .remedy = "Do not greet after STARTTLS: a TLS wrapper (such as stunnel without its smtp "
                  "protocol) stands where STARTTLS was meant",
        .source = "RFC 3207 section 4.2",
        .lab = "greets-twice",
    },
    {
        .code = "after-tls-closed",
        .step = STEP_AFTER_TLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.2",
        .title = "The server hangs up inside TLS",
        .cause = "The handshake with {host} succeeds, and then it {closes} the connection before "
                 "it answers EHLO",
        .remedy = "Read the mail log of {host} at that time: a process that dies after the "
                  "handshake, or an access rule that only applies under TLS",
        .source = "RFC 3207 section 4.2",
        .lab = "closes-in-tls",
    },
    {
        .code = "after-tls-timeout",
        .step = STEP_AFTER_TLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.4.2",
        .title = "No answer inside TLS",
        .cause = "The handshake with {host} succeeds, and then it does not answer EHLO within "
                 "{seconds}",
        .remedy = "Look on {host} for what stands behind the TLS side: a wrapper or load balancer "
                  "that ends TLS and has no mail server behind it",
        .source = "RFC 3207 section 4.2, RFC 5321 section 4.5.3.2",
        .lab = "silent-in-tls",
    },
    {
        .code = "after-tls-plaintext",
        .step = STEP_AFTER_TLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_FATAL,
        .enhanced_status = "4.7.5",
        .title = "The server goes on in plaintext inside TLS",
        .cause = "The handshake with {host} succeeds, and then it goes on in plaintext where only "
                 "TLS records may come",
        .remedy =
            "Let {host} speak through TLS after the handshake: a proxy or a server of its own "
            "make writes to the bare socket",
        .source = "RFC 3207 section 4.2, RFC 8446 section 5.1",
        .lab_reason = "unit tests play it",
    },
    {
        .code = "close-notify-missing",
        .step = STEP_AFTER_TLS,
        .fault = FAULT_SERVER,
        .severity = SEVERITY_NOTICE,
        .enhanced_status = "4.4.2",
        .title = "TLS ends without close_notify",
        .cause = "{host} closes the connection after QUIT without a TLS close_notify; nothing is "
                 "lost by it in SMTP",
        .remedy = "Nothing has to be done; a tidy server sends close_notify before it closes",
        .source = "RFC 8446 section 6.1",
        .lab = "no-close-notify",
    },
};

const size_t catalogue_rows_smtp_count = ARRAY_SIZE(catalogue_rows_smtp);
