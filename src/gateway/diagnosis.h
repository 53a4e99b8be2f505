/* gateway/diagnosis.h - differential diagnosis in the background, of a host that fails for a reason that one session cannot tell.
 *
 * It dials again by diagnose/checkup, with one thing changed at a time, and never carries mail. A host is asked once
 * an hour, DIAGNOSIS_AT_ONCE hosts side by side and DIAGNOSIS_AN_HOUR in an hour at most: receivers punish those who
 * dial too often. What was found is known for a day.
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
#include "link/observation.h"
#include "net/address.h"
#include "net/loop.h"

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
    struct gateway_profile *profile; /* held while it runs */
    const char *hostname;            /* ours, for EHLO */
    const char *destination;         /* the domain, or the next hop */
    const char *host;                /* what the certificate should name */
    struct net_address address;
    enum policy_level level;
    const char *rule;                /* that asks for it: "partner.com"; NULL */
    uint16_t minimum_version;        /* of the rule; 0: none */
    const char *fingerprint;         /* NULL */
    const char *const *domain_names; /* as in client_link_settings */
    size_t domain_name_count;
    const struct observation *seen; /* how it failed */
    int64_t session;                /* queue/message.h; 0: none was recorded */
};

/* Borrowed for the call. */
struct diagnosis_answer {
    const char *destination, *host;
    const struct net_address *address;
    enum policy_level level;
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

/* What was found for this host, at this address or else at another one, where the session failed as the one of then
 * did; NULL. Borrowed until the next call of this header's functions or turn of the loop. */
const struct findings *diagnosis_find(const struct diagnosis *diagnosis, const char *host,
                                      const struct net_address *address,
                                      const struct observation *seen);

/* Ends at once what is under way, untold. */
void diagnosis_close(struct diagnosis **diagnosis);
