/* lab/fault_row.h - the layout of one row of the lab's table: all that one broken server does.
 *
 * For lab/ alone; others read rows through lab/faults.h. A field left zero is what a healthy
 * server does, so that a row says only what is wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "lab/certificates.h"
#include "lab/faults.h"
#include "net/tls.h"
#include "net/tls_server.h"

/* What follows once the bytes of a step have gone out. */
enum fault_then {
    FAULT_GO_ON,
    FAULT_CLOSE, /* FIN */
    FAULT_RESET, /* RST */
    FAULT_STALL, /* the connection stays open and nothing more is ever said */
};

/* One reply of the server. */
struct fault_say {
    const char *bytes; /* sent as they are, {host} replaced; NULL: what a healthy server says */
    enum fault_then then;
    int delay_ms; /* waits so long before */
};

/* What happens to a connection before any byte. */
enum fault_listening {
    FAULT_LISTENS,
    FAULT_REFUSES,     /* nothing listens there */
    FAULT_DROPS,       /* the SYN is never answered */
    FAULT_UNREACHABLE, /* no route leads there */
    FAULT_RESETS,      /* accepted, then RST */
    FAULT_NOWHERE,     /* the domain leads to no server at all: a DNS fault */
};

/* A server that looks at the ClientHello before it answers. */
enum fault_hello_if {
    FAULT_HELLO_NEVER, /* whatever it holds, an honest handshake follows */
    FAULT_HELLO_ALWAYS,
    FAULT_HELLO_LONGER,       /* than `limit` octets, record header included */
    FAULT_HELLO_WITH_TICKET,  /* offers to take tickets */
    FAULT_HELLO_WITH_SESSION, /* offers to resume one */
    FAULT_HELLO_WITH_SNI,
    FAULT_HELLO_WITH_TLS13,
};

/* Bytes written by hand in place of a handshake, where the ClientHello is as `when` says. */
struct fault_hello {
    enum fault_hello_if when;
    size_t limit;
    struct span bytes; /* whole TLS records, or anything else */
    enum fault_then then;
};

/* A server of an older time: answers with a ServerHello that picks one of these where the client
 * offers it, with an alert otherwise. OpenSSL of today can play none of them. */
struct fault_obsolete {
    uint16_t version; /* TLS_VERSION_SSL3 and up; 0: not such a server */
    uint16_t ciphers[4];
    size_t cipher_count;
};

enum fault_staple {
    FAULT_STAPLE_NONE,
    FAULT_STAPLE_GOOD,
    FAULT_STAPLE_REVOKED,
    FAULT_STAPLE_EXPIRED, /* its next update was due a day ago */
};

struct fault_tls {
    enum certificate_case certificate;
    uint16_t minimum_version, maximum_version; /* 0: TLS 1.2 and 1.3 */
    bool is_lax;                               /* OpenSSL security level 0 */
    const char *ciphers, *groups, *signature_algorithms;
    int dh_bits;
    bool no_tickets;
    bool drops_resumed; /* RST behind the handshake of a resumed session */
    bool legacy_renegotiation;
    enum tls_client_certificate client_certificate;
    bool distrusts_clients; /* asks for certificates of a CA that the lab's clients do not have */
    bool only_other_name;   /* knows a name that nobody asks for: alert 112 on any other */
    bool needs_sni;         /* alert 112 where no name comes */
    enum fault_staple staple;
};

/* How a client is to be set up so that it meets the fault. */
enum fault_credentials {
    FAULT_CREDENTIALS_NONE,
    FAULT_CREDENTIALS_GOOD,
    FAULT_CREDENTIALS_EXPIRED,
    FAULT_CREDENTIALS_WRONG_KEY,
};

enum fault_roots {
    FAULT_ROOTS_LAB,
    FAULT_ROOTS_EMPTY,  /* a file without any certificate */
    FAULT_ROOTS_FUTURE, /* a root made after the time that our clock shows */
};

enum fault_tlsa {
    FAULT_TLSA_NONE,
    FAULT_TLSA_MATCHING,      /* 3 1 1 of the server's key */
    FAULT_TLSA_MATCHING_ROOT, /* 2 0 1 of the intermediate that is sent */
    FAULT_TLSA_OTHER,         /* 3 1 1 of another key */
    FAULT_TLSA_UNUSABLE,      /* 1 1 1: RFC 7672 section 3.1.3 */
    FAULT_TLSA_WRONG_HEAD,    /* 3 0 1 with the digest of the key */
    FAULT_TLSA_MIXED,    /* of usage 1, of another key, of an unknown matching type, and 3 1 1 */
    FAULT_TLSA_ROLLOVER, /* 3 1 1 of the next key, and of the present one */
    /* with a zone only */
    FAULT_TLSA_SERVFAIL,          /* asking for it fails */
    FAULT_TLSA_BAD_SIGNATURE,     /* its signature is wrong */
    FAULT_TLSA_SIGNATURE_EXPIRED, /* its signature ended a month ago */
    FAULT_TLSA_DANGLING,          /* an alias that leads nowhere */
    FAULT_TLSA_INSECURE,          /* an alias that leads into a zone that is not signed */
};

struct fault_client {
    enum fault_credentials credentials;
    enum fault_roots roots;
    const char *level;        /* --level; NULL: not given */
    bool requires_tls;        /* --require-tls */
    const char *fingerprint;  /* --fingerprint; NULL: not given */
    bool knows_intermediates; /* --intermediates with those of the lab */
    int timeout_s;            /* --timeout, for servers that stall; 0: not given */
};

/* What its domain looks like in the zone. */
enum fault_zone {
    FAULT_ZONE_USUAL, /* MX, A, all signed */
    FAULT_ZONE_NXDOMAIN,
    FAULT_ZONE_NULL_MX,
    FAULT_ZONE_NO_MX, /* an A record alone: RFC 5321 section 5.1 lets mail go there */
    FAULT_ZONE_NO_ADDRESS,
    FAULT_ZONE_MX_ALIAS,
    FAULT_ZONE_MX_ADDRESS,
    FAULT_ZONE_SERVFAIL,
    FAULT_ZONE_TIMEOUT,
    FAULT_ZONE_BOGUS,
    FAULT_ZONE_SIGNATURE_EXPIRED,
    FAULT_ZONE_INSECURE,    /* a delegation without DS */
    FAULT_ZONE_MX_INSECURE, /* the same, while the host of its MX is in the signed zone */
};

/* What a sender is to do with it, for the exam. */
enum fault_safety {
    FAULT_SAFE,      /* TLS that verifies */
    FAULT_UNTRUSTED, /* TLS, with whom nobody knows */
    FAULT_NO_TLS,    /* mail can go in the clear, or not at all */
    FAULT_INJECTED,  /* somebody between speaks for it: nothing that was said counts */
    FAULT_DEAD,      /* no mail can go */
};

/* What the server of a domain's MTA-STS policy does. */
enum fault_policy_server {
    FAULT_POLICY_ANSWERS,
    FAULT_POLICY_REFUSES,    /* nothing listens there */
    FAULT_POLICY_NOT_TLS,    /* HTTP in the clear */
    FAULT_POLICY_STALLS,     /* takes the ClientHello and says nothing */
    FAULT_POLICY_SILENT,     /* takes the request and says nothing */
    FAULT_POLICY_DRIPS,      /* an octet a second, without end */
    FAULT_POLICY_CUT,        /* FIN in the middle of the body */
    FAULT_POLICY_NOT_HTTP,   /* a greeting of SMTP inside TLS */
    FAULT_POLICY_HUGE,       /* chunks without end */
    FAULT_POLICY_NO_ADDRESS, /* its name has none */
    FAULT_POLICY_SERVFAIL,   /* asking for its address fails */
};

/* What its domain publishes of its TLS, beside TLSA; with a zone only. */
struct fault_published {
    const char *sts_record;        /* TXT at _mta-sts; NULL: none, and no server of a policy */
    const char *second_sts_record; /* one more */
    bool sts_record_servfail;      /* asking for it fails */
    const char *policy;       /* the file, {host} replaced; NULL: enforce, and the host is listed */
    int status;               /* of HTTP; 0: 200 */
    const char *content_type; /* NULL: text/plain */
    const char *location;     /* a header of that name; NULL: none */
    enum fault_policy_server server;
    enum certificate_case certificate;         /* of that server */
    uint16_t minimum_version, maximum_version; /* 0: TLS 1.2 and 1.3 */
    const char *report_record;                 /* TXT at _smtp._tls; NULL: none */
    const char *second_report_record;          /* one more */
};

struct fault_row {
    const char *name, *summary;
    struct fault_expectation expect;
    enum fault_safety safety;
    enum fault_listening listening;
    bool is_implicit_tls; /* TLS from the first byte */
    struct fault_say greeting, ehlo, helo, starttls, plaintext, handshake_done, ehlo_after_tls;
    bool no_close_notify;
    struct fault_hello hello;
    struct fault_obsolete obsolete;
    struct fault_tls tls;
    enum fault_tlsa tlsa;
    enum fault_zone zone;
    struct fault_published published;
    struct fault_client client;
};

/* The parts of the table, one file each. */
struct fault_part {
    const struct fault_row *rows;
    size_t count;
};
extern const struct fault_part faults_healthy, faults_smtp, faults_handshake, faults_certificate,
    faults_policy, faults_published;
