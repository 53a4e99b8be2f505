/* cli/cert_options.h - the command line of `postern cert` as values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "trust/chain.h"
#include "trust/dane.h"

enum { CERT_TLSA_MOST = 64 };

/* Texts are borrowed from argv. NULL: not given. */
struct cert_options {
    const char *name, *ca_file, *intermediates_file, *crl_file, *chain_file;
    int64_t at_s;
    bool has_at;
    struct dane_record tlsa[CERT_TLSA_MOST];
    size_t tlsa_count;
    enum chain_profile profile;
    bool as_json, is_batch, wants_help;
};

/* False: one line on stderr has said what was wrong. */
MUST_CHECK bool cert_options_parse(int argc, char **argv, struct arena *arena,
                                   struct cert_options *options);

void cert_options_print_help(void);
