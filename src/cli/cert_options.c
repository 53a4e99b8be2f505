#include "cli/cert_options.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/options.h"

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

static const struct option_row rows[] = {
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

static const struct option_table table = { "cert", rows, ARRAY_SIZE(rows) };

void cert_options_print_help(void)
{
    puts("usage: postern cert [OPTIONS] CHAIN.pem\n"
         "       postern cert [OPTIONS] --batch < REQUESTS\n"
         "\n"
         "CHAIN.pem holds certificates as a server sends them, its own first; - is\n"
         "standard input.\n");
    options_print(&table);
    puts("\nExit status: 0 nothing worse than a warning, 1 the chain cannot be trusted,\n"
         "2 wrong usage or no certificate in the file, 3 it could not be told.");
}

static bool read_profile(const char *value, enum chain_profile *profile)
{
    *profile = CHAIN_COMPATIBLE;
    if (strcmp(value, "strict") == 0)
        *profile = CHAIN_STRICT;
    else if (strcmp(value, "compatible") != 0)
        return options_refuse(&table, "profile", value, "compatible or strict");
    return true;
}

static bool read_time(const char *value, struct cert_options *options)
{
    options->has_at = text_to_time(span_of(value), &options->at_s);
    return options->has_at ||
           options_refuse(&table, "at", value,
                          "a time such as 2026-01-31, 2026-01-31T12:00:00Z or 1769860800");
}

static bool take_option(int option, const char *value, struct arena *arena,
                        struct cert_options *options)
{
    switch (option) {
    case OPTION_AT: return read_time(value, options);
    case OPTION_TLSA:
        return options_add_tlsa(&table, value, arena, options->tlsa, CERT_TLSA_MOST,
                                &options->tlsa_count);
    case OPTION_PROFILE: return read_profile(value, &options->profile);
    case OPTION_NAME: return options_read_host(&table, "name", value, arena, &options->name);
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
    const char *value;
    int option, rest;

    *options = (struct cert_options){ .profile = CHAIN_COMPATIBLE };
    options_begin();
    while ((option = options_next(&table, argc, argv, &value, &rest)) != OPTIONS_END)
        if (option == OPTIONS_REFUSED || !take_option(option, value, arena, options))
            return false;
    options->chain_file = argv[rest];
    return options->wants_help || fits_together(options, argc - rest);
}
