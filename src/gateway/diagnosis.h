/* gateway/diagnosis.h - differential diagnosis in the background, of a host that fails for a reason that one session cannot tell.
 *
 * It dials again by diagnose/checkup, by the very settings of the session that failed and with one thing changed at a
 * time, and never carries mail. A host is asked once an hour, DIAGNOSIS_AT_ONCE hosts side by side and
 * DIAGNOSIS_AN_HOUR in an hour at most: receivers punish those who dial too often. How those dials went is known for
 * a day: each session that fails alike is judged by them anew, at its own level and by what was published for it.
 *
 * Everything here belongs to the loop's thread, which is that of the profile's anchors (trust/anchors.h).
 * Log: diagnosed, diagnosis-failed.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/log.h"
#include "diagnose/checkup.h"
#include "diagnose/finding.h"
#include "gateway/profile.h"
#include "link/client_link.h"
#include "link/observation.h"
#include "net/address.h"
#include "net/loop.h"
#include "trust/policy.h"

enum {
    DIAGNOSIS_AT_ONCE = 4,
    DIAGNOSIS_AN_HOUR = 60, /* of all hosts together */
    DIAGNOSIS_AGAIN_S = 3600,
    DIAGNOSIS_NEWS_S = 86400,
    DIAGNOSIS_KNOWN_MOST = 1500,
    DIAGNOSIS_MS = 120 * 1000, /* for one host */
};

/* Borrowed. */
struct diagnosis_settings {
    struct loop *loop;
    const struct clock *clock;
    struct log *log; /* NULL: none */
};

/* All but the profile is copied. */
struct diagnosis_question {
    struct gateway_profile
        *profile; /* held while it runs: its anchors, credentials and self are the link's */
    const struct client_link_settings *link; /* by which the session was had */
    const struct observation *seen;          /* how it failed */
    struct policy_outcome outcome;           /* what was decided by it */
    const char *rule;                        /* that asks for the level: "partner.com"; NULL */
    int64_t session;                         /* queue/message.h; 0: none was recorded */
};

/* Borrowed for the call. */
struct diagnosis_answer {
    const struct client_link_settings *link; /* of the question, and so are those */
    struct policy_outcome outcome;
    const char *rule; /* NULL */
    int64_t session;
    const struct checkup *checkup;
    const struct findings *findings; /* root causes first */
};

struct diagnosis;

/* `told` once for each question that was taken, unless the diagnosis is closed before or fails for our own
 * reasons; never inside a call of diagnosis_ask. */
MUST_CHECK bool diagnosis_open(const struct diagnosis_settings *settings,
                               void (*told)(void *owner, const struct diagnosis_answer *answer),
                               void *owner, struct diagnosis **diagnosis, struct error *err);

/* False: nothing more is to be learned by dialling again, or it is too soon for this host, or too much for now. */
bool diagnosis_ask(struct diagnosis *diagnosis, const struct diagnosis_question *question);

/* Judges the session by how the dials went for this host, at this address or else at another one, where it failed as
 * the one of then did and was dialled alike. False: nothing is known, or the arena is exhausted. */
MUST_CHECK bool diagnosis_find(const struct diagnosis *diagnosis, const char *host,
                               const struct net_address *address, const struct observation *seen,
                               struct arena *arena, struct findings *findings);

/* Ends at once what is under way, untold. */
void diagnosis_close(struct diagnosis **diagnosis);
