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
#include "gateway/policies.h"
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
    /* Files of the keys that come next, for `postern publish` alone; the n-th is for the n-th
     * certificate, and there may be fewer. */
    const char **next_keys;
    size_t next_key_count;
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

/* What a domain of ours is to publish by MTA-STS. */
enum settings_sts {
    SETTINGS_STS_OFF,  /* nothing */
    SETTINGS_STS_NONE, /* a policy that takes the one before back: RFC 8461 section 8.3 */
    SETTINGS_STS_TESTING,
    SETTINGS_STS_ENFORCE
};

/* A domain whose mail ends here. */
struct settings_domain {
    const char *name; /* lower case, A-labels */
    struct settings_delivery deliver;
    /* For `postern publish` alone. */
    enum settings_sts sts;
    int64_t sts_max_age_s;
    const char **sts_mx; /* "mx.example.org", "*.example.org"; none: our own name */
    size_t sts_mx_count;
    const char **reports_to; /* "mailto:...", "https://..." */
    size_t reports_to_count;
    unsigned line;
};

/* Where the parts of a policy are said; 0: nowhere, it is the default. */
struct settings_policy_lines {
    unsigned level, match, minimum_tls, next_hop, fingerprint;
};

struct settings_policy {
    const char *name;    /* as it stands in the file */
    const char *pattern; /* the same as it is compared: ".example.org"; NULL: "default" */
    const char **match;  /* names that the certificate may carry at level secure */
    size_t match_count;
    enum policy_level level;
    uint16_t minimum_version;      /* TLS_VERSION_1_0 and up */
    const char *fingerprint;       /* SHA-256, lower-case hex; NULL */
    struct settings_hop *next_hop; /* NULL: the MX hosts */
    unsigned line;                 /* 0: the policy that is built in */
    struct settings_policy_lines lines;
    const struct gateway_policy *rule; /* what gateway/policies gets of it */
};

struct settings_client {
    const char *certificate, *key; /* files, both or neither; NULL: none */
    uint64_t port;                 /* of MX hosts */
    uint64_t sts_port;             /* of web servers that have MTA-STS policies */
    unsigned private_addresses;    /* 1: of web servers count */
    int64_t timeout_s;             /* of each step with a server; 0: those of RFC 5321 */
};

struct settings_limits {
    uint64_t message_bytes;
    uint64_t recipients;  /* of one message */
    uint64_t connections; /* in all */
    uint64_t per_address; /* connections of one peer */
    int64_t command_timeout_s;
    /* Of the rest 0 is no limit. */
    uint64_t connections_per_minute;       /* of one peer */
    uint64_t messages_per_minute;          /* of one peer */
    uint64_t failed_handshakes_per_minute; /* likewise, that are told one by one */
    uint64_t session_errors;
    int64_t ban_s; /* after session_errors */
    uint64_t clients_known;
};

struct settings_dns {
    const char *resolver; /* "ADDR" or "ADDR:PORT", as net/dns.h takes it; NULL: resolv.conf */
    const char *trust_anchor;
};

struct settings_reports {
    unsigned send;                           /* 1: yes */
    const char *organization;                /* NULL: hostname */
    const char *contact;                     /* NULL: postmaster at hostname */
    const char *from;                        /* NULL: contact */
    const char *dkim_key;                    /* a file; NULL: nothing is signed */
    const char *dkim_selector, *dkim_domain; /* NULL: none; that of `from` */
    const char *read;                        /* NULL: nothing is read */
};

struct settings_web {
    struct net_address *listen; /* NULL: no web page */
};

struct settings {
    struct arena arena; /* holds all of it */
    const char *file;
    const char *hostname; /* NULL: the machine's own */
    const char *state_dir;
    const char *user; /* whom the gateway becomes; NULL: it stays who it is */
    unsigned sandbox; /* 1: gateway/sandbox */
    enum log_form log;
    enum settings_log_to log_to;
    const char *syslog_socket;
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
    struct gateway_policies policy_rules;         /* what of them gateway/policies reads */
    const char *ca_file; /* a file of roots, or a directory of such files */
    struct settings_client client;
    struct queue_schedule_settings queue;
    struct settings_limits limits;
    struct settings_dns dns;
    struct settings_reports reports;
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
