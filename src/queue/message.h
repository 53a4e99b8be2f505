/* queue/message.h - a message on its way: its envelope, its recipients and how far each has come.
 *
 * RFC 5321 section 2.3.1 (the envelope), RFC 3461 (ENVID, RET, NOTIFY, ORCPT), RFC 6152 (8BITMIME),
 * RFC 6531 (SMTPUTF8), RFC 8689 (REQUIRETLS). Plain values: texts are borrowed from whoever made the message, in what the
 * store answers from the arena of the request.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/span.h"

enum {
    QUEUE_RECIPIENTS = 10000,        /* the most that one message has */
    QUEUE_ADDRESS_BYTES = 512,       /* the most of one address or one DSN parameter */
    QUEUE_FACT_BYTES = 1024,         /* the most of any other text of an envelope or an attempt */
    QUEUE_SESSION_BYTES = 32 * 1024, /* the most of all texts of a session together */
};

/* RET of RFC 3461 section 4.3: how much of the message comes back with a report. */
enum queue_return {
    QUEUE_RETURN_UNSAID,
    QUEUE_RETURN_FULL,
    QUEUE_RETURN_HEADERS,
};

/* NOTIFY of RFC 3461 section 4.1, a set; empty: not said, which means failure and delay. */
enum queue_notify {
    QUEUE_NOTIFY_NEVER = 1, /* alone */
    QUEUE_NOTIFY_SUCCESS = 2,
    QUEUE_NOTIFY_FAILURE = 4,
    QUEUE_NOTIFY_DELAY = 8,
};

/* Numbers are stored; never renumber. Those before HELD are due at a time. */
enum queue_state {
    QUEUE_WAITING,  /* not tried yet; due at `due_at_s` */
    QUEUE_DEFERRED, /* tried; due again at `due_at_s` */
    QUEUE_LEASED,   /* being worked on; due again at `due_at_s` unless settled before */
    QUEUE_HELD,     /* waits for a person */
    QUEUE_DONE,     /* delivered, or handed on; final */
    QUEUE_BOUNCED,  /* given up, and the sender has been told where that is due; final */
};
enum { QUEUE_STATES = 6 };

/* "waiting", "deferred", "leased", "held", "done", "bounced". */
const char *queue_state_name(enum queue_state state);
MUST_CHECK bool queue_state_parse(struct span name, enum queue_state *state);

/* Received from whom, as the Received field and tracking tell it. Empty where it is not known. */
struct queue_origin {
    struct span client_address; /* "192.0.2.1", "2001:db8::1"; empty: put in by a local program */
    struct span helo;
    struct span user;        /* whom it authenticated as */
    struct span tls_version; /* "TLSv1.3"; empty: came in clear */
    struct span tls_cipher;
};

struct queue_envelope {
    int64_t id;             /* queue/id.h */
    struct span sender;     /* without brackets; empty: <> */
    struct span envid;      /* xtext as it came */
    struct span message_id; /* of the header, for tracking; empty where there is none */
    enum queue_return returns;
    bool is_8bit, is_smtputf8;
    bool requires_tls; /* REQUIRETLS: no hop without authenticated TLS that promises the same */
    bool
        tls_optional; /* "TLS-Required: No": rather in the clear than not at all; not with the other */
    int64_t received_at_s;
    int64_t size_bytes; /* of the body; the store's own count where it answers */
    struct queue_origin origin;
};

struct queue_recipient {
    struct span address; /* without brackets */
    struct span orcpt;   /* "rfc822;..." as it came */
    unsigned notify;     /* a set of enum queue_notify */
    int64_t number;      /* names this recipient in the store; filled in by it, as is the rest */
    enum queue_state state;
    int64_t due_at_s;
    int64_t attempts;
    bool has_warned;        /* the sender has heard of the delay */
    struct span last_code;  /* of the last attempt, "4.7.5" */
    struct span last_reply; /* what was said then, or our own words */
    struct span last_finding;
};

/* What one attempt showed; goes to tracking word for word, and in short to the recipient. */
struct queue_attempt {
    int64_t at_s;
    int64_t milliseconds;
    struct span relay;   /* "mx.example.org[192.0.2.1]:25" */
    struct span tls;     /* "secure:TLSv1.3"; empty: in clear */
    struct span code;    /* RFC 3463: "2.0.0", "4.7.5" */
    struct span reply;   /* of the peer, or our own words */
    struct span finding; /* slug; empty where TLS was well */
    int64_t session;     /* the queue_session that it went through; 0: none is told */
};

/* What one conversation with a host showed: told once for all messages that went through it. Goes to tracking
 * alone. Texts are UTF-8; empty where there is nothing to say. */
struct queue_session {
    int64_t id; /* of queue_door_id */
    int64_t at_s;
    int64_t of_session;      /* a diagnosis: the session that it explains; else 0 */
    struct span destination; /* the domain, or the next hop */
    struct span relay;       /* "mx.example.org[192.0.2.1]:25" */
    struct span level, rule; /* "secure", "partner.com" */
    struct span tls;         /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: none */
    struct span decision;    /* "deliver", "deliver-in-clear", "defer" */
    struct span why_clear;   /* "not-offered", where mail goes in the clear */
    struct span findings;    /* slugs, the decision's reason first, separated by blanks */
    struct span
        would; /* "encrypt=starttls-not-offered verify=...": each level that would have refused it, and why */
    struct span changes;     /* "since 02:10 the issuer is ..."; lines that end in LF */
    struct span told;        /* findings as JSON: diagnose/report_json.h */
    struct span observation; /* JSON: link/observation_json.h */
};

/* What it asks of TLS, in a word: "requiretls", "tls-optional" or "none". */
const char *queue_envelope_wish(const struct queue_envelope *envelope);

/* What stands behind the last @ of an address, unchanged; empty where there is none. */
struct span queue_domain_of(struct span address);

/* The octets of all texts of a session; at most QUEUE_SESSION_BYTES where it can be told. */
size_t queue_session_bytes(const struct queue_session *session);

/* NULL where the message can be stored, else what is wrong with it, for our own log: an id that
 * is none, no or too many recipients, a text that is too long. */
const char *queue_envelope_flaw(const struct queue_envelope *envelope,
                                const struct queue_recipient *recipients, size_t count);
