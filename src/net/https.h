/* net/https.h - one HTTPS request at a time to addresses that are known (libcurl on our loop).
 *
 * What policies (RFC 8461 section 3.3) and reports (RFC 8460 section 3) need, and no more: GET or POST, HTTP/1.1, TLS 1.2
 * or newer. No redirect is followed; no proxy, netrc, cookie or environment counts; a connection serves one request. Names
 * are never looked up here: whoever asks brings the addresses. Bounds: `body_most` octets of body,
 * HTTPS_HEAD_MOST of headers, `timeout_ms` for all of it, whatever the server does.
 *
 * Nothing here decides about trust, as in a handshake for mail: the server's certificates are collected,
 * and handed to `judge` before the first octet of the request goes out (link/https_judge.h is the judge
 * of mail servers). Nothing is waited for on the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "net/address.h"
#include "net/loop.h"

enum {
    HTTPS_HEAD_MOST = 64 * 1024,
    HTTPS_ADDRESSES_MOST = 16, /* tried of those that are given */
    HTTPS_CHAIN_MOST = 32,     /* certificates kept of a chain */
    HTTPS_URL_MOST = 2048,     /* octets */
};

enum https_outcome {
    HTTPS_ANSWERED,   /* a whole answer, of any status: a redirect, too */
    HTTPS_NO_CONNECT, /* no address takes connections */
    HTTPS_TIMEOUT,    /* not done in `timeout_ms`, at whatever step */
    HTTPS_UNTRUSTED,  /* `judge` said no: nothing was asked */
    HTTPS_TLS_FAILED, /* no handshake: no version in common, an alert, bytes that are not TLS */
    HTTPS_TOO_LARGE,  /* the body or the headers are beyond the bound */
    HTTPS_CUT,        /* the connection ended before the answer did */
    HTTPS_BROKEN,     /* what came is not HTTP */
    HTTPS_FAILED,     /* our own side: memory, descriptors */
};
const char *
https_outcome_name(enum https_outcome outcome); /* "answered", "no-connect": stable words */

/* What the server showed of itself in the handshake; borrowed. */
struct https_peer {
    const char *host;         /* of the URL: lower case, A-labels */
    const struct span *chain; /* DER, as sent, leaf first */
    size_t chain_count;
    struct span staple; /* an OCSP response, which was asked for; or empty */
};

struct https_answer { /* borrowed during the callback */
    enum https_outcome outcome;
    int status;                    /* of HTTP; 0: none came */
    struct span content_type;      /* as it was sent, parameters too; empty: none */
    struct span location;          /* of a redirect; empty */
    struct span body;              /* what came of it, with ANSWERED alone all of it */
    const char *failure;           /* in words, unless ANSWERED; "" */
    const struct https_peer *peer; /* NULL: no handshake was completed */
    struct net_address address;    /* who was spoken to last; port 0: nobody */
};

/* Copied or used up by https_send, but for what `judge` needs. */
struct https_request {
    const char *url; /* one that https_url_read takes */
    const struct net_address
        *addresses;       /* of its host, in the order to try; their ports are not used */
    size_t address_count; /* 1 at least */
    size_t body_most;
    int64_t timeout_ms; /* more than 0 */
    struct span upload;
    const char *upload_type; /* "application/tlsrpt+gzip": POST; NULL: GET */
    /* May this server be asked? Called at most once, after the handshake and before the request; it
     * may not send, cancel or close. Until the callback, or https_cancel, `judge_owner` stays. */
    bool (*judge)(void *judge_owner, const struct https_peer *peer);
    void *judge_owner;
};

/* "https://HOST[:PORT]/...", HOST a domain name: no address, no user, nothing that is not ASCII. */
struct https_url {
    const char *host; /* lower case, without a trailing dot */
    uint16_t port;    /* 443 where the URL has none */
};
/* Texts live in the arena. False: *flaw says why such a URL is not asked. */
MUST_CHECK bool https_url_read(const char *url, struct arena *arena, struct https_url *read,
                               const char **flaw);

struct https;
struct https_query;

MUST_CHECK bool https_open(struct loop *loop, struct https **https, struct error *err);
/* Drops what is still asked, without a callback; those queries are gone. Also allowed inside a callback
 * (not inside `judge`). */
void https_close(struct https **https);

/* `answered` is called once, never inside this call, and *query is gone then. False: our own failure, or a request that cannot
 * be (ERROR_USAGE): nothing is called. */
MUST_CHECK bool https_send(struct https *https, const struct https_request *request,
                           void (*answered)(void *owner, const struct https_answer *answer),
                           void *owner, struct https_query **query, struct error *err);
/* After it no callback comes. Not after the callback came. Accepts a query that is NULL. */
void https_cancel(struct https_query **query);
