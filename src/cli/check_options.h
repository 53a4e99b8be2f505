/* cli/check_options.h - the command line of `postern check` as values. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "trust/dane.h"
#include "trust/policy.h"

enum { CHECK_TLSA_MOST = 16, CHECK_TARGETS_MOST = 1000 };

/* Texts are borrowed from argv. NULL: not given. */
struct check_options {
    enum policy_level level;
    uint16_t port, sts_port;
    bool private_addresses; /* of policy hosts count too */
    const char *connect, *name, *hostname, *fingerprint;
    const char *ca_file, *intermediates_file;
    const char *client_certificate, *client_key;
    const char *resolver, *trust_anchor;
    const char *save_directory, *observation_file, *from_observation;
    struct dane_record tlsa[CHECK_TLSA_MOST];
    size_t tlsa_count;
    int64_t timeout_ms;
    bool requires_tls, without_experiments, as_others, as_json, is_verbose, wants_help;
    char **targets;
    int target_count;
};

/* Usage goes to stdout for --help. False: one line on stderr has said what was wrong. */
MUST_CHECK bool check_options_parse(int argc, char **argv, struct arena *arena,
                                    struct check_options *options);

void check_options_print_help(void);
