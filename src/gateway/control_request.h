/* gateway/control_request.h - what may be asked of the queue over the control socket, as JSON lines.
 *
 *     {"do": "list", "id": ID, "domain": D, "state": S}    all of the three may be absent
 *     {"do": "read", "id": ID, "part": N}
 *     {"do": "hold" | "release" | "retry" | "delete", "id": ID | "domain": D | "all": true}
 *     {"do": "put", "size": OCTETS, "envelope": {...}, "recipients": [{...}, ...]}
 *     {"do": "stats"}
 *
 * Envelopes and recipients as in gateway/control_json.h. A line has at most CONTROL_LINE_BYTES.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buffer.h"
#include "base/compiler.h"
#include "base/error.h"
#include "base/span.h"
#include "queue/store.h"

enum {
    /* With its LF: the most recipients that a message may have (QUEUE_RECIPIENTS), with the longest
     * addresses that RFC 5321 section 4.5.3.1 knows and their ORCPTs. */
    CONTROL_LINE_BYTES = 8 * 1024 * 1024,
    /* A body goes in parts of this size, the last one smaller; each is answered before the next. */
    CONTROL_PART_BYTES = 60 * 1024,
};

enum control_kind { CONTROL_LIST, CONTROL_READ, CONTROL_CHANGE, CONTROL_PUT, CONTROL_STATS };

struct control_request {
    enum control_kind kind;
    struct queue_selection selection; /* list, change */
    bool by_state;                    /* list */
    enum queue_state state;
    enum queue_change_kind change;
    int64_t id, part;               /* read */
    struct queue_envelope envelope; /* put; its origin is not the asker's to say */
    struct queue_recipient *recipients;
    size_t recipient_count;
    int64_t size_bytes;
};

/* "hold", "release", "retry", "delete". */
const char *control_change_name(enum queue_change_kind change);

/* `line` without its LF. Texts and recipients (at most `recipients_most`) go to the arena. What
 * a put says is sound: addresses are, or the sender is empty. False: ERROR_FORMAT, what is wrong with
 * the request; ERROR_MEMORY. */
MUST_CHECK bool control_request_parse(struct span line, size_t recipients_most, struct arena *arena,
                                      struct control_request *request, struct error *err);

/* The line with its LF. False: it has octets that are no UTF-8, or is too long. */
MUST_CHECK bool control_request_format(const struct control_request *request, struct buffer *out,
                                       struct error *err);
