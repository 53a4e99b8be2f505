/* settings/settings.h - what postern.conf says, as plain structs.
 *
 * One object for one file, never changed after it was loaded: a reload makes another, and the one
 * that was there stays as it is until nobody uses it. Texts, lists and sections live in the object.
 * A file may have SETTINGS_FILE_MOST bytes. settings/options.h lists every key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "base/span.h"
#include "gateway/relay.h"
#include "net/address.h"
#include "net/tls_server.h"
#include "queue/schedule.h"
#include "settings/fault.h"
#include "trust/policy.h"

enum { SETTINGS_FILE_MOST = 4 << 20 };

enum settings_log_to { SETTINGS_LOG_TO_STDERR, SETTINGS_LOG_TO_SYSLOG };

enum settings_tls {
    SETTINGS_TLS_NONE,
    SETTINGS_TLS_MAY,      /* STARTTLS is offered */
    SETTINGS_TLS_REQUIRED, /* and nothing else is done before it: 530 5.7.0 */
    SETTINGS_TLS_IMPLICIT  /* TLS from the first byte: RFC 8314 section 3.3 */
};

struct settings_listener {
    struct net_address address;          /* port 0: a free one */
    const char **certificates, **keys;   /* files; the n-th key is the n-th certificate's */
    size_t certificate_count, key_count; /* equal; without a key, it is in the certificate's file */
    enum settings_tls tls;
    enum tls_client_certificate client_certificate;
    const char *client_ca; /* a file; NULL: the roots of `trust` */
    unsigned line;
};

/* Where a connection goes: a host by name or address. */
struct settings_hop {
    const char *host;           /* A-labels; NULL: `address` */
    struct net_address address; /* with its port, which is set for a host too */
};

enum settings_deliver { SETTINGS_MAILDIR, SETTINGS_LMTP_SOCKET, SETTINGS_LMTP, SETTINGS_SMTP };

struct settings_delivery {
    enum settings_deliver how;
    const char *path;        /* of the Maildir, with {domain} and {user} in it; of the socket */
    struct settings_hop hop; /* of the other two */
};

/* A domain whose mail ends here. */
struct settings_domain {
    const char *name; /* lower case, A-labels */
    struct settings_delivery deliver;
    unsigned line;
};

struct settings_policy {
    const char *name;   /* as it stands in the file */
    const char **match; /* "example.org", or ".example.org" for every name below it */
    size_t match_count; /* 0 for "default" alone; else its name stands for a list left out */
    enum policy_level level;
    uint16_t minimum_version;      /* TLS_VERSION_1_0 and up */
    const char *fingerprint;       /* SHA-256, lower-case hex; NULL */
    struct settings_hop *next_hop; /* NULL: the MX hosts */
    unsigned line;                 /* 0: the policy that is built in */
};

struct settings_client {
    const char *certificate, *key; /* files, both or neither; NULL: none */
};

struct settings_limits {
    uint64_t message_bytes;
    uint64_t recipients;  /* of one message */
    uint64_t connections; /* in all */
    uint64_t per_address; /* connections of one peer */
    int64_t command_timeout_s;
    /* Of the rest 0 is no limit. */
    uint64_t messages_per_minute; /* of one peer */
    uint64_t session_errors;
    int64_t ban_s; /* after session_errors */
    uint64_t clients_known;
};

struct settings_dns {
    const char *resolver; /* "ADDR" or "ADDR:PORT", as net/dns.h takes it; NULL: resolv.conf */
    const char *trust_anchor;
};

struct settings_web {
    struct net_address *listen; /* NULL: no web page */
};

/* One name that a policy is for; the list is sorted by text. */
struct settings_pattern {
    const char *text;
    const struct settings_policy *policy;
};

struct settings {
    struct arena arena; /* holds all of it */
    const char *file;
    const char *hostname; /* NULL: the machine's own */
    const char *state_dir;
    enum log_form log;
    enum settings_log_to log_to;
    struct settings_listener *listeners;
    size_t listener_count;
    struct settings_domain *domains; /* sorted by name */
    size_t domain_count;
    /* What of it gateway/relay reads: the n-th domain is domains[n]; mail for "Postmaster" alone goes
     * to the domain that is first in the file. */
    struct gateway_relay_rules relay;
    struct gateway_relay_network *bare_lf_from;
    size_t bare_lf_from_count;
    uint64_t workers;                 /* 0: one for each core */
    struct settings_policy *policies; /* as in the file, and one more where none is "default" */
    size_t policy_count;
    const struct settings_policy *default_policy; /* one of them */
    struct settings_pattern *patterns;
    size_t pattern_count;
    const char *ca_file; /* a file of roots, or a directory of such files */
    struct settings_client client;
    struct queue_schedule_settings queue;
    struct settings_limits limits;
    struct settings_dns dns;
    struct settings_web web;
};

struct settings_source {
    const char *name; /* of the file, for faults */
    struct span text;
    bool leaves_files_alone; /* the files that it names are not looked at */
};

/* Reads a file. False: *settings is NULL, *faults has each fault with its line, and err says how
 * many, or what of ours failed. `faults` (the caller's, not initialized) may hold warnings after
 * success too; the caller clears it either way. One load at a time in a process: libconfuse's scanner
 * has one state for all. */
MUST_CHECK bool settings_load(const char *path, struct settings **settings,
                              struct settings_faults *faults, struct error *err);
/* The same from memory. */
MUST_CHECK bool settings_load_text(const struct settings_source *source, struct settings **settings,
                                   struct settings_faults *faults, struct error *err);
void settings_free(struct settings **settings);

enum settings_rule {
    SETTINGS_RULE_EXACT,  /* the domain itself is named */
    SETTINGS_RULE_PARENT, /* ".parent" is; the longest one counts */
    SETTINGS_RULE_DEFAULT
};

struct settings_choice {
    const struct settings_policy *policy; /* never NULL; borrowed from the settings */
    enum settings_rule rule;
    const char *pattern; /* what matched; "default" */
};

/* Pure. `domain` in A-labels; case and a final dot do not matter. */
struct settings_choice settings_policy_for(const struct settings *settings, struct span domain);
