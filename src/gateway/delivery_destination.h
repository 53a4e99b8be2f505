/* gateway/delivery_destination.h - what the files share that speak with servers; nobody else includes it.
 *
 * A destination is where one transaction may carry mail to: an LMTP server, a next hop, or the hosts of a
 * domain. Tasks wait in its line. Its way is the addresses to dial, the best first, as they were found
 * last. A conversation dials one address after the other until one takes mail at the level of the
 * destination's policy, then carries one task after the other, and rests open for some seconds where there
 * is none. Where no address takes mail, all that waits in the line has failed with it. Messages that ask more of
 * TLS than the policy, or less, have destinations of their own: RFC 8689.
 */
#pragma once

#include "diagnose/finding.h"
#include "gateway/delivery_envelope.h"
#include "gateway/delivery_parts.h"
#include "gateway/pace.h"
#include "gateway/session_record.h"
#include "link/client_link.h"
#include "link/policy_lookup.h"
#include "link/route.h"
#include "net/host.h"

enum {
    DELIVERY_ADDRESSES_MOST = 64, /* of one destination: bits of a conversation's `tried` */
    CONVERSATION_TAKES_MS = 10 * 60 * 1000, /* takes tasks so long; a lease lasts an hour */
    CONVERSATION_MS =
        25 * 60 * 1000, /* and is over by then, and takes no task whose lease is not */
};

enum delivery_kind {
    DELIVERY_TO_SOCKET, /* LMTP at a local socket */
    DELIVERY_TO_LMTP,
    DELIVERY_TO_HOP, /* SMTP to a host that the settings name */
    DELIVERY_TO_MX,
};

/* Why no address took mail, as the one said that was come furthest with. */
struct delivery_failure {
    struct arena arena;
    bool is_set;
    bool
        goes_in_clear_later; /* it is TLS alone that fails, and the level lets mail wait for that */
    enum step reached;
    struct delivery_outcome outcome;
    const struct finding *told; /* NULL: none */
    const char *relay;
    const char *tls; /* "verify:TLSv1.3", of a session that was not good enough; "" */
    int64_t session; /* 0: none */
    int64_t took_ms; /* from the dial to its end; 0: nobody was dialled */
};

struct delivery_address {
    struct net_address address;
    const struct route_host *host; /* NULL: none was looked up */
    const char *name;              /* of the host, "" where there is none */
    bool has_failed;               /* tried behind those that have not */
};

/* Where a destination is; counted, for conversations outlive it. */
struct delivery_way {
    unsigned references;
    struct arena arena;
    struct host_query host;    /* of an LMTP server that has a name */
    const struct route *route; /* that the hosts are of; NULL: they came without the DNS */
    struct delivery_address addresses[DELIVERY_ADDRESSES_MOST];
    size_t count;
    int64_t found_at_ms;
    struct observed_published *published; /* of the domain; NULL: nobody looked, or not yet */
    struct delivery *delivery;
    struct policy_lookup *lookup; /* under way, and holds a reference; NULL */
    struct delivery_plan *plan;   /* held by it; NULL */
    struct delivery_way *next_looking, *before_looking;
    struct delivery_destination *waiting; /* whose search waits for it; NULL */
};

struct delivery_destination {
    struct delivery_destination *next_in_bucket;
    struct delivery_destination *next_wanting, *next_searching;
    bool is_wanting;
    struct delivery_plan *plan;
    char *name; /* "lmtp:unix:/run/lmtp", "mx:example.org": one destination has one name */
    enum delivery_kind kind;
    const char
        *domain;      /* whose mail it is, and whose name the certificate may have; in `name` or the
                         * profile */
    const char *path; /* DELIVERY_TO_SOCKET */
    const char *host; /* NULL: the address */
    struct net_address address;
    enum policy_level level;
    bool requires_tls;                   /* for messages that ask for REQUIRETLS alone */
    bool tls_optional;                   /* for those that say "TLS-Required: No" alone */
    const struct gateway_policy *policy; /* NULL: LMTP has none */

    struct delivery_line line;
    bool has_taken;   /* mail, since it failed last */
    bool is_doubtful; /* of those that dialled at once one came to nothing, and none is ready */
    struct pace pace;
    int64_t paced_until_ms;       /* the line waits for its pace */
    size_t conversations, coming; /* open, and not ready yet */
    struct delivery_conversation *at_rest;

    struct delivery_way *way;      /* NULL: not known */
    struct delivery_way *searched; /* NULL: nobody looks for it */
    int64_t searched_since_ms;
    bool search_counts; /* among delivery->searches */
    struct route_query *query;
    struct delivery_failure failure; /* of the last attempt that failed */
};

struct delivery_conversation {
    struct delivery_conversation *next, *before; /* of the delivery; there may be many */
    struct delivery_conversation *newer, *older; /* of all that are at rest */
    struct delivery_conversation *next_at_rest;  /* of its destination */
    struct delivery *delivery;
    struct delivery_plan *plan;
    struct delivery_destination *destination;
    struct delivery_way *way;
    struct client_link *link;
    struct arena arena;
    struct client_link_settings asked; /* by which the address is dialled */
    struct observation observation;
    int64_t began_ms, dialled_ms, rests_since_ms;
    size_t at;      /* the address that is dialled */
    uint64_t tried; /* addresses */
    bool may_pass;  /* an address that was tried failed by what may be well again later */
    bool in_clear;  /* TLS failed, and those that have waited go without */
    bool without_certificate, without_resuming;
    bool was_ready, is_over, is_at_rest, is_leaving;
    size_t messages;         /* that came to their end in it */
    const char *only_domain; /* of recipients, where the server bounds them; NULL: any */
    struct delivery_failure failure;

    /* what the session is worth, once it is known */
    struct policy_outcome verdict;
    struct findings *findings;  /* NULL: no memory for them */
    struct findings *explained; /* with what an earlier diagnosis told, in their place; NULL */
    const struct finding *told; /* the reason, or the worst flaw; NULL */
    const char *why_clear;      /* NULL: it is not in the clear */
    const char *changes;        /* against the host's last success; NULL: none */
    int64_t session;            /* told to tracking; 0: not yet */

    /* of the message in hand */
    struct delivery_task *task; /* NULL: none */
    struct delivery_envelope envelope;
    struct delivery_body body;
    struct span rest;                /* of its part */
    struct delivery_outcome refusal; /* of MAIL or DATA */
    struct delivery_story story;
    bool has_reply, has_taken, is_behind_data;
};

/* ---- delivery_destination.c ---- */

/* The one for this recipient; made where there was none. NULL: no memory. */
struct delivery_destination *delivery_destination_find(struct delivery_plan *plan,
                                                       const struct delivery_target *target);
/* Where too many were learned: forgets those that nothing waits for. Not while targets have no task yet. */
void delivery_destination_forget_unused(struct delivery_plan *plan);
/* Frees it; nothing of it is under way. */
void delivery_destination_free(struct delivery_destination *destination);
bool delivery_is_lmtp(const struct delivery_destination *destination);
/* For the log and tracking: "mx.example.org[192.0.2.1]:25". */
const char *delivery_relay_name(const struct delivery_destination *destination,
                                const struct delivery_address *address, struct arena *arena);

/* ---- delivery_dispatch.c ---- */

/* Has mail, or may dial again: it gets its turn with the next delivery_dispatch. */
void delivery_destination_want(struct delivery_destination *destination);
/* Gives all that want it their turn, within the bounds. */
void delivery_dispatch(struct delivery *delivery);
/* The way is there, or there is none: failure is set. */
void delivery_destination_take_way(struct delivery_destination *destination);
/* Whatever is at rest says goodbye; `plan` NULL: of every plan. */
void delivery_let_go(struct delivery *delivery, const struct delivery_plan *plan);

/* ---- delivery_failure.c ---- */

/* It is our own lack that nothing goes there now. */
void delivery_destination_defer_line(struct delivery_destination *destination, const char *words);
/* What waits in the line has failed as the destination has. */
void delivery_destination_fail_line(struct delivery_destination *destination);
/* No address takes mail. `failure` is taken over. */
void delivery_destination_take_failure(struct delivery_destination *destination,
                                       struct delivery_failure *failure);
/* Why nothing goes there was made before anybody dials, or could not be. */
void delivery_destination_refuse(struct delivery_destination *destination, enum delivery_fate fate,
                                 const char *code, const char *words, const struct finding *told);
void delivery_failure_init(struct delivery_failure *failure);
void delivery_failure_clear(struct delivery_failure *failure);

/* ---- delivery_way.c ---- */

/* Whether the way is known and fresh. */
bool delivery_way_is_fresh(const struct delivery_destination *destination);
/* Looks for it; delivery_destination_take_way follows, maybe at once. */
void delivery_way_search(struct delivery_destination *destination);
/* Look-ups that take long count no more among those that are under way at once. */
void delivery_way_leave_slow(struct delivery *delivery);
void delivery_way_release(struct delivery_way **way);
/* What it publishes is known, too, or nobody will know. */
void delivery_way_conclude(struct delivery_destination *destination);
/* Calls all searches off that can be. */
void delivery_way_cancel_all(struct delivery *delivery);

/* ---- delivery_published.c ---- */

/* Looks up what the domain publishes of itself, beside the way that is searched; where our level asks for it. */
void delivery_published_search(struct delivery_destination *destination);
/* False: the level asks for it, and it is not known yet: delivery_way_conclude follows when it is. */
bool delivery_published_is_here(struct delivery_destination *destination);
/* What the link is to know of it. Of a server that the settings name nothing is published by a domain. */
void delivery_published_set_up(const struct delivery_conversation *conversation,
                               struct client_link_settings *settings);
/* Adds what is wrong with it to findings of the session. */
void delivery_published_judge(struct delivery_conversation *conversation,
                              struct findings *findings);
void delivery_published_cancel_all(struct delivery *delivery);

/* ---- delivery_conversation.c: whom it dials ---- */

/* False: no memory. */
MUST_CHECK bool delivery_conversation_open(struct delivery_destination *destination);
/* Cuts those that have had no mail yet; only while it drains, and nothing would be sent any more. */
void delivery_conversation_cut_coming(struct delivery *delivery);
/* Cuts every conversation: what was not answered is deferred. */
void delivery_conversation_cut_all(struct delivery *delivery);
/* Says goodbye; it is at rest. */
void delivery_conversation_leave(struct delivery_conversation *conversation);
/* Stays open, with nothing to send. */
void delivery_conversation_rest(struct delivery_conversation *conversation);
/* Are there addresses that it has not tried? */
bool delivery_conversation_has_others(const struct delivery_conversation *conversation);
/* It is at rest, and there is mail. */
void delivery_conversation_go_on(struct delivery_conversation *conversation);

/* ---- delivery_transaction.c: what it carries ---- */

/* The link is ready: the next task of the line, or rest, or goodbye. */
void delivery_transaction_next(struct delivery_conversation *conversation);
/* The task in hand is left as the link's end leaves it. */
void delivery_transaction_end(struct delivery_conversation *conversation);
void delivery_transaction_take_recipient(void *owner, size_t index, const struct smtp_reply *reply);
void delivery_transaction_take_refusal(void *owner, const struct smtp_reply *reply);
void delivery_transaction_take_want(void *owner);
void delivery_transaction_take_done(void *owner, const struct smtp_reply *reply, size_t taken);
void delivery_transaction_take_unsent(void *owner, enum smtp_client_unsent why, size_t recipient);
/* A link that ended while a part was read is concluded when that has come. */
void delivery_conversation_conclude(struct delivery_conversation *conversation);

/* ---- delivery_verdict.c ---- */

/* "verify:TLSv1.3", as the log has it; "" where there is no TLS. */
const char *delivery_tls_words(const struct delivery_conversation *conversation,
                               struct arena *arena);

/* Mail that had come by then need not wait for TLS any longer, where the level lets it go without. */
int64_t delivery_clear_since_s(const struct delivery_destination *destination);

/* Judges what the conversation showed: its verdict, finding and why_clear. */
void delivery_verdict_make(struct delivery_conversation *conversation);
/* Takes the failure down where it came further than the one that is there. */
void delivery_verdict_keep(struct delivery_conversation *conversation);
/* Tells tracking of it, once. */
void delivery_verdict_tell(struct delivery_conversation *conversation);
/* Tells tracking of a session; its id, or 0: no memory. */
int64_t delivery_tell_session(struct delivery *delivery, const struct session_facts *facts);

/* ---- delivery_diagnosis.c ---- */

MUST_CHECK bool delivery_diagnosis_open(struct delivery *delivery, struct error *err);
/* Lays the session beside the last success of its host; was_success: it takes mail. Once a session. */
void delivery_diagnosis_compare(struct delivery_conversation *conversation, bool was_success);
/* The session failed: where it did so as when the host was diagnosed, `explained` is what it is with what was found
 * then. */
void delivery_diagnosis_explain(struct delivery_conversation *conversation);
/* Has the host diagnosed, where one session cannot tell why it failed. After it was told to tracking. */
void delivery_diagnosis_ask(struct delivery_conversation *conversation);
