#include "settings/options.h"

#include <assert.h>
#include <string.h>

#include "base/compiler.h"
#include "base/text.h"
#include "queue/message.h"
#include "settings/settings.h"

enum {
    MINUTE = 60,
    HOUR = 60 * MINUTE,
    DAY = 24 * HOUR,
    LISTED_MOST = 10000,
    MATCH_MOST = 60,
    REPORTS_TO_MOST = 8,
    STS_MAX_AGE_MOST = 31557600, /* RFC 8461 section 3.2 */
    NEAREST_MOST = 32
};

#define KILO ((uint64_t)1024)
#define MEGA (KILO * 1024)
#define GIGA (MEGA * 1024)

const struct settings_section_row settings_sections[SETTINGS_SECTION_COUNT] = {
    [SETTINGS_TOP] = { "", NULL, "the gateway as a whole" },
    [SETTINGS_LISTENER] = { "listener", "ADDR:PORT", "an address on which mail is accepted" },
    [SETTINGS_DOMAIN] = { "domain", "DOMAIN", "a domain whose mail ends here" },
    [SETTINGS_TRUST] = { "trust", NULL, "whom we believe" },
    [SETTINGS_CLIENT] = { "client", NULL, "who we are to the servers that we deliver to" },
    [SETTINGS_POLICY] = { "policy", "DOMAIN", "how mail to a domain is protected" },
    [SETTINGS_QUEUE] = { "queue", NULL, "when to try again and when to give up" },
    [SETTINGS_LIMITS] = { "limits", NULL, "how much is too much" },
    [SETTINGS_DNS] = { "dns", NULL, "how names are looked up" },
    [SETTINGS_REPORTS] = { "reports", NULL, "TLS reports to and from other domains" },
    [SETTINGS_WEB] = { "web", NULL, "the status page" },
};

/* In the order of the enums that they stand for. */
static const char *const log_words[] = { "text", "json", NULL };
static const char *const log_to_words[] = { "stderr", "syslog", NULL };
static const char *const yes_words[] = { "no", "yes", NULL };
static const char *const tls_words[] = { "none", "may", "required", "implicit", NULL };
static const char *const client_certificate_words[] = { "none", "request", "require", NULL };
static const char *const sts_words[] = { "off", "none", "testing", "enforce", NULL };

#define AT(field) .offset = offsetof(struct settings, field)
#define LISTENER_AT(field)                                                                         \
    .section = SETTINGS_LISTENER, .offset = offsetof(struct settings_listener, field)
#define DOMAIN_AT(field)                                                                           \
    .section = SETTINGS_DOMAIN, .offset = offsetof(struct settings_domain, field)
#define POLICY_AT(field)                                                                           \
    .section = SETTINGS_POLICY, .offset = offsetof(struct settings_policy, field)

const struct settings_option settings_options[] = {
    { AT(hostname), .key = "hostname", .type = SETTINGS_HOST,
      .help = "Our name in greetings, in EHLO and in Received. The default is the machine's own",
      .since = "0.1" },
    { AT(state_dir), .key = "state_dir", .type = SETTINGS_DIRECTORY, .fallback = "/var/lib/postern",
      .help = "The queue, tracking and caches are kept here; it is made if it is missing",
      .since = "0.1" },
    { AT(user), .key = "user", .type = SETTINGS_TEXT,
      .help = "Whom the gateway becomes where root starts it; the right to bind ports is kept. The "
              "default is nobody else",
      .since = "0.1" },
    { AT(sandbox), .key = "sandbox", .type = SETTINGS_WORD, .words = yes_words, .fallback = "yes",
      .help = "Whether the gateway can write nothing but state_dir and its Maildirs, and run no "
              "programs",
      .since = "0.1" },
    { AT(log), .key = "log", .type = SETTINGS_WORD, .words = log_words, .fallback = "text",
      .help = "Lines for people, or one JSON object a line", .since = "0.1" },
    { AT(log_to), .key = "log_to", .type = SETTINGS_WORD, .words = log_to_words,
      .fallback = "stderr", .help = "Where the log goes", .since = "0.1" },
    { AT(syslog_socket), .key = "syslog_socket", .type = SETTINGS_SOCKET, .fallback = "/dev/log",
      .help = "Where the syslog daemon listens", .since = "0.1" },
    { AT(relay.networks), .count_offset = offsetof(struct settings, relay.network_count),
      .key = "relay_from", .type = SETTINGS_NETWORK, .list_most = LISTED_MOST,
      .help = "Who may send to any domain; everybody else may send to our own domains only",
      .since = "0.1" },
    { AT(bare_lf_from), .count_offset = offsetof(struct settings, bare_lf_from_count),
      .key = "bare_lf_from", .type = SETTINGS_NETWORK, .list_most = LISTED_MOST,
      .help = "Whose bare LF inside a message is mended to CRLF; that of others is refused",
      .since = "0.1" },
    { AT(workers), .key = "workers", .type = SETTINGS_NUMBER, .least = 1, .most = 256,
      .help = "Threads that serve clients. The default is one for each core", .since = "0.1" },
    { .section = SETTINGS_TOP,
      .key = "store",
      .gone = "a queue that several gateways share is not in this release; without this key the "
              "queue is in state_dir" },
    { .section = SETTINGS_TOP,
      .key = "include",
      .gone = "one file holds all settings; there is no include" },

    { LISTENER_AT(certificates),
      .count_offset = offsetof(struct settings_listener, certificate_count), .key = "certificate",
      .type = SETTINGS_FILE, .list_most = 64,
      .help =
          "Our certificate and the intermediates above it, in PEM, leaf first. Of several, the one "
          "that names what the client asks for is shown, else the first",
      .since = "0.1" },
    { LISTENER_AT(keys), .count_offset = offsetof(struct settings_listener, key_count),
      .key = "key", .type = SETTINGS_FILE, .list_most = 64,
      .help =
          "The key of the certificate, in PEM; as many as there are certificates, in their order",
      .since = "0.1" },
    { LISTENER_AT(tls), .key = "tls", .type = SETTINGS_WORD, .words = tls_words, .fallback = "may",
      .help =
          "Whether STARTTLS is not offered, is offered, or must come before any mail; or TLS from "
          "the first byte (port 465)",
      .since = "0.1" },
    { LISTENER_AT(client_certificate), .key = "client_certificate", .type = SETTINGS_WORD,
      .words = client_certificate_words, .fallback = "none",
      .help = "Whether clients are asked for a certificate, and refused without one that holds",
      .since = "0.1" },
    { LISTENER_AT(client_ca), .key = "client_ca", .type = SETTINGS_FILE,
      .help = "The CAs that vouch for clients, in PEM. The default is ca_file of trust",
      .since = "0.1" },
    { LISTENER_AT(next_keys), .count_offset = offsetof(struct settings_listener, next_key_count),
      .key = "next_key", .type = SETTINGS_FILE, .list_most = 64,
      .help =
          "The key that each certificate has after its next renewal, in PEM, private or public, "
          "in their order: postern publish prints its TLSA record, too",
      .since = "0.1" },

    { DOMAIN_AT(deliver), .key = "deliver", .type = SETTINGS_DELIVERY,
      .help = "Where the mail of the domain goes", .since = "0.1" },
    { DOMAIN_AT(sts), .key = "sts", .type = SETTINGS_WORD, .words = sts_words, .fallback = "off",
      .help = "The MTA-STS policy that postern publish prints: off is no policy, and none is one "
              "that takes the policy before back",
      .since = "0.1" },
    { DOMAIN_AT(sts_max_age_s), .key = "sts_max_age", .type = SETTINGS_DURATION, .fallback = "7d",
      .least = HOUR, .most = STS_MAX_AGE_MOST,
      .help = "How long senders go by that policy without looking again", .since = "0.1" },
    { DOMAIN_AT(sts_mx), .count_offset = offsetof(struct settings_domain, sts_mx_count),
      .key = "sts_mx", .type = SETTINGS_MX_PATTERN, .list_most = MATCH_MOST,
      .help = "The MX hosts that it lists; *.example.org is every host right below example.org. "
              "The default is hostname",
      .since = "0.1" },
    { DOMAIN_AT(reports_to), .count_offset = offsetof(struct settings_domain, reports_to_count),
      .key = "reports_to", .type = SETTINGS_REPORT_URI, .list_most = REPORTS_TO_MOST,
      .help =
          "Where others send their TLS reports about the domain: mailto: or https:. The default "
          "is read of reports",
      .since = "0.1" },

    { AT(ca_file), .section = SETTINGS_TRUST, .key = "ca_file", .type = SETTINGS_ROOTS,
      .fallback = "/etc/ssl/certs/ca-certificates.crt",
      .help = "The roots that we trust, in PEM: a file, or a directory of such files",
      .since = "0.1" },

    { AT(client.certificate), .section = SETTINGS_CLIENT, .key = "certificate",
      .type = SETTINGS_FILE,
      .help = "Our certificate for servers that ask for one, in PEM, leaf first", .since = "0.1" },
    { AT(client.key), .section = SETTINGS_CLIENT, .key = "key", .type = SETTINGS_FILE,
      .help = "The key of that certificate, in PEM", .since = "0.1" },
    { AT(client.timeout_s), .section = SETTINGS_CLIENT, .key = "timeout", .type = SETTINGS_DURATION,
      .least = 1, .most = HOUR,
      .help = "How long a server may be silent at any step before it is left. The default is 30 "
              "seconds to connect, and then what RFC 5321 section 4.5.3.2 gives each step",
      .since = "0.1" },
    { AT(client.port), .section = SETTINGS_CLIENT, .key = "port", .type = SETTINGS_NUMBER,
      .fallback = "25", .least = 1, .most = UINT16_MAX,
      .help = "The port of MX hosts, for tests and odd networks", .since = "0.1" },
    { AT(client.sts_port), .section = SETTINGS_CLIENT, .key = "sts_port", .type = SETTINGS_NUMBER,
      .fallback = "443", .least = 1, .most = UINT16_MAX,
      .help = "The HTTPS port that MTA-STS policies are fetched from, for tests and odd networks",
      .since = "0.1" },
    { AT(client.private_addresses), .section = SETTINGS_CLIENT, .key = "private_addresses",
      .type = SETTINGS_WORD, .words = yes_words, .fallback = "no",
      .help = "Whether policies are fetched from, and reports posted to, web servers at addresses "
              "that not everybody reaches: private, loopback. A stranger names those servers",
      .since = "0.1" },

    { POLICY_AT(level), .key = "level", .type = SETTINGS_LEVEL, .fallback = "sts",
      .help = "What a server must show before it gets mail", .since = "0.1" },
    { POLICY_AT(match), .count_offset = offsetof(struct settings_policy, match_count),
      .key = "match", .type = SETTINGS_PATTERN, .list_most = MATCH_MOST,
      .help = "At level secure: the names that the certificate may carry, with a leading dot all "
              "below one. The default is the domain and all below it",
      .since = "0.1" },
    { POLICY_AT(minimum_version), .key = "minimum_tls", .type = SETTINGS_VERSION, .fallback = "1.2",
      .help = "The oldest version of TLS that is spoken", .since = "0.1" },
    { POLICY_AT(next_hop), .key = "next_hop", .type = SETTINGS_HOP,
      .help = "Where the mail goes instead of to the MX hosts", .since = "0.1" },
    { POLICY_AT(fingerprint), .key = "fingerprint", .type = SETTINGS_FINGERPRINT,
      .help = "The SHA-256 of the certificate or of the public key that is expected, at level "
              "fingerprint",
      .since = "0.1" },

    { AT(queue.retry_s), .section = SETTINGS_QUEUE,
      .count_offset = offsetof(struct settings, queue.retry_count), .key = "retry",
      .type = SETTINGS_DURATION, .list_most = QUEUE_SCHEDULE_RETRIES,
      .fallback = "5m 15m 30m 1h 2h 4h", .least = 1, .most = 7 * DAY,
      .help = "How long to wait after the first failure, the second and so on; the last goes on",
      .since = "0.1" },
    { AT(queue.lifetime_s), .section = SETTINGS_QUEUE, .key = "lifetime", .type = SETTINGS_DURATION,
      .fallback = "5d", .least = 1, .most = 30 * DAY,
      .help = "How long a message is tried before it goes back to its sender", .since = "0.1" },
    { AT(queue.warn_after_s), .section = SETTINGS_QUEUE, .key = "warn_after",
      .type = SETTINGS_DURATION, .fallback = "4h", .most = 30 * DAY,
      .help = "When the sender is told that a message is late; 0 is never", .since = "0.1" },
    { AT(queue.in_the_clear_after_s), .section = SETTINGS_QUEUE, .key = "in_the_clear_after",
      .type = SETTINGS_DURATION, .fallback = "5m", .most = 30 * DAY,
      .help = "At level may: how old a message is before a broken STARTTLS is gone without",
      .since = "0.1" },

    { AT(limits.message_bytes), .section = SETTINGS_LIMITS, .key = "message_size",
      .type = SETTINGS_SIZE, .fallback = "50M", .least = 64 * KILO, /* RFC 5321 section 4.5.3.1.7 */
      .most = 2 * GIGA - 1, .help = "The largest message that is accepted", .since = "0.1" },
    { AT(limits.recipients), .section = SETTINGS_LIMITS, .key = "recipients",
      .type = SETTINGS_NUMBER, .fallback = "1000", .least = 100, /* RFC 5321 section 4.5.3.1.8 */
      .most = QUEUE_RECIPIENTS, .help = "The most recipients of one message", .since = "0.1" },
    { AT(limits.connections), .section = SETTINGS_LIMITS, .key = "connections",
      .type = SETTINGS_NUMBER, .fallback = "10000", .least = 1, .most = 1000000,
      .help = "The most clients at once", .since = "0.1" },
    { AT(limits.per_address), .section = SETTINGS_LIMITS, .key = "per_address",
      .type = SETTINGS_NUMBER, .fallback = "50", .least = 1, .most = 1000000,
      .help = "The most clients at once from one address", .since = "0.1" },
    { AT(limits.command_timeout_s), .section = SETTINGS_LIMITS, .key = "command_timeout",
      .type = SETTINGS_DURATION, .fallback = "5m", /* RFC 5321 section 4.5.3.2.7 */
      .least = 1, .most = HOUR, .help = "How long a client may be silent before it is cut off",
      .since = "0.1" },
    { AT(limits.connections_per_minute), .section = SETTINGS_LIMITS,
      .key = "connections_per_minute", .type = SETTINGS_NUMBER, .fallback = "0", .most = 1000000,
      .help = "The most connections a minute from one address; 0 is no limit", .since = "0.1" },
    { AT(limits.messages_per_minute), .section = SETTINGS_LIMITS, .key = "messages_per_minute",
      .type = SETTINGS_NUMBER, .fallback = "600", .most = 1000000,
      .help = "The most messages a minute from one address; 0 is no limit", .since = "0.1" },
    { AT(limits.failed_handshakes_per_minute), .section = SETTINGS_LIMITS,
      .key = "failed_handshakes_per_minute", .type = SETTINGS_NUMBER, .fallback = "600",
      .most = 1000000,
      .help = "The most TLS sessions that failed, a minute from one address, that the log and "
              "tracking tell one by one; 0 is no limit",
      .since = "0.1" },
    { AT(limits.session_errors), .section = SETTINGS_LIMITS, .key = "session_errors",
      .type = SETTINGS_NUMBER, .fallback = "20", .most = 1000000,
      .help =
          "Refused commands after which a session ends and the address is banned; 0 is no limit",
      .since = "0.1" },
    { AT(limits.ban_s), .section = SETTINGS_LIMITS, .key = "ban", .type = SETTINGS_DURATION,
      .fallback = "5m", .most = DAY, .help = "How long it is banned then; 0 is not at all",
      .since = "0.1" },
    { AT(limits.clients_known), .section = SETTINGS_LIMITS, .key = "clients_known",
      .type = SETTINGS_NUMBER, .fallback = "65536", .least = 64, .most = 16777216,
      .help = "Addresses that are counted one by one; 68 bytes each", .since = "0.1" },

    { AT(dns.resolver), .section = SETTINGS_DNS, .key = "resolver", .type = SETTINGS_RESOLVER,
      .help = "Ask this resolver; answers are validated here all the same. The default is those of "
              "/etc/resolv.conf",
      .since = "0.1" },
    { AT(dns.trust_anchor), .section = SETTINGS_DNS, .key = "trust_anchor", .type = SETTINGS_FILE,
      .fallback = "/usr/share/dns/root.key",
      .help = "The keys of the root of the DNS, as DS or DNSKEY records", .since = "0.1" },

    { AT(reports.send), .section = SETTINGS_REPORTS, .key = "send", .type = SETTINGS_WORD,
      .words = yes_words, .fallback = "no",
      .help = "Whether domains that ask for it are told each day what our sessions with their "
              "servers showed. It is counted either way: postern report",
      .since = "0.1" },
    { AT(reports.organization), .section = SETTINGS_REPORTS, .key = "organization",
      .type = SETTINGS_TEXT, .help = "Who we are in our reports. The default is hostname",
      .since = "0.1" },
    { AT(reports.contact), .section = SETTINGS_REPORTS, .key = "contact", .type = SETTINGS_MAILBOX,
      .help = "Whom to ask about our reports; its domain is the submitter. The default is "
              "postmaster at hostname",
      .since = "0.1" },
    { AT(reports.from), .section = SETTINGS_REPORTS, .key = "from", .type = SETTINGS_MAILBOX,
      .help = "Who sends our reports. The default is contact", .since = "0.1" },
    { AT(reports.dkim_key), .section = SETTINGS_REPORTS, .key = "dkim_key", .type = SETTINGS_FILE,
      .help = "The key that signs them, RSA or Ed25519, in PEM: receivers ignore reports without "
              "a signature",
      .since = "0.1" },
    { AT(reports.dkim_selector), .section = SETTINGS_REPORTS, .key = "dkim_selector",
      .type = SETTINGS_HOST, .help = "The selector of that key", .since = "0.1" },
    { AT(reports.dkim_domain), .section = SETTINGS_REPORTS, .key = "dkim_domain",
      .type = SETTINGS_HOST, .help = "The domain that signs. The default is that of from",
      .since = "0.1" },
    { AT(reports.read), .section = SETTINGS_REPORTS, .key = "read", .type = SETTINGS_MAILBOX,
      .help = "Mail to this address is read as reports of others about us", .since = "0.1" },

    { AT(web.listen), .section = SETTINGS_WEB, .key = "listen", .type = SETTINGS_LISTEN,
      .help = "The address of the status page. The default is none, and no page", .since = "0.1" },
};

const size_t settings_option_count = ARRAY_SIZE(settings_options);

const struct settings_option *settings_option_find(enum settings_section section, struct span key)
{
    for (size_t i = 0; i < settings_option_count; i++)
        if (settings_options[i].section == section &&
            span_equal(key, span_of(settings_options[i].key)))
            return &settings_options[i];
    return NULL;
}

bool settings_section_find(struct span word, enum settings_section *section)
{
    for (size_t i = SETTINGS_TOP + 1; i < SETTINGS_SECTION_COUNT; i++)
        if (span_equal(word, span_of(settings_sections[i].word))) {
            *section = (enum settings_section)i;
            return true;
        }
    return false;
}

static size_t least_of(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* How many letters have to change, come or go (Levenshtein); both at most NEAREST_MOST long. */
static size_t distance(struct span a, struct span b)
{
    size_t row[NEAREST_MOST + 1];

    assert(b.len <= NEAREST_MOST);
    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            bool is_same = text_lower(a.data[i - 1]) == text_lower(b.data[j - 1]);

            row[j] = least_of(above + 1, row[j - 1] + 1, diagonal + !is_same);
            diagonal = above;
        }
    }
    return row[b.len];
}

/* Keeps `candidate` in *best where it is near to the word, and nearer than what was found before. */
static void take_nearer(struct span word, const char *candidate, const char **best, size_t *best_is)
{
    size_t here;

    if (word.len > NEAREST_MOST || strlen(candidate) > NEAREST_MOST)
        return;
    here = distance(word, span_of(candidate));
    if (here < *best_is && here <= 3 && here * 2 < strlen(candidate)) {
        *best = candidate;
        *best_is = here;
    }
}

const char *settings_nearest(struct span word, const char *const *words)
{
    const char *best = NULL;
    size_t best_is = SIZE_MAX;

    for (; *words != NULL; words++)
        take_nearer(word, *words, &best, &best_is);
    return best;
}

const char *settings_option_guess(enum settings_section section, struct span word,
                                  enum settings_section *where)
{
    const char *best = NULL;
    size_t best_is = SIZE_MAX;

    for (size_t i = 0; i < settings_option_count; i++) {
        const struct settings_option *option = &settings_options[i];

        if (option->gone != NULL)
            continue;
        if (option->section == section)
            take_nearer(word, option->key, &best, &best_is);
        else if (*where == section && span_equal(word, span_of(option->key)))
            *where = option->section;
    }
    for (size_t i = SETTINGS_TOP + 1; section == SETTINGS_TOP && i < SETTINGS_SECTION_COUNT; i++)
        take_nearer(word, settings_sections[i].word, &best, &best_is);
    return best;
}
