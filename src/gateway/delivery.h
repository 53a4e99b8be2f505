/* gateway/delivery.h - takes what is due out of the queue, delivers it, and settles what became of it.
 *
 * Recipients of our own domains go into their Maildirs, or by LMTP (RFC 2033) or SMTP to the server of their
 * domain; all others to the next hop or the MX hosts (RFC 5321 section 5.1) of theirs, over STARTTLS as the
 * policy for that domain says. A recipient is settled as done only after the
 * mailbox has the message durably, or the server has said that it answers for it. What a crash leaves
 * unsettled is delivered again: twice at worst, and never half.
 *
 * A recipient whose sender is to hear of it (gateway/bounce.h) is settled only when that report is in the
 * queue, durable; where it cannot be put there, one that failed is deferred.
 *
 * Mail to the profile's address for TLS reports is read for one before it is delivered.
 *
 * Several messages are under way at once: DELIVERY_IN_HAND_MOST recipients are leased at most, Maildirs
 * are written on pool threads, an LMTP server has DELIVERY_CONVERSATIONS_MOST connections at most, another
 * one as many as its pace allows (gateway/pace.h), and all together DELIVERY_CONVERSATIONS_IN_ALL.
 * Everything here but delivery_wake belongs to the loop's thread. SIGXFSZ must be ignored
 * (gateway/maildir.h).
 */
#pragma once

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "gateway/profile.h"
#include "net/dns.h"
#include "net/loop.h"
#include "queue/store.h"

enum {
    DELIVERY_IN_HAND_MOST = 10000,
    DELIVERY_LEASED_AT_ONCE = 500,
    DELIVERY_LINE_MOST = 4000,     /* messages that wait for one destination; more are given back */
    DELIVERY_LINE_UNPROVEN = 100,  /* while none of its servers has taken any */
    DELIVERY_MAILDIRS_AT_ONCE = 8, /* messages being written */
    DELIVERY_MAILBOXES_MOST = 8,   /* of one of them; for more its body is read again */
    DELIVERY_CONVERSATIONS_MOST = 4,      /* with one LMTP server */
    DELIVERY_CONVERSATIONS_OUT_MOST = 20, /* with one server of others */
    DELIVERY_CONVERSATIONS_IN_ALL = 1500,
    DELIVERY_RECIPIENTS_MOST = 100, /* of one LMTP transaction: RFC 5321 section 4.5.3.1.8 */
    DELIVERY_DRAIN_MS = 20000,
};

struct https;
struct inbound_history;
struct sts_cache;
struct tls_reports;

/* All is borrowed for the delivery's life. */
struct delivery_settings {
    struct loop *loop;
    struct queue_door *door; /* of this loop */
    struct log *log;         /* NULL: none */
    const struct clock *clock;
    struct dns *dns;                   /* of this loop; NULL: no name can be looked up */
    struct https *https;               /* of this loop; NULL: no MTA-STS policy can be fetched */
    const struct sts_cache *sts_cache; /* of policies that were fetched; NULL: none is kept */
    struct inbound_history *history;   /* where TLS reports go that come as mail; NULL: nowhere */
    struct host_memory *hosts;         /* NULL: nobody remembers what servers showed before */
    struct tls_reports *reports;       /* NULL: sessions are not counted for their domains */
    int64_t drain_ms;    /* how long a drain waits for servers; 0: DELIVERY_DRAIN_MS */
    size_t in_hand_most; /* recipients that are leased and not settled; 0: DELIVERY_IN_HAND_MOST */
};

struct delivery;

/* Holds the profile, and looks for what is due at once. */
MUST_CHECK bool delivery_open(const struct delivery_settings *settings,
                              struct gateway_profile *profile, struct delivery **delivery,
                              struct error *err);

/* From now on by this profile, which is held; what is under way goes on by the one that it began with. */
void delivery_reload(struct delivery *delivery, struct gateway_profile *profile);

/* Something was put, or made due: look now. From any thread, while the delivery is open. */
void delivery_wake(struct delivery *delivery);

/* Somebody wants mail to be tried now: servers that are left alone because they failed are dialled. */
void delivery_retry(struct delivery *delivery);

/* Nothing more is begun; what is under way comes to its end, and a server that takes longer than drain_ms
 * is cut off. Then `drained`, once, not inside this call; delivery_close may be called in it. */
void delivery_drain(struct delivery *delivery, void (*drained)(void *owner), void *owner);

/* After `drained`. */
void delivery_close(struct delivery **delivery);
