#include "cli/check_options.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"
#include "net/address.h"

enum { DEFAULT_TIMEOUT_S = 30, TIMEOUT_MOST_S = 3600, SMTP_PORT = 25 };

enum check_option {
    OPTION_LEVEL = 256,
    OPTION_PORT,
    OPTION_CONNECT,
    OPTION_NAME,
    OPTION_HOSTNAME,
    OPTION_CA_FILE,
    OPTION_INTERMEDIATES,
    OPTION_CLIENT_CERT,
    OPTION_CLIENT_KEY,
    OPTION_TLSA,
    OPTION_FINGERPRINT,
    OPTION_REQUIRE_TLS,
    OPTION_RESOLVER,
    OPTION_TRUST_ANCHOR,
    OPTION_STS_PORT,
    OPTION_PRIVATE_ADDRESSES,
    OPTION_TIMEOUT,
    OPTION_NO_EXPERIMENTS,
    OPTION_AS_OTHERS,
    OPTION_SAVE,
    OPTION_OBSERVATION,
    OPTION_FROM_OBSERVATION,
    OPTION_JSON,
};

static const struct option_row rows[] = {
    { "level", "LEVEL", "what to require: may (default), verify, dane, ...", OPTION_LEVEL },
    { "port", "N", "port of targets that name none (25)", OPTION_PORT },
    { "connect", "ADDR[:PORT]", "go there in place of any look-up", OPTION_CONNECT },
    { "name", "HOST", "verify the certificate as this host's", OPTION_NAME },
    { "hostname", "NAME", "our own name in EHLO", OPTION_HOSTNAME },
    { "ca-file", "FILE", "the roots to trust, in place of the system's", OPTION_CA_FILE },
    { "intermediates", "FILE", "intermediates to know, though not to trust", OPTION_INTERMEDIATES },
    { "client-cert", "FILE", "our certificate chain, shown only where asked for",
      OPTION_CLIENT_CERT },
    { "client-key", "FILE", "its key", OPTION_CLIENT_KEY },
    { "tlsa", "\"3 1 1 HEX\"", "a TLSA record that has to match; may be repeated", OPTION_TLSA },
    { "fingerprint", "HEX", "SHA-256 of the certificate or key expected", OPTION_FINGERPRINT },
    { "require-tls", NULL, "for mail that asks for REQUIRETLS (RFC 8689)", OPTION_REQUIRE_TLS },
    { "resolver", "ADDR[:PORT]", "ask this resolver, not those of resolv.conf", OPTION_RESOLVER },
    { "trust-anchor", "FILE", "DNSSEC trust anchor (/usr/share/dns/root.key)",
      OPTION_TRUST_ANCHOR },
    { "sts-port", "N", "port of the web servers of MTA-STS policies (443)", OPTION_STS_PORT },
    { "private-addresses", NULL, "fetch policies from private addresses, too",
      OPTION_PRIVATE_ADDRESSES },
    { "timeout", "SECONDS", "for all of one target (30)", OPTION_TIMEOUT },
    { "no-experiments", NULL, "do not dial again to single out a cause", OPTION_NO_EXPERIMENTS },
    { "as-others", NULL, "dial as other senders do, too: no SNI, TLS 1.2", OPTION_AS_OTHERS },
    { "save", "DIR", "write each certificate there as PEM", OPTION_SAVE },
    { "observation", "FILE", "save what was seen", OPTION_OBSERVATION },
    { "from-observation", "FILE", "judge what was saved, without any network",
      OPTION_FROM_OBSERVATION },
    { "json", NULL, "one JSON object a target", OPTION_JSON },
    { "verbose", NULL, "the conversation too, with times (-v)", 'v' },
    { "help", NULL, "this text (-h)", 'h' },
};

static const struct option_table table = { "check", rows, ARRAY_SIZE(rows) };

void check_options_print_help(void)
{
    puts("usage: postern check [OPTIONS] TARGET...\n"
         "\n"
         "TARGET is a domain (its MX hosts are looked up), host:port or [address]:port.\n");
    options_print(&table);
    puts("\nLevels: none, may, encrypt, fingerprint, dane, dane-only, verify, secure, sts.\n"
         "Exit status: 0 nothing worse than a warning, 1 TLS fails or cannot be trusted,\n"
         "2 wrong usage, 3 it could not be told.");
}

static bool read_timeout(const char *value, int64_t *timeout_ms)
{
    uint64_t seconds;

    if (!text_to_number(span_of(value), TIMEOUT_MOST_S, &seconds) || seconds == 0)
        return options_refuse(&table, "timeout", value, "a number of seconds, 1 to 3600");
    *timeout_ms = (int64_t)seconds * 1000;
    return true;
}

static bool read_fingerprint(const char *value, struct arena *arena, struct check_options *options)
{
    char *digits = arena_new(arena, strlen(value) + 1, 1);
    size_t used = 0;
    struct span bytes;

    for (const char *c = value; digits != NULL && *c != '\0'; c++)
        if (*c != ':')
            digits[used++] = *c;
    if (digits == NULL || !text_from_hex(arena, span_of(digits), &bytes) || bytes.len != 32)
        return options_refuse(&table, "fingerprint", value,
                              "a SHA-256 digest, 64 hexadecimal digits");
    options->fingerprint = text_hex(arena, bytes);
    return true;
}

/* What EHLO may say: a name, or an address in brackets. RFC 5321 section 4.1.1.1 */
static bool read_hostname(const char *value, struct arena *arena, const char **hostname)
{
    size_t len = strlen(value);

    *hostname = value;
    if (value[0] == '[' && value[len - 1] == ']' && strcspn(value, " \t\r\n") == len)
        return true;
    return options_read_host(&table, "hostname", value, arena, hostname);
}

static bool take_option(int option, const char *value, struct arena *arena,
                        struct check_options *options)
{
    switch (option) {
    case OPTION_LEVEL:
        return policy_level_parse(span_of(value), &options->level) ||
               options_refuse(
                   &table, "level", value,
                   "one of none, may, encrypt, fingerprint, dane, dane-only, verify, secure, sts");
    case OPTION_PORT: return options_read_port(&table, "port", value, &options->port);
    case OPTION_STS_PORT: return options_read_port(&table, "sts-port", value, &options->sts_port);
    case OPTION_TIMEOUT: return read_timeout(value, &options->timeout_ms);
    case OPTION_TLSA:
        return options_add_tlsa(&table, value, arena, options->tlsa, CHECK_TLSA_MOST,
                                &options->tlsa_count);
    case OPTION_FINGERPRINT: return read_fingerprint(value, arena, options);
    case OPTION_CONNECT: options->connect = value; break;
    case OPTION_NAME: return options_read_host(&table, "name", value, arena, &options->name);
    case OPTION_HOSTNAME: return read_hostname(value, arena, &options->hostname);
    case OPTION_CA_FILE: options->ca_file = value; break;
    case OPTION_INTERMEDIATES: options->intermediates_file = value; break;
    case OPTION_CLIENT_CERT: options->client_certificate = value; break;
    case OPTION_CLIENT_KEY: options->client_key = value; break;
    case OPTION_RESOLVER: options->resolver = value; break;
    case OPTION_TRUST_ANCHOR: options->trust_anchor = value; break;
    case OPTION_PRIVATE_ADDRESSES: options->private_addresses = true; break;
    case OPTION_REQUIRE_TLS: options->requires_tls = true; break;
    case OPTION_NO_EXPERIMENTS: options->without_experiments = true; break;
    case OPTION_AS_OTHERS: options->as_others = true; break;
    case OPTION_SAVE: options->save_directory = value; break;
    case OPTION_OBSERVATION: options->observation_file = value; break;
    case OPTION_FROM_OBSERVATION: options->from_observation = value; break;
    case OPTION_JSON: options->as_json = true; break;
    case 'v': options->is_verbose = true; break;
    case 'h': options->wants_help = true; break;
    default: return false;
    }
    return true;
}

/* What only shows when all options are known. */
static bool fits_together(const struct check_options *options)
{
    if (options->client_key != NULL && options->client_certificate == NULL)
        usage_error("check", "--client-key needs --client-cert");
    else if (options->from_observation != NULL && options->target_count > 0)
        usage_error("check", "--from-observation takes no TARGET: it is in the file");
    else if (options->from_observation == NULL && options->target_count == 0)
        usage_error("check", "give a TARGET: a domain, host:port or [address]:port");
    else if (options->target_count > CHECK_TARGETS_MOST)
        usage_error("check", "more than %d targets: give them in several calls (xargs -n %d)",
                    CHECK_TARGETS_MOST, CHECK_TARGETS_MOST);
    else if (options->connect != NULL && options->target_count > 1)
        usage_error("check", "--connect goes to one place: give one TARGET");
    else if (options->as_others && options->without_experiments)
        usage_error("check", "--as-others and --no-experiments rule each other out");
    else if (options->level == POLICY_FINGERPRINT && options->fingerprint == NULL)
        usage_error("check", "--level fingerprint needs --fingerprint HEX");
    else
        return true;
    return false;
}

bool check_options_parse(int argc, char **argv, struct arena *arena, struct check_options *options)
{
    const char *value;
    int option, rest;

    *options = (struct check_options){ .level = POLICY_MAY,
                                       .port = SMTP_PORT,
                                       .timeout_ms = DEFAULT_TIMEOUT_S * 1000 };
    options_begin();
    while ((option = options_next(&table, argc, argv, &value, &rest)) != OPTIONS_END)
        if (option == OPTIONS_REFUSED || !take_option(option, value, arena, options))
            return false;
    options->targets = argv + rest;
    options->target_count = argc - rest;
    return options->wants_help || fits_together(options);
}
