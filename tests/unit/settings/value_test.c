/* tests/unit/settings/value_test.c - tests that every option takes what it should and names what it
 * should not. */
#include "settings/value.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit/settings/loads.h"
#include "unit/test.h"

enum { VALUES = 12 };

#define TEN     "0123456789"
#define HUNDRED TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN
#define DIGEST  "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

/* As they would be written; what is wrong, with a part of what has to be said. */
static const struct {
    enum settings_section section;
    const char *key;
    const char *valid[VALUES];
    const char *wrong[VALUES][2];
} cases[] = {
    { SETTINGS_TOP,
      "hostname",
      { "mx.example.org", "m-x--1.example.org", "\"MX.Example.ORG.\"",
        "\"b\xc3\xbc"
        "cher.example\"" },
      { { "\"\"", "not a domain name" },
        { "\".example.org\"", "not a domain name" },
        { "\"a b\"", "not a domain name" },
        { "\"-x.y\"", "no label begins or ends with \"-\"" },
        { "x-.y", "no label begins or ends with \"-\"" },
        { "x.-", "no label begins or ends with \"-\"" },
        { "a.x-", "no label begins or ends with \"-\"" } } },
    { SETTINGS_TOP,
      "state_dir",
      { "/var/lib/postern", "\"/srv/with space\"" },
      { { "var/lib", "begins with /" },
        { "\"\"", "begins with /" },
        { "\"/" HUNDRED "\"", "longer than the 99 octets" } } },
    { SETTINGS_TOP,
      "user",
      { "postern", "\"mail-out\"" },
      { { "\"\"", "not a text of 1 to 200 octets" } } },
    { SETTINGS_TOP,
      "sandbox",
      { "yes", "no" },
      { { "ys", "did you mean yes?" }, { "maybe", "not one of no or yes" } } },
    { SETTINGS_TOP,
      "log",
      { "text", "json", "\"json\"" },
      { { "jsonn", "did you mean json?" }, { "xml", "not one of text or json" } } },
    { SETTINGS_TOP,
      "log_to",
      { "stderr", "syslog" },
      { { "sysolg", "did you mean syslog?" }, { "/var/log/x", "stderr or syslog" } } },
    { SETTINGS_TOP,
      "syslog_socket",
      { "/dev/log", "\"/srv/with space\"" },
      { { "dev/log", "begins with /" },
        { "\"\"", "begins with /" },
        { "\"/" HUNDRED HUNDRED "\"", "longer than the 107 octets of a local socket" } } },
    { SETTINGS_TOP,
      "relay_from",
      { "{ }", "{ \"127.0.0.0/8\", \"::1\" }", "10.0.0.1", "{ 2001:db8::/32, }" },
      { { "{ 10.0.0.5/8 }", "is it the network 10.0.0.0/8" },
        { "{ 10.0.0.0/33 }", "a length of 0 to 32" },
        { "{ 2001:db8::/129 }", "a length of 0 to 128" },
        { "{ 10.0.0.0/ }", "a length" },
        { "{ example.org }", "is no network" },
        { "{ 127.0.0.1, 10.0.0 }", "\"10.0.0\" is no network" } } },

    { SETTINGS_TOP,
      "bare_lf_from",
      { "{ }", "{ 10.0.0.0/8, \"::1\" }", "192.0.2.1" },
      { { "{ 10.0.0.5/8 }", "is it the network 10.0.0.0/8" } } },
    { SETTINGS_TOP, "workers", { "1", "256" }, { { "0", "between 1 and 256" }, { "many", "" } } },

    { SETTINGS_LISTENER, "certificate", { "/a.pem" }, { { "a.pem", "begins with /" } } },
    { SETTINGS_LISTENER, "key", { "/a.key" }, { { "a.key", "begins with /" } } },
    { SETTINGS_LISTENER,
      "tls",
      { "none", "may", "required", "implicit" },
      { { "require", "did you mean required?" },
        { "starttls", "none, may, required or implicit" } } },
    { SETTINGS_LISTENER, "client_ca", { "/a.pem" }, { { "a.pem", "begins with /" } } },
    { SETTINGS_LISTENER,
      "client_certificate",
      { "none", "request", "require" },
      { { "may", "none, request or require" }, { "reques", "did you mean request?" } } },

    { SETTINGS_DOMAIN,
      "deliver",
      { "\"maildir:/var/mail/{domain}/{user}\"", "\"lmtp:unix:/run/lmtp\"",
        "\"lmtp:unix:/" HUNDRED "123456\"", "\"lmtp:[::1]:24\"", "lmtp:host.example",
        "\"smtp:[10.0.0.5]:25\"", "smtp:relay.example:587" },
      { { "maildir:mail", "does not begin with a slash" },
        { "\"lmtp:unix:run\"", "begins with /" },
        { "\"lmtp:unix:/" HUNDRED "1234567\"", "longer than the 107 octets of a local socket" },
        { "\"maildir:/m/../{user}\"", "have no place in it" },
        { "\"maildir:/m/{usr}\"", "nothing else" },
        { "\"maildir:/m/{user\"", "nothing else" },
        { "mbox:/var/mail", "maildir:/path" },
        { "smtp:10.0.0.5", "in brackets" },
        { "\"smtp:[10.0.0.5\"", "is not a host" },
        { "\"smtp:[10.0.0]:25\"", "no address between its brackets" },
        { "smtp:relay.example:0", "is not a host" },
        { "\"\"", "maildir:/path" } } },
    { SETTINGS_LISTENER, "next_key", { "/next.key" }, { { "next.key", "begins with /" } } },
    { SETTINGS_DOMAIN,
      "sts",
      { "off", "none", "testing", "enforce" },
      { { "enforced", "did you mean enforce?" }, { "yes", "off, none, testing or enforce" } } },
    { SETTINGS_DOMAIN,
      "sts_max_age",
      { "1h", "7d", "31557600s" },
      { { "59m", "between 1h and 8766h" }, { "366d", "between 1h and 8766h" }, { "0", "1h" } } },
    { SETTINGS_DOMAIN,
      "sts_mx",
      { "{ mx.example.org, \"*.example.org\" }", "\"MX.Example.Org.\"",
        "\"*.b\xc3\xbc"
        "cher.example\"" },
      { { "\"*\"", "neither a host" },
        { "\"*.\"", "neither a host" },
        { "\".example.org\"", "neither a host" },
        { "\"*..example.org\"", "neither a host" },
        { "\"a b\"", "neither a host" } } },
    { SETTINGS_DOMAIN,
      "reports_to",
      { "mailto:tlsrpt@example.org",
        "{ \"https://reports.example.org/v1\", \"MAILTO:a@b.example\" }" },
      { { "tlsrpt@example.org", "neither mailto:" },
        { "\"http://example.org/\"", "neither mailto:" },
        { "mailto:tlsrpt", "no mailbox" },
        { "mailto:@example.org", "no mailbox" },
        { "\"https:///x\"", "no host" },
        { "\"mailto:a@b.example!10m\"", "written as %XX" },
        { "\"mailto:a@b.example;c\"", "written as %XX" },
        { "\"mailto:a b@c.example\"", "written as %XX" } } },

    { SETTINGS_TRUST, "ca_file", { "/etc/ssl/roots.pem" }, { { "roots.pem", "begins with /" } } },
    { SETTINGS_CLIENT, "certificate", { "/c.pem" }, { { "c.pem", "begins with /" } } },
    { SETTINGS_CLIENT, "key", { "/c.key" }, { { "c.key", "begins with /" } } },

    { SETTINGS_POLICY,
      "level",
      { "none", "may", "encrypt", "fingerprint", "dane", "dane-only", "verify", "secure", "sts" },
      { { "dane-onyl", "did you mean dane-only?" }, { "paranoid", "not one of none, may" } } },
    { SETTINGS_POLICY,
      "match",
      { "{ a.example, .a.example }", "\".example\"",
        "{ \"b\xc3\xbc"
        "cher.example\" }" },
      { { "{ \"*.a.example\" }", "\".example.org\"" }, { "{ \"a b\" }", "neither a domain" } } },
    { SETTINGS_POLICY,
      "minimum_tls",
      { "1.0", "1.1", "1.2", "1.3" },
      { { "1.4", "not one of 1.0, 1.1, 1.2 or 1.3" }, { "TLSv1.2", "not one of 1.0" } } },
    { SETTINGS_POLICY,
      "next_hop",
      { "\"[192.0.2.7]:2525\"", "[2001:db8::1]", "relay.example", "relay.example:587" },
      { { "192.0.2.7", "in brackets" },
        { "relay.example:65536", "not a host" },
        { "relay.example:", "not a host" },
        { "\"[192.0.2.7]25\"", "not a host" } } },
    { SETTINGS_POLICY,
      "fingerprint",
      { DIGEST, "\"00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
                "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\"" },
      { { "00112233", "64 hex digits" },
        { DIGEST "00", "64 hex digits" },
        { "\"zz112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"",
          "64 hex digits" } } },

    { SETTINGS_CLIENT,
      "port",
      { "1", "65535" },
      { { "0", "between 1 and 65535" },
        { "65536", "between 1 and 65535" },
        { "smtp", "a whole number" } } },
    { SETTINGS_CLIENT,
      "sts_port",
      { "1", "443", "65535" },
      { { "0", "between 1 and 65535" }, { "65536", "between 1 and 65535" } } },
    { SETTINGS_CLIENT,
      "private_addresses",
      { "yes", "no" },
      { { "true", "is not one of no or yes" }, { "1", "is not one of no or yes" } } },
    { SETTINGS_CLIENT,
      "timeout",
      { "1s", "8s", "1h" },
      { { "0", "between 1s and 1h" }, { "2h", "between 1s and 1h" }, { "8", "a time" } } },
    { SETTINGS_QUEUE,
      "retry",
      { "{ 5m, 15m, 1h }", "1s", "1w" },
      { { "{ 5m, 15 }", "\"15\" is not a time" },
        { "{ 0 }", "between 1s and 1w" },
        { "{ }", "empty list" },
        { "{ 8d }", "between 1s and 1w" } } },
    { SETTINGS_QUEUE,
      "lifetime",
      { "5d", "30d", "1s" },
      { { "31d", "between 1s and 30d" },
        { "0", "between 1s and 30d" },
        { "5", "is not a time such as" },
        { "5y", "is not a time such as" },
        { "-5d", "is not a time such as" },
        { "99999999999999999999d", "is not a time such as" } } },
    { SETTINGS_QUEUE,
      "warn_after",
      { "0", "4h", "0s" },
      { { "31d", "between 0s and 30d" }, { "never", "is not a time" } } },
    { SETTINGS_QUEUE,
      "in_the_clear_after",
      { "0", "90s" },
      { { "31d", "between 0s and 30d" }, { "m", "is not a time" } } },

    { SETTINGS_LIMITS,
      "message_size",
      { "50M", "1G", "64K", "65536" },
      { { "63K", "between 64K and 2147483647" },
        { "2G", "between 64K and 2147483647" },
        { "50m", "is not a size" },
        { "1.5G", "is not a size" } } },
    { SETTINGS_LIMITS,
      "recipients",
      { "100", "10000" },
      { { "99", "between 100 and 10000" },
        { "10001", "between 100 and 10000" }, /* the queue holds no message with more */
        { "1K", "a whole number" } } },
    { SETTINGS_LIMITS,
      "connections",
      { "1", "1000000" },
      { { "0", "between 1 and 1000000" }, { "many", "a whole number" } } },
    { SETTINGS_LIMITS,
      "per_address",
      { "1", "50" },
      { { "0", "between 1 and 1000000" }, { "\"\"", "a whole number" } } },
    { SETTINGS_LIMITS,
      "command_timeout",
      { "1s", "1h" },
      { { "0", "between 1s and 1h" }, { "2h", "between 1s and 1h" } } },
    { SETTINGS_LIMITS,
      "connections_per_minute",
      { "0", "1000000" },
      { { "1000001", "between 0 and 1000000" }, { "none", "a whole number" } } },
    { SETTINGS_LIMITS,
      "messages_per_minute",
      { "0", "600", "1000000" },
      { { "1000001", "between 0 and 1000000" }, { "10/m", "a whole number" } } },
    { SETTINGS_LIMITS,
      "failed_handshakes_per_minute",
      { "0", "600", "1000000" },
      { { "1000001", "between 0 and 1000000" }, { "1/s", "a whole number" } } },
    { SETTINGS_LIMITS,
      "session_errors",
      { "0", "1000000" },
      { { "1000001", "between 0 and 1000000" } } },
    { SETTINGS_LIMITS, "ban", { "0", "1d" }, { { "2d", "between 0s and 1d" }, { "5", "a time" } } },
    { SETTINGS_LIMITS,
      "clients_known",
      { "64", "16777216" },
      { { "63", "between 64 and 16777216" } } },

    { SETTINGS_DNS,
      "resolver",
      { "127.0.0.1", "127.0.0.1:53", "::1", "[::1]:5353" },
      { { "resolver.example", "address of a resolver" },
        { "127.0.0.1:0", "address of a resolver" } } },
    { SETTINGS_DNS, "trust_anchor", { "/root.key" }, { { "root.key", "begins with /" } } },
    { SETTINGS_REPORTS, "send", { "yes", "no" }, { { "maybe", "not one of" } } },
    { SETTINGS_REPORTS,
      "organization",
      { "\"Example & Söhne\"", "x" },
      { { "\"\"", "not a text" }, { "\"a\342\200\256\"", "printable" } } },
    { SETTINGS_REPORTS,
      "contact",
      { "tls@example.org" },
      { { "example.org", "no mail address" },
        { "tls@[192.0.2.1]", "at a domain" },
        { "\"tls@\303\244.example\"", "in ASCII" } } },
    { SETTINGS_REPORTS, "from", { "tls@example.org" }, { { "tls@", "no mail address" } } },
    { SETTINGS_REPORTS, "dkim_key", { "/key.pem" }, { { "key.pem", "begins with /" } } },
    { SETTINGS_REPORTS, "dkim_selector", { "tls2026" }, { { ".tls", "not a domain name" } } },
    { SETTINGS_REPORTS, "dkim_domain", { "example.org" }, { { "a..b", "not a domain name" } } },
    { SETTINGS_REPORTS, "read", { "tlsrpt@example.org" }, { { "tlsrpt", "no mail address" } } },
    { SETTINGS_WEB,
      "listen",
      { "127.0.0.1:8025", "[::1]:0" },
      { { "127.0.0.1", "an address and a port" },
        { "::1:80", "an address and a port" },
        { "[::1]", "an address and a port" },
        { "localhost:80", "not an address with its port" },
        { "\"127.0.0.1:x\"", "not an address with its port" } } },
};

/* What a section needs besides, so that one option alone is sound. */
static const char *const besides[SETTINGS_SECTION_COUNT] = {
    [SETTINGS_LISTENER] = "listener \"0.0.0.0:25\" { ",
    [SETTINGS_DOMAIN] = "domain \"example.org\" { ",
    [SETTINGS_TRUST] = "trust { ",
    [SETTINGS_CLIENT] = "client { ",
    [SETTINGS_POLICY] = "policy \"example.org\" { ",
    [SETTINGS_QUEUE] = "queue { ",
    [SETTINGS_LIMITS] = "limits { ",
    [SETTINGS_DNS] = "dns { ",
    [SETTINGS_REPORTS] = "reports { ",
    [SETTINGS_WEB] = "web { ",
};

static void write_one(char text[1024], enum settings_section section, const char *key,
                      const char *value)
{
    const char *begin = besides[section];

    snprintf(text, 1024, "\n%s%s = %s%s\n", begin == NULL ? "" : begin, key, value,
             begin == NULL ? "" : " }");
}

/* True: the value itself was found wrong (not only what the section lacks besides). */
static bool is_refused(const char *text, const char *key, const char **said, struct loaded *loaded)
{
    char start[64];

    *loaded = load_text(text);
    snprintf(start, sizeof start, "t.conf:2: %s", key);
    *said = strstr(loaded->said.data, start);
    return *said != NULL && ((*said)[strlen(start)] == ':' || (*said)[strlen(start)] == ' ') &&
           strstr(*said, "needs") != *said + strlen(start) + 1;
}

static void takes_every_sound_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_non_null(cases[i].valid[0]);
        for (size_t j = 0; j < VALUES && cases[i].valid[j] != NULL; j++) {
            struct loaded loaded;
            char text[1024], start[64];
            const char *said;

            write_one(text, cases[i].section, cases[i].key, cases[i].valid[j]);
            snprintf(start, sizeof start, "%s: \"", cases[i].key);
            if (is_refused(text, cases[i].key, &said, &loaded) && strstr(said, start) != NULL)
                fail_msg("%s%s", text, said);
            loaded_clear(&loaded);
        }
    }
}

static void names_every_wrong_value_and_its_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_non_null(cases[i].wrong[0][0]);
        for (size_t j = 0; j < VALUES && cases[i].wrong[j][0] != NULL; j++) {
            struct loaded loaded;
            char text[1024];
            const char *said;

            write_one(text, cases[i].section, cases[i].key, cases[i].wrong[j][0]);
            if (!is_refused(text, cases[i].key, &said, &loaded) ||
                strstr(said, cases[i].wrong[j][1]) == NULL)
                fail_msg("%s%sand not: %s", text, loaded.said.data, cases[i].wrong[j][1]);
            assert_null(loaded.settings);
            loaded_clear(&loaded);
        }
    }
}

static void every_option_is_in_these_tables(void **state)
{
    (void)state;
    for (size_t i = 0; i < settings_option_count; i++) {
        const struct settings_option *option = &settings_options[i];
        size_t found = option->gone != NULL;

        for (size_t j = 0; j < ARRAY_SIZE(cases); j++)
            found += cases[j].section == option->section && strcmp(cases[j].key, option->key) == 0;
        if (found != 1)
            fail_msg("%s is in the tables %zu times", option->key, found);
    }
}

static void keeps_what_was_written(void **state)
{
    struct loaded loaded = load_sound(
        "hostname = \"MX.Example.ORG.\" state_dir = /srv/p workers = 3\n"
        "bare_lf_from = 192.0.2.0/24 log = json log_to = syslog syslog_socket = /srv/log relay_from = { \"10.0.0.0/8\", \"::1\" }\n"
        "listener \"[::]:465\" { certificate = { /a.pem, /b.pem } key = { /a.key, /b.key }\n"
        "    tls = implicit client_certificate = require\n"
        "    client_ca = /ca.pem }\n"
        "domain \"b\xc3\xbc"
        "cher.example\" { deliver = \"smtp:relay.example\" }\n"
        "domain a.example { deliver = \"lmtp:[::1]\" }\n"
        "trust { ca_file = /roots } client { certificate = /c.pem port = 2525 sts_port = 8443 "
        "private_addresses = yes\n"
        "    timeout = 90s }\n"
        "policy x.example { level = fingerprint minimum_tls = 1.3 fingerprint = " DIGEST "\n"
        "    next_hop = \"[192.0.2.7]:2525\" }\n"
        "queue { retry = { 1m, 1h } lifetime = 2d warn_after = 0 in_the_clear_after = 90s }\n"
        "limits { message_size = 64K recipients = 200 connections = 20 per_address = 3\n"
        "    command_timeout = 10s messages_per_minute = 0\n"
        "    failed_handshakes_per_minute = 5 connections_per_minute = 6\n"
        "    session_errors = 2 ban = 1h clients_known = 64 }\n"
        "dns { resolver = 127.0.0.1:5353 trust_anchor = /root.key } web { listen = 127.0.0.1:8025 }\n");
    const struct settings *settings = loaded.settings;
    const struct settings_listener *listener = &settings->listeners[0];
    const struct gateway_policy *policy =
        gateway_policies_find(&settings->policy_rules, span_of("x.example")).policy;

    (void)state;
    assert_string_equal(settings->file, "t.conf");
    assert_string_equal(settings->hostname, "mx.example.org");
    assert_string_equal(settings->state_dir, "/srv/p");
    assert_int_equal(settings->workers, 3);
    assert_int_equal(settings->bare_lf_from_count, 1);
    assert_int_equal(settings->bare_lf_from[0].bits, 24);
    assert_int_equal(settings->log, LOG_JSON);
    assert_int_equal(settings->log_to, SETTINGS_LOG_TO_SYSLOG);
    assert_string_equal(settings->syslog_socket, "/srv/log");
    assert_int_equal(settings->relay.network_count, 2);
    assert_int_equal(settings->relay.networks[0].bits, 8);
    assert_int_equal(settings->relay.networks[1].bits, 128);
    assert_int_equal(settings->listener_count, 1);
    assert_int_equal(listener->address.port, 465);
    assert_true(listener->address.is_ipv6);
    assert_int_equal(listener->certificate_count, 2);
    assert_string_equal(listener->certificates[1], "/b.pem");
    assert_string_equal(listener->keys[1], "/b.key");
    assert_int_equal(listener->tls, SETTINGS_TLS_IMPLICIT);
    assert_int_equal(listener->client_certificate, TLS_CLIENT_CERTIFICATE_REQUIRE);
    assert_string_equal(listener->client_ca, "/ca.pem");
    assert_int_equal(settings->domain_count, 2);
    assert_string_equal(settings->domains[0].name, "a.example");
    assert_int_equal(settings->domains[0].deliver.how, SETTINGS_LMTP);
    assert_int_equal(settings->domains[0].deliver.hop.address.port, 24);
    assert_true(settings->domains[0].deliver.hop.address.is_ipv6);
    assert_string_equal(settings->domains[1].name, "xn--bcher-kva.example");
    assert_int_equal(settings->domains[1].line, 6);
    assert_string_equal(settings->domains[1].deliver.hop.host, "relay.example");
    assert_int_equal(settings->domains[1].deliver.hop.address.port, 25);
    assert_string_equal(settings->ca_file, "/roots");
    assert_string_equal(settings->client.key, "/c.pem");
    assert_int_equal(settings->client.port, 2525);
    assert_int_equal(settings->client.sts_port, 8443);
    assert_int_equal(settings->client.private_addresses, 1);
    assert_int_equal(settings->client.timeout_s, 90);
    assert_int_equal(policy->level, POLICY_FINGERPRINT);
    assert_int_equal(policy->minimum_version, TLS_VERSION_1_3);
    assert_string_equal(policy->fingerprint, DIGEST);
    assert_true(policy->has_next_hop);
    assert_null(policy->hop_host);
    assert_int_equal(policy->hop_address.port, 2525);
    assert_int_equal(policy->line, 10);
    assert_int_equal(settings->queue.retry_count, 2);
    assert_int_equal(settings->queue.retry_s[1], 3600);
    assert_int_equal(settings->queue.lifetime_s, 172800);
    assert_int_equal(settings->queue.warn_after_s, 0);
    assert_int_equal(settings->queue.in_the_clear_after_s, 90);
    assert_int_equal(settings->limits.message_bytes, 65536);
    assert_int_equal(settings->limits.recipients, 200);
    assert_int_equal(settings->limits.connections, 20);
    assert_int_equal(settings->limits.per_address, 3);
    assert_int_equal(settings->limits.command_timeout_s, 10);
    assert_int_equal(settings->limits.messages_per_minute, 0);
    assert_int_equal(settings->limits.connections_per_minute, 6);
    assert_int_equal(settings->limits.failed_handshakes_per_minute, 5);
    assert_int_equal(settings->limits.session_errors, 2);
    assert_int_equal(settings->limits.ban_s, 3600);
    assert_int_equal(settings->limits.clients_known, 64);
    assert_string_equal(settings->dns.resolver, "127.0.0.1:5353");
    assert_string_equal(settings->dns.trust_anchor, "/root.key");
    assert_int_equal(settings->web.listen->port, 8025);
    loaded_clear(&loaded);
}

static void an_empty_file_means_the_defaults(void **state)
{
    struct loaded loaded = load_text("");
    const struct settings *settings = loaded.settings;
    struct queue_schedule_settings queue = queue_schedule_defaults();

    (void)state;
    assert_non_null(settings);
    assert_null(settings->hostname);
    assert_int_equal(settings->workers, 0);
    assert_int_equal(settings->bare_lf_from_count, 0);
    assert_string_equal(settings->state_dir, "/var/lib/postern");
    assert_int_equal(settings->relay.network_count, 0);
    assert_int_equal(settings->listener_count, 0);
    assert_string_equal(settings->ca_file, "/etc/ssl/certs/ca-certificates.crt");
    assert_null(settings->client.certificate);
    assert_int_equal(settings->policy_count, 1);
    assert_int_equal(settings->default_policy->level, POLICY_STS);
    assert_int_equal(settings->default_policy->minimum_version, TLS_VERSION_1_2);
    assert_int_equal(settings->limits.message_bytes, 50 << 20);
    assert_int_equal(settings->limits.recipients, 1000);
    assert_null(settings->dns.resolver);
    assert_null(settings->web.listen);
    assert_memory_equal(&settings->queue, &queue, sizeof queue);
    loaded_clear(&loaded);
}

static void writes_quantities_with_their_largest_unit(void **state)
{
    const struct settings_option *lifetime =
        settings_option_find(SETTINGS_QUEUE, span_of("lifetime"));
    const struct settings_option *size =
        settings_option_find(SETTINGS_LIMITS, span_of("message_size"));
    struct arena arena;

    (void)state;
    arena_init(&arena, 1 << 20);
    assert_string_equal(settings_value_text(lifetime, 0, &arena), "0s");
    assert_string_equal(settings_value_text(lifetime, 90, &arena), "90s");
    assert_string_equal(settings_value_text(lifetime, 432000, &arena), "5d");
    assert_string_equal(settings_value_text(size, 52428800, &arena), "50M");
    assert_string_equal(settings_value_text(size, 1025, &arena), "1025");
    arena_clear(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_every_sound_value),
        cmocka_unit_test(names_every_wrong_value_and_its_line),
        cmocka_unit_test(every_option_is_in_these_tables),
        cmocka_unit_test(keeps_what_was_written),
        cmocka_unit_test(an_empty_file_means_the_defaults),
        cmocka_unit_test(writes_quantities_with_their_largest_unit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
