/* link/observation.h - all that one conversation with one address showed, as a plain record.
 *
 * Only link/ writes it. Texts and bytes live in the checkup's arena. It can be saved as JSON and
 * judged again later without a network (link/observation_json.h). Nothing in it is secret: no
 * message content, no AUTH data, no key.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/span.h"
#include "net/dns.h"
#include "net/hello.h"
#include "net/stream.h"
#include "net/tls.h"
#include "smtp/capabilities.h"
#include "smtp/reply.h"
#include "trust/chain.h"
#include "trust/policy.h"

/* The steps of a delivery, in order; the words are a contract (FINDINGS). */
enum step {
    STEP_DNS,
    STEP_CONNECT,
    STEP_GREETING,
    STEP_EHLO,
    STEP_STARTTLS,
    STEP_HANDSHAKE,
    STEP_CERTIFICATE,
    STEP_POLICY,
    STEP_AFTER_TLS,
    STEP_COUNT,
};

const char *step_name(enum step step); /* "after-tls" */

enum {
    OBSERVATION_REPLY_BYTES = 16 * 1024, /* kept of each reply */
    OBSERVATION_STRAY_BYTES = 512,       /* kept of bytes where none should be */
};

/* One reply of the peer. */
struct observed_reply {
    bool came;         /* a whole reply, or one that is broken */
    bool is_broken;    /* not an SMTP reply: see flaws and raw */
    uint16_t code;     /* 0 where it is broken before its code */
    uint32_t flaws;    /* enum smtp_reply_flaw */
    struct span raw;   /* its bytes, or those of the part that came */
    int64_t waited_ms; /* from our last byte to the end of the reply */
};

/* How the conversation ended. */
enum ending {
    ENDING_QUIT,    /* we said QUIT, or closed after all was seen */
    ENDING_CLOSED,  /* the peer's FIN came where more was due */
    ENDING_RESET,   /* the peer's RST */
    ENDING_TIMEOUT, /* we gave up waiting */
    ENDING_REFUSED, /* RST to our SYN */
    ENDING_UNREACHABLE,
    ENDING_NO_CONNECT, /* no answer to our SYN in time */
    ENDING_TLS,        /* one side's TLS refused: see tls.alerts and tls.library_reason */
    ENDING_NOT_TLS,    /* plaintext where the handshake should be */
    ENDING_INJECTED,   /* bytes behind the 220 to STARTTLS */
    ENDING_BROKEN,     /* a reply that is not SMTP */
    ENDING_STOPPED,    /* our side ended it: nothing more was to be learned, such as no STARTTLS */
    ENDING_FAILED,     /* our own failure: see `failure` */
    ENDING_BARRED,     /* never dialled: what is published lets no mail go to that host */
    ENDING_COUNT,
};

const char *ending_name(enum ending ending);

/* What was changed against the way that the gateway dials; experiments change one thing each. */
enum dial {
    DIAL_AS_CONFIGURED,
    DIAL_OLD_VERSIONS,     /* TLS 1.0 and 1.1 allowed, security level 0 */
    DIAL_SECURITY_LEVEL_0, /* weak keys, digests and DH groups allowed; TLS 1.2 and up */
    DIAL_WITHOUT_SNI,
    DIAL_TLS12_ONLY,
    DIAL_TLS13_ONLY,
    DIAL_SMALL_HELLO,
    DIAL_WITHOUT_CLIENT_CERTIFICATE,
    DIAL_WITH_CLIENT_CERTIFICATE, /* a fresh self-signed one: does the server merely want any? */
    DIAL_RSA_ONLY,
    DIAL_WITHOUT_TICKETS,
    DIAL_LEGACY_RENEGOTIATION,
    DIAL_LARGE_GROUPS_ONLY, /* no finite-field DH: ECDHE alone */
    DIAL_RAW_OBSOLETE,      /* our own ClientHello with SSLv3, RC4, 3DES, export, anonymous */
    DIAL_RAW_SSL3,          /* the same, version SSLv3 and no extensions */
    DIAL_PLAIN_TLS,         /* TLS from the first byte: does the port speak implicit TLS? */
    DIAL_HELO,              /* HELO in place of EHLO */
    DIAL_COUNT,
};

const char *dial_name(enum dial dial); /* "without-sni" */

/* What the answer to one DNS question was. */
struct observed_lookup {
    const char *name;
    enum dns_type type;
    enum dns_outcome outcome;
    enum dns_security security;
    const char *canonical_name; /* NULL: the name itself */
    const char *why_bogus;      /* NULL */
    bool anchor_failed;         /* bogus from the trust anchor on: net/dns.h */
    bool resolver_is_silent;    /* a timeout of our own resolver's: net/dns.h */
    int64_t given_up_after_ms;  /* a timeout because the time allowed was over; else 0 */
    int rcode;
    size_t record_count;
};

/* No answer within a time too short to tell that there is none. */
bool observed_lookup_was_cut_short(const struct observed_lookup *lookup);

/* Notes what the answer says beside its records; texts are copied into the arena. */
void observed_lookup_note(struct observed_lookup *lookup, const struct dns_answer *answer,
                          struct arena *arena);

/* Somebody meant to publish TLSA records, and for nobody there are any: RFC 7672 section 2.2.3. */
enum observed_tlsa_flaw_kind {
    TLSA_FLAW_NONE,
    TLSA_FLAW_DANGLING, /* the TLSA name is an alias, and where it leads is no record */
    TLSA_FLAW_INSECURE, /* the answer is not signed, though the host's addresses are */
};

struct observed_tlsa_flaw {
    enum observed_tlsa_flaw_kind kind;
    const char *name;  /* that was asked for, "_25._tcp.mx.example.org"; NULL without a flaw */
    const char *alias; /* where it leads; NULL: nowhere else */
};

/* Our own state, for "is it us?". */
struct observed_self {
    bool has_client_certificate;
    enum tls_credentials_state client_certificate_state;
    const char *client_certificate_subject; /* NULL */
    int64_t client_certificate_ended_s;     /* its notAfter; 0 */
    const char *client_certificate_file;    /* NULL */
    size_t anchor_count;
    const char *anchor_file;    /* where the anchors came from */
    const char *anchor_problem; /* "no such file"; NULL */
    int64_t newest_anchor_s;    /* 0: none */
    int64_t built_at_s;         /* a date that our clock cannot be before */
};

struct observation {
    /* what was asked */
    const char *domain;  /* what the user asked for */
    const char *host;    /* the MX host, or the domain itself */
    const char *address; /* text of the IP address */
    uint16_t port;
    const char
        *own_address; /* of our end of the connection; NULL: none came about, or it is not kept */
    int preference;   /* of the MX; -1: none */
    enum policy_level level;
    int64_t wall_s; /* when, seconds since 1970 by our clock */
    enum dial dial;
    enum dns_security dnssec; /* of the weakest answer used; insecure where none was */
    enum dns_security
        mx_dnssec;        /* of the answer that named the host; secure where we were told it */
    bool has_lookups;     /* the host came from DNS */
    bool is_implicit_tls; /* TLS from the first byte was asked for */
    bool requires_tls;    /* for messages that ask for REQUIRETLS */

    /* the conversation */
    enum step reached; /* the step in which it ended; STEP_AFTER_TLS with ENDING_QUIT: all of it */
    enum ending ending;
    int error_number;            /* errno of a failed socket, 0 */
    const char *failure;         /* with ENDING_FAILED; NULL */
    int64_t step_ms[STEP_COUNT]; /* how long each step took; -1: not reached */
    int64_t timeout_ms; /* the longest that we would have waited at the step that ended it */
    struct observed_reply greeting, ehlo, helo, starttls, second_greeting, ehlo_after_tls, quit;
    struct smtp_capabilities capabilities, capabilities_after_tls;
    bool has_capabilities, has_capabilities_after_tls;
    struct span injected;      /* bytes behind the 220 */
    struct span unfinished;    /* the part of a reply that the peer left off in */
    bool ended_after_tls;      /* ended inside TLS, before the second EHLO was answered */
    bool close_notify_missing; /* FIN or RST inside TLS without close_notify, after QUIT */

    /* TLS and trust */
    struct tls_facts tls;
    bool has_verdict;
    struct chain_verdict verdict; /* of all names that count at any level: see below */
    const char *host_reference;   /* the reference identifier: the MX host, or --name */
    bool host_named, domain_named;
    bool fingerprint_asked, fingerprint_matched;
    const char *fingerprint_wanted; /* hex; NULL */
    enum policy_tlsa tlsa;
    const char *tlsa_base; /* TLSA base domain (RFC 7672 section 2.2.3); NULL: the host */
    const char *
        tlsa_failure; /* what look-up failed, and how; or why what is there counts for nothing; NULL */
    struct observed_tlsa_flaw tlsa_flaw; /* with POLICY_TLSA_NONE alone */
    const char **tlsa_records;           /* as text */
    size_t tlsa_count;
    const char *known_key_sha256; /* of the host's key when mail last went there; NULL: not known */
    int64_t known_key_s;          /* when that was */
    enum policy_sts sts;
    bool sts_host_listed;
    uint16_t minimum_version; /* that the rule asks for; 0: none */

    /* for DIAL_RAW_* */
    enum hello_status raw_status;
    struct hello_answer raw_answer;
    bool has_raw_answer;

    struct observed_self self;
};

/* Nothing was seen yet: no step reached, no preference, texts "". */
void observation_init(struct observation *observation);

/* What the decision is made of, read off an observation. What only the owner of a message knows
 * (may_go_clear, has_other_hosts) stays false. */
struct policy_session observation_session(const struct observation *observation);
