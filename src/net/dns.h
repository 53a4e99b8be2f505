/* net/dns.h - look-ups that validate DNSSEC by themselves (libunbound); an upstream's AD bit is
 * never believed. Answers come on the loop's thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "net/loop.h"

enum dns_type {
    DNS_TYPE_A = 1,
    DNS_TYPE_CNAME = 5,
    DNS_TYPE_MX = 15,
    DNS_TYPE_TXT = 16,
    DNS_TYPE_AAAA = 28,
    DNS_TYPE_TLSA = 52
};

enum dns_outcome {
    DNS_ANSWERED, /* at least one record of the type */
    DNS_NO_DATA,  /* the name exists, not with this type */
    DNS_NXDOMAIN,
    DNS_SERVFAIL, /* or REFUSED, or an answer that makes no sense: see rcode */
    DNS_TIMEOUT,  /* the resolver says nothing */
    DNS_BOGUS,    /* validation failed: see why_bogus */
};

/* RFC 4035 section 4.3. A part of the tree without a trust anchor is insecure: RFC 7672 section 2.1.1. */
enum dns_security {
    DNS_INSECURE,
    DNS_SECURE,
    DNS_VALIDATION_FAILED, /* bogus */
    DNS_INDETERMINATE,     /* no answer came of which it could be told */
};

/* "secure", "insecure", "bogus", "indeterminate" */
const char *dns_security_name(enum dns_security security);
const char *dns_type_name(enum dns_type type);

/* Without a word of a resolver that is there: nobody answers for the name. */
enum { DNS_SILENCE_MS = 10000 };

/* Borrowed during the callback. */
struct dns_answer {
    enum dns_outcome outcome;
    enum dns_security security;
    int rcode;                  /* of the answer, RFC 6895 section 2.3 */
    const char *canonical_name; /* where the CNAME chain ends; NULL: the name itself */
    const char *why_bogus;      /* the validator's reason; NULL */
    /* Bogus because not even the trust anchor's own zone could be validated: our anchor may be
     * wrong, or the resolver that we ask takes DNSSEC out, or that zone itself is broken. */
    bool anchor_failed;
    /* A timeout that is likely ours: the resolver does not even answer for the root. Told after two
     * or three seconds, whatever the time that was allowed. */
    bool resolver_is_silent;
    int64_t given_up_after_ms;  /* a timeout because the time allowed was over, this one; else 0 */
    const struct span *records; /* rdata on the wire */
    size_t record_count;
    uint32_t ttl_s;
};

struct dns_settings {
    const char *resolver; /* "ADDR" or "ADDR:PORT" to forward to; NULL: those of resolv.conf */
    const char
        *trust_anchor;       /* file of DNSKEY or DS records; NULL: the root's from dns-root-data */
    const char *resolv_conf; /* NULL: /etc/resolv.conf; read where there is no `resolver` */
};

/* The files that they come to. */
const char *dns_settings_resolv_conf(const struct dns_settings *settings);
const char *dns_settings_anchor(const struct dns_settings *settings);

struct dns;
struct dns_query;

/* One that is not set up: until dns_change has succeeded, dns_find fails. */
MUST_CHECK bool dns_new(struct loop *loop, struct dns **dns, struct error *err);
/* From now on by these settings, read anew; what is asked already is answered by those before. False:
 * nothing has changed. Every wrong setting is found here. A missing default anchor file only means that
 * nothing can be secure. */
MUST_CHECK bool dns_change(struct dns *dns, const struct dns_settings *settings, struct error *err);
/* Both. */
MUST_CHECK bool dns_open(struct loop *loop, const struct dns_settings *settings, struct dns **dns,
                         struct error *err);
/* Drops what is still asked for, without a callback; those queries are gone. Also allowed inside a
 * callback. */
void dns_close(struct dns **dns);

/* `answered` is called once, never inside this call; at `timeout_ms` at the latest. */
MUST_CHECK bool dns_find(struct dns *dns, const char *name, enum dns_type type, int64_t timeout_ms,
                         void (*answered)(void *owner, const struct dns_answer *answer),
                         void *owner, struct dns_query **query, struct error *err);
/* After it no callback comes. Not after the callback came. */
void dns_cancel(struct dns_query **query);

/* Name in an rdata (MX behind the preference, CNAME) as dotted lower-case text without a dot at the end, "." for the
 * root; escaped per RFC 1035 section 5.1: a dot inside a label is "\\.". Returns false where the bytes are no name. */
MUST_CHECK bool dns_name_text(struct span wire, char *text, size_t size);
