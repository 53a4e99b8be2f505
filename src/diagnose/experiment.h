/* diagnose/experiment.h - differential diagnosis: which one thing, changed, makes it work?
 *
 * Pure: given what was seen so far, names the next way to dial, or none when the outcomes single
 * out a cause (or nothing more can be learned). diagnose/checkup dials.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/compiler.h"
#include "link/observation.h"

enum { EXPERIMENTS_MOST = 5 }; /* receivers punish those who dial too often */

struct experiments {
    const struct observation *items[EXPERIMENTS_MOST]; /* in the order they were made */
    size_t count;
};

/* False: no further dial is worth it. */
MUST_CHECK bool experiment_next(const struct observation *first, const struct experiments *made,
                                enum dial *dial);

/* A session that went well for us: how else do other senders dial? Without SNI, with TLS 1.2 at
 * most. False: all of that was tried, or the session did not go well. */
MUST_CHECK bool experiment_next_as_others(const struct observation *first,
                                          const struct experiments *made, enum dial *dial);

/* The one made with that dial; NULL. */
const struct observation *experiment_find(const struct experiments *made, enum dial dial);

/* Did the handshake of this dial come further than a ServerHello and end well? */
bool experiment_succeeded(const struct observation *observation);
