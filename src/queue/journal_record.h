/* queue/journal_record.h - what each record of the journal says, from bytes and to bytes.
 *
 * A record says what became of the queue, not what was asked: whoever replays it decides nothing
 * again. Pure. Kinds are stored; never renumber.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "queue/journal.h"
#include "queue/message.h"

enum journal_kind {
    JOURNAL_PART = 1,   /* bytes of a body; whoever put the message knows the place */
    JOURNAL_PUT = 2,    /* a message, whole */
    JOURNAL_SETTLE = 3, /* an attempt with a recipient, and what it is now */
    JOURNAL_MOVE = 4,   /* what a recipient is now, without an attempt */
    JOURNAL_DELETE = 5, /* a recipient, without a trace */
    JOURNAL_LEASE = 6,  /* recipients that somebody works on */
};

struct journal_put {
    struct queue_envelope envelope;
    const struct queue_recipient *recipients;
    size_t recipient_count;
    int64_t first_number;               /* of the first recipient; the others follow it */
    const struct journal_place *places; /* of the body's parts */
    size_t place_count;
};

/* One recipient; of SETTLE all, of MOVE the first four, of DELETE the first two. */
struct journal_change {
    int64_t message, number;
    enum queue_state state;
    int64_t due_at_s;
    bool has_warned;
    struct span code, reply, finding; /* of the attempt */
};

struct journal_leased {
    int64_t message, number;
};

struct journal_lease {
    int64_t number, until_s;
    const struct journal_leased *leased;
    size_t count;
};

/* Each appends the record's bytes. False: no memory. */

MUST_CHECK bool journal_format_put(const struct journal_put *put, struct buffer *out);
MUST_CHECK bool journal_format_change(const struct journal_change *change, struct buffer *out);
MUST_CHECK bool journal_format_lease(const struct journal_lease *lease, struct buffer *out);

/* Texts stay in `bytes`, arrays come from the arena. False: the bytes say something else, or there
 * is no memory. */
MUST_CHECK bool journal_parse_put(struct span bytes, struct arena *arena, struct journal_put *put);
MUST_CHECK bool journal_parse_change(struct span bytes, struct journal_change *change);
MUST_CHECK bool journal_parse_lease(struct span bytes, struct arena *arena,
                                    struct journal_lease *lease);
