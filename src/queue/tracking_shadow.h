/* queue/tracking_shadow.h - what a level would have refused: counted over the sessions that tracking has.
 *
 * Every session is verified, whatever its level (queue_session.would); so it can be told what would have
 * failed, had the level been required. A session that says nothing of other levels is not counted.
 */
#pragma once

#include "queue/tracking.h"

struct tracking_shadow_cause {
    struct span finding; /* slug */
    int64_t sessions;
};

/* Causes in order of their number, the most frequent first. */
struct tracking_shadow_count {
    struct span destination; /* empty: of all together */
    int64_t sessions, refused;
    struct tracking_shadow_cause *causes;
    size_t cause_count;
};

struct tracking_shadow {
    struct tracking_shadow_count all;
    struct tracking_shadow_count
        *destinations; /* those that would have been refused anything, the worst first */
    size_t destination_count;
    size_t seen; /* destinations that any session went to */
    int64_t first_s;
};

/* Of `query` the destination and the time count. `level` as the settings spell it. */
MUST_CHECK bool tracking_shadow_find(const char *folder, const char *level,
                                     const struct tracking_query *query, struct arena *arena,
                                     struct tracking_shadow *shadow, struct error *err);
