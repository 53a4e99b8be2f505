/* link/client_link.h - joins the SMTP client engine to a stream, and writes the observation.
 *
 * The one way to speak to a server: `check` and delivery both come through here. A link dials one
 * address, greets, turns to TLS, has the chain judged, says EHLO again and calls `ready`. The owner
 * then sends messages or quits. `finished` is the last call: the observation is complete.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "link/observation.h"
#include "link/tickets.h"
#include "link/transcript.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/tls.h"
#include "smtp/client.h"
#include "trust/anchors.h"
#include "trust/dane.h"
#include "trust/policy.h"

enum { CLIENT_LINK_DANE_NAMES_MOST = 3 };

/* Everything is borrowed and must outlive the link. */
struct client_link_settings {
    const char *hostname;            /* ours, for EHLO */
    const char *domain;              /* the recipient's */
    const char *host;                /* the MX host: SNI and reference identifier */
    const char *const *domain_names; /* names that level secure accepts; count 0: domain, .domain */
    size_t domain_name_count;
    struct net_address address;
    const char *local_socket; /* in place of the address; NULL: none */
    int preference;
    enum policy_level level; /* none: STARTTLS is not asked for */
    enum dial dial;          /* the way of dialling; the gateway: DIAL_AS_CONFIGURED */
    bool is_implicit_tls;
    bool is_lmtp;
    uint16_t minimum_version;   /* of the rule; 0: none. Judged, not enforced in the handshake */
    int64_t connect_timeout_ms; /* 0: 30 s */
    int64_t reply_timeout_ms;   /* 0: RFC 5321 section 4.5.3.2 */
    int64_t deadline_ms;        /* loop time by which all is over; 0: none */
    struct anchors *anchors, *intermediates;
    const struct tls_credentials *credentials; /* may be NULL */
    struct link_tickets
        *tickets;   /* NULL: no session is resumed or kept; DIAL_AS_CONFIGURED alone */
    bool no_resume; /* offers none; what the server gives is kept all the same */
    /* What the DNS says of the host; link/route_link.h fills all of it from a route. */
    const struct dane_record *tlsa;
    size_t tlsa_count;
    enum policy_tlsa tlsa_state;
    const char *tlsa_base; /* the TLSA base domain: SNI where TLSA decides; NULL: the host */
    const char *tlsa_failure;
    struct observed_tlsa_flaw tlsa_flaw;
    const char *dane_names[CLIENT_LINK_DANE_NAMES_MOST]; /* that records of usage 2 ask for */
    size_t dane_name_count;                              /* 0: the base domain alone */
    enum dns_security dnssec;                            /* of the host's addresses */
    enum dns_security
        mx_dnssec; /* of the answer that named the host; secure where we were told it */
    bool has_lookups;
    enum policy_sts sts;
    bool sts_host_listed;
    bool requires_tls;       /* for messages that ask for REQUIRETLS: RFC 8689 */
    const char *fingerprint; /* SHA-256 of certificate or key, hex; NULL */
    const struct observed_self *self;
    const struct clock *clock;
};

struct client_link;

struct client_link_handlers {
    /* Greeted, encrypted where that could be had, and judged: *observation tells; policy_decide
     * over observation_session says what may follow. Comes again after each message that leaves
     * the session usable. The owner sends or quits, now or later. NULL: quits at once. */
    void (*ready)(void *owner, const struct observation *observation);
    void (*recipient)(void *owner, size_t index, const struct smtp_reply *reply);
    /* The reply that refuses MAIL or DATA; message_done follows. Or the body, before its end: the
     * conversation ends. May be NULL. */
    void (*refused)(void *owner, const struct smtp_reply *reply);
    void (*body_wanted)(void *owner);
    /* `taken`: for how many recipients the server now answers. */
    void (*message_done)(void *owner, const struct smtp_reply *reply, size_t taken);
    /* In place of message_done: this server cannot be given the message; nothing of it was sent. */
    void (*message_unsent)(void *owner, enum smtp_client_unsent why, size_t recipient);
    /* The last call. The owner frees the link in it or later. */
    void (*finished)(void *owner, struct observation *observation);
};

/* *observation, its texts and *transcript (NULL: none kept) live as long as the arena. False only
 * where there is no memory: every other failure of ours, such as no socket, is an observation with
 * ENDING_FAILED. No callback comes inside this call. */
MUST_CHECK bool client_link_open(struct loop *loop, const struct client_link_settings *settings,
                                 const struct client_link_handlers *handlers, void *owner,
                                 struct arena *arena, struct observation *observation,
                                 struct transcript *transcript, struct client_link **link,
                                 struct error *err);

/* The same link may be opened by the copy as long as the arena lives. Anchors, intermediates, credentials, self and
 * clock stay borrowed; tickets and deadline_ms are of one conversation alone, and left out. False: the arena is
 * exhausted. */
MUST_CHECK bool client_link_settings_copy(const struct client_link_settings *settings,
                                          struct arena *arena, struct client_link_settings *copy);

/* Writes down what would be asked of whom, and dials nobody. Texts are the settings' and the arena's. */
void client_link_describe(const struct client_link_settings *settings, struct arena *arena,
                          struct observation *observation);

/* After `ready`, between messages: may one be sent? False where the conversation has ended meanwhile, and
 * `finished` is about to tell. */
bool client_link_is_ready(const struct client_link *link);
/* Only then. The message is borrowed until message_done or finished. */
void client_link_send(struct client_link *link, const struct smtp_client_message *message);
/* After body_wanted: takes what fits now off *body. Where something is left, or is_last is false,
 * body_wanted comes again once that has left us; nothing taken: call again when there is more. */
void client_link_give_body(struct client_link *link, struct span *body, bool is_last);
void client_link_quit(struct client_link *link);

/* In `finished` or later: the server, or something in front of it, broke off over a session that we
 * offered to resume, before it said anything inside TLS. That says nothing of the host yet: dial the
 * same address again with no_resume. For an hour no session of it is kept, so it comes but once. */
MUST_CHECK bool client_link_should_dial_without_resuming(const struct observation *observation);

/* Closes at once; no callback comes. */
void client_link_close(struct client_link **link);
