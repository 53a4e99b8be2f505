/* gateway/bounce.h - the report that tells a sender what became of their message (pure).
 *
 * RFC 3461 section 6 and RFC 3464 (delivery status notifications), RFC 6522 (multipart/report), RFC 3834
 * (answers that no person wrote), RFC 6533 (addresses outside of ASCII, kept within 7 bits). Three parts:
 * words, first for the sender and then for their postmaster; fields for programs; and what comes back
 * of the message. Time, names and the boundary are inputs. What a peer or a sender said adds no line and no
 * field; a report is at most BOUNCE_BYTES_MOST long.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/compiler.h"
#include "diagnose/finding.h"
#include "queue/message.h"

enum {
    BOUNCE_RECIPIENTS_MOST = 100,        /* of one report */
    BOUNCE_HEADER_MOST = 64 * 1024,      /* octets of a header that comes back */
    BOUNCE_RETURNED_MOST = 512 * 1024,   /* a larger message comes back as its header */
    BOUNCE_BYTES_MOST = 2 * 1024 * 1024, /* of a whole report */
};

/* RFC 3464 section 2.3.3. */
enum bounce_action {
    BOUNCE_FAILED,
    BOUNCE_DELAYED,
    BOUNCE_DELIVERED,
    BOUNCE_RELAYED, /* to a server that tells nothing further */
};

/* "failed", "delayed", "delivered", "relayed". */
const char *bounce_action_name(enum bounce_action action);

/* Whether the sender wants to hear of that (RFC 3461 section 4.1); of a report nobody ever does. */
bool bounce_is_wanted(const struct queue_envelope *envelope,
                      const struct queue_recipient *recipient, enum bounce_action action);

struct bounce_recipient {
    const struct queue_recipient *recipient;
    const struct queue_attempt *attempt; /* the last */
    struct span said;                    /* a peer's reply, alone; empty: no peer said anything */
    const struct finding
        *finding; /* cause, proof and remedy of this case; NULL: the catalogue's general
                                      words for attempt->finding, if it has any */
};

struct bounce {
    enum bounce_action action;
    const struct queue_envelope *envelope;     /* of the message that it is about */
    const struct bounce_recipient *recipients; /* 1 to BOUNCE_RECIPIENTS_MOST */
    size_t count;
    struct span message;  /* its first bounce_returned_len() octets */
    const char *hostname; /* ours */
    const char *id;       /* of the report, for its Message-ID */
    const char *boundary; /* 1 to 70 letters and digits that the message cannot know */
    int64_t now_s;
    int64_t retries_until_s; /* of BOUNCE_DELAYED */
};

/* How many octets of the message a report needs. */
size_t bounce_returned_len(enum bounce_action action, const struct queue_envelope *envelope);

/* What the report's envelope has to say of it. */
struct bounce_form {
    bool is_8bit, is_smtputf8;
};

/* Writes the report to `out`, whose limit is BOUNCE_BYTES_MOST; lines end in CRLF. False: no memory. */
MUST_CHECK bool bounce_compose(const struct bounce *bounce, struct buffer *out,
                               struct bounce_form *form);
