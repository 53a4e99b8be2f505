/* gateway/session_record.h - what tracking keeps of one conversation with a host (pure: id and time are inputs).
 *
 * Made once for all messages that went through it. All its texts together are at most QUEUE_SESSION_BYTES: an
 * observation that is too large is left out, then findings from the last on; nothing is cut in the middle.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "diagnose/finding.h"
#include "link/observation.h"
#include "queue/message.h"
#include "trust/policy.h"

struct session_facts {
    const struct observation *seen; /* NULL: nobody was dialled, as where a policy is not known */
    const struct findings *findings;
    enum policy_level level;
    const char *rule;        /* "partner.com", "default"; NULL: none */
    const char *destination; /* the domain, or the next hop */
    const char *relay;       /* "mx.example.org[192.0.2.1]:25"; NULL: none */
    const char *why_clear;   /* where mail goes in the clear: "not-offered"; NULL */
    const char *changes;     /* of the memory of hosts; NULL */
    struct policy_outcome outcome;
    int64_t of_session; /* a diagnosis: the session that it explains; else 0 */
};

/* Texts are the arena's. False: it is exhausted. */
MUST_CHECK bool session_record_make(const struct session_facts *facts, int64_t id, int64_t at_s,
                                    struct arena *arena, struct queue_session *session);
