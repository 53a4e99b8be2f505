/* gateway/tls_report_tally.h - under which policies one session counts, and with which results (pure).
 *
 * RFC 8460 sections 4.2 and 4.3. A session counts once under each policy that was found for its host: the TLSA records,
 * the MTA-STS policy, and only where there is neither, none. Each is judged for itself, so that a domain in mode testing
 * hears what enforce would have done, and by trust/policy, as deliveries are. The result type is that of the finding, and
 * the finding's code is the reason. A failure of the policy itself (a look-up, a fetch) counts once a session.
 */
#pragma once

#include <stddef.h>

#include "base/arena.h"
#include "diagnose/finding.h"
#include "link/observation.h"
#include "trust/tls_report.h"

struct observed_published;

enum {
    TLS_TALLY_POLICIES = 2, /* of one session */
    TLS_TALLY_RESULTS = 4,  /* of one session under one policy */
};

/* Borrowed during the call. */
struct tls_report_session {
    const char *domain;                         /* of the mail, or the next hop's name */
    const struct observed_published *published; /* NULL: not looked up */
    const struct observation *seen;             /* NULL: nobody was dialled */
    const struct findings *findings;            /* of the session, and of what is published */
};

/* Fills up to TLS_TALLY_POLICIES entries with `successes` or `failures` 1, and gives their number. 0: the session says
 * nothing of TLS, as where nobody answered (RFC 8460 section 4.3.4), or where our own settings wanted none; or our own
 * failure keeps us from knowing what is published. Texts are
 * the arena's or the session's. */
size_t tls_report_tally(const struct tls_report_session *session, struct arena *arena,
                        struct tls_report_policy policies[TLS_TALLY_POLICIES]);
