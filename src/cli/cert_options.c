#include "cli/cert_options.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"

enum cert_option {
    OPTION_NAME = 256,
    OPTION_CA_FILE,
    OPTION_INTERMEDIATES,
    OPTION_CRL,
    OPTION_AT,
    OPTION_TLSA,
    OPTION_PROFILE,
    OPTION_JSON,
    OPTION_BATCH,
};

/* One row an option: its word, its value's word (NULL: none) and its line of help. */
static const struct row {
    const char *name, *value, *help;
    int option;
} rows[] = {
    { "name", "HOST", "the name that the certificate is to have", OPTION_NAME },
    { "ca-file", "FILE", "trust these roots (/etc/ssl/certs/ca-certificates.crt)", OPTION_CA_FILE },
    { "intermediates", "FILE", "intermediates to know, though not to trust", OPTION_INTERMEDIATES },
    { "crl", "FILE", "revocation lists to go by", OPTION_CRL },
    { "at", "TIME", "judge as of 2026-01-31T12:00:00Z, or seconds (now)", OPTION_AT },
    { "tlsa", "\"3 1 1 HEX\"", "a TLSA record to hold the chain to; may be repeated", OPTION_TLSA },
    { "profile", "P", "compatible (what delivery uses) or strict (RFC 5280)", OPTION_PROFILE },
    { "json", NULL, "one JSON object", OPTION_JSON },
    { "batch", NULL, "JSON lines from standard input, an answer a line", OPTION_BATCH },
    { "help", NULL, "this text (-h)", 'h' },
};

void cert_options_print_help(void)
{
    puts("usage: postern cert [OPTIONS] CHAIN.pem\n"
         "       postern cert [OPTIONS] --batch < REQUESTS\n"
         "\n"
         "CHAIN.pem holds certificates as a server sends them, its own first; - is\n"
         "standard input.\n");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char left[40];

        snprintf(left, sizeof left, "--%s%s%s", rows[i].name, rows[i].value == NULL ? "" : " ",
                 rows[i].value == NULL ? "" : rows[i].value);
        printf("  %-22s%s\n", left, rows[i].help);
    }
    puts("\nExit status: 0 nothing worse than a warning, 1 the chain cannot be trusted,\n"
         "2 wrong usage or no certificate in the file, 3 it could not be told.");
}

static bool refuse(const char *option, const char *value, const char *wanted)
{
    usage_error("cert", "--%s \"%s\" is not %s", option, value, wanted);
    return false;
}

static bool add_tlsa(const char *value, struct arena *arena, struct cert_options *options)
{
    struct error err;

    if (options->tlsa_count == CERT_TLSA_MOST) {
        usage_error("cert", "more than %d --tlsa records", CERT_TLSA_MOST);
        return false;
    }
    if (!dane_parse(arena, span_of(value), &options->tlsa[options->tlsa_count], &err)) {
        usage_error("cert", "--tlsa \"%s\": %s", value, err.text);
        return false;
    }
    options->tlsa_count++;
    return true;
}

static bool read_profile(const char *value, enum chain_profile *profile)
{
    *profile = CHAIN_COMPATIBLE;
    if (strcmp(value, "strict") == 0)
        *profile = CHAIN_STRICT;
    else if (strcmp(value, "compatible") != 0)
        return refuse("profile", value, "compatible or strict");
    return true;
}

static bool read_time(const char *value, struct cert_options *options)
{
    options->has_at = text_to_time(span_of(value), &options->at_s);
    return options->has_at ||
           refuse("at", value, "a time such as 2026-01-31, 2026-01-31T12:00:00Z or 1769860800");
}

static bool take_option(int option, const char *value, struct arena *arena,
                        struct cert_options *options)
{
    switch (option) {
    case OPTION_AT: return read_time(value, options);
    case OPTION_TLSA: return add_tlsa(value, arena, options);
    case OPTION_PROFILE: return read_profile(value, &options->profile);
    case OPTION_NAME: options->name = value; break;
    case OPTION_CA_FILE: options->ca_file = value; break;
    case OPTION_INTERMEDIATES: options->intermediates_file = value; break;
    case OPTION_CRL: options->crl_file = value; break;
    case OPTION_JSON: options->as_json = true; break;
    case OPTION_BATCH: options->is_batch = true; break;
    case 'h': options->wants_help = true; break;
    default: return false;
    }
    return true;
}

/* What only shows when all options are known. */
static bool fits_together(const struct cert_options *options, int file_count)
{
    if (options->is_batch && file_count > 0)
        usage_error("cert", "--batch reads standard input and takes no file");
    else if (options->is_batch && (options->name != NULL || options->tlsa_count > 0 ||
                                   options->crl_file != NULL || options->as_json))
        usage_error("cert",
                    "--batch takes names, TLSA records and revocation lists from its lines");
    else if (!options->is_batch && file_count != 1)
        usage_error("cert", "give one file of certificates, the server's own first");
    else
        return true;
    return false;
}

bool cert_options_parse(int argc, char **argv, struct arena *arena, struct cert_options *options)
{
    struct option known[ARRAY_SIZE(rows) + 1] = { 0 };
    int option;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        known[i] = (struct option){ rows[i].name, rows[i].value != NULL, NULL, rows[i].option };
    *options = (struct cert_options){ .profile = CHAIN_COMPATIBLE };
    opterr = 0;
    optind = 1;
    while ((option = getopt_long(argc, argv, ":h", known, NULL)) != -1) {
        if (option == ':') {
            usage_error("cert", "%s needs a value", argv[optind - 1]);
            return false;
        }
        if (option == '?') {
            usage_error("cert", "there is no option %s", argv[optind - 1]);
            return false;
        }
        if (!take_option(option, optarg, arena, options))
            return false;
    }
    options->chain_file = argv[optind];
    return options->wants_help || fits_together(options, argc - optind);
}
