/* gateway/delivery_outcome.h - what an attempt at a recipient came to, and what is to be taken down of it
 * (pure: time and chance are inputs).
 *
 * RFC 2033 section 4.2 (a reply for each recipient), RFC 3463 (the codes), RFC 5321 section 4.5.4.1 (when
 * to try again). 2xx is delivered, 5xx is refused for good, all else is tried again; so is whatever
 * concerns a server or our own machine and not this recipient, for that may be mended tomorrow.
 */
#pragma once

#include "base/arena.h"
#include "diagnose/finding.h"
#include "gateway/maildir.h"
#include "link/observation.h"
#include "queue/schedule.h"
#include "queue/store.h"
#include "smtp/client.h"

enum delivery_fate {
    DELIVERY_OPEN,      /* nothing is known yet */
    DELIVERY_DELIVERED, /* somebody else answers for it, or it is in the mailbox */
    DELIVERY_DEFERRED,
    DELIVERY_REFUSED,
};

/* Texts are static or the arena's. */
struct delivery_outcome {
    enum delivery_fate fate;
    struct span code;  /* RFC 3463; of the fate's class */
    struct span words; /* the peer's reply, or our own; one printable line */
    struct span said;  /* the peer's reply alone; empty: no peer said anything */
};

enum { DELIVERY_WORDS_MOST = 512 }; /* octets of `words` */

/* For a static code, and words that are static or the arena's. */
struct delivery_outcome delivery_outcome_of(enum delivery_fate fate, const char *code,
                                            const char *words);

/* A reply to MAIL, RCPT or DATA, or to the end of the data. */
struct delivery_outcome delivery_outcome_of_reply(const struct smtp_reply *reply,
                                                  struct arena *arena);

struct delivery_outcome delivery_outcome_of_maildir(const struct gateway_maildir_failure *failure,
                                                    struct arena *arena);

/* The conversation ended before this recipient had its reply; `step` is the word for where it was. */
struct delivery_outcome delivery_outcome_of_ending(const struct observation *observation,
                                                   const char *step, struct arena *arena);

/* This server cannot be given the message. */
struct delivery_outcome delivery_outcome_of_unsent(enum smtp_client_unsent why);

/* The code of a finding that is the reason and has one, of the class that the fate is of: RFC 3463 section 2. */
struct span delivery_outcome_code(const struct finding *finding, enum delivery_fate fate,
                                  struct arena *arena);

/* Whether that finding is the reason of the outcome, and no mere flaw of the session: its code tells. Then a
 * recipient that is given up at last keeps the code, which says more than that time has expired. */
bool delivery_outcome_is_of(const struct delivery_outcome *outcome, const struct finding *finding);

/* What the schedule is asked with. */
struct delivery_schedule {
    const struct queue_schedule_settings *settings;
    int64_t now_s;
    uint32_t chance; /* any number */
};

/* Result, time of the next attempt, code and words; the rest of the attempt is for whoever made it. What
 * has been deferred for the whole of its lifetime is given up: bounced with 4.4.7. Where has_warned is set
 * and the recipient's is not, the sender is to hear of the delay now. */
struct queue_settlement delivery_outcome_settle(const struct delivery_outcome *outcome,
                                                const struct queue_envelope *envelope,
                                                const struct queue_recipient *recipient,
                                                const struct delivery_schedule *schedule,
                                                struct arena *arena);
